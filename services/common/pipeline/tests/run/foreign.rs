//! A topic that is not ours, on librdkafka's in-process cluster and on its twin in memory: nothing is passed over.

use std::time::Duration;

use futures::FutureExt as _;
use pipeline::memory::Log;
use pipeline::{Bus, Clock, Consumer, Foreign, Message, Subscription};
use rdkafka::mocking::MockCluster;
use rdkafka::types::RDKafkaApiKey;
use tokio_util::sync::CancellationToken;

use super::counters::Counters;

const TOPIC: &str = "their.logs";
const WITHIN: Duration = Duration::from_secs(30);

fn subscription(topic: &str) -> Subscription {
    let (group, member) = ("perimeter".to_owned(), "perimeter-0".to_owned());
    Subscription { topic: topic.to_owned(), group, member }
}

async fn join(bus: &Bus) -> Consumer {
    let joined = Consumer::join(bus, subscription(TOPIC), &CancellationToken::new()).await;
    joined.unwrap().unwrap()
}

async fn publish(bus: &Bus, partition: i32, payload: &str) {
    let message = Message {
        topic: TOPIC.to_owned(),
        key: b"any key".to_vec(),
        payload: payload.as_bytes().to_vec(),
        partition: Some(partition),
        headers: Vec::new(),
    };
    bus.publisher().unwrap().send(message).await.unwrap();
}

/// Reads until there are `count` records; their partitions, offsets and texts.
async fn read(consumer: &mut Consumer, count: usize) -> Vec<(i32, i64, String)> {
    let mut found: Vec<Foreign> = Vec::new();
    let reading = tokio::time::timeout(WITHIN, async {
        while found.len() < count {
            found.extend(consumer.next().await.unwrap());
        }
    });
    reading.await.expect("the records come");
    assert!(consumer.joined() && found.iter().all(|record| record.timestamp.is_some()));
    let text = |payload: Vec<u8>| String::from_utf8(payload).unwrap();
    let mut read: Vec<_> = found
        .into_iter()
        .map(|record| (record.partition, record.offset, text(record.payload)))
        .collect();
    read.sort();
    read
}

/// What both the cluster and its twin promise.
async fn check(bus: &Bus) {
    let record = |partition, offset, text: &str| (partition, offset, text.to_owned());
    publish(bus, 0, "a").await;
    publish(bus, 2, "b").await;
    publish(bus, 2, "").await;
    let all = [record(0, 0, "a"), record(2, 0, "b"), record(2, 1, "")];
    let mut consumer = join(bus).await;
    assert_eq!(read(&mut consumer, 3).await, all);
    consumer.leave().await.unwrap();
    let mut consumer = join(bus).await;
    assert_eq!(read(&mut consumer, 3).await, all, "what was not committed comes again");
    consumer.commit().await.unwrap();
    publish(bus, 0, "c").await;
    assert_eq!(read(&mut consumer, 1).await, [record(0, 1, "c")]);
    consumer.leave().await.unwrap();
    let mut consumer = join(bus).await;
    assert_eq!(read(&mut consumer, 1).await, [record(0, 1, "c")]);
    consumer.commit().await.unwrap();
    assert_eq!(consumer.next().await.unwrap(), []);
    consumer.leave().await.unwrap();
}

fn cluster() -> (MockCluster<'static, rdkafka::producer::DefaultProducerContext>, Bus) {
    let cluster = MockCluster::new(1).unwrap();
    let servers = ("bootstrap.servers".to_owned(), cluster.bootstrap_servers());
    let bus = Bus::kafka(vec![servers]).unwrap();
    (cluster, bus)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_read_comes_again_until_it_is_committed() {
    check(&Bus::in_memory(Log::new(Clock::manual(7)))).await;
    let (cluster, bus) = cluster();
    cluster.create_topic(TOPIC, 3, 1).unwrap();
    check(&bus).await;
}

/// Without it a busy topic, whose lag is shown, looks like one that nobody reads.
#[tokio::test]
async fn what_is_read_is_counted_as_a_stage_counts_it() {
    let counters = Counters::default();
    let _counting = metrics::set_default_local_recorder(&counters);
    let key = format!("Key(perimeter_stage_records_total, [topic = {TOPIC}])");
    let bus = Bus::in_memory(Log::new(Clock::manual(7)));
    let mut consumer = join(&bus).await;
    assert_eq!(counters.get(&key), Some(0), "it is shown before it rises");
    publish(&bus, 0, "a").await;
    publish(&bus, 1, "b").await;
    read(&mut consumer, 2).await;
    assert_eq!(counters.get(&key), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_was_fenced_is_replaced_and_nothing_is_passed_over() {
    let counters = Counters::default();
    let _counting = metrics::set_default_local_recorder(&counters);
    let (cluster, bus) = cluster();
    cluster.create_topic(TOPIC, 1, 1).unwrap();
    publish(&bus, 0, "a").await;
    let mut consumer = join(&bus).await;
    read(&mut consumer, 1).await;
    crate::fence(&cluster);
    let fenced = async {
        while consumer.joined() {
            consumer.next().await.unwrap();
        }
    };
    tokio::time::timeout(WITHIN, fenced).await.expect("a fenced member is no member");
    cluster.clear_request_errors(RDKafkaApiKey::Heartbeat);
    publish(&bus, 0, "b").await;
    let all = [(0, 0, "a".to_owned()), (0, 1, "b".to_owned())];
    assert_eq!(read(&mut consumer, 2).await, all, "what was not committed comes again");
    let lost = counters.get("Key(perimeter_group_restarts_total, [group = perimeter])");
    assert!(lost >= Some(1), "{lost:?}");
    consumer.commit().await.unwrap();
    publish(&bus, 0, "c").await;
    assert_eq!(read(&mut consumer, 1).await, [(0, 2, "c".to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_does_not_wait_for_a_new_member() {
    let (cluster, bus) = cluster();
    cluster.create_topic(TOPIC, 1, 1).unwrap();
    let shutdown = CancellationToken::new();
    let joined = Consumer::join(&bus, subscription(TOPIC), &shutdown).await;
    let mut consumer = joined.unwrap().unwrap();
    publish(&bus, 0, "a").await;
    read(&mut consumer, 1).await;
    crate::fence(&cluster);
    shutdown.cancel();
    let fenced = async {
        while consumer.joined() {
            consumer.next().await.unwrap();
        }
    };
    tokio::time::timeout(WITHIN, fenced).await.expect("a fenced member is no member");
    let left = consumer.next().now_or_never().expect("nobody waits");
    assert_eq!(left.unwrap(), []);
    consumer.leave().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_is_not_there_is_named() {
    let (cluster, bus) = cluster();
    cluster
        .topic_error(TOPIC, rdkafka::types::RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
        .unwrap();
    let joined = Consumer::join(&bus, subscription(TOPIC), &CancellationToken::new()).await;
    let error = joined.err().unwrap().to_string();
    assert!(error.contains("there is no topic their.logs to read"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_broker_the_end_still_comes() {
    let servers = ("bootstrap.servers".to_owned(), "127.0.0.1:9".to_owned());
    let shutdown = CancellationToken::new();
    shutdown.cancel();
    let bus = Bus::kafka(vec![servers]).unwrap();
    assert!(Consumer::join(&bus, subscription(TOPIC), &shutdown).await.unwrap().is_none());
}
