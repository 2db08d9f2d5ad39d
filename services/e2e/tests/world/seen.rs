//! What people see, from the real things: every panel answers on a real Prometheus, every alert has its series and its
//! test passes, and one trace leads from the request at Envoy to the last outcome.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use regex::Regex;
use schemas::{Effect, Observable, Phase};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::addresses;
use super::closes::{blocked, closes};
use super::kit::{SERVICES, SQL_INJECTION, World, eventually, exchange};
use super::log::Log;
use super::otlp::Receiver;

const READY_WITHIN: Duration = Duration::from_secs(20);
/// Two scrapes after the last series appeared, and the 5 s in which librdkafka tells the lag.
const ANSWERED_WITHIN: Duration = Duration::from_secs(60);
/// A block of the demo's policy lasts 15 s; the proofs of its lift follow.
const LIFTED_WITHIN: Duration = Duration::from_secs(60);
const ARRIVED_WITHIN: Duration = Duration::from_secs(20);
const DASHBOARDS: [&str; 3] = ["loop", "in-force", "visitors"];

/// A Prometheus that scrapes the world, for as long as a test holds it.
struct Prometheus {
    address: String,
    _child: Child,
    _folder: TempDir,
}

impl Prometheus {
    async fn start(world: &World) -> Prometheus {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("prometheus.yml");
        std::fs::write(&config, scrape(world)).unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = format!("127.0.0.1:{port}");
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("prometheus is installed; `cargo verify` installs it");
        eventually("Prometheus is ready", READY_WITHIN, async || {
            let answer = exchange(&address, "GET", "/-/ready", &[], "").await;
            (answer.status == 200).then_some(())
        })
        .await;
        Prometheus { address, _child: child, _folder: folder }
    }

    /// How many series answer a query, or what is wrong with it.
    async fn count(&self, query: &str) -> Result<u64, String> {
        let target = format!("/api/v1/query?query={}", encoded(&format!("count({query})")));
        let answer = exchange(&self.address, "GET", &target, &[], "").await;
        let body: Value = serde_json::from_str(&answer.body).map_err(|_| answer.body.clone())?;
        if body["status"] != "success" {
            return Err(body["error"].to_string());
        }
        let counted = body.pointer("/data/result/0/value/1").and_then(Value::as_str);
        Ok(counted.map_or(0, |count| count.parse().unwrap()))
    }

    /// Waits until every query is answered by a series.
    async fn answers(&self, queries: &BTreeSet<String>) {
        let silent = std::sync::Mutex::new(Vec::new());
        let asked = async || {
            let mut without = Vec::new();
            for query in queries {
                match self.count(query).await {
                    Ok(0) => without.push(query.clone()),
                    Ok(_) => {}
                    Err(error) => panic!("{query}: {error}"),
                }
            }
            let done = without.is_empty();
            *silent.lock().unwrap() = without;
            done.then_some(())
        };
        let begun = std::time::Instant::now();
        while asked().await.is_none() {
            let silent = silent.lock().unwrap().join("\n  ");
            assert!(begun.elapsed() < ANSWERED_WITHIN, "nothing answers:\n  {silent}");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
}

/// As deploy/prometheus/prometheus.yml, once a second, with the world's addresses.
fn scrape(world: &World) -> String {
    let mut text = "global: { scrape_interval: 1s }\nscrape_configs:\n".to_owned();
    let job = |name: &str, path: &str, targets: &[String]| {
        format!(
            "  - {{ job_name: {name}, metrics_path: {path}, static_configs: [ {{ targets: {targets:?} }} ] }}\n"
        )
    };
    for service in ["collector", "scorer", "decider", "executor", "verifier"] {
        let replicas = SERVICES.iter().filter(|name| name.starts_with(service));
        let admin = |name: &&str| world.at(&format!("/services/{name}/admin"));
        text += &job(service, "/metrics", &replicas.map(admin).collect::<Vec<_>>());
    }
    text + &job("envoy", "/stats/prometheus", &[world.at("/envoy/admin")])
}

/// A query in the form of a URL.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

fn deploy() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../deploy")
}

/// What the panels ask.
fn panel_queries() -> BTreeSet<String> {
    let mut queries = BTreeSet::new();
    for name in DASHBOARDS {
        let text = std::fs::read_to_string(deploy().join(format!("grafana/{name}.json"))).unwrap();
        let dashboard: Value = serde_json::from_str(&text).unwrap();
        for panel in dashboard["panels"].as_array().unwrap() {
            for target in panel["targets"].as_array().unwrap() {
                let query = target["expr"].as_str().unwrap();
                queries.insert(query.replace("$__rate_interval", "30s"));
            }
        }
    }
    assert!(queries.len() > 30, "the panels were not found");
    queries
}

/// Every series that an alert names, with the labels by which it is chosen.
fn alert_series() -> BTreeSet<String> {
    let text = std::fs::read_to_string(deploy().join("prometheus/alerts.yml")).unwrap();
    let series = Regex::new(r"\b((?:perimeter|envoy)_[a-z_]+|up)\b(\{[^{}]*\})?").unwrap();
    let expressions = Regex::new(r"(?ms)^        expr: (.*?)^        (?:for|labels):").unwrap();
    let mut found = BTreeSet::new();
    for expression in expressions.captures_iter(&text) {
        found.extend(series.find_iter(&expression[1]).map(|found| found.as_str().to_owned()));
    }
    assert!(found.len() > 20, "the alerts were not found");
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_panel_answers_and_every_series_of_an_alert_exists() {
    let world = World::calm().await;
    let log = Log::of(&world);
    let prometheus = Prometheus::start(&world).await;
    for client in [addresses::v4(), addresses::v6()] {
        assert_eq!(world.get(client, "/").await.status, 200);
    }
    closes(&world, &log).await;
    prometheus.answers(&panel_queries()).await;
    prometheus.answers(&alert_series()).await;
}

#[tokio::test]
async fn every_alert_fires_and_clears() {
    let output = Command::new("promtool")
        .args(["test", "rules", "alerts.test.yml"])
        .current_dir(deploy().join("prometheus"))
        .output()
        .await
        .expect("promtool is installed; `cargo verify` installs it");
    assert!(output.status.success(), "{}", super::kit::said(&output));
}

/// Attacks until spans of this name arrive, which need all that come before.
async fn reached(world: &World, receiver: &Receiver, name: &str) {
    eventually(&format!("spans {name} arrive"), ARRIVED_WITHIN, async || {
        let trace: [u8; 16] = rand::random();
        let id = trace.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let headers = [
            ("x-forwarded-for", addresses::v4().to_string()),
            ("traceparent", format!("00-{id}-00f067aa0ba902b7-01")),
        ];
        world.ask(SQL_INJECTION, &headers).await;
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        (receiver.trace(&trace).count(name) > 0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_trace_leads_from_the_request_at_envoy_to_the_last_outcome() {
    let world = World::calm().await;
    let log = Log::of(&world);
    let receiver = Receiver::listen(&world.at("/traces"));
    // Nobody listened before, and an exporter that cannot connect drops what it has.
    for name in ["collector events", "verifier outcomes", "executor enforcements"] {
        reached(&world, &receiver, name).await;
    }
    let (trace_id, root): ([u8; 16], [u8; 8]) = (rand::random(), rand::random());
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let client = addresses::v4();
    let headers = [
        ("x-forwarded-for", client.to_string()),
        ("traceparent", format!("00-{}-{}-01", hex(&trace_id), hex(&root))),
    ];
    world.ask(SQL_INJECTION, &headers).await;
    let decision = blocked(&log, &Observable::client(client)).await;
    log.wait("the last outcome", LIFTED_WITHIN, |read| {
        let outcomes = read.outcomes.iter().map(|at| &at.record);
        let lifted = outcomes.filter(|outcome| {
            let proved = outcome.phase == Phase::Lift && outcome.effect == Effect::Effective;
            outcome.decision_id == decision.decision_id && proved
        });
        let points: BTreeSet<(&str, i32)> =
            lifted.map(|outcome| (outcome.point.as_str(), outcome.level)).collect();
        (points.contains(&("envoy", 3)) && points.contains(&("aws-waf", 2))).then_some(())
    })
    .await;
    // Each process sends its spans when it likes, so a child may arrive before its parent.
    let gaps = std::sync::Mutex::new(String::new());
    let whole = async || {
        let read = log.read();
        let outcomes = read.outcomes.iter();
        let own = outcomes.filter(|at| at.record.decision_id == decision.decision_id).count();
        let trace = receiver.trace(&trace_id);
        *gaps.lock().unwrap() = trace.gaps(&root);
        let arrived = trace.count("ocsf outcomes") >= own;
        trace.branches(&root).filter(|_| arrived && trace.count("verifier enforcements") > 0)
    };
    let begun = std::time::Instant::now();
    let branches = loop {
        if let Some(branches) = whole().await {
            break branches;
        }
        let gaps = gaps.lock().unwrap().clone();
        assert!(begun.elapsed() < ARRIVED_WITHIN, "the trace is not whole:\n  {gaps}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let begin = ["collector events", "scorer events", "decider detections"];
    let seen = ["verifier decisions", "verifier outcomes", "ocsf outcomes"];
    let done = ["executor decisions", "executor enforcements", "verifier enforcements"];
    for end in [&seen[..], &done[..]] {
        let branch: Vec<String> = begin.iter().chain(end).map(|name| (*name).to_owned()).collect();
        assert!(branches.contains(&branch), "{branch:?} is not among {branches:?}");
    }
}
