//! Which blocks there were to prove, and when each was proved.

use loadtest::load::expected::{Blocks, Expected, Micros};
use schemas::{
    Action, Decision, Effect, Millis, Mode, Observable, Origin, Outcome, Phase, Verdict,
};
use uuid::Uuid;

/// When the steady part begins.
const STEADY_MS: Millis = 20_000;

fn client() -> Observable {
    Observable::client("81.2.69.142".parse().unwrap())
}

/// Attacks of one client at these times.
fn attacked(at: &[Millis]) -> Expected {
    let mut expected = Expected::new([client()], STEADY_MS * 1_000);
    for at in at {
        expected.attack(&client(), *at, at * 1_000);
    }
    expected
}

pub(crate) fn block(observable: Observable, detected_at: Millis) -> Decision {
    Decision {
        decision_id: Uuid::from_u128(detected_at.unsigned_abs().into()),
        until: Some(detected_at + 60_000),
        strikes: 1,
        detected_at: Some(detected_at),
        ..Decision::by_pipeline(Action::Block, observable)
    }
}

/// What proves a block at Envoy.
pub(crate) fn proof(decision: &Decision) -> Outcome {
    Outcome {
        outcome_id: Uuid::nil(),
        decision_id: decision.decision_id,
        observable: decision.observable.clone(),
        point: "envoy".to_owned(),
        level: 3,
        phase: Phase::Apply,
        effect: Effect::Effective,
        change: 0,
        action: Action::Block,
        origin: Origin::Pipeline,
        until: decision.until,
        detected_at: decision.detected_at,
        verified_at: 0,
        verdict: Verdict::InsufficientData,
        reason: String::new(),
    }
}

#[track_caller]
fn check(expected: &Expected, decided: u64, proved: u64) {
    assert_eq!(expected.blocks(), Blocks { decided, proved });
    assert_eq!(expected.proved().count, proved);
}

#[test]
fn a_block_that_is_never_proved_is_not_forgotten() {
    let mut expected = attacked(&[20_000, 23_000]);
    for at in [20_000, 23_000] {
        expected.decision(&block(client(), at), at + 5);
    }
    expected.outcome(&proof(&block(client(), 20_000)), 20_150_000);
    check(&expected, 2, 1);
    assert!((expected.proved().max - 150.0).abs() < 0.2, "{:?}", expected.proved());
}

#[test]
fn a_proof_counts_once_however_late_and_in_whatever_order_it_comes() {
    let mut expected = attacked(&[20_000]);
    let decision = block(client(), 20_000);
    let read_at: Micros = 26_000_000;
    let absent = Outcome { effect: Effect::Absent, ..proof(&decision) };
    let (late, again) =
        (Outcome { change: 1, ..proof(&decision) }, Outcome { change: 3, ..proof(&decision) });
    for outcome in [absent, late, again] {
        expected.outcome(&outcome, read_at);
    }
    expected.decision(&decision, 20_005);
    check(&expected, 1, 1);
    assert!((expected.proved().max - 6_000.0).abs() < 6.0, "{:?}", expected.proved());
}

#[test]
fn only_what_shows_a_block_at_envoy_proves_it() {
    let mut expected = attacked(&[20_000]);
    let decision = block(client(), 20_000);
    expected.decision(&decision, 20_005);
    for outcome in [
        Outcome { level: 2, ..proof(&decision) },
        Outcome { point: "envoy/0".to_owned(), level: 1, ..proof(&decision) },
        Outcome { phase: Phase::Lift, ..proof(&decision) },
        Outcome { detected_at: Some(19_999), ..proof(&decision) },
    ] {
        expected.outcome(&outcome, 20_100_000);
    }
    check(&expected, 1, 0);
}

#[test]
fn what_is_no_block_of_the_steady_part_is_not_waited_for() {
    let mut expected = attacked(&[10_000, 20_000, 23_000, 26_000, 29_000]);
    let observed = Decision { action: Action::Observe, until: None, ..block(client(), 23_000) };
    let simulated = Decision { mode: Mode::Simulated, ..block(client(), 26_000) };
    let frozen = Decision { frozen: true, ..block(client(), 29_000) };
    for decision in [block(client(), 10_000), observed, simulated, frozen] {
        expected.decision(&decision, 29_005);
    }
    // Over before it was published, and nobody's.
    expected.decision(&block(client(), 20_000), 80_001);
    expected.decision(&block(client(), 21_000), 21_005);
    expected.outcome(&proof(&block(client(), 10_000)), 10_100_000);
    check(&expected, 0, 0);
}
