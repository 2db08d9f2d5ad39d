//! What others read of the loop: a finding for the attack and a document for its proof, valid by the published schema.

use std::time::Duration;

use schemas::{Observable, Phase};
use serde_json::{Value, json};

use super::closes::{blocked, proved};
use super::kit::{SQL_INJECTION, World, figure};
use super::log::Log;
use super::{addresses, valid};

const TOLD_WITHIN: Duration = Duration::from_secs(10);

#[tokio::test]
async fn an_attack_and_its_proof_are_told_as_ocsf() {
    let world = World::calm().await;
    let log = Log::of(&world);
    for client in [addresses::v4(), addresses::v6()] {
        world.get(client, SQL_INJECTION).await;
        let decision = blocked(&log, &Observable::client(client)).await;
        let proof = proved(&log, &decision, "envoy", 3, Phase::Apply).await;
        let detection_id = decision.detection_id.unwrap();
        let finding = told(&log, detection_id, "the finding").await;
        let activity = told(&log, proof.outcome_id, "the proof").await;
        for document in [&finding, &activity] {
            assert_eq!(valid::validate(document), Ok(()), "{document:#}");
            assert_eq!(document["metadata"]["correlation_uid"], json!(decision.decision_id));
        }
        assert_eq!(finding["class_uid"], 2004);
        let rule = finding["evidences"][0]["name"].as_str().unwrap();
        assert!(rule.starts_with("sql"), "{rule}");
        assert_eq!(activity["class_uid"], 7004);
        assert_eq!(
            (&activity["status"], &activity["unmapped"]["level"]),
            (&json!("Success"), &json!(3))
        );
    }
    let documents = log.read().ocsf.clone();
    for document in &documents {
        assert_eq!(valid::validate(document), Ok(()), "{document:#}");
    }
    figure(&format!("OCSF: {} documents, every one valid", documents.len()));
}

/// Waits for the document of one record.
async fn told(log: &Log, id: uuid::Uuid, what: &str) -> Value {
    log.wait(what, TOLD_WITHIN, |read| {
        read.ocsf.iter().find(|document| document["metadata"]["uid"] == json!(id)).cloned()
    })
    .await
}
