//! Every record that OCSF documents are made of makes a valid one, and the validator refuses what is not.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

#[allow(dead_code, reason = "only two of its records are told as OCSF")]
#[path = "../../../../../schemas/tests/common/mod.rs"]
mod common;
mod valid;

use std::path::Path;

use observe::documents::{self, Document};
use observe::ocsf;
use proptest::prelude::*;
use schemas::{Activity, Decision, Detection, Outcome};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use valid::validate;

/// Every example of a record, by name.
fn examples<R: DeserializeOwned>(record: &str) -> Vec<(String, R)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../schemas/examples")
        .join(record)
        .join("v1");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let read = |path: std::path::PathBuf| {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        (name, serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap())
    };
    files.filter(|path| path.extension().is_some_and(|end| end == "json")).map(read).collect()
}

fn example<R: DeserializeOwned>(record: &str, name: &str) -> R {
    let mut examples = examples(record).into_iter();
    examples.find_map(|(found, record)| (found == name).then_some(record)).unwrap()
}

fn found(detection: &Detection) -> Value {
    serde_json::to_value(ocsf::detection(detection)).unwrap()
}

fn became(outcome: &Outcome) -> Value {
    serde_json::to_value(ocsf::outcome(outcome)).unwrap()
}

fn finding() -> Value {
    found(&example("detection", "sql-injection"))
}

fn activity() -> Value {
    became(&example("outcome", "effective"))
}

#[track_caller]
fn check(document: &Value, expected: &[(&str, Value)]) {
    assert_eq!(validate(document), Ok(()), "{document:#}");
    for (pointer, value) in expected {
        assert_eq!(document.pointer(pointer), Some(value), "{pointer} of {document:#}");
    }
}

#[test]
fn every_example_is_told_in_a_valid_document() {
    let findings: Vec<(String, Detection)> = examples("detection");
    let activities: Vec<(String, Outcome)> = examples("outcome");
    assert!(findings.len() >= 2 && activities.len() >= 2);
    for (_, detection) in findings {
        check(&found(&detection), &[("/metadata/uid", json!(detection.detection_id))]);
    }
    for (_, outcome) in activities {
        check(&became(&outcome), &[("/metadata/uid", json!(outcome.outcome_id))]);
    }
}

#[test]
fn a_detection_is_a_finding_with_its_evidence() {
    check(
        &finding(),
        &[
            ("/type_uid", json!(200_401)),
            ("/severity", json!("Critical")),
            ("/confidence_score", json!(99)),
            ("/time", json!(1_795_267_200_000_i64)),
            ("/metadata/version", json!(ocsf::VERSION)),
            ("/finding_info/title", json!("SQL injection from 81.2.69.142")),
            ("/finding_info/attacks/0/technique/uid", json!("T1190")),
            ("/evidences/0/src_endpoint/ip", json!("81.2.69.142")),
            ("/evidences/0/data/value", json!("1' or '1'='1")),
            ("/observables/0/type_id", json!(2)),
            ("/unmapped/provenance", json!("proxy_asserted")),
        ],
    );
}

#[test]
fn a_detection_without_evidence_still_says_whom_it_is_about() {
    check(
        &found(&example("detection", "without-evidence")),
        &[
            ("/evidences/0/src_endpoint/ip", json!("2a00:1450:0:5::")),
            ("/evidences/0/src_endpoint/name", json!("2a00:1450:0:5::/64")),
            ("/observables/0/type", json!("Subnet")),
            ("/observables/0/value", json!("2a00:1450:0:5::/64")),
        ],
    );
}

#[test]
fn an_outcome_is_a_remediation_that_holds_or_does_not() {
    check(
        &activity(),
        &[
            ("/type_uid", json!(700_401)),
            ("/activity_name", json!("Isolate")),
            ("/status", json!("Success")),
            ("/status_code", json!("effective")),
            ("/severity_id", json!(1)),
            ("/command_uid", json!("0191e2c4-5a51-7cc3-98c4-dc0c0c07398f")),
            ("/message", json!("apply block of 81.2.69.142 at envoy: effective, level 3")),
            ("/unmapped/point", json!("envoy")),
            ("/unmapped/level", json!(3)),
        ],
    );
    check(
        &became(&example("outcome", "absent")),
        &[
            ("/activity_name", json!("Restore")),
            ("/status", json!("Failure")),
            ("/status_detail", json!("nothing holds it")),
            ("/severity", json!("High")),
            ("/unmapped/verdict", json!("false_positive")),
        ],
    );
}

#[test]
fn a_finding_and_what_became_of_it_are_found_together() {
    let detection: Detection = example("detection", "sql-injection");
    let outcome: Outcome = example("outcome", "effective");
    let outcome = Outcome { decision_id: Decision::id(detection.detection_id), ..outcome };
    let together = |document: &Value| document["metadata"]["correlation_uid"].clone();
    assert_eq!(together(&found(&detection)), together(&became(&outcome)));
}

#[test]
fn our_own_finding_can_be_read_again() {
    let bytes = serde_json::to_vec(&finding()).unwrap();
    let Ok(Document::Observed(observed)) = documents::read(&bytes) else { panic!("not read") };
    let observation = observed.into_iter().next().unwrap().unwrap().observation;
    assert_eq!(observation.activity, Activity::Finding);
    assert_eq!(observation.client.to_string(), "81.2.69.142");
    assert_eq!(observation.finding.as_deref(), Some("SQL injection from 81.2.69.142"));
}

proptest! {
    #![proptest_config(common::cases(64))]

    #[test]
    fn every_detection_there_can_be_is_told_in_a_valid_document(detection in common::detection()) {
        let document = found(&detection);
        prop_assert_eq!(validate(&document), Ok(()), "{:#}", document);
    }

    #[test]
    fn every_outcome_there_can_be_is_told_in_a_valid_document(outcome in common::outcome()) {
        let document = became(&outcome);
        prop_assert_eq!(validate(&document), Ok(()), "{:#}", document);
    }
}

/// What is wrong, in which document, where, and what stands there instead.
type Wrong = (&'static str, fn() -> Value, &'static str, Value);

#[test]
fn the_validator_refuses_what_the_schema_does_not_allow() {
    let wrong: [Wrong; 10] = [
        ("a class that is not ours", finding, "/class_uid", json!(2001)),
        ("a text where a number belongs", finding, "/time", json!("yesterday")),
        ("a severity that there is not", finding, "/severity_id", json!(7)),
        ("another activity than its type says", finding, "/type_uid", json!(200_403)),
        ("no address", finding, "/evidences/0/src_endpoint/ip", json!("81.2.69.0/24")),
        ("evidence of nothing", finding, "/evidences/0", json!({ "name": "a rule" })),
        ("an endpoint without a name", finding, "/evidences/0/src_endpoint", json!({ "port": 1 })),
        ("an attribute that there is not", finding, "/finding_info/colour", json!("red")),
        ("no product", activity, "/metadata", json!({ "version": "1.8.0" })),
        ("no direction", activity, "/connection_info", json!({ "protocol_ver_id": 4 })),
    ];
    for (what, document, pointer, value) in wrong {
        let mut document = document();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let parent = document.pointer_mut(parent).unwrap();
        match parent.as_array_mut() {
            Some(array) => array[name.parse::<usize>().unwrap()] = value,
            None => parent[name] = value,
        }
        assert!(validate(&document).is_err(), "{what}: {document:#}");
    }
    for (document, names) in [
        (finding(), &["metadata", "finding_info", "time", "activity_id", "severity_id"][..]),
        (activity(), &["metadata", "command_uid", "connection_info", "category_uid"][..]),
    ] {
        for name in names {
            let mut document = document.clone();
            document.as_object_mut().unwrap().remove(*name);
            assert!(validate(&document).is_err(), "without {name}: {document:#}");
        }
    }
}

#[test]
fn the_guide_shows_the_document_that_is_made() {
    let guide = include_str!("../../../../../docs/guides/read-it-as-ocsf.md");
    let shown = guide.split("```json\n").nth(1).unwrap().split("```").next().unwrap();
    assert_eq!(serde_json::from_str::<Value>(shown).unwrap(), activity());
}
