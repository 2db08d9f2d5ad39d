//! The stage on the twin in memory: exactly one decision per detection, and the same after any restart.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;

mod around;

use std::sync::{Arc, Mutex};

use common::{HOUR, MINUTE, SECOND, detection, enforced, operator};
use decider::Decide;
use decider::logic::Past;
use decider::restore::restore;
use decider::stage::SharedNetworks;
use decider::tail::{Pasts, Tail};
use pipeline::memory::Log;
use pipeline::{Assigned, Bus, Clock, Follow as _, Leases, Update, Worker};
use schemas::{
    Action, Appended, Control, Decision, Detection, Folded, Generation, LeaseEntry, Mode,
    Record as _, Topic, fold,
};
use uuid::Uuid;

const START: i64 = 1_795_000_000_000;

/// A decider of one partition on a log in memory.
struct World {
    log: Log,
    clock: Clock,
    leases: Leases,
    partition: i32,
    next: i64,
    tailed: i64,
    worker: Worker<Decide>,
    tail: Tail,
}

impl World {
    fn new() -> Self {
        World::of(IP)
    }

    /// The decider of the partition in which `observable` lies.
    fn of(observable: &str) -> Self {
        let clock = Clock::manual(START);
        let log = Log::new(clock.clone());
        let partitions = Topic::Detections.partitions();
        let partition = schemas::topic::partition_of_key(observable.as_bytes(), partitions);
        let leases = Leases::default();
        let (worker, tail) = open(&log, &clock, &leases, partition, 0);
        World { log, clock, leases, partition, next: 0, tailed: 0, worker, tail }
    }

    /// Kills the decider and starts it again at what was committed.
    fn restart(&mut self, committed: i64) {
        (self.worker, self.tail) =
            open(&self.log, &self.clock, &self.leases, self.partition, committed);
        self.next = committed;
        self.tailed = 0;
    }

    fn detect(&mut self, detections: &[Detection]) {
        for detection in detections {
            self.log.append(pipeline::Message::of(detection).unwrap());
        }
    }

    /// Handles what is there; answers how many messages were published.
    async fn work(&mut self) -> usize {
        let batch = self.log.batch(Topic::Detections, self.partition, self.next, 1_000);
        self.next = batch.next_offset();
        if batch.is_empty() {
            return 0;
        }
        let produced = self.worker.work(&batch.raws()).await;
        let count = produced.messages.len();
        for message in produced.messages {
            self.log.append(message);
        }
        count
    }

    /// The follower catches up.
    fn follow(&mut self) {
        let tail = &mut self.tail;
        self.tailed =
            self.log.poll(Topic::Decisions, self.partition, self.tailed, 1_000, &mut |raw| {
                tail.update(Update::Record(raw));
            });
    }

    /// The decisions in the log: action, seconds, reason.
    fn decisions(&self) -> Vec<String> {
        let messages = self.log.messages("decisions");
        messages
            .iter()
            .map(|(_, _, message)| {
                let decision = Decision::decode(&message.payload).unwrap();
                let lasts = decision
                    .until
                    .map_or(0, |until| (until - decision.detected_at.unwrap_or(0)) / SECOND);
                format!("{:?} {lasts} {:?}", decision.action, decision.reason)
            })
            .collect()
    }
}

fn open(
    log: &Log,
    clock: &Clock,
    leases: &Leases,
    partition: i32,
    committed: i64,
) -> (Worker<Decide>, Tail) {
    let (rules, pasts, networks) = (enforced(), Pasts::default(), SharedNetworks::default());
    let assigned =
        Assigned { partition, committed, read_back: Bus::in_memory(log.clone()).read_back() };
    let past = restore(&assigned, &rules, &pasts, clock.now()).unwrap();
    let index = decider::index::Shared::default();
    let tail = Tail::new(rules.clone(), pasts, networks.clone(), index);
    (Worker::new(Decide::new(rules, past, leases.clone(), networks), partition), tail)
}

const IP: &str = "81.2.69.142";

#[tokio::test]
async fn each_detection_gets_exactly_one_decision_and_the_batch_knows_itself() {
    let mut world = World::new();
    world.detect(&[
        detection(IP, START),
        detection(IP, START + SECOND),
        detection(IP, START + 6 * MINUTE),
    ]);
    assert_eq!(world.work().await, 3);
    assert_eq!(world.decisions(), ["Block 300 Policy", "Observe 0 InForce", "Block 3600 Policy"]);
}

#[tokio::test]
async fn a_detection_delivered_twice_is_answered_once() {
    let mut world = World::new();
    let first = detection(IP, START);
    world.detect(&[first.clone(), first.clone()]);
    assert_eq!(world.work().await, 1);
    world.follow();
    world.detect(&[first]);
    assert_eq!(world.work().await, 0);
}

#[tokio::test]
async fn a_crash_before_the_commit_repeats_no_answer_and_changes_none() {
    let told =
        [detection(IP, START), detection(IP, START + SECOND), detection(IP, START + 6 * MINUTE)];
    for committed in 0..=3 {
        let mut world = World::new();
        world.detect(&told);
        world.work().await;
        let before = world.decisions();
        world.clock.advance(7 * MINUTE);
        world.restart(committed);
        assert_eq!(world.work().await, 0, "committed {committed}");
        world.detect(&[detection(IP, START + 7 * MINUTE)]);
        world.work().await;
        assert_eq!(world.decisions()[..3], before[..]);
        assert_eq!(world.decisions()[3], "Observe 0 InForce");
    }
}

#[tokio::test]
async fn a_crash_before_anything_was_published_gives_the_same_answers() {
    let told = [detection(IP, START), detection(IP, START + 6 * MINUTE)];
    let mut world = World::new();
    world.detect(&told);
    world.restart(0);
    world.work().await;
    let mut other = World::new();
    for detection in told {
        other.detect(&[detection]);
        other.work().await;
        other.follow();
    }
    assert_eq!(world.log.messages("decisions"), other.log.messages("decisions"));
}

#[tokio::test]
async fn the_word_of_an_operator_given_to_another_decider_is_heeded() {
    let mut world = World::new();
    let allow = operator(Action::Allow, IP, START, HOUR);
    world.log.append(pipeline::Message::of(&allow).unwrap());
    world.follow();
    world.detect(&[detection(IP, START + MINUTE)]);
    world.work().await;
    assert_eq!(world.decisions()[1], "Observe 0 Overridden");
}

#[tokio::test]
async fn strikes_are_restored_from_the_leases_when_decisions_are_gone() {
    let mut world = World::new();
    world.detect(&[detection(IP, START)]);
    world.work().await;
    let decision = Decision::decode(&world.log.messages("decisions")[0].2.payload).unwrap();
    world.log.append(pipeline::Message::of(&leased(&decision)).unwrap());
    world.log.recreate(Topic::Decisions);
    world.clock.advance(HOUR);
    world.restart(1);
    world.detect(&[detection(IP, START + HOUR)]);
    world.work().await;
    assert_eq!(world.decisions(), ["Block 3600 Policy"]);
}

#[tokio::test]
async fn what_no_lease_has_folded_in_is_read_however_old_it_is() {
    let old = detection(IP, START);
    for then_some in [false, true] {
        let mut world = World::new();
        world.detect(std::slice::from_ref(&old));
        world.work().await;
        world.clock.advance(HOUR);
        if then_some {
            world.detect(&[detection(IP, START + HOUR)]);
            world.work().await;
        }
        world.restart(if then_some { 2 } else { 1 });
        world.detect(&[old.clone(), detection(IP, START + HOUR)]);
        world.work().await;
        assert_eq!(world.decisions(), ["Block 300 Policy", "Block 3600 Policy"], "{then_some}");
    }
}

/// The lease that the executor makes of a decision, where there was none.
fn leased(decision: &Decision) -> LeaseEntry {
    let rules = enforced();
    let appended = Appended { generation: Generation { epoch: 1, offset: 0 }, at: START };
    match fold(None, decision, appended, &rules.protected, &rules.limits) {
        Folded::Lease(lease) => LeaseEntry::Lease(lease),
        other => panic!("the decision makes a lease, and not {other:?}"),
    }
}

#[test]
fn nothing_is_kept_of_a_partition_that_was_taken_away() {
    let (log, rules, pasts) = (Log::new(Clock::manual(START)), enforced(), Pasts::default());
    let read_back = Bus::in_memory(log).read_back();
    let assigned = Assigned { partition: 0, committed: 0, read_back };
    let past = restore(&assigned, &rules, &pasts, START).unwrap();
    let kept = Arc::downgrade(&past);
    let networks = SharedNetworks::default();
    let stage = Decide::new(rules.clone(), past, Leases::default(), networks.clone());
    let _tail = Tail::new(rules, pasts, networks, decider::index::Shared::default());
    assert!(kept.upgrade().is_some(), "the stage has it");
    drop(stage);
    assert!(kept.upgrade().is_none(), "the tail keeps it");
}

/// An operator's word on automation reaches the decider's copy.
fn told(world: &World, scope: &str, frozen: bool, mode: Option<Mode>) {
    let control = Control {
        control_id: Uuid::new_v4(),
        scope: scope.to_owned(),
        frozen,
        frozen_since: None,
        requested_at: START,
        requested_by: "spiffe://perimeter/operator/ada".to_owned(),
        reason: "release".to_owned(),
        mode,
    };
    let message = pipeline::Message::of(&control).unwrap();
    let raw = pipeline::Raw::of(&message, Topic::Controls, 0, 0, START);
    world.leases.sink().update(Update::Record(raw));
}

fn last(world: &World) -> Decision {
    Decision::decode(&world.log.messages("decisions").last().unwrap().2.payload).unwrap()
}

#[tokio::test]
async fn a_known_freeze_is_written_into_the_decision() {
    let mut world = World::new();
    told(&world, "all", true, None);
    world.detect(&[detection(IP, START)]);
    world.work().await;
    assert!(last(&world).frozen);
}

#[tokio::test]
async fn the_mode_in_force_at_the_decision_is_the_decisions_and_thaws_nothing() {
    let mut world = World::new();
    told(&world, "all", true, None);
    told(&world, "mode", false, Some(Mode::Simulated));
    world.detect(&[detection(IP, START)]);
    world.work().await;
    assert_eq!((last(&world).mode, last(&world).frozen), (Mode::Simulated, true));
    told(&world, "mode", false, Some(Mode::Enforced));
    world.detect(&[detection(IP, START + SECOND)]);
    world.work().await;
    assert_eq!(
        (last(&world).mode, last(&world).action, last(&world).frozen),
        (Mode::Enforced, Action::Block, true),
        "what was simulated is no claim in force"
    );
}

#[tokio::test]
async fn what_is_appended_while_the_past_is_restored_is_not_lost() {
    let rules = enforced();
    let mut past = Past::restoring();
    let allow = operator(Action::Allow, IP, START, HOUR);
    past.append(&rules, 3, START, &allow);
    past.restored(&rules, 3);
    let known = past.known(&IP.parse().unwrap());
    assert!(known.operator_in_force_at(START + MINUTE).is_some());
    // What was read back and came by the follower as well is taken once.
    past.append(&rules, 2, START, &operator(Action::Block, IP, START, HOUR));
    assert_eq!(
        past.known(&IP.parse().unwrap()).operator_in_force_at(START).unwrap().action,
        Action::Allow
    );
    let shared = Arc::new(Mutex::new(past));
    assert!(shared.lock().unwrap().answered(&IP.parse().unwrap(), allow.decision_id));
}
