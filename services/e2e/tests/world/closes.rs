//! One attack in, one block proved, lifted at `until`.

use std::net::IpAddr;
use std::time::Duration;

use schemas::{Action, Decision, Effect, Observable, Outcome, Phase};

use super::kit::{SQL_INJECTION, World, figure, now};
use super::log::Log;
use super::{addresses, truth};

/// A proof takes 1.5 s at most when nothing is wrong; a busy machine gets more.
pub(crate) const PROVED_WITHIN: Duration = Duration::from_secs(8);
/// How long after `until` a lift may be on its way.
const LIFTED_WITHIN_MS: i64 = 2_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_attack_is_blocked_and_proved_and_lifted_on_time() {
    let world = World::calm().await;
    let log = Log::of(&world);
    tokio::join!(story(&world, &log, addresses::v4()), story(&world, &log, addresses::v6()));
}

async fn story(world: &World, log: &Log, client: IpAddr) {
    let observable = Observable::client(client);
    assert_eq!(world.get(client, "/").await.status, 200, "a client that did nothing");
    world.get(client, SQL_INJECTION).await;
    let decision = blocked(log, &observable).await;
    let proof = proved(log, &decision, "envoy", 3, Phase::Apply).await;
    let refused = world.get(client, "/").await;
    assert_eq!(refused.status, 403);
    assert_eq!(
        refused.header("x-perimeter-decision"),
        Some(decision.decision_id.to_string().as_str())
    );
    proved(log, &decision, "aws-waf", 2, Phase::Apply).await;
    assert!(truth::waf(world).await.unwrap().contains(&observable.network()));
    let key = format!("lease:{observable}");
    let shown = world.redis(&["GET", &key]).await.unwrap().join("");
    assert!(shown.contains(&decision.decision_id.to_string()), "{key} is {shown}");

    let until = decision.until.unwrap();
    let mut refused_last = now();
    let passed_at = loop {
        let asked_at = now();
        match world.get(client, "/").await.status {
            403 => refused_last = asked_at,
            200 => break now(),
            other => panic!("{client} was answered {other}"),
        }
        assert!(now() < until + 2 * LIFTED_WITHIN_MS, "{client} is still refused");
        tokio::time::sleep(Duration::from_millis(25)).await;
    };
    assert!(passed_at >= until - 200, "let in {} ms early", until - passed_at);
    assert!(refused_last <= until + LIFTED_WITHIN_MS, "{} ms late", refused_last - until);
    proved(log, &decision, "envoy", 3, Phase::Lift).await;
    let lifted = proved(log, &decision, "aws-waf", 2, Phase::Lift).await;
    figure(&format!(
        "loop: {observable} proved at level 3 {} ms after the attack; let in {} ms after until, the WAF's lift read back after {} ms",
        proof.verified_at - decision.detected_at.unwrap(),
        passed_at - until,
        lifted.verified_at - until
    ));
    assert!(!truth::waf(world).await.unwrap().contains(&observable.network()));
    assert_eq!(world.redis(&["EXISTS", &key]).await.unwrap(), [":0"]);
}

/// Waits for the one decision to block an observable.
pub(crate) async fn blocked(log: &Log, observable: &Observable) -> Decision {
    log.wait(&format!("a decision to block {observable}"), PROVED_WITHIN, |read| {
        let decisions = read.decisions.iter().map(|at| &at.record);
        decisions
            .filter(|decision| decision.observable == *observable)
            .find(|decision| decision.action == Action::Block)
            .cloned()
    })
    .await
}

/// Waits until a decision's application or lift is proved at a point's level.
pub(crate) async fn proved(
    log: &Log,
    decision: &Decision,
    point: &str,
    level: i32,
    phase: Phase,
) -> Outcome {
    let what = format!("{phase:?} of {} proved at {point}, level {level}", decision.observable);
    log.wait(&what, PROVED_WITHIN, |read| {
        let outcomes = read.outcomes.iter().map(|at| &at.record);
        let of_decision = outcomes.filter(|outcome| outcome.decision_id == decision.decision_id);
        of_decision
            .filter(|outcome| outcome.point == point && outcome.level == level)
            .find(|outcome| outcome.phase == phase && outcome.effect == Effect::Effective)
            .cloned()
    })
    .await
}

/// One attack from a new address, proved: the loop closes.
pub(crate) async fn closes(world: &World, log: &Log) {
    let client = addresses::v4();
    world.get(client, SQL_INJECTION).await;
    let decision = blocked(log, &Observable::client(client)).await;
    proved(log, &decision, "envoy", 3, Phase::Apply).await;
}
