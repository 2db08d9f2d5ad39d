//! The executor's reconcile loop and its real AWS adapter against a strict, scripted WAFv2: `reliability.md` A14, rows
//! W1, W3, X2, X3, and the capacity of a set.
//!
//! Each test runs in a process of its own, because the SDK reads its endpoint from the environment.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod support;

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use executor::Ownership;
use executor::config::{Waf, WafScope};
use executor::points::{Outbox, aws_waf};
use executor::recall::Recalled;
use executor::traces::Traces;
use ipnet::IpNet;
use pipeline::memory::Log;
use pipeline::{
    Bus, Clock, Context, Follow as _, Health, Leases, LeasesSink, Message, Raw, Update,
};
use schemas::{
    Action, Claim, Enforcement, Epoch, Generation, Lease, LeaseEntry, Millis, Observable, Origin,
    Protected, Record as _, Status, Topic,
};
use support::waf_fake::{Fault, RIVALS, WafFake, Write};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const PREFIX: &str = "perimeter-block";
const SET: &str = "perimeter-block-v4";
const EPOCH: Millis = 1_763_700_000_000;
const ENDPOINT: &str = "AWS_ENDPOINT_URL_WAFV2";
const HOUR_MS: Millis = 3_600_000;
/// One write in 1.25 s, less the jitter of a busy machine.
const PACE: Duration = Duration::from_millis(1_150);
/// I3 for one dirty set, and one retry.
const DUE_WITHIN_MS: Millis = 2_000 + 1_500;

/// The loop on its own leases, beside the fake it writes to.
struct Bench {
    fake: WafFake,
    sink: LeasesSink,
    clock: Clock,
    offset: i64,
    outgoing: mpsc::Receiver<Message>,
    said: Vec<Enforcement>,
    shutdown: CancellationToken,
}

impl Bench {
    async fn start() -> Bench {
        let endpoint = std::env::var(ENDPOINT).unwrap();
        let address: SocketAddr = endpoint.strip_prefix("http://").unwrap().parse().unwrap();
        let fake = WafFake::start(address, PREFIX).await;
        let clock = Clock::system();
        let leases = Leases::default();
        let shutdown = CancellationToken::new();
        let context = Context {
            service: "executor",
            replica: 0,
            bus: Bus::in_memory(Log::new(clock.clone())),
            clock: clock.clone(),
            health: Health::default(),
            shutdown: shutdown.clone(),
            tls: None,
        };
        let waf = Waf { scope: WafScope::Regional, prefix: PREFIX.to_owned() };
        let provider = aws_waf::Provider::Service(Box::new(aws_waf::Service::new(&waf).await));
        let (outbox, outgoing) = Outbox::channel(Traces::default());
        let sink = leases.sink();
        tokio::spawn(async move {
            let ownership = Ownership::default();
            let _owned = ownership.take(0);
            let protected = Protected::special();
            let recalled = Recalled::default();
            aws_waf::reconcile(
                &context, &leases, &ownership, &protected, &provider, &outbox, &recalled,
            )
            .await
            .unwrap();
        });
        let mut bench =
            Bench { fake, sink, clock, offset: 0, outgoing, said: Vec::new(), shutdown };
        bench.lease(&[LeaseEntry::Epoch(Epoch { epoch: EPOCH, replaces: Vec::new() })]);
        bench
    }

    /// Appends to `leases`, and reads them to their end.
    fn lease(&mut self, entries: &[LeaseEntry]) {
        let now = self.clock.now();
        for entry in entries {
            let message = Message::of(entry).unwrap();
            let raw = Raw::of(&message, Topic::Leases, 0, self.offset, now);
            self.sink.update(Update::Record(raw));
            self.offset += 1;
        }
        for (topic, end) in [(Topic::Leases, self.offset), (Topic::Controls, 0)] {
            self.sink.update(Update::End { topic, partition: 0, end, now });
            self.sink.update(Update::Reached { topic, partition: 0, end, now });
        }
    }

    /// Blocks the addresses numbered `numbers` for `lasts`; answers until when.
    fn block(&mut self, numbers: std::ops::Range<u32>, lasts: Millis) -> Millis {
        let until = self.clock.now() + lasts;
        let entries: Vec<LeaseEntry> = numbers
            .map(|number| lease(Observable::from(address(number)), until, self.offset))
            .collect();
        self.lease(&entries);
        until
    }

    /// Waits until the set holds exactly `count` entries, all of them ours.
    async fn holds(&mut self, count: usize, within: Duration) {
        let begun = Instant::now();
        loop {
            self.sink.update(Update::Tick { now: self.clock.now() });
            while let Ok(message) = self.outgoing.try_recv() {
                self.said.push(Enforcement::decode(&message.payload).unwrap());
            }
            let held = self.fake.addresses(SET);
            if held.len() == count && !held.contains(&RIVALS) {
                return;
            }
            assert!(
                begun.elapsed() < within,
                "the set holds {} entries and not {count}, {within:?} later",
                held.len()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Every accepted write, from the `from`-th on, kept every address numbered `numbers`.
    fn never_lost(&self, from: usize, numbers: std::ops::Range<u32>) {
        for write in self.fake.writes().iter().skip(from).filter(|write| write.set == SET) {
            let lost = numbers.clone().find(|number| !write.addresses.contains(&address(*number)));
            assert_eq!(lost.map(address), None, "a write lost it: {} left", write.addresses.len());
        }
    }
}

/// Accepted writes keep the pace, and their marks never go back.
fn in_order(writes: &[Write]) {
    for pair in writes.windows(2) {
        let apart = pair[1].at - pair[0].at;
        assert!(apart >= PACE, "two writes {apart:?} apart");
    }
    let mut reached = HashMap::new();
    for write in writes {
        let mark = write.description.rsplit_once(" leases=").unwrap().1;
        let position: i64 = mark.split(' ').next().unwrap().parse().unwrap();
        let before = reached.insert(write.set.clone(), position);
        assert!(before <= Some(position), "{} after {before:?}", write.description);
    }
}

impl Bench {
    /// Waits until every scripted fault of a wave was met: at the latest by the next read-back.
    async fn met(&mut self, wave: u32) {
        let waited = tokio::time::timeout(Duration::from_secs(12), async {
            while self.fake.faults_left() > 0 {
                self.sink.update(Update::Tick { now: self.clock.now() });
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        assert!(waited.await.is_ok(), "some faults of wave {wave} were not met");
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.shutdown.cancel();
        if !std::thread::panicking() {
            in_order(&self.fake.writes());
        }
    }
}

/// Every second address, so that no two neighbours make one network.
fn address(number: u32) -> IpNet {
    IpNet::from(std::net::IpAddr::V4(Ipv4Addr::from(
        u32::from(Ipv4Addr::new(81, 2, 0, 0)) + 2 * number,
    )))
}

fn lease(observable: Observable, until: Millis, offset: i64) -> LeaseEntry {
    let decision_id = Uuid::new_v4();
    LeaseEntry::Lease(Lease {
        observable,
        generation: Generation { epoch: EPOCH, offset },
        claims: vec![Claim {
            origin: Origin::Operator,
            action: Action::Block,
            until,
            strikes: 0,
            decision_id,
            decided_at: until - HOUR_MS,
            counts: false,
            provenance: None,
            signature: None,
        }],
        recent_decisions: vec![decision_id],
    })
}

/// Runs `body` in a process of its own, whose SDK asks a port that only this test uses.
fn alone<F: Future<Output = ()>>(name: &str, body: impl FnOnce() -> F) {
    if std::env::var("PERIMETER_WAF_TEST").is_ok() {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        return runtime.block_on(body());
    }
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env("PERIMETER_WAF_TEST", "1")
        .env(ENDPOINT, format!("http://127.0.0.1:{port}"))
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "local")
        .env("AWS_SECRET_ACCESS_KEY", "local")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned()
        + &String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

async fn sleep_until(clock: &Clock, at: Millis) {
    let left = u64::try_from(at - clock.now()).unwrap_or(0);
    tokio::time::sleep(Duration::from_millis(left)).await;
}

#[test]
fn x2_a_read_that_fails_in_the_middle_of_a_batch_drops_no_removal() {
    alone("x2_a_read_that_fails_in_the_middle_of_a_batch_drops_no_removal", || async {
        let mut bench = Bench::start().await;
        bench.block(0..30, HOUR_MS);
        let until = bench.block(30..50, 3_000);
        bench.holds(50, Duration::from_secs(4)).await;
        let full = bench.fake.writes().len();
        // The id of a set is forgotten after a failed read, so the list is asked as well, and fails in turn.
        bench.fake.fail_next("GetIPSet", Fault::Internal);
        bench.fake.fail_next("ListIPSets", Fault::GatewayTimeout);
        // New blocks come in the same batch as the removals.
        sleep_until(&bench.clock, until).await;
        bench.block(50..60, HOUR_MS);
        bench.holds(40, Duration::from_millis(DUE_WITHIN_MS as u64)).await;
        assert!(bench.fake.calls("ListIPSets") >= 3, "the scripted faults were not met");
        bench.never_lost(full, 0..30);
        bench.never_lost(bench.fake.writes().len() - 1, 50..60);
    });
}

#[test]
fn x3_nonsense_from_the_provider_removes_nothing_that_is_not_due() {
    alone("x3_nonsense_from_the_provider_removes_nothing_that_is_not_due", || async {
        let mut bench = Bench::start().await;
        bench.block(0..40, HOUR_MS);
        bench.holds(40, Duration::from_secs(4)).await;
        let full = bench.fake.writes().len();
        let until = bench.clock.now() + 30_000;
        let waves = [
            [("GetIPSet", Fault::Garbage), ("ListIPSets", Fault::Garbage)],
            [("GetIPSet", Fault::GatewayTimeout), ("ListIPSets", Fault::GatewayTimeout)],
            [("GetIPSet", Fault::NotFound), ("UpdateIPSet", Fault::AfterEffect)],
            [("UpdateIPSet", Fault::GatewayTimeout), ("GetIPSet", Fault::Internal)],
            [("UpdateIPSet", Fault::Garbage), ("UpdateIPSet", Fault::LockConflict)],
        ];
        for (wave, faults) in (0..).zip(waves) {
            for (operation, fault) in faults {
                bench.fake.fail_next(operation, fault);
            }
            // Once the last read is too old to write upon, a new block makes the loop read, and then write.
            tokio::time::sleep(Duration::from_millis(400)).await;
            bench.block(40 + wave..41 + wave, until - bench.clock.now());
            bench.holds(41 + wave as usize, Duration::from_secs(8)).await;
            bench.met(wave).await;
        }
        sleep_until(&bench.clock, until).await;
        bench.holds(40, Duration::from_millis(DUE_WITHIN_MS as u64)).await;
        bench.never_lost(full, 0..40);
    });
}

#[test]
fn w1_one_more_address_keeps_the_other_9799() {
    alone("w1_one_more_address_keeps_the_other_9799", || async {
        let mut bench = Bench::start().await;
        bench.block(0..9_799, HOUR_MS);
        bench.holds(9_799, Duration::from_secs(10)).await;
        // The other set of the pair gets its mark in the same seconds.
        let to_this_set =
            |bench: &Bench| bench.fake.writes().iter().filter(|write| write.set == SET).count();
        let (full, before) = (bench.fake.writes().len(), to_this_set(&bench));
        bench.block(9_799..9_800, HOUR_MS);
        bench.holds(9_800, Duration::from_secs(5)).await;
        bench.never_lost(full, 0..9_799);
        assert_eq!(to_this_set(&bench), before + 1);
    });
}

#[test]
fn w3_a_rival_before_every_second_write_delays_and_loses_nothing() {
    alone("w3_a_rival_before_every_second_write_delays_and_loses_nothing", || async {
        let mut bench = Bench::start().await;
        bench.fake.add_set("somebody-elses", "IPV4");
        bench.fake.set("somebody-elses", &[RIVALS], "not ours");
        bench.fake.rival(2);
        for number in 0..16 {
            bench.block(number..number + 1, HOUR_MS);
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        bench.holds(16, Duration::from_secs(20)).await;
        let (asked, made) = (bench.fake.calls("UpdateIPSet"), bench.fake.writes().len());
        assert!(
            bench.fake.rival_writes() * 2 + 1 >= asked,
            "the rival did not write before half of them"
        );
        assert!(asked <= 3 * made, "{asked} tries for {made} writes");
        assert_eq!(bench.fake.addresses("somebody-elses"), [RIVALS]);
        assert_eq!(bench.fake.description("somebody-elses"), "not ours");
    });
}

#[test]
fn what_does_not_fit_into_a_set_failed_for_capacity_and_pushes_nothing_out() {
    alone("what_does_not_fit_into_a_set_failed_for_capacity_and_pushes_nothing_out", || async {
        let mut bench = Bench::start().await;
        bench.block(0..9_800, HOUR_MS);
        bench.holds(9_800, Duration::from_secs(10)).await;
        let full = bench.fake.writes().len();
        bench.block(9_800..9_803, HOUR_MS);
        let begun = Instant::now();
        let failed = loop {
            bench.holds(9_800, Duration::from_secs(1)).await;
            let failed = bench.said.iter().filter(|said| said.status == Status::Failed);
            let failed: Vec<Enforcement> = failed.cloned().collect();
            if failed.len() >= 3 {
                break failed;
            }
            assert!(begun.elapsed() < Duration::from_secs(5), "nobody was told: {failed:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        assert!(failed.iter().all(|said| said.reason.starts_with("capacity")), "{failed:?}");
        bench.never_lost(full, 0..9_800);
    });
}
