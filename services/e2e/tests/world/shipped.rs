//! Rows S3 and S4: logs that are shipped again count once, and where one proxy seems to send everything, nobody is
//! blocked and somebody is told.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use schemas::{Action, Millis, Observable};
use serde_json::json;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::process::Child;

use super::addresses;
use super::kit::{SQL_INJECTION, World, eventually, exchange, figure, now};
use super::log::Log;
use super::settings::service;

const READY_WITHIN: Duration = Duration::from_secs(15);
const READ_WITHIN: Duration = Duration::from_secs(10);
const DAY_MS: Millis = 24 * 3_600 * 1_000;
/// The set-up is told of within a minute.
const TOLD_WITHIN: Duration = Duration::from_secs(60);

/// A log, and a collector that follows it until it is dropped.
struct Shipper {
    folder: TempDir,
    admin: String,
    process: Option<Child>,
}

impl Shipper {
    fn new() -> Shipper {
        Shipper { folder: tempfile::tempdir().unwrap(), admin: String::new(), process: None }
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("access.log")
    }

    /// Starts a collector that knows nothing of what any other has read.
    async fn start(&mut self, world: &World) {
        let state = self.folder.path().join("state.json");
        drop(std::fs::remove_file(&state));
        let settings = self.folder.path().join("logs.toml");
        let text = format!(
            "state = \"{}\"\nhost = \"shipped\"\n[[file]]\npath = \"{}\"\nformat = \"caddy\"\n",
            state.display(),
            self.log().display()
        );
        std::fs::write(&settings, text).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        self.admin = listener.local_addr().unwrap().to_string();
        drop(listener);
        let mut command = service(world, "collector");
        command
            .env("KAFKA_BOOTSTRAP_SERVERS", world.at("/kafka/bootstrap"))
            .env("COLLECTOR_ADMIN_ADDR", &self.admin)
            .env("COLLECTOR_LOGS_FILE", settings);
        self.process = Some(command.spawn().unwrap());
        let admin = &self.admin;
        eventually("the collector is ready", READY_WITHIN, async || {
            (exchange(admin, "GET", "/readyz", &[], "").await.status == 200).then_some(())
        })
        .await;
    }

    /// What the collector's metrics say of one counter without labels.
    async fn counter(&self, name: &str) -> f64 {
        let text = exchange(&self.admin, "GET", "/metrics", &[], "").await.body;
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
        line.and_then(|value| value.parse().ok()).unwrap_or(0.0)
    }
}

fn line(at: Millis, client: IpAddr, method: &str, uri: &str, status: u16) -> String {
    let entry = json!({
        "level": "info",
        "ts": at as f64 / 1_000.0,
        "logger": "http.log.access",
        "request": { "remote_ip": client, "method": method, "host": "shop", "uri": uri, "headers": {} },
        "status": status,
    });
    format!("{entry}\n")
}

fn events_of(log: &Log, client: IpAddr) -> usize {
    log.read().events.iter().filter(|at| at.record.client == client).count()
}

/// Three clients of one network, so that what is read of the last was read of the others before.
fn neighbours() -> [IpAddr; 3] {
    let IpAddr::V4(address) = addresses::v4() else { unreachable!("it is an IPv4 address") };
    let [a, b, c, _] = address.octets();
    [10, 20, 30].map(|last| IpAddr::V4(Ipv4Addr::new(a, b, c, last)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn yesterdays_logs_and_logs_shipped_three_times_block_nobody() {
    let world = World::calm().await;
    let log = Log::of(&world);
    let [old, again, last] = neighbours();
    let begun = now();
    let failed = |client, at| line(at, client, "POST", "/login", 401);
    let mut text = line(begun - DAY_MS, old, "GET", SQL_INJECTION, 200);
    for second in 0..3 {
        text += &failed(old, begun - DAY_MS + second * 1_000);
        text += &failed(again, begun - 10_000 + second * 1_000);
    }
    let mut shipper = Shipper::new();
    for round in 1..=3 {
        drop(shipper.process.take());
        // Another file with the same lines, as a shipper makes it.
        drop(std::fs::remove_file(shipper.log()));
        std::fs::write(shipper.log(), &text).unwrap();
        shipper.start(&world).await;
        log.wait("every line, once more", READ_WITHIN, |read| {
            let of = |client| read.events.iter().filter(|at| at.record.client == client).count();
            (of(old) == 4 * round && of(again) == 3 * round).then_some(())
        })
        .await;
    }
    text += &line(now(), last, "GET", SQL_INJECTION, 200);
    std::fs::write(shipper.log(), &text).unwrap();
    let detected = |read: &super::log::Read, client| {
        let observable = Observable::client(client);
        read.detections.iter().any(|at| at.record.observable == observable)
    };
    log.wait("the attack that is new", READ_WITHIN, |read| detected(read, last).then_some(()))
        .await;
    assert!(!detected(&log.read(), old), "what happened yesterday must complete nothing");
    assert!(!detected(&log.read(), again), "three failures were counted more than once");
    let copies = events_of(&log, old) + events_of(&log, again);
    // Two more make five, and five are too many: nothing was counted less than once either.
    text += &failed(again, now());
    text += &failed(again, now() + 1);
    std::fs::write(shipper.log(), &text).unwrap();
    log.wait("five failures", READ_WITHIN, |read| detected(read, again).then_some(())).await;
    figure(&format!("S3: 7 lines shipped 3 times, {copies} events, counted as 7"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_one_proxy_seems_to_send_everything_nobody_is_blocked_and_somebody_is_told() {
    let world = World::calm().await;
    let log = Log::of(&world);
    let proxy: IpAddr = "10.77.0.9".parse().unwrap();
    let mut shipper = Shipper::new();
    let begun = now();
    let mut text = String::new();
    for number in 0..1_200 {
        let uri = if number % 100 == 0 { SQL_INJECTION } else { "/" };
        text += &line(begun + number / 100, proxy, "GET", uri, 200);
    }
    std::fs::write(shipper.log(), &text).unwrap();
    let started = Instant::now();
    shipper.start(&world).await;
    eventually("the set-up is told of", TOLD_WITHIN, async || {
        (shipper.counter("perimeter_collector_one_proxy_total").await >= 1.0).then_some(())
    })
    .await;
    let told_after = started.elapsed();
    let observable = Observable::client(proxy);
    let decision = log
        .wait("a decision about the proxy", READ_WITHIN, |read| {
            let mut decisions = read.decisions.iter().map(|at| &at.record);
            decisions.find(|decision| decision.observable == observable).cloned()
        })
        .await;
    assert_eq!(decision.action, Action::Observe, "{decision:?}");
    let blocks = |read: &super::log::Read| {
        let mut decisions = read.decisions.iter().map(|at| &at.record);
        decisions.any(|one| one.observable == observable && one.action != Action::Observe)
    };
    assert!(!blocks(&log.read()), "a proxy was acted against");
    figure(&format!("S4: one proxy told of after {} ms, not blocked", told_after.as_millis()));
}
