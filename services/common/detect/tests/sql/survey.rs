//! How the priors of these packs alone tell attacks from the rest, on a set that is not part of the repository.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use crate::packs::{Views, load};

/// Log-odds that the priors must sum to for a value to be called an attack here.
const TOUCHED: f64 = 6.0;

/// Log-odds that a harmless value should stay below.
const NEAR: f64 = 3.0;

/// The values of a row: what stands after a `=` in its URI and body, and the other places named.
fn values(row: &Value) -> Vec<Vec<u8>> {
    let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
    let mut out = Vec::new();
    let uri = text("uri");
    let (path, query) = uri.split_once('?').unwrap_or((&uri, ""));
    out.extend(path.split('/').map(|part| part.as_bytes().to_vec()));
    let kind = row["headers"]["Content-Type"].as_str().unwrap_or_default().to_owned();
    let body = text("body");
    let form = if kind.contains("form-urlencoded") || kind.is_empty() { body.as_str() } else { "" };
    for pair in query.split('&').chain(form.split('&')) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        out.push(name.replace('+', " ").into_bytes());
        out.push(value.replace('+', " ").into_bytes());
    }
    if let Ok(document) = serde_json::from_str(&body) {
        strings(&document, &mut out);
    } else if form.is_empty() {
        out.extend(
            body.split(['<', '>', '"']).map(|part| part.replace("&quot;", "\"").into_bytes()),
        );
    }
    for place in row["where"].as_array().into_iter().flatten() {
        if let Some(name) = place.as_str().and_then(|place| place.strip_prefix("header:")) {
            let header = row["headers"][name].as_str().unwrap_or_default();
            let value = if name == "Cookie" {
                header.split_once('=').map_or(header, |pair| pair.1)
            } else {
                header
            };
            out.push(value.as_bytes().to_vec());
        }
    }
    out
}

fn strings(document: &Value, out: &mut Vec<Vec<u8>>) {
    match document {
        Value::String(text) => out.push(text.as_bytes().to_vec()),
        Value::Array(items) => items.iter().for_each(|item| strings(item, out)),
        Value::Object(fields) => fields.values().for_each(|field| strings(field, out)),
        _ => {}
    }
}

#[test]
fn a_survey_of_rows_prints_what_the_priors_reach() {
    let Ok(path) = std::env::var("SURVEY_ROWS") else {
        eprintln!("skipped: SURVEY_ROWS names no file");
        return;
    };
    let signatures = load();
    let mut counts: BTreeMap<String, [usize; 3]> = BTreeMap::new();
    let mut report = String::new();
    for line in std::fs::read_to_string(path).expect("the rows are readable").lines() {
        let row: Value = serde_json::from_str(line).expect("a row is JSON");
        let attack = row["label"] == "attack";
        let category = row["category"].as_str().unwrap_or_default();
        if attack && !matches!(category, "sqli" | "nosqli" | "ldapi") {
            continue;
        }
        let mut best = (f64::MIN, String::new(), Vec::new());
        for value in values(&row) {
            let views = Views::new(&value);
            let hits: Vec<_> = signatures
                .iter()
                .filter(|signature| signature.hit(&views) && !signature.only_names())
                .collect();
            let sum = hits.iter().map(|signature| signature.entry.prior).sum::<f64>();
            if sum > best.0 || (sum == best.0 && views.text.len() > best.1.len()) {
                let ids = hits.iter().map(|signature| signature.entry.id.clone()).collect();
                best = (sum, String::from_utf8_lossy(&views.text).into_owned(), ids);
            }
        }
        let key = format!(
            "{} {category} {}",
            row["source"].as_str().unwrap_or_default(),
            row["tier"].as_str().unwrap_or_default()
        );
        let count = counts.entry(key.clone()).or_default();
        count[0] += 1;
        count[1] += usize::from(best.0 >= TOUCHED);
        count[2] += usize::from(best.0 >= NEAR);
        if (attack && best.0 < TOUCHED) || (!attack && best.0 >= NEAR) {
            let shown: String = best.1.chars().take(200).collect();
            let _ = writeln!(report, "{key}\t{:.1}\t{shown}\t{:?}", best.0, best.2);
        }
    }
    for (key, [all, touched, near]) in counts {
        eprintln!("{key}: {all} rows, {touched} reach {TOUCHED}, {near} reach {NEAR}");
    }
    if let Ok(path) = std::env::var("SURVEY_REPORT") {
        std::fs::write(path, report).expect("the report is writable");
    }
}
