//! The model that comes with this version.

use std::collections::BTreeSet;

use detect::model::{Model, ModelFile, SHIPPED};
use detect::offline::metrics::allowance;
use detect::offline::rows::{Row, parse};
use detect::signatures::Signatures;
use detect::{Detector, Reader};

/// Names the file of labelled rows, where it is at hand.
const ROWS: &str = "PERIMETER_ROWS";

fn file() -> ModelFile {
    serde_json::from_str(SHIPPED).expect("the shipped model is a model file")
}

#[test]
fn the_shipped_model_weighs_only_signatures_that_are_built_in() {
    let signatures = Signatures::built_in().expect("the packs are valid");
    let known: BTreeSet<&str> = signatures.iter().map(|found| found.id.as_str()).collect();
    let file = file();
    let unknown: Vec<&String> =
        file.signatures.keys().filter(|id| !known.contains(id.as_str())).collect();
    assert!(unknown.is_empty(), "train again, these are gone: {unknown:?}");
    assert!(!Model::shipped(&signatures).without_model);
    assert!(file.signatures.len() > 100 && file.evidence <= file.alone);
}

#[test]
fn nobody_gains_by_an_evasive_mark() {
    let features = file().features;
    let marks: Vec<_> = features.iter().filter(|(name, _)| name.starts_with("mark.")).collect();
    assert!(marks.len() > 5, "{marks:?}");
    assert!(marks.iter().all(|(_, weight)| **weight >= 0.0), "{marks:?}");
}

#[test]
fn the_shipped_detector_tells_an_attack_from_a_page() {
    let detector = Detector::shipped(0.001);
    let mut reader = Reader::default();
    let mut llr = |uri: &str| {
        let request = detect::Request {
            method: b"GET",
            uri: uri.as_bytes(),
            agent: None,
            referer: None,
            headers: &[],
            body: None,
        };
        detector.score(&mut reader, &request).llr
    };
    assert!(llr("/shop/shoes?size=42&colour=dark+blue") < detector.model.evidence);
    assert!(llr("/shop?id=7'+union+select+login,secret+from+staff--+-") >= detector.model.alone);
}

#[test]
fn its_thresholds_hold_the_shares_that_they_promise() {
    let Some(path) = std::env::var_os(ROWS) else {
        eprintln!("skipped: {ROWS} names no file of rows");
        return;
    };
    let text = std::fs::read_to_string(path).expect("the file of rows can be read");
    let rows = parse(&text).expect("the rows are valid");
    let detector = Detector::shipped(0.001);
    let mut reader = Reader::default();
    let mut reach = |tier: &str, threshold: f32| {
        let tier: Vec<&Row> = rows.iter().filter(|row| !row.attack() && row.tier == tier).collect();
        let llrs = tier.iter().map(|row| row.request(|all| detector.score(&mut reader, all).llr));
        (llrs.filter(|llr| *llr >= threshold).count(), tier.len())
    };
    let model = &detector.model;
    for (tier, threshold, bar, of) in [
        ("plain", model.evidence, 21, 21_100),
        ("hard", model.evidence, 31, 6_265),
        ("plain", model.alone, 2, 21_100),
    ] {
        let (false_alarms, rows) = reach(tier, threshold);
        assert!(false_alarms <= allowance(bar, of, rows), "{tier}: {false_alarms} of {rows}");
    }
}
