//! Collector, scorer and decider killed while attacks arrive: the same ids as if nothing had happened.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use schemas::{Action, Decision, Detection, Event, Mode, Observable, Provenance};
use scorer::detectors::Detectors;
use scorer::logic::Memory;
use uuid::Uuid;

use super::addresses;
use super::kit::{SQL_INJECTION, World, deep, figure, now};
use super::log::{Log, Read};

const EVENTS: usize = 2_000;
const ATTACKERS: usize = 30;
const KILLED: [&str; 3] = ["collector", "scorer", "decider"];
/// Kills of one round; `cargo verify --deep` has rounds enough for 50 of each service.
const KILLS: usize = 9;
const ROUNDS_DEEP: usize = 17;
const KILL_EVERY: Duration = Duration::from_millis(500);
const ANSWERED_WITHIN: Duration = Duration::from_secs(12);
/// Failed logins that make an attack, in the demo's policy.
const FAILURES: usize = 5;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn k3_kills_change_no_detection_and_no_decision() {
    let world = World::alone().await;
    let log = Log::of(&world);
    let rounds = if deep() { ROUNDS_DEEP } else { 1 };
    let mut found = 0;
    for _ in 0..rounds {
        found += round(&world, &log).await;
    }
    let (kills, events) = (KILLS * rounds, EVENTS * rounds);
    figure(&format!("K3: {kills} kills, {events} events, {found} detections, as in a calm replay"));
}

/// Publishes, kills meanwhile, and compares; answers how many detections there were.
async fn round(world: &World, log: &Log) -> usize {
    let run = Uuid::new_v4();
    let attackers = addresses::many(ATTACKERS as u32);
    let events = events(run, &attackers);
    let published = async {
        for (number, event) in events.iter().enumerate() {
            log.publish(&Event { observed_at: now(), ..event.clone() }).await;
            if number % 20 == 0 {
                tokio::time::sleep(Duration::from_millis(25)).await;
            }
        }
    };
    let killed = async {
        for number in 0..KILLS {
            tokio::time::sleep(KILL_EVERY).await;
            world.kill(KILLED[number % KILLED.len()]);
        }
    };
    tokio::join!(published, killed);
    for service in KILLED {
        world.ready(service).await;
    }
    let observables: BTreeSet<Observable> =
        attackers.iter().map(|attacker| Observable::client(*attacker)).collect();
    let decisions = log
        .wait("every attacker blocked", ANSWERED_WITHIN, |read| blocks(read, &observables))
        .await;
    log.wait("all 2,000 events", ANSWERED_WITHIN, |read| {
        let source = format!("e2e/{run}");
        let count = read.events.iter().filter(|at| at.record.source == source).count();
        (count >= EVENTS).then_some(())
    })
    .await;
    let read = log.read();
    let calm = calm(world, &read, &observables);
    let found: BTreeSet<Uuid> = of(&read, &observables).map(|found| found.detection_id).collect();
    assert_eq!(found, calm, "the detections differ from those of a calm replay");
    for detection_id in &found {
        let id = decider::logic::decision_id(*detection_id);
        let answers: Vec<&Decision> = read
            .decisions
            .iter()
            .map(|at| &at.record)
            .filter(|decision| decision.detection_id == Some(*detection_id))
            .collect();
        assert!(!answers.is_empty(), "{detection_id} was never answered");
        assert!(answers.iter().all(|decision| decision.decision_id == id), "{answers:?}");
        let same = answers.iter().all(|answer| answer.until == answers[0].until);
        assert!(same, "answered twice, and differently: {answers:?}");
    }
    for (observable, ids) in decisions {
        assert_eq!(ids.len(), 1, "{observable} is blocked by {ids:?}");
    }
    found.len()
}

/// The ids of the decisions that block each observable, once every one has some.
fn blocks(
    read: &Read,
    observables: &BTreeSet<Observable>,
) -> Option<BTreeMap<Observable, BTreeSet<Uuid>>> {
    let mut blocks: BTreeMap<Observable, BTreeSet<Uuid>> = BTreeMap::new();
    for decision in read.decisions.iter().map(|at| &at.record) {
        let acts = decision.action == Action::Block && decision.mode == Mode::Enforced;
        if acts && observables.contains(&decision.observable) {
            blocks.entry(decision.observable.clone()).or_default().insert(decision.decision_id);
        }
    }
    (blocks.len() == observables.len()).then_some(blocks)
}

fn of<'a>(
    read: &'a Read,
    observables: &'a BTreeSet<Observable>,
) -> impl Iterator<Item = &'a Detection> {
    let detections = read.detections.iter().map(|at| &at.record);
    detections.filter(|detection| observables.contains(&detection.observable))
}

/// What the scorer's own memory says when nobody disturbs it: all of `events`, each partition in order.
fn calm(world: &World, read: &Read, observables: &BTreeSet<Observable>) -> BTreeSet<Uuid> {
    let policy = world.policy();
    let mut memories: BTreeMap<i32, Memory> = BTreeMap::new();
    let mut detections = Vec::new();
    for at in &read.events {
        let memory = memories
            .entry(at.partition)
            .or_insert_with(|| Memory::new(&policy, &Detectors::shipped(), at.partition));
        let mut bytes = Vec::new();
        schemas::Record::encode(&at.record, &mut bytes).unwrap();
        let view = <Event as schemas::Record>::decode(&bytes).unwrap();
        // What is in the future was rejected, and is here as well.
        memory.apply(&view, at.offset, at.appended_at, &mut detections).ok();
    }
    let ours = detections.into_iter().filter(|found| observables.contains(&found.observable));
    ours.map(|detection| detection.detection_id).collect()
}

/// Plain visits, with the attacks in between: half of the attackers inject, half guess passwords.
fn events(run: Uuid, attackers: &[IpAddr]) -> Vec<Event> {
    let mut attacks: Vec<(IpAddr, &str, i32)> = Vec::new();
    for round in 0..FAILURES {
        for (number, attacker) in attackers.iter().enumerate() {
            match number % 2 {
                0 if round == 2 => attacks.push((*attacker, SQL_INJECTION, 400)),
                0 => {}
                _ => attacks.push((*attacker, "/login", 401)),
            }
        }
    }
    let visitors = addresses::many(200);
    let every = EVENTS / attacks.len();
    let mut attacks = attacks.into_iter();
    (0..EVENTS)
        .map(|number| {
            let attack = if number % every == 0 { attacks.next() } else { None };
            let (client, uri, status) =
                attack.unwrap_or((visitors[number % visitors.len()], "/products?id=7", 200));
            Event {
                event_id: Uuid::new_v5(&run, &number.to_be_bytes()),
                source: format!("e2e/{run}"),
                position: Some(number as i64),
                method: if uri == "/login" { "POST" } else { "GET" }.to_owned(),
                uri: uri.to_owned(),
                status: Some(status),
                ..Event::request(client, Provenance::ProxyAsserted, 0)
            }
        })
        .collect()
}
