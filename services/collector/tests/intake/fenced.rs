//! A topic of the user's own on librdkafka's in-process cluster: its group takes our place away, and what `/readyz` says.

use std::time::Duration;

use collector::config::kafka::Kafka;
use collector::publish::{Outbox, Watch};
use collector::sources::kafka::run;
use observe::Trusted;
use pipeline::memory::Log;
use pipeline::{Bus, Clock, Context, Health, Message};
use rdkafka::mocking::MockCluster;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use schemas::Protected;
use tokio_util::sync::CancellationToken;

use super::counters::Counters;
use super::files::line;
use super::{NOW, events};

const TOPIC: &str = "their.logs";
const SETTINGS: &str = "[[topic]]\nname = \"their.logs\"\nformat = \"combined\"\ngroup = \"theirs\"\nprovenance = \"socket_peer\"";
const GIVEN_UP: &str = "Key(perimeter_group_restarts_total, [group = theirs])";
const WITHIN: Duration = Duration::from_secs(30);

async fn until(what: &str, done: impl Fn() -> bool) {
    let waiting = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(WITHIN, waiting).await.expect(what);
}

async fn publish(bus: &Bus, uri: &str) {
    let message = Message {
        topic: TOPIC.to_owned(),
        key: b"any key".to_vec(),
        payload: line(uri).into_bytes(),
        partition: Some(0),
        headers: Vec::new(),
    };
    bus.publisher().unwrap().send(message).await.unwrap();
}

/// Where it did not, the process would be taken for one that cannot take anything in, and its other sources with it.
#[tokio::test(flavor = "multi_thread")]
async fn a_collector_whose_member_was_fenced_stays_ready_and_another_reads_on() {
    let counters = Counters::default();
    let _counting = metrics::set_default_local_recorder(&counters);
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic(TOPIC, 1, 1).unwrap();
    let theirs =
        Bus::kafka(vec![("bootstrap.servers".to_owned(), cluster.bootstrap_servers())]).unwrap();
    let clock = Clock::manual(NOW);
    let log = Log::new(clock.clone());
    let ours = Bus::in_memory(log.clone());
    let publisher = ours.publisher().unwrap();
    let outbox = Outbox::new("kafka", publisher, Watch::new(Protected::special()), clock.clone());
    let context = Context {
        service: "collector",
        replica: 0,
        bus: ours,
        clock,
        health: Health::default(),
        shutdown: CancellationToken::new(),
        tls: None,
    };
    context.health.expect("kafka");
    let topic = Kafka::parse(SETTINGS, Vec::new(), Vec::new()).unwrap().topics.remove(0);
    let ready = || context.health.set("kafka", true);
    let reading = run(topic, &theirs, Trusted::default(), outbox, &context, ready);
    // What was not committed is read again, as the same events.
    let read = |uri: &str| events(&log).iter().any(|event| event.uri == uri);
    let story = async {
        assert!(context.health.ready().is_err(), "ready before the group gave it a share");
        publish(&theirs, "/a").await;
        until("the first record is read", || read("/a")).await;
        assert_eq!(context.health.ready(), Ok(()));
        cluster.request_errors(
            RDKafkaApiKey::Heartbeat,
            &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID; 8],
        );
        let ready_and = |done: bool| {
            assert_eq!(context.health.ready(), Ok(()));
            done
        };
        until("the member gives up", || ready_and(counters.get(GIVEN_UP) >= Some(1))).await;
        cluster.clear_request_errors(RDKafkaApiKey::Heartbeat);
        publish(&theirs, "/b").await;
        until("a new member reads on", || ready_and(read("/b"))).await;
        context.shutdown.cancel();
    };
    let (read, ()) = tokio::join!(reading, story);
    read.unwrap();
}
