//! Operators: a repeated request is one request, and a freeze holds back automation only.

use std::time::Duration;

use schemas::{Observable, Phase};
use uuid::Uuid;

use super::closes::{blocked, proved};
use super::kit::{SQL_INJECTION, World, now};
use super::log::Log;
use super::{addresses, truth};

#[tokio::test]
async fn the_same_request_twice_is_one_decision() {
    let world = World::calm().await;
    let log = Log::of(&world);
    let (client, key) = (addresses::v4(), Uuid::new_v4());
    let (text, key_text) = (client.to_string(), key.to_string());
    let arguments =
        ["block", &text, "--for", "10s", "--reason", "twice", "--idempotency-key", &key_text];
    let first = world.json(&arguments).await;
    truth::refused(&world, client, Duration::from_secs(5)).await;
    let second = world.json(&arguments).await;
    assert_eq!(first["decision_id"], key_text.as_str());
    assert_eq!(first["until"], second["until"], "a repeat must not extend");
    tokio::time::sleep(Duration::from_millis(500)).await;
    let read = log.read();
    let decisions = read.decisions.iter().filter(|at| at.record.decision_id == key).count();
    assert_eq!(decisions, 1);
    let view = truth::view(&read);
    let lease = view.lease(&Observable::client(client)).unwrap();
    assert_eq!(lease.claims.len(), 1);
    assert_eq!(first["until"], lease.claims[0].until);
}

#[tokio::test]
async fn a_freeze_holds_back_automation_and_not_the_operator_until_the_thaw() {
    let world = World::alone().await;
    let log = Log::of(&world);
    let frozen = world.json(&["freeze", "--reason", "a test"]).await;
    assert_eq!(frozen["frozen"], true);
    let outcome = frozen_world(&world, &log).await;
    // Thawed whatever happened, or every later test would fail for it.
    let thawed = world.json(&["thaw", "--reason", "the test is over"]).await;
    assert_eq!(thawed["frozen"], false);
    let (attacker, until) = outcome;
    assert!(until > now(), "the machine was too slow for this test");
    truth::refused(&world, attacker, Duration::from_secs(3)).await;
}

/// Attacks under a freeze; answers who attacked, and until when he is to be blocked.
async fn frozen_world(world: &World, log: &Log) -> (std::net::IpAddr, i64) {
    let status = world.json(&["status"]).await;
    if status["frozen"] != true {
        return (addresses::v4(), 0);
    }
    let (attacker, named) = (addresses::v4(), addresses::v4());
    world.get(attacker, SQL_INJECTION).await;
    let decision = blocked(log, &Observable::client(attacker)).await;
    assert!(decision.frozen, "the decider had not seen the freeze");
    let by_hand =
        world.json(&["block", &named.to_string(), "--for", "20s", "--reason", "by hand"]).await;
    truth::refused(world, named, Duration::from_secs(5)).await;
    let begun = now();
    while now() < begun + 1_500 {
        if world.get(attacker, "/").await.status == 403 {
            return (attacker, 0);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let network = Observable::client(attacker).network();
    if truth::waf(world).await.is_none_or(|networks| networks.contains(&network)) {
        return (attacker, 0);
    }
    let asked = log.wait("the operator's decision", Duration::from_secs(5), |read| {
        let id = by_hand["decision_id"].as_str()?;
        let mut decisions = read.decisions.iter().map(|at| &at.record);
        decisions.find(|decision| decision.decision_id.to_string() == id).cloned()
    });
    proved(log, &asked.await, "envoy", 3, Phase::Apply).await;
    (attacker, decision.until.unwrap_or(0))
}
