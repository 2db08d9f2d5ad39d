//! The report of a demo: what the traffic saw, and what only the world knows. Pure.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::meter::Usage;

/// One program's part of the report.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ProgramReport {
    #[serde(flatten)]
    pub usage: Usage,
    pub restarts: u32,
}

/// What only the world knows.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    pub kafka_kind: String,
    pub kafka_version: Option<String>,
    pub services: BTreeMap<String, ProgramReport>,
    pub components: BTreeMap<String, ProgramReport>,
    /// Absent when Envoy could not be asked.
    pub fail_open_requests: Option<u64>,
    pub requests_completed: Option<u64>,
    /// Absent when the collector never told.
    pub probe_forged: Option<u64>,
    pub chaos_seed: Option<u64>,
    pub chaos_world: bool,
    /// From the command to the first request, in milliseconds.
    pub start_ms: u64,
    /// Whether the traffic itself says that the loop closed.
    pub traffic_closed: bool,
}

/// Puts both together. `closed` is true only when the traffic says so and nothing passed unasked.
pub fn merge(traffic: Option<Value>, facts: &Facts) -> Value {
    let mut report = match traffic {
        Some(Value::Object(report)) => report,
        _ => Map::new(),
    };
    let mut failures = match report.remove("failures") {
        Some(Value::Array(failures)) => failures,
        _ => Vec::new(),
    };
    if report.is_empty() {
        failures.push(json!("the traffic left no report"));
    } else if !facts.traffic_closed && failures.is_empty() {
        failures.push(json!("the traffic says that the loop did not close"));
    }
    match facts.fail_open_requests {
        Some(0) => {}
        Some(count) => failures
            .push(json!(format!("{count} requests passed unasked, because no executor answered"))),
        None => failures.push(json!("Envoy could not be asked how many requests passed unasked")),
    }
    let events = report.get("events_observed").and_then(Value::as_i64);
    let completed = facts.requests_completed.and_then(|count| i64::try_from(count).ok());
    let fields = [
        ("kafka", json!({ "kind": facts.kafka_kind, "version": facts.kafka_version })),
        ("restarts", json!(facts.services.values().map(|service| service.restarts).sum::<u32>())),
        ("services", json!(facts.services)),
        ("components", json!(facts.components)),
        ("fail_open_requests", json!(facts.fail_open_requests)),
        (
            "unobserved_requests",
            json!(completed.zip(events).map(|(completed, events)| completed - events)),
        ),
        ("probe_forged", json!(facts.probe_forged)),
        ("chaos", json!({ "seed": facts.chaos_seed, "world": facts.chaos_world })),
        ("start_ms", json!(facts.start_ms)),
        ("closed", json!(failures.is_empty())),
        ("failures", Value::Array(failures)),
    ];
    report.extend(fields.map(|(name, value)| (name.to_owned(), value)));
    Value::Object(report)
}

/// Whether a merged report says that the loop closed.
pub fn closed(report: &Value) -> bool {
    report.get("closed").and_then(Value::as_bool).unwrap_or(false)
}

/// How it ended, in a sentence.
pub fn ending(report: &Value) -> &'static str {
    let interrupted = report.get("interrupted").and_then(Value::as_bool).unwrap_or(false);
    match (closed(report), interrupted) {
        (true, false) => "The loop closed.",
        (true, true) => "It was interrupted; what had ended by then was right.",
        (false, false) => "The loop did NOT close.",
        (false, true) => "It was interrupted, and the loop did NOT close.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        let scorer =
            ProgramReport { usage: Usage { cpu_seconds: 1.5, peak_rss_bytes: 1_024 }, restarts: 2 };
        Facts {
            kafka_kind: "apache".to_owned(),
            kafka_version: Some("4.3.1".to_owned()),
            services: BTreeMap::from([
                ("scorer".to_owned(), scorer.clone()),
                ("decider".to_owned(), scorer),
            ]),
            fail_open_requests: Some(0),
            requests_completed: Some(100),
            probe_forged: Some(0),
            traffic_closed: true,
            ..Facts::default()
        }
    }

    fn traffic() -> Value {
        json!({ "incidents": 30, "proved": 30, "events_observed": 98, "dead_letters": 0, "failures": [] })
    }

    #[track_caller]
    fn check(traffic: Option<Value>, facts: &Facts, pointer: &str, expected: Value) {
        let report = merge(traffic, facts);
        assert_eq!(report.pointer(pointer), Some(&expected), "{pointer} in {report:#}");
    }

    #[test]
    fn both_halves_are_in_the_report() {
        check(Some(traffic()), &facts(), "/incidents", json!(30));
        check(Some(traffic()), &facts(), "/kafka", json!({ "kind": "apache", "version": "4.3.1" }));
        check(Some(traffic()), &facts(), "/restarts", json!(4));
        check(Some(traffic()), &facts(), "/services/scorer/cpu_seconds", json!(1.5));
        check(Some(traffic()), &facts(), "/unobserved_requests", json!(2));
        check(Some(traffic()), &facts(), "/closed", json!(true));
    }

    #[test]
    fn a_request_that_passed_unasked_leaves_the_loop_open() {
        for fail_open_requests in [Some(1), None] {
            check(
                Some(traffic()),
                &Facts { fail_open_requests, ..facts() },
                "/closed",
                json!(false),
            );
        }
    }

    #[test]
    fn traffic_that_failed_or_said_nothing_leaves_the_loop_open() {
        check(None, &facts(), "/failures", json!(["the traffic left no report"]));
        let failed = Facts { traffic_closed: false, ..facts() };
        check(Some(traffic()), &failed, "/closed", json!(false));
        let mut said_why = traffic();
        said_why["failures"] = json!(["incident 3: not proved"]);
        check(Some(said_why), &failed, "/failures", json!(["incident 3: not proved"]));
    }

    #[test]
    fn an_interrupt_is_not_told_as_a_loop_that_closed() {
        for (interrupted, closed, told) in [
            (false, true, "The loop closed."),
            (true, true, "It was interrupted; what had ended by then was right."),
            (true, false, "It was interrupted, and the loop did NOT close."),
        ] {
            let mut traffic = traffic();
            traffic["interrupted"] = json!(interrupted);
            let facts = Facts { traffic_closed: closed, ..facts() };
            assert_eq!(ending(&merge(Some(traffic), &facts)), told);
        }
    }

    #[test]
    fn without_events_nothing_is_claimed_about_unobserved_requests() {
        check(Some(json!({ "incidents": 1 })), &facts(), "/unobserved_requests", Value::Null);
    }
}
