//! A rough count over labelled requests: which share the packs touch. Skipped where no file is named.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use crate::packs::{Seen, Signature, signatures};

/// The summed prior that an attack should reach, and the one that a benign value should stay under.
const ATTACK: f64 = 6.0;
const BENIGN: f64 = 3.0;

/// Values of a request, each with whether it is a name.
fn values(row: &Value) -> Vec<(String, bool)> {
    let text = |name: &str| row[name].as_str().unwrap_or_default();
    let (path, query) = text("uri").split_once('?').unwrap_or((text("uri"), ""));
    let mut out = vec![(path.to_owned(), false)];
    for part in [query, text("body")] {
        match serde_json::from_str::<Value>(part) {
            Ok(json) if json.is_object() || json.is_array() => strings(&json, &mut out),
            _ if part.starts_with(['<', '-']) => out.push((part.to_owned(), false)),
            _ => pairs(part, &mut out),
        }
    }
    let headers = row["headers"].as_object();
    let skipped = ["host", "accept", "content-type"];
    out.extend(
        headers
            .into_iter()
            .flatten()
            .filter(|(name, _)| !skipped.contains(&name.to_lowercase().as_str()))
            .filter_map(|(_, value)| value.as_str().map(|text| (text.to_owned(), false))),
    );
    out
}

fn pairs(part: &str, out: &mut Vec<(String, bool)>) {
    for pair in part.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        out.push((name.replace('+', " "), true));
        out.push((value.replace('+', " "), false));
    }
}

fn strings(json: &Value, out: &mut Vec<(String, bool)>) {
    match json {
        Value::String(text) => out.push((text.clone(), false)),
        Value::Array(items) => items.iter().for_each(|item| strings(item, out)),
        Value::Object(items) => items.iter().for_each(|(name, item)| {
            out.push((name.clone(), true));
            strings(item, out);
        }),
        _ => {}
    }
}

/// The strongest value of a request: its summed prior and the signatures that hit it.
fn strongest(row: &Value, signatures: &[Signature]) -> (f64, String) {
    let mut best = (0.0, String::new());
    for (value, named) in values(row) {
        let seen = Seen::new(&value);
        let place = |signature: &&Signature| match signature.places[0].as_str() {
            "name" => named,
            _ => true,
        };
        let hit: Vec<_> =
            signatures.iter().filter(place).filter(|signature| signature.hits(&seen)).collect();
        let sum = hit.iter().map(|signature| signature.prior).sum();
        if sum > best.0 {
            best = (
                sum,
                hit.iter().map(|signature| signature.id.as_str()).collect::<Vec<_>>().join(" "),
            );
        }
    }
    best
}

#[test]
fn the_share_that_the_packs_touch_is_measured() {
    let (Ok(rows), Ok(report)) = (std::env::var("DETECT_ROWS"), std::env::var("DETECT_REPORT"))
    else {
        eprintln!("skipped: DETECT_ROWS or DETECT_REPORT names no file");
        return;
    };
    let signatures = signatures();
    let wanted =
        ["rce", "php-injection", "java-attack", "log4shell", "cve-exploit", "generic-injection"];
    let mut counts: BTreeMap<String, [u32; 2]> = BTreeMap::new();
    let mut lines = String::new();
    let text = std::fs::read_to_string(rows).unwrap();
    for row in text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        let attack = row["label"] == "attack";
        let class = row["category"].as_str().unwrap_or_default();
        if attack && !wanted.contains(&class) {
            continue;
        }
        let (sum, why) = strongest(&row, &signatures);
        let key = format!(
            "{} {class} {}",
            row["label"].as_str().unwrap_or_default(),
            row["tier"].as_str().unwrap_or_default()
        );
        let count = counts.entry(key).or_default();
        count[0] += u32::from(sum >= if attack { ATTACK } else { BENIGN });
        count[1] += 1;
        if attack != (sum >= if attack { ATTACK } else { BENIGN }) {
            writeln!(lines, "{}\t{class}\t{}\t{sum:.1}\t{why}", row["label"], row["id"]).unwrap();
        }
    }
    for (key, [touched, all]) in counts {
        writeln!(lines, "# {key}: {touched} of {all}").unwrap();
    }
    std::fs::write(report, lines).unwrap();
}
