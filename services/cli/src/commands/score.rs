//! `perimeter score`: what the scorer's own rules say about recorded requests, each by itself.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use observe::Policy;
use observe::observation::cut;
use schemas::event::{TEXT_BYTES_MAX, URI_BYTES_MAX};
use schemas::{Activity, EventView, Evidence, Provenance};
use scorer::logic::{Rules, Scored};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::args::Score;
use crate::failure::{Failure, Outcome};
use crate::input::{Line, Lines};
use crate::output::{Printer, Progress};

/// Longest row, in bytes; a longer one is not scored.
const ROW_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What of a row may be used; whatever else it says is not looked at.
#[derive(Deserialize)]
struct Row {
    id: Value,
    method: String,
    uri: String,
    #[serde(default)]
    headers: BTreeMap<String, Value>,
}

/// How many rows came to what.
#[derive(Default)]
struct Counts {
    attack: u64,
    benign: u64,
    unreadable: u64,
}

pub(crate) fn score(arguments: &Score, printer: &Printer) -> Outcome {
    let mut lines = Lines::open(&arguments.file, ROW_BYTES_MAX)?;
    let mut rules = Rules::new(&Policy::default());
    let mut counts = Counts::default();
    let mut progress = Progress::new("rows");
    while let Some(line) = lines.next()? {
        progress.advance()?;
        if line.bytes.trim_ascii().is_empty() {
            continue;
        }
        match answer(&mut rules, &line) {
            Ok((answer, scored)) => {
                counts.attack += u64::from(scored.attack);
                counts.benign += u64::from(!scored.attack);
                printer.json_line(&answer)?;
            }
            Err(reason) => {
                counts.unreadable += 1;
                printer.note(&format!("line {}: {reason}", line.number))?;
            }
        }
    }
    progress.end()?;
    let Counts { attack, benign, unreadable } = counts;
    if unreadable > 0 {
        return Err(Failure::Findings(format!(
            "{unreadable} row(s) could not be scored, see above; {attack} attack and {benign} benign were"
        )));
    }
    Ok(())
}

fn answer(rules: &mut Rules, line: &Line<'_>) -> Result<(Value, Scored), String> {
    if line.cut() {
        return Err(format!(
            "the row has {} bytes, more than the {ROW_BYTES_MAX} of a row",
            line.length
        ));
    }
    let row: Row = serde_json::from_slice(line.bytes).map_err(|error| unreadable(&error))?;
    if !matches!(row.id, Value::String(_) | Value::Number(_)) {
        return Err("the id is neither a text nor a number".to_owned());
    }
    let scored = rules.request(&event(&row)?);
    let answer = json!({
        "id": row.id,
        "label": if scored.attack { "attack" } else { "benign" },
        "probability": scored.probability,
        "category": scored.category.filter(|_| scored.attack),
        "evidence": scored.evidence.iter().map(evidence).collect::<Vec<_>>(),
    });
    Ok((answer, scored))
}

/// The request as the collector would hand it on, from a client that nobody knows.
fn event(row: &Row) -> Result<EventView<'_>, String> {
    Ok(EventView {
        event_id: Uuid::nil(),
        source: "",
        position: None,
        observed_at: 0,
        received_at: None,
        client: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        provenance: Provenance::LogText,
        method: cut(&row.method, TEXT_BYTES_MAX),
        host: header(row, "host")?,
        uri: cut(&row.uri, URI_BYTES_MAX),
        status: None,
        agent: header(row, "user-agent")?,
        referer: header(row, "referer")?,
        refused_by_us: false,
        probe: false,
        activity: Activity::HttpRequest,
        succeeded: None,
        account: None,
        finding: None,
    })
}

fn header<'a>(row: &'a Row, name: &str) -> Result<Option<&'a str>, String> {
    let found = row.headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(name));
    match found {
        None => Ok(None),
        Some((_, Value::String(value))) => Ok(Some(cut(value, TEXT_BYTES_MAX))),
        Some((header, _)) => Err(format!("the header {header} is not a text")),
    }
}

fn evidence(evidence: &Evidence) -> Value {
    json!({
        "rule": evidence.rule,
        "place": evidence.place,
        "value": evidence.value,
        "weight": evidence.weight,
        "explanation": evidence.explanation,
    })
}

/// The parser's words without the number of the line within the row, which is always 1.
fn unreadable(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let problem = text.split(" at line ").next().unwrap_or_default();
    format!(
        "{problem}, at byte {}; a row is one JSON object with id, method and uri",
        error.column()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(row: &str) -> Result<Value, String> {
        let line = Line { number: 1, bytes: row.as_bytes(), length: row.len() };
        answer(&mut Rules::new(&Policy::default()), &line).map(|(answer, _)| answer)
    }

    #[test]
    fn a_request_is_judged_by_the_scorers_own_rules() {
        let attack = answered(
            r#"{"id":"a","label":"benign","method":"GET","uri":"/s?q=1+union+select+password,2+from+users--"}"#,
        )
        .unwrap();
        assert_eq!(attack["label"], "attack");
        assert_eq!(attack["category"], "sql_injection");
        assert_eq!(attack["evidence"][0]["place"], "query:q");
        assert!(attack["probability"].as_f64().unwrap() > 0.9, "{attack}");

        let benign = answered(
            r#"{"id":7,"label":"attack","method":"GET","uri":"/union?size=42","headers":{"Host":"a"},"body":""}"#,
        )
        .unwrap();
        assert!(benign["probability"].as_f64().unwrap() < 0.001, "{benign}");
        assert_eq!((&benign["id"], &benign["label"]), (&json!(7), &json!("benign")));
        assert_eq!((&benign["category"], &benign["evidence"]), (&Value::Null, &json!([])));
    }

    #[test]
    fn credentials_are_masked_in_the_evidence() {
        let row = r#"{"id":"a","method":"GET","uri":"/s?q=x'+or+'1'='1'+and+password=hunter2&password='+or+'1'='1"}"#;
        let text = answered(row).unwrap().to_string();
        assert!(!text.contains("hunter2"), "{text}");
        assert!(text.contains("***"), "{text}");
    }

    #[test]
    fn a_bad_row_says_what_is_wrong_with_it() {
        for (row, problem) in [
            ("{\"id\":1", "EOF while parsing an object, at byte 7"),
            ("[]", "invalid length 0"),
            (r#"{"id":"a","method":"GET"}"#, "missing field `uri`"),
            (r#"{"id":{},"method":"GET","uri":"/"}"#, "the id is neither"),
            (r#"{"id":1,"method":"GET","uri":"/","headers":{"HOST":1}}"#, "the header HOST is not"),
            (r#"{"id":1,"method":"GET","uri":"/","headers":[]}"#, "invalid type: sequence"),
        ] {
            let found = answered(row).unwrap_err();
            assert!(found.starts_with(problem), "{row}: {found}");
        }
    }
}
