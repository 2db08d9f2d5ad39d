//! Reading beside the pipeline: from the end, past a broker that was away, and counting without reading.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod common;

use std::time::Duration;

use common::Block;
use loadtest::watch::{Growth, Seeable, Seen, Watch};
use rdkafka::ClientConfig;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{FutureProducer, FutureRecord};
use schemas::{Epoch, LeaseEntry, Record, TOPICS};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

fn block(detected_at: i64) -> Block {
    Block::new("81.2.69.142".parse().unwrap(), detected_at, detected_at + 15_000)
}

async fn publish<R: Record>(producer: &FutureProducer, record: &R) {
    let mut bytes = Vec::new();
    record.encode(&mut bytes).unwrap();
    raw(producer, R::TOPIC.name(), &record.key(), &bytes).await;
}

async fn raw(producer: &FutureProducer, topic: &str, key: &str, bytes: &[u8]) {
    let record = FutureRecord::to(topic).key(key).payload(bytes);
    producer.send(record, Duration::from_secs(5)).await.map_err(|(error, _)| error).unwrap();
}

async fn next(seen: &mut mpsc::Receiver<Seen>) -> Seeable {
    tokio::time::timeout(Duration::from_secs(10), seen.recv()).await.unwrap().unwrap().record
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_after_the_start_is_read_even_past_a_restarted_broker() {
    let cluster = MockCluster::new(1).unwrap();
    for spec in TOPICS.iter() {
        cluster.create_topic(&spec.name, spec.partitions, 1).unwrap();
    }
    let bootstrap = cluster.bootstrap_servers();
    let producer: FutureProducer = ClientConfig::new()
        .set("bootstrap.servers", &bootstrap)
        .set("reconnect.backoff.max.ms", "500")
        .create()
        .unwrap();
    publish(&producer, &block(1).detection()).await;
    raw(&producer, "detections.dlq", "old", b"old").await;

    let watch = Watch::start(&bootstrap).await.unwrap();
    let (sender, mut seen) = mpsc::channel(16);
    let reader = watch.clone();
    let stop = CancellationToken::new();
    let reading = tokio::spawn({
        let stop = stop.clone();
        async move { reader.read(sender, stop).await }
    });
    publish(&producer, &block(2).detection()).await;
    assert_eq!(next(&mut seen).await, Seeable::Detection(block(2).detection()));
    publish(&producer, &LeaseEntry::Epoch(Epoch { epoch: 1, replaces: Vec::new() })).await;
    publish(&producer, &LeaseEntry::Lease(block(2).lease())).await;
    assert_eq!(next(&mut seen).await, Seeable::Lease(block(2).lease()));

    cluster.broker_down(1).unwrap();
    cluster.broker_up(1).unwrap();
    publish(&producer, &block(2).decision()).await;
    assert_eq!(next(&mut seen).await, Seeable::Decision(block(2).decision()));
    raw(&producer, "outcomes", "key", b"no record").await;
    assert!(
        matches!(next(&mut seen).await, Seeable::Unreadable { topic, .. } if topic == "outcomes")
    );

    raw(&producer, "events", "81.2.69.0/24", b"one").await;
    raw(&producer, "events", "81.2.70.0/24", b"two").await;
    raw(&producer, "events.dlq", "bad", b"three").await;
    assert_eq!(watch.growth().await.unwrap(), Growth { events: 2, dead_letters: 1 });
    stop.cancel();
    reading.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_without_the_topics_is_one_clear_sentence() {
    let cluster = MockCluster::new(1).unwrap();
    cluster
        .topic_error(
            "events",
            rdkafka::types::RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
        )
        .unwrap();
    let error = Watch::start(&cluster.bootstrap_servers()).await.err().unwrap();
    assert!(error.to_string().contains("perimeter bootstrap kafka"), "{error:#}");
}
