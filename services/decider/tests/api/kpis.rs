//! The key figures: what each counts, and how sure a share of so few is.

use decider::logic::kpis::{Block, Retained, Word, figures, percentile, share};
use proptest::prelude::*;
use proto::v1::KpisRequest;
use schemas::{Action, Effect, Origin, Outcome};

use super::common::{MINUTE, SECOND, detection, operator};
use super::{Api, IP, NOW, proved};

/// Blocked at 0 for five minutes, detected 10 ms before, proved after 50, lifted 40 after its end.
fn block() -> Block {
    Block {
        network: "81.2.69.142/32".parse().unwrap(),
        detected_at: Some(-10),
        decided_at: 0,
        until: 5 * MINUTE,
        proved_at: Some(50),
        lifted_at: Some(5 * MINUTE + 40),
    }
}

fn word(action: Action, network: &str, at: i64) -> Word {
    let network = network.parse().unwrap();
    Word { network, action, origin: Origin::Operator, at, until: at + 10 * MINUTE }
}

/// Compares contained, false positives and lifted on time, each as a count of how many.
#[track_caller]
fn check(block: Block, words: &[Word], now: i64, expected: [(usize, usize); 3]) {
    let retained = Retained { blocks: vec![block], words: words.to_vec(), ..Retained::default() };
    let figures = figures(&retained, now);
    let shares = [figures.contained, figures.false_positives, figures.lifted_on_time];
    assert_eq!(shares.map(|share| (share.count, share.of)), expected);
}

#[test]
fn a_block_is_judged_when_it_had_its_time_or_is_over() {
    let unproved = Block { proved_at: None, ..block() };
    let brief = Block { until: 15 * SECOND, lifted_at: Some(15 * SECOND + 40), ..block() };
    check(block(), &[], 29 * SECOND, [(0, 0), (0, 1), (0, 0)]);
    check(block(), &[], 30 * SECOND, [(1, 1), (0, 1), (0, 0)]);
    check(unproved, &[], 30 * SECOND, [(0, 1), (0, 1), (0, 0)]);
    check(brief, &[], 15 * SECOND, [(1, 1), (0, 1), (0, 0)]);
    check(
        Block { proved_at: Some(5 * MINUTE), ..block() },
        &[],
        6 * MINUTE,
        [(0, 1), (0, 1), (0, 0)],
    );
}

#[test]
fn a_lift_is_on_time_within_five_seconds_of_the_end_and_not_judged_where_nobody_can_see_it() {
    let late = Block { lifted_at: Some(5 * MINUTE + 5 * SECOND + 1), ..block() };
    let now = 5 * MINUTE + 30 * SECOND;
    check(block(), &[], now - 1, [(1, 1), (0, 1), (0, 0)]);
    check(block(), &[], now, [(1, 1), (0, 1), (1, 1)]);
    check(late.clone(), &[], now, [(1, 1), (0, 1), (0, 1)]);
    check(Block { lifted_at: None, ..block() }, &[], now, [(1, 1), (0, 1), (0, 1)]);
    let anew = [word(Action::Block, "81.2.69.0/24", 5 * MINUTE + SECOND)];
    check(late, &anew, now, [(1, 1), (0, 1), (0, 0)]);
}

#[test]
fn what_an_operator_lets_in_again_is_a_false_positive_and_its_end() {
    let allow = |network, at| [word(Action::Allow, network, at)];
    let now = 10 * MINUTE;
    let lifted = Block { lifted_at: Some(MINUTE + 80), ..block() };
    check(lifted.clone(), &allow("81.2.69.0/24", MINUTE), now, [(1, 1), (1, 1), (1, 1)]);
    check(lifted, &allow("81.2.69.142/32", MINUTE), MINUTE, [(1, 1), (1, 1), (0, 0)]);
    // Before it, after it, about somebody else, and not by an operator.
    check(block(), &allow("81.2.69.142/32", -SECOND), now, [(1, 1), (0, 1), (1, 1)]);
    check(block(), &allow("81.2.69.142/32", 6 * MINUTE), now, [(1, 1), (0, 1), (1, 1)]);
    check(block(), &allow("81.2.69.143/32", MINUTE), now, [(1, 1), (0, 1), (1, 1)]);
    let feed = Word { origin: Origin::Feed, ..word(Action::Allow, "81.2.69.0/24", MINUTE) };
    check(block(), &[feed], now, [(1, 1), (0, 1), (1, 1)]);
}

#[test]
fn percentiles_are_values_that_were_measured() {
    let hundred: Vec<i64> = (1..=100).collect();
    for (values, percent, expected) in [
        (&hundred[..], 50, 50),
        (&hundred, 99, 99),
        (&hundred[..1], 99, 1),
        (&hundred[..3], 50, 2),
        (&[], 50, 0),
    ] {
        assert_eq!(percentile(values, percent), expected, "p{percent} of {}", values.len());
    }
}

#[test]
fn intervals_are_wilsons() {
    for (count, of, low, high) in
        [(9, 10, 0.5958, 0.9821), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (1, 1, 0.2065, 1.0)]
    {
        let share = share(count, of);
        assert!((share.low - low).abs() < 5e-5, "{share:?}");
        assert!((share.high - high).abs() < 5e-5, "{share:?}");
    }
    assert_eq!(share(0, 0).of, 0);
}

proptest! {
    #[test]
    fn an_interval_holds_its_share_and_narrows_with_more(count in 0_usize..1_000, more in 0_usize..1_000) {
        prop_assume!(count + more > 0);
        let few = share(count, count + more);
        prop_assert!(0.0 <= few.low && few.low <= few.share);
        prop_assert!(few.share <= few.high && few.high <= 1.0);
        let many = share(10 * count, 10 * (count + more));
        prop_assert!(many.high - many.low <= few.high - few.low);
    }
}

#[tokio::test]
async fn the_figures_are_counted_from_what_was_told() {
    let mut api = Api::new();
    api.shared.index.take(NOW - 80, detection(IP, NOW - 100), false);
    let decision = api.blocked();
    api.shared.index.take(NOW, proved(&decision, "envoy", 3), false);
    api.shared.index.take(NOW, proved(&decision, "aws-waf", 2), false);
    api.decided(&operator(Action::Allow, IP, NOW + 2 * SECOND, MINUTE));
    api.read();
    api.shared.clock.advance(40 * SECOND);
    let (mut client, _serving) = api.query().await;
    let reply = client.kpis(KpisRequest {}).await.unwrap().into_inner();
    assert_eq!((reply.detections, reply.blocks, reply.simulated, reply.active), (1, 1, 0, 1));
    assert_eq!((reply.proofs, reply.proof_p50_ms, reply.proof_p99_ms), (1, 180, 180));
    let undone = reply.false_positives.unwrap();
    assert_eq!((undone.count, undone.of, undone.share), (1, 1, 1.0));
}

#[tokio::test]
async fn a_block_counts_as_proved_at_the_highest_level_at_which_the_verifier_looks() {
    use Effect::{Absent, Effective};
    /// Point, level and effect of one outcome.
    type Said = (&'static str, i32, Effect);
    let said: [(&[Said], i32, i64); 5] = [
        (&[], 0, 0),
        (&[("envoy/0", 1, Effective)], 1, 1),
        (&[("envoy/0", 1, Effective), ("aws-waf", 2, Effective)], 2, 1),
        (&[("envoy/0", 1, Effective), ("aws-waf", 2, Absent)], 2, 0),
        // It looks further, in vain: then less is not enough.
        (&[("envoy/0", 1, Effective), ("aws-waf", 2, Effective), ("envoy", 3, Absent)], 3, 0),
    ];
    for (outcomes, level, proofs) in said {
        let mut api = Api::new();
        let decision = api.blocked();
        for (point, level, effect) in outcomes {
            let outcome = Outcome { effect: *effect, ..proved(&decision, point, *level) };
            api.shared.index.take(NOW, outcome, false);
        }
        api.read();
        api.shared.clock.advance(40 * SECOND);
        let (mut client, _serving) = api.query().await;
        let reply = client.kpis(KpisRequest {}).await.unwrap().into_inner();
        let contained = reply.contained.unwrap();
        let expected = (level, proofs, proofs, 1);
        assert_eq!((reply.level, reply.proofs, contained.count, contained.of), expected);
    }
}
