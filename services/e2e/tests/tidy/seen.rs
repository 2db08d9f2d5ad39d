//! What people see: alerts and dashboards ask only for metrics that exist, and every alert has its runbook and its test.
//!
//! That they answer on a real Prometheus is the world tests' matter.

use std::collections::BTreeSet;

use regex::Regex;
use serde_json::Value;

use super::{check, root, sources};

const RUNBOOK_LINES_MAX: usize = 40;

/// What Envoy itself shows under `/stats/prometheus`, of what is asked for.
const ENVOY: [&str; 9] = [
    "envoy_cluster_membership_healthy",
    "envoy_cluster_upstream_rq_time_bucket",
    "envoy_http_downstream_rq_completed",
    "envoy_http_downstream_rq_time_bucket",
    "envoy_http_downstream_rq_xx",
    "envoy_http_ext_authz_denied",
    "envoy_http_ext_authz_error",
    "envoy_http_ext_authz_failure_mode_allowed",
    "envoy_http_ext_authz_ok",
];
/// Labels of Envoy's that look like metrics.
const ENVOY_LABELS: [&str; 3] =
    ["envoy_cluster_name", "envoy_http_conn_manager_prefix", "envoy_response_code_class"];

pub(super) fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Names of the files in a folder, without their extension.
fn stems(folder: &str, extension: &str) -> BTreeSet<String> {
    let entries = std::fs::read_dir(root().join(folder)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter_map(|name| name.strip_suffix(extension).map(str::to_owned)).collect()
}

pub(super) fn found(pattern: &str, text: &str) -> BTreeSet<String> {
    let pattern = Regex::new(pattern).unwrap();
    pattern.captures_iter(text).map(|captures| captures[1].to_owned()).collect()
}

/// The metrics that our programs show, as Prometheus names them.
fn metrics() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let programs =
        sources().into_iter().filter(|(path, _)| !path.to_string_lossy().contains("/tests/"));
    for (_, text) in programs {
        names.extend(found(r#"metrics::(?:counter|gauge)!\(\s*"([a-z_]+)""#, &text));
        for histogram in found(r#"metrics::histogram!\(\s*"([a-z_]+)""#, &text) {
            names.extend(["bucket", "sum", "count"].map(|suffix| format!("{histogram}_{suffix}")));
        }
    }
    assert!(names.len() > 30, "the metrics were not found");
    names
}

fn alerts() -> BTreeSet<String> {
    found(r"- alert: (\w+)", &read("deploy/prometheus/alerts.yml"))
}

fn dashboards() -> Vec<(String, Value)> {
    let files = stems("deploy/grafana", ".json").into_iter();
    files
        .map(|name| {
            let text = read(&format!("deploy/grafana/{name}.json"));
            (
                name.clone(),
                serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}")),
            )
        })
        .collect()
}

fn panels(dashboard: &Value) -> &[Value] {
    dashboard["panels"].as_array().map(Vec::as_slice).unwrap_or_default()
}

#[test]
fn alerts_and_panels_ask_for_metrics_that_exist() {
    let metrics = metrics();
    let mut asking = vec![("alerts.yml".to_owned(), read("deploy/prometheus/alerts.yml"))];
    for (name, dashboard) in dashboards() {
        for panel in panels(&dashboard) {
            for target in panel["targets"].as_array().unwrap() {
                asking.push((format!("{name}: {}", panel["title"]), target["expr"].to_string()));
            }
        }
    }
    let mut offences = Vec::new();
    for (place, text) in &asking {
        for name in found(r"\b((?:perimeter|envoy)_[a-z0-9_]+)\b", text) {
            let exists = metrics.contains(&name)
                || ENVOY.contains(&name.as_str())
                || ENVOY_LABELS.contains(&name.as_str());
            if !exists {
                offences.push(format!("{place}: {name}"));
            }
        }
    }
    check("nobody asks for a metric that nobody shows", offences);
}

#[test]
fn every_alert_has_its_runbook_and_every_runbook_its_alert() {
    let (alerts, runbooks) = (alerts(), stems("docs/runbooks", ".md"));
    let linked = found(r"runbook: docs/runbooks/(\w+)\.md", &read("deploy/prometheus/alerts.yml"));
    let mut offences: Vec<String> = alerts
        .symmetric_difference(&runbooks)
        .chain(alerts.symmetric_difference(&linked))
        .map(|name| format!("{name} is an alert, a link or a runbook, and not all three"))
        .collect();
    for name in &runbooks {
        let text = read(&format!("docs/runbooks/{name}.md"));
        if !text.starts_with(&format!("# {name}\n")) {
            offences.push(format!("{name}.md does not begin with its name"));
        }
        if text.lines().count() > RUNBOOK_LINES_MAX {
            offences.push(format!("{name}.md is longer than {RUNBOOK_LINES_MAX} lines"));
        }
    }
    check("whoever is woken is told what to do", offences);
}

#[test]
fn every_alert_has_a_test_in_which_it_fires_and_clears() {
    let tests = read("deploy/prometheus/alerts.test.yml");
    let fires =
        found(r#"exp_samples: \[ \{ labels: '\{alertname="(\w+)"\}', value: 1 \} \]"#, &tests);
    let clears = found(
        r#"alertname="(\w+)",alertstate="firing"\}\)', eval_time: \w+, exp_samples: \[\]"#,
        &tests,
    );
    let alerts = alerts();
    let never_fires = alerts.difference(&fires).map(|name| format!("{name} never fires"));
    let never_clears = alerts.difference(&clears).map(|name| format!("{name} never clears"));
    check(
        "an alert is tried out before it wakes anybody",
        never_fires.chain(never_clears).collect(),
    );
}

/// What `perimeter dlq --class` does not know it refuses.
#[test]
fn every_class_of_a_dead_letter_is_one_that_the_command_line_knows() {
    let written = |path: &str| path.starts_with("services/") && path.contains("/src/");
    // Classes of OCSF, and what is told to a sender and never becomes a letter.
    let others = ["detection_finding", "network_remediation_activity", "encoding"];
    let (mut offences, mut seen) = (Vec::new(), BTreeSet::new());
    for (path, text) in sources().iter().filter(|(path, _)| written(&path.to_string_lossy())) {
        let classes = found(r#"class: "([a-z_]+)""#, text);
        seen.extend(classes.iter().cloned());
        let unknown = classes
            .into_iter()
            .filter(|class| !pipeline::CLASSES.contains(&class.as_str()))
            .filter(|class| !others.contains(&class.as_str()));
        offences.extend(unknown.map(|class| format!("{}: {class}", path.display())));
    }
    assert!(seen.contains("no_time") && seen.contains("future"), "only {seen:?} were found");
    let decoding = read("schemas/src/record.rs");
    let (_, classes) = decoding.split_once("pub fn class(&self)").unwrap();
    let (classes, _) = classes.split_once("\n    }\n").unwrap();
    let classes = found(r#""([a-z_]+)""#, classes);
    assert!(classes.len() > 5, "the classes of decoding were not found");
    let unknown = classes.iter().filter(|class| !pipeline::CLASSES.contains(&class.as_str()));
    offences.extend(unknown.map(|class| format!("schemas/src/record.rs: {class}")));
    check("the classes of dead letters stand in pipeline::CLASSES", offences);
}

#[test]
fn every_panel_says_what_it_shows_in_which_unit() {
    let dashboards = dashboards();
    assert!(!dashboards.is_empty(), "the dashboards were not found");
    let mut offences = Vec::new();
    for (name, dashboard) in &dashboards {
        let mut ids = BTreeSet::new();
        if !dashboard["schemaVersion"].is_u64() || panels(dashboard).is_empty() {
            offences.push(format!("{name} is no dashboard"));
        }
        for panel in panels(dashboard) {
            let title = &panel["title"];
            let said = [&panel["description"], &panel["fieldConfig"]["defaults"]["unit"], title];
            if said.iter().any(|text| text.as_str().is_none_or(str::is_empty)) {
                offences.push(format!("{name}: {title} has no title, unit or description"));
            }
            if panel["datasource"]["uid"] != "${datasource}" {
                offences.push(format!("{name}: {title} knows only one Prometheus"));
            }
            if !ids.insert(panel["id"].as_u64()) {
                offences.push(format!("{name}: {title} has the id of another panel"));
            }
        }
    }
    check("a panel explains itself", offences);
}
