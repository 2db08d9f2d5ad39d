//! The stages on a partition without a broker, and what a restart reads back from the log.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod common;

use common::{ATTACKER, EPOCH, T0, block};
use pipeline::memory::Log;
use pipeline::{Bus, Clock, Follow as _, Headers, Leases, Message, Raw, Update, Worker};
use schemas::{
    Decision, Detection, Effect, Enforcement, Epoch, Generation, LeaseEntry, Limits, Outcome,
    Phase, Protected, Record, Status, Topic,
};
use verifier::logic::{Core, Input, LATE_MS, Publish, Reach};
use verifier::ocsf::Export;
use verifier::stage::{Decisions, Enforcements};
use verifier::{Verification, restore};

const DETECTION: &[u8] =
    include_bytes!("../../../schemas/examples/detection/v1/sql-injection.avro");
const OUTCOME: &[u8] = include_bytes!("../../../schemas/examples/outcome/v1/effective.avro");
const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// A verifier without Envoy and WAF: only level 1 is to be had.
fn verification() -> Verification {
    Verification::new(Core::new(Reach::default(), Protected::special(), Limits::default(), 1))
}

fn leases(log: &Log) -> Leases {
    let leases = Leases::default();
    let mut sink = leases.sink();
    log.append(Message::of(&LeaseEntry::Epoch(Epoch { epoch: EPOCH, replaces: vec![] })).unwrap());
    log.poll(Topic::Leases, 0, 0, 10, &mut |raw| sink.update(Update::Record(raw)));
    for (topic, end) in [(Topic::Leases, 1), (Topic::Controls, 0)] {
        sink.update(Update::Reached { topic, partition: 0, end, now: T0 });
    }
    leases
}

fn applied(decision: &Decision) -> Enforcement {
    let generation = Generation { epoch: EPOCH, offset: 0 };
    Enforcement::of(decision, "envoy/0", Phase::Apply, Status::Applied, generation, T0)
}

/// Hands everything in a partition to a stage; answers whether it held.
async fn feed<S: pipeline::Stage>(log: &Log, stage: S, partition: i32) -> bool {
    let batch = log.batch(<S::Input as Record>::TOPIC, partition, 0, usize::MAX / 2);
    let trace = [("traceparent", b"00-trace".to_vec())];
    let headers = Headers::of(&trace);
    let traced = batch.raws().into_iter().map(|raw| Raw { headers, ..raw });
    let traced: Vec<Raw<'_>> = traced.collect();
    let produced = Worker::new(stage, partition).work(&traced).await;
    assert!(produced.messages.is_empty(), "outcomes leave by the loop, not by the stage");
    produced.held.is_some()
}

fn told(verification: &Verification) -> Vec<(String, Effect)> {
    let (effects, _) = verification.take();
    let told = |publish: &Publish| (publish.outcome.point.clone(), publish.outcome.effect);
    effects.publish.iter().map(told).collect()
}

/// A log in which one address was blocked.
struct World {
    clock: Clock,
    log: Log,
    decision: Decision,
    /// Where all of it stands.
    partition: i32,
}

impl World {
    fn new() -> Self {
        let clock = Clock::manual(T0);
        let log = Log::new(clock.clone());
        let decision = block(ATTACKER, 1, 60_000);
        let (partition, _) = log.append(Message::of(&decision).unwrap());
        World { clock, log, decision, partition }
    }

    fn append<R: Record>(&self, record: &R) {
        self.log.append(Message::of(record).unwrap());
    }

    /// A verifier that starts now, when it has read everything back.
    fn restart(&self) -> Verification {
        let verification = verification();
        let read_back = Bus::in_memory(self.log.clone()).read_back();
        let (partition, limits, clock) = (self.partition, Limits::default(), &self.clock);
        restore::restore(&verification, &read_back, partition, EPOCH, &limits, clock).unwrap();
        verification
    }
}

#[tokio::test]
async fn decisions_and_enforcements_meet_in_one_core_in_either_order() {
    let world = World::new();
    world.append(&applied(&world.decision));
    let (log, clock, partition) = (&world.log, &world.clock, world.partition);
    for decision_first in [true, false] {
        let verification = verification();
        let leases = leases(&Log::new(clock.clone()));
        let decisions = Decisions::new(verification.clone(), leases, clock.clone());
        let enforcements = Enforcements::new(verification.clone(), clock.clone());
        if decision_first {
            assert!(!feed(log, decisions, partition).await);
            assert!(!feed(log, enforcements, partition).await);
        } else {
            assert!(!feed(log, enforcements, partition).await);
            assert!(!feed(log, decisions, partition).await);
        }
        assert_eq!(told(&verification), [("envoy/0".to_owned(), Effect::Effective)]);
    }
}

#[tokio::test]
async fn without_an_epoch_a_decision_is_held_and_not_passed_over() {
    let world = World::new();
    let verification = verification();
    let stage = Decisions::new(verification.clone(), Leases::default(), world.clock.clone());
    assert!(feed(&world.log, stage, world.partition).await);
    assert_eq!(verification.active_claims(), 0);
}

#[tokio::test]
async fn a_restart_reads_its_own_outcomes_back_and_tells_only_what_is_new() {
    let world = World::new();
    world.append(&applied(&world.decision));
    // Killed after the enforcement's offset was committed and before the outcome was out: it is told now.
    let (effects, _) = world.restart().take();
    assert_eq!(effects.publish.len(), 1);
    let outcome: &Outcome = &effects.publish[0].outcome;
    world.append(outcome);
    // And never again.
    let second = world.restart();
    assert_eq!(told(&second), []);
    assert_eq!(second.active_claims(), 1);
    world.clock.advance(100_000);
    second.apply(Input::Tick, world.clock.now());
    assert_eq!(told(&second), [], "it could not look before");
    world.clock.advance(LATE_MS);
    second.apply(Input::Tick, world.clock.now());
    assert_eq!(told(&second), [("envoy/0".to_owned(), Effect::Absent)], "nobody said 'lifted'");
}

#[tokio::test]
async fn a_restart_after_a_lift_reads_of_it_before_it_tells_anything() {
    let world = World::new();
    let applied = applied(&world.decision);
    world.append(&applied);
    let (effects, _) = world.restart().take();
    world.append(&effects.publish[0].outcome);
    world.clock.advance(60_100);
    let id = world.decision.decision_id;
    let lifted = Enforcement {
        enforcement_id: Enforcement::id(id, "envoy/0", Phase::Lift, Status::Lifted),
        phase: Phase::Lift,
        status: Status::Lifted,
        ..applied
    };
    world.append(&lifted);
    world.clock.advance(60_000);
    let restarted = world.restart();
    assert_eq!(told(&restarted), [("envoy/0".to_owned(), Effect::Effective)]);
    assert_eq!(restarted.active_claims(), 0, "nothing is left to watch");
}

#[tokio::test]
async fn a_restart_does_not_tell_again_what_a_point_could_not_do_before_it_could() {
    let world = World::new();
    let applied = applied(&world.decision);
    let failed = Enforcement {
        enforcement_id: Enforcement::id(
            applied.decision_id,
            "envoy/0",
            Phase::Apply,
            Status::Failed,
        ),
        status: Status::Failed,
        reason: "capacity: the IP set is full".to_owned(),
        ..applied.clone()
    };
    world.append(&failed);
    world.append(&applied);
    assert_eq!(told(&world.restart()), [("envoy/0".to_owned(), Effect::Effective)]);
}

/// What a stage answers to one record that comes twice.
async fn documents<S>(stage: S, record: &S::Input) -> Vec<Message>
where
    S: pipeline::Stage,
{
    let headers = vec![("traceparent", TRACE.as_bytes().to_vec())];
    let message = Message { headers, ..Message::of(record).unwrap() };
    let topic = <S::Input as Record>::TOPIC;
    let partition = schemas::topic::partition_of_key(&message.key, topic.partitions());
    let raw = Raw::of(&message, topic, partition, 0, T0);
    let mut worker = Worker::new(stage, partition);
    [worker.work(&[raw]).await.messages, worker.work(&[raw]).await.messages].concat()
}

#[tokio::test]
async fn a_detection_and_an_outcome_are_told_as_ocsf_under_their_key_and_trace_and_always_alike() {
    let detection = Detection::decode(DETECTION).unwrap();
    let outcome = Outcome::decode(OUTCOME).unwrap();
    for (messages, class, id) in [
        (documents(Export::detections(), &detection).await, 2004, detection.detection_id),
        (documents(Export::outcomes(), &outcome).await, 7004, outcome.outcome_id),
    ] {
        let [first, again] = &messages[..] else { panic!("{messages:?}") };
        assert_eq!(first, again);
        assert_eq!((first.topic.as_str(), &first.key[..]), ("ocsf", &b"81.2.69.142"[..]));
        assert_eq!(first.headers, [("traceparent", TRACE.as_bytes().to_vec())]);
        let document: serde_json::Value = serde_json::from_slice(&first.payload).unwrap();
        assert_eq!(document["class_uid"], class);
        assert_eq!(document["metadata"]["uid"], id.to_string());
    }
}
