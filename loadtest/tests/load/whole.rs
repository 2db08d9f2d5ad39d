//! A whole run: librdkafka's mock broker, and a pipeline of one thread that detects what a scorer would.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use loadtest::load::args::{BatchingArgs, CommonArgs, EventsArgs, LoadArgs, Rate, Share};
use loadtest::load::report::Report;
use loadtest::load::thresholds::Thresholds;
use loadtest::load::{Command, run};
use loadtest::terminal::Terminal;
use loadtest::world::World;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::message::Message;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, ThreadedProducer};
use rdkafka::{Offset, TopicPartitionList};
use schemas::{
    Category, Decision, Detection, Event, Observable, Provenance, Record, Severity, TOPICS, Topic,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::proofs::{block, proof};

/// What the attacks of `loadtest` have, and no ordinary request of it.
const SIGNS: [&str; 9] =
    ["%27%20OR", "%27%20AND", "SELECT", "SeLeCt", "DROP", "SLEEP", "etc", "win.ini", "shadow"];

fn detection(event: &schemas::EventView<'_>) -> Detection {
    Detection {
        detection_id: Uuid::new_v5(&event.event_id, b"test"),
        observable: Observable::client(event.client),
        detected_at: event.observed_at,
        probability: 0.95,
        severity: Severity::High,
        category: Category::SqlInjection,
        provenance: Provenance::SocketPeer,
        evidence: Vec::new(),
    }
}

fn send<R: Record>(producer: &ThreadedProducer<DefaultProducerContext>, record: &R) {
    let mut bytes = Vec::new();
    record.encode(&mut bytes).unwrap();
    let key = record.key();
    producer.send(BaseRecord::to(R::TOPIC.name()).key(&key).payload(&bytes)).unwrap();
}

/// Reads `events`, publishes detections, each with a block and its proof, commits; leaves out every detection where it is
/// told to.
fn scorer(bootstrap: &str, detects: bool, ended: &AtomicBool) {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", "scorer")
        .set("enable.auto.commit", "false")
        .create()
        .unwrap();
    let mut assignment = TopicPartitionList::new();
    for partition in 0..Topic::Events.partitions() {
        assignment.add_partition_offset("events", partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&assignment).unwrap();
    let producer: ThreadedProducer<DefaultProducerContext> =
        ClientConfig::new().set("bootstrap.servers", bootstrap).create().unwrap();
    let mut last: HashMap<Observable, i64> = HashMap::new();
    while !ended.load(Ordering::Relaxed) {
        let Some(Ok(message)) = consumer.poll(Duration::from_millis(20)) else { continue };
        let event = Event::decode(message.payload().unwrap()).unwrap();
        assert_eq!(message.key().unwrap(), Event::key_of(&event).as_bytes());
        let found = detection(&event);
        let due = last.get(&found.observable).is_none_or(|last| event.observed_at >= last + 2_000);
        if SIGNS.iter().any(|sign| event.uri.contains(sign)) && due && detects {
            last.insert(found.observable.clone(), event.observed_at);
            let decision = Decision {
                decision_id: Decision::id(found.detection_id),
                ..block(found.observable.clone(), found.detected_at)
            };
            send(&producer, &found);
            send(&producer, &decision);
            send(&producer, &proof(&decision));
        }
        consumer.commit_message(&message, CommitMode::Async).unwrap();
    }
}

fn command() -> Command {
    let common = CommonArgs {
        world: "unused".into(),
        seed: Some(3),
        attacks: Share(0.05),
        attackers: 8,
        clients: 50,
        no_overrides: true,
        report: None,
        thresholds: Thresholds::default(),
    };
    let load =
        LoadArgs { rate: Some(Rate(300.0)), seconds: 4, sweep: None, step: 1.25, step_up: None };
    let batching = BatchingArgs { linger_ms: 1, compression: "lz4".to_owned() };
    Command::Events(EventsArgs { common, load, batching })
}

async fn report(detects: bool) -> Report {
    let cluster = MockCluster::new(1).unwrap();
    for spec in TOPICS.iter() {
        cluster.create_topic(&spec.name, spec.partitions, 1).unwrap();
    }
    let bootstrap = cluster.bootstrap_servers();
    let ended = Arc::new(AtomicBool::new(false));
    let scoring = std::thread::spawn({
        let (bootstrap, ended) = (bootstrap.clone(), ended.clone());
        move || scorer(&bootstrap, detects, &ended)
    });
    let text =
        format!(r#"{{"kafka": {{"bootstrap": "{bootstrap}"}}, "envoy": {{"listener": "x"}}}}"#);
    let world: World = serde_json::from_str(&text).unwrap();
    let command = command();
    let plans = command.plans().unwrap();
    let ran = run(&command, plans, &world, &mut Terminal::silent(), CancellationToken::new()).await;
    ended.store(true, Ordering::Relaxed);
    scoring.join().unwrap();
    ran.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_sent_is_accounted_for() {
    let report = report(true).await;
    let leg = &report.legs[0];
    assert_eq!((leg.sent, leg.published, leg.dead_letters), (1_200, 1_200, 0));
    assert!(leg.found.expected > 0, "{:?}", leg.found);
    assert_eq!((leg.found.seen, leg.found.unexpected), (leg.found.expected, 0));
    assert!(leg.detected_ms.count > 0 && leg.drained_after_seconds.is_some());
    assert!(leg.blocks.decided > 0, "{:?}", leg.blocks);
    assert_eq!(leg.blocks.proved, leg.blocks.decided, "the last proofs are waited for");
    assert_eq!(leg.processes.len(), 1, "only ourselves");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scorer_that_says_nothing_is_missed() {
    let report = report(false).await;
    assert!(!report.legs[0].held);
    assert!(
        report.missed.iter().any(|missed| missed.contains("did not come")),
        "{:?}",
        report.missed
    );
}
