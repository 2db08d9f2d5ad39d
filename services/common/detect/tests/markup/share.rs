//! Which share of labelled requests the flags and signatures touch: reads the file named by `DETECT_LABELLED`.

use std::collections::BTreeMap;
use std::env;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};

use serde_json::Value as Json;

use super::views::{Signature, Views, signatures};

/// Log-odds that count as found, and that a benign value should not reach.
const FOUND: f64 = 6.0;
const DISTURBING: f64 = 3.0;

#[derive(Default)]
struct Share {
    rows: usize,
    found: usize,
    disturbed: usize,
    by: BTreeMap<String, usize>,
}

#[test]
fn labelled_requests_are_told_apart() {
    let Some(path) = env::var_os("DETECT_LABELLED") else {
        writeln!(std::io::stderr(), "skipped: DETECT_LABELLED names no file")
            .expect("standard error is open");
        return;
    };
    let wanted = env::var("DETECT_SHOW").unwrap_or_default();
    let all = signatures();
    let mut shares: BTreeMap<String, Share> = BTreeMap::new();
    let mut out = String::new();
    for line in BufReader::new(File::open(path).expect("file opens")).lines() {
        let row: Json = serde_json::from_str(&line.expect("line is text")).expect("line is JSON");
        let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
        let group =
            format!("{} {} {} {}", text("label"), text("category"), text("source"), text("tier"));
        let (sum, ids, view) = best(&all, &row);
        let share = shares.entry(group.clone()).or_default();
        share.rows += 1;
        share.found += usize::from(sum >= FOUND);
        share.disturbed += usize::from(sum >= DISTURBING);
        for id in &ids {
            *share.by.entry(id.clone()).or_default() += 1;
        }
        let benign = text("label") == "benign";
        if !wanted.is_empty()
            && group.contains(&wanted)
            && (benign == (sum >= DISTURBING))
            && (benign || sum < FOUND)
        {
            out += &format!("{sum:.1} {ids:?} {}\n", view.chars().take(300).collect::<String>());
        }
    }
    for (group, share) in &shares {
        out += &format!(
            "{group}: {} rows, {} found, {} at {DISTURBING}\n",
            share.rows, share.found, share.disturbed
        );
        if group.starts_with("benign") {
            let mut by: Vec<_> = share.by.iter().collect();
            by.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
            out += &format!("    {:?}\n", by.iter().take(12).collect::<Vec<_>>());
        }
    }
    std::io::stderr().write_all(out.as_bytes()).expect("standard error is open");
}

/// The highest sum over the values of a request, what hit there, and the value.
fn best(all: &[Signature], row: &Json) -> (f64, Vec<String>, String) {
    let mut best = (0.0, Vec::new(), String::new());
    for (place, raw) in values(row) {
        let views = Views::of(raw.as_bytes());
        let fits =
            |s: &&Signature| s.places.iter().any(|p| p == "value" || *p == place) && s.hit(&views);
        let hits: Vec<_> = all.iter().filter(fits).collect();
        let sum: f64 = hits.iter().map(|s| s.prior).sum();
        if sum > best.0 || (best.0 <= 0.0 && place != "agent" && raw.len() > best.2.len()) {
            best = (sum, hits.iter().map(|s| s.id.clone()).collect(), raw);
        }
    }
    best
}

/// A plain split of a request, enough to measure with.
fn values(row: &Json) -> Vec<(String, String)> {
    let mut out = Vec::new();
    let uri = row["uri"].as_str().unwrap_or_default();
    let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
    out.push(("path".to_owned(), path.to_owned()));
    pairs("query", query, &mut out);
    for (name, value) in row["headers"].as_object().into_iter().flatten() {
        let name = name.to_lowercase();
        let place = match name.as_str() {
            "user-agent" => "agent".to_owned(),
            "referer" => "referer".to_owned(),
            "cookie" => "cookie".to_owned(),
            _ => format!("header:{name}"),
        };
        if !matches!(name.as_str(), "accept" | "host") {
            out.push((place, value.as_str().unwrap_or_default().to_owned()));
        }
    }
    let body = row["body"].as_str().unwrap_or_default();
    match serde_json::from_str::<Json>(body) {
        Ok(json) => strings(&json, &mut out),
        Err(_) if body.contains("name=\"") && body.contains("\n") => {
            out.push(("multipart".to_owned(), body.to_owned()))
        }
        Err(_) if body.starts_with('<') => out.push(("xml".to_owned(), body.to_owned())),
        Err(_) => pairs("form", body, &mut out),
    }
    out
}

fn pairs(place: &str, text: &str, out: &mut Vec<(String, String)>) {
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or(("", pair));
        out.push((place.to_owned(), name.replace('+', " ")));
        out.push((place.to_owned(), value.replace('+', " ")));
    }
}

fn strings(json: &Json, out: &mut Vec<(String, String)>) {
    match json {
        Json::String(text) => out.push(("json".to_owned(), text.clone())),
        Json::Array(list) => list.iter().for_each(|item| strings(item, out)),
        Json::Object(map) => map.iter().for_each(|(name, item)| {
            out.push(("json".to_owned(), name.clone()));
            strings(item, out);
        }),
        _ => {}
    }
}
