//! What a person asks at night: the whole story of one address, and how the loop is doing.

use std::time::Duration;

use schemas::{Observable, Phase};
use serde_json::Value;

use super::addresses;
use super::closes::{blocked, proved};
use super::kit::{SQL_INJECTION, World, eventually, said};
use super::log::Log;

/// The index reads what the tests' own log reader reads, a moment later.
const TOLD_WITHIN: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attack_is_explained_from_its_evidence_to_its_lift_and_counted() {
    let world = World::calm().await;
    let log = Log::of(&world);
    let client = addresses::v4();
    let text = client.to_string();
    world.get(client, SQL_INJECTION).await;
    let decision = blocked(&log, &Observable::client(client)).await;
    proved(&log, &decision, "aws-waf", 2, Phase::Apply).await;
    let until = u64::try_from(decision.until.unwrap() - super::kit::now()).unwrap_or(0);
    tokio::time::sleep(Duration::from_millis(until)).await;
    for (point, level) in [("envoy", 3), ("aws-waf", 2)] {
        proved(&log, &decision, point, level, Phase::Lift).await;
    }

    let id = decision.decision_id.to_string();
    let reply = eventually("the story is told to its end", TOLD_WITHIN, async || {
        let reply = world.json(&["explain", &text]).await;
        has_step(&episode(&reply, &id), "aws-waf", 2, "lift", "effective").then_some(reply)
    })
    .await;
    let episode = episode(&reply, &id);
    let heaviest = episode.pointer("/cause/evidence/0").unwrap();
    assert!(heaviest["weight"].as_f64().unwrap() > 0.0, "{heaviest}");
    for name in ["rule", "place", "value", "explanation", "event_id"] {
        assert!(heaviest[name].as_str().is_some_and(|text| !text.is_empty()), "{name}: {heaviest}");
    }
    assert_eq!(episode["decision"]["action"], "block");
    assert_eq!(episode["decision"]["reason"], "policy");
    assert_eq!(episode["standing"], "ended");
    // Both replicas hold it; that each of them refused a probe is what level 3 at Envoy says.
    for (point, level, phase, state) in [
        ("envoy/0", 0, "apply", "applied"),
        ("envoy/1", 0, "apply", "applied"),
        ("aws-waf", 0, "apply", "applied"),
        ("envoy", 3, "apply", "effective"),
        ("aws-waf", 2, "apply", "effective"),
        ("envoy/0", 0, "lift", "lifted"),
        ("envoy/1", 0, "lift", "lifted"),
        ("envoy", 3, "lift", "effective"),
    ] {
        let told = has_step(&episode, point, level, phase, state);
        assert!(told, "{point} {phase} level {level} {state} is missing in {episode:#}");
    }
    let page = world.perimeter(&["explain", &text]).await;
    assert!(page.status.success() && said(&page).contains("weight +"), "{}", said(&page));

    let kpis = world.json(&["kpis"]).await;
    assert!(kpis["contained"]["count"].as_i64().unwrap() >= 1, "{kpis}");
    assert_eq!(kpis["level"], 3, "{kpis}");
    assert!(kpis["proof_p50_ms"].as_i64().unwrap() > 0, "{kpis}");
    let table = world.perimeter(&["kpis"]).await;
    assert!(table.status.success() && said(&table).contains("contained"), "{}", said(&table));
}

/// The episode of one decision.
fn episode(reply: &Value, decision_id: &str) -> Value {
    let episodes = reply["episodes"].as_array().unwrap();
    let of_decision = episodes.iter().find(|episode| episode["decision_id"] == decision_id);
    of_decision.cloned().unwrap_or_default()
}

fn has_step(episode: &Value, point: &str, level: i64, phase: &str, state: &str) -> bool {
    episode["steps"].as_array().into_iter().flatten().any(|step| {
        step["point"] == point
            && step["level"] == level
            && step["phase"] == phase
            && step["state"] == state
    })
}
