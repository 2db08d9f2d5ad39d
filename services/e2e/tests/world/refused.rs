//! What nobody may block: refused at the decider, and again at the executor.

use std::time::Duration;

use schemas::{Decision, Enforcement, Limits, Millis, Observable, Origin, Status};
use uuid::Uuid;

use super::kit::{World, deep, now, said};
use super::log::Log;
use super::{addresses, truth};

const ANSWERED_WITHIN: Duration = Duration::from_secs(10);
const TEN_YEARS_MS: Millis = 10 * 365 * 24 * 3_600_000;
/// What the demo's policy trusts as its proxy is 127.0.0.1 itself.
const NEVER: [&str; 10] = [
    "192.168.1.0/24",
    "127.0.0.1",
    "::ffff:10.0.0.1",
    "0.0.0.0/0",
    "203.0.113.42",
    "::/0",
    "10.0.0.0/8",
    "::1",
    "fe80::/10",
    "224.0.0.1",
];

#[tokio::test]
async fn f2_the_decider_refuses_what_is_protected_with_a_reason_and_exit_code_3() {
    let world = World::calm().await;
    for address in NEVER {
        let arguments = ["block", address, "--for", "5m", "--reason", "a mistake"];
        let output = world.perimeter(&arguments).await;
        assert_eq!(output.status.code(), Some(3), "{address}: {}", said(&output));
        let reason = said(&output);
        assert!(reason.contains("protected") || reason.contains("wider"), "{address}: {reason}");
    }
    let long = ["block", "81.2.69.142", "--for", "3650d", "--reason", "for ever"];
    let output = world.perimeter(&long).await;
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
}

#[tokio::test]
async fn f1_the_executor_refuses_every_decision_that_a_broken_decider_wrote() {
    let world = World::calm().await;
    let log = Log::of(&world);
    let mut asked: Vec<Uuid> = Vec::new();
    for round in 0..if deep() { 100 } else { 5 } {
        for address in NEVER {
            let mut decision = truth::block(address.parse().unwrap(), now() + 600_000);
            if round % 2 == 1 {
                decision.origin = Origin::Pipeline;
            }
            log.publish(&decision).await;
            asked.push(decision.decision_id);
        }
    }
    let refusals = refusals(&log, &asked).await;
    assert!(
        refusals.iter().all(|refusal| refusal.point == "executor" && !refusal.reason.is_empty())
    );
    never_leased(&log, &asked);
    let networks = truth::waf(&world).await.unwrap();
    let protected = world.policy().protected();
    assert!(!networks.iter().any(|network| protected.overlap(*network).is_some()), "{networks:?}");
    assert_eq!(world.get("203.0.113.42".parse().unwrap(), "/").await.status, 200);
}

#[tokio::test]
async fn tm9_a_decision_without_a_good_end_is_refused_and_one_of_ten_years_is_capped() {
    let world = World::calm().await;
    let log = Log::of(&world);
    let limits = Limits::default();
    let mut refused: Vec<Uuid> = Vec::new();
    for origin in [Origin::Pipeline, Origin::Operator] {
        for until in [None, Some(0), Some(-5), Some(now() - 1_000)] {
            let mut decision = truth::block(Observable::client(addresses::v4()), 0);
            (decision.origin, decision.until) = (origin, until);
            log.publish(&decision).await;
            refused.push(decision.decision_id);
        }
    }
    refusals(&log, &refused).await;
    never_leased(&log, &refused);
    for (origin, longest) in
        [(Origin::Pipeline, limits.automatic_max_ms), (Origin::Operator, limits.operator_max_ms)]
    {
        let observable = Observable::client(addresses::v4());
        let mut decision = truth::block(observable.clone(), now() + TEN_YEARS_MS);
        decision.origin = origin;
        log.publish(&decision).await;
        let claim = log
            .wait("the lease of a decision of ten years", ANSWERED_WITHIN, |read| {
                truth::view(read).lease(&observable)?.claim(origin).cloned()
            })
            .await;
        assert_eq!(claim.until, claim.decided_at + longest, "{origin:?}");
        world.json(&["unblock", &observable.to_string(), "--for", "1m", "--reason", "done"]).await;
    }
}

/// Waits until every one of these decisions was refused.
async fn refusals(log: &Log, asked: &[Uuid]) -> Vec<Enforcement> {
    log.wait("a refusal of every decision", ANSWERED_WITHIN, |read| {
        let refusals = read.enforcements.iter().map(|at| &at.record);
        let refusals: Vec<Enforcement> = refusals
            .filter(|said| said.status == Status::Refused && asked.contains(&said.decision_id))
            .cloned()
            .collect();
        let refused = |id: &Uuid| refusals.iter().any(|refusal| refusal.decision_id == *id);
        asked.iter().all(refused).then_some(refusals)
    })
    .await
}

fn never_leased(log: &Log, asked: &[Uuid]) {
    let read = log.read();
    let view = truth::view(&read);
    let claims = view.leases().flat_map(|lease| &lease.claims);
    let leased: Vec<Uuid> =
        claims.map(|claim| claim.decision_id).filter(|id| asked.contains(id)).collect();
    assert!(leased.is_empty(), "in force though refused: {leased:?}");
    let applied =
        |said: &Enforcement| said.status == Status::Applied && asked.contains(&said.decision_id);
    assert!(!read.enforcements.iter().any(|at| applied(&at.record)));
    let of: Vec<&Decision> = read.decisions.iter().map(|at| &at.record).collect();
    assert!(asked.iter().all(|id| of.iter().any(|decision| decision.decision_id == *id)));
}
