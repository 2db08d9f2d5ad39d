//! The runner on librdkafka's in-process cluster: order, dead letters, holding, committing, draining,
//! what a schema registry says, and which certificates cannot be used.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod certificates;
mod commits;
#[path = "../counters/mod.rs"]
mod counters;
mod followers;
mod foreign;
mod leases;
mod letters;
mod registry;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pipeline::{Bus, Clock, Context, Fault, From, Group, Health, Outputs, Received, Stage, run};
use rdkafka::mocking::MockCluster;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use schemas::{Action, Decision, Enforcement, Generation, Phase, Record, Status, Topic};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const WAIT: Duration = Duration::from_secs(30);

type Seen = Arc<Mutex<BTreeMap<String, Vec<i32>>>>;

/// Answers each decision with one enforcement and notes the order per observable.
struct Echo {
    seen: Seen,
    refuse: Arc<AtomicUsize>,
}

impl Stage for Echo {
    type Input = Decision;

    async fn handle(&mut self, batch: &[Received<'_, Decision>], out: &mut Outputs) {
        for received in batch {
            let decision = &received.record;
            if decision.strikes == 13 {
                out.fault(
                    received.offset,
                    Fault::Reject(anyhow::anyhow!("thirteen is not answered")),
                );
                continue;
            }
            let refusals_left = self.refuse.load(Ordering::SeqCst);
            if decision.strikes == 7 && refusals_left > 0 {
                self.refuse.store(refusals_left - 1, Ordering::SeqCst);
                out.fault(received.offset, Fault::Retry(anyhow::anyhow!("not yet")));
                return;
            }
            self.seen
                .lock()
                .unwrap()
                .entry(decision.observable.to_string())
                .or_default()
                .push(decision.strikes);
            out.push(&enforcement(decision));
        }
    }
}

fn decision(address: &str, strikes: i32) -> Decision {
    Decision {
        decision_id: Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("{address}/{strikes}").as_bytes()),
        until: Some(1_000),
        strikes,
        ..Decision::by_operator(Action::Block, address.parse().unwrap())
    }
}

fn enforcement(decision: &Decision) -> Enforcement {
    let generation = Generation { epoch: 1, offset: 0 };
    Enforcement::of(decision, "echo", Phase::Apply, Status::Applied, generation, 0)
}

struct World {
    cluster: MockCluster<'static, rdkafka::producer::DefaultProducerContext>,
    seen: Seen,
    refuse: Arc<AtomicUsize>,
}

impl World {
    fn new() -> Self {
        let cluster = MockCluster::new(1).unwrap();
        for topic in [Topic::Decisions, Topic::Enforcements] {
            cluster.create_topic(topic.name(), topic.partitions(), 1).unwrap();
        }
        cluster.create_topic(&Topic::Decisions.dead_letters(), 1, 1).unwrap();
        World { cluster, seen: Seen::default(), refuse: Arc::default() }
    }

    fn context(&self) -> Context {
        let servers = ("bootstrap.servers".to_owned(), self.cluster.bootstrap_servers());
        Context {
            service: "echo",
            replica: 0,
            bus: Bus::kafka(vec![servers]).unwrap(),
            clock: Clock::system(),
            health: Health::default(),
            shutdown: CancellationToken::new(),
            tls: None,
        }
    }

    fn start(&self, context: &Context) -> tokio::task::JoinHandle<anyhow::Result<()>> {
        let (seen, refuse, context) = (self.seen.clone(), self.refuse.clone(), context.clone());
        tokio::spawn(async move {
            run(&context, Group("echo"), move |_| {
                Ok(Echo { seen: seen.clone(), refuse: refuse.clone() })
            })
            .await
        })
    }

    /// Ids of the enforcements published so far, in order per partition.
    fn published(&self, context: &Context) -> Vec<Uuid> {
        let mut ids = Vec::new();
        for partition in 0..Topic::Enforcements.partitions() {
            context
                .bus
                .read_back()
                .read(Topic::Enforcements, partition, From::Beginning, &mut |raw| {
                    ids.push(raw.decode::<Enforcement>()?.decision_id);
                    Ok(())
                })
                .unwrap();
        }
        ids
    }

    async fn until(&self, what: &str, done: impl Fn() -> bool) {
        let waited = tokio::time::timeout(WAIT, async {
            while !done() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        assert!(
            waited.await.is_ok(),
            "{what} did not happen; seen {:?}",
            self.seen.lock().unwrap()
        );
    }
}

/// Why the stage ended by itself.
async fn ended(running: tokio::task::JoinHandle<anyhow::Result<()>>) -> String {
    let ended = tokio::time::timeout(WAIT, running).await.expect("the stage ends");
    ended.unwrap().unwrap_err().to_string()
}

/// The broker says that another process took the members' places.
fn fence(cluster: &MockCluster<'static, rdkafka::producer::DefaultProducerContext>) {
    let fenced = [RDKafkaRespErr::RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID; 8];
    cluster.request_errors(RDKafkaApiKey::Heartbeat, &fenced);
}

/// The broker says that records are missing before the next ones that are sent, so that their producer gives up.
fn lose(cluster: &MockCluster<'static, rdkafka::producer::DefaultProducerContext>) {
    let lost = [RDKafkaRespErr::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER];
    cluster.request_errors(RDKafkaApiKey::Produce, &lost);
}

fn count(seen: &Seen) -> usize {
    seen.lock().unwrap().values().map(Vec::len).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn records_of_one_key_are_answered_in_order_and_a_restart_goes_on_where_it_was() {
    let world = World::new();
    let context = world.context();
    let publisher = context.bus.publisher().unwrap();
    let addresses = ["81.2.69.1", "81.2.69.2", "81.2.69.3", "2a00:1450::/64"];
    for strikes in 20..40 {
        for address in addresses {
            publisher.publish(&decision(address, strikes)).await.unwrap();
        }
    }
    let running = world.start(&context);
    world.until("answering all", || count(&world.seen) >= 80).await;
    context.shutdown.cancel();
    running.await.unwrap().unwrap();
    for (address, strikes) in world.seen.lock().unwrap().iter() {
        assert!(strikes.is_sorted(), "{address}: {strikes:?}");
    }

    let again = world.context();
    let running = world.start(&again);
    publisher.publish(&decision("81.2.69.9", 1)).await.unwrap();
    world.until("answering the new one", || count(&world.seen) > 80).await;
    again.shutdown.cancel();
    running.await.unwrap().unwrap();
    assert_eq!(count(&world.seen), 81, "what was drained is not repeated");
    assert_eq!(world.published(&again).len(), 81);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stage_that_was_fenced_ends_with_a_sentence_and_its_next_start_goes_on() {
    let world = World::new();
    let context = world.context();
    let publisher = context.bus.publisher().unwrap();
    publisher.publish(&decision("81.2.69.1", 1)).await.unwrap();
    let running = world.start(&context);
    world.until("answering the first", || count(&world.seen) == 1).await;
    fence(&world.cluster);
    let error = ended(running).await;
    for said in
        ["could not go on reading decisions", "the broker was away", "the same replica number"]
    {
        assert!(error.contains(said), "{error}");
    }

    world.cluster.clear_request_errors(RDKafkaApiKey::Heartbeat);
    let again = world.context();
    let running = world.start(&again);
    publisher.publish(&decision("81.2.69.1", 2)).await.unwrap();
    let last = || world.seen.lock().unwrap()["81.2.69.1"].last() == Some(&2);
    world.until("answering the second", last).await;
    again.shutdown.cancel();
    running.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stage_whose_producer_gave_up_ends_and_its_next_start_answers() {
    let world = World::new();
    let context = world.context();
    context.bus.publisher().unwrap().publish(&decision("81.2.69.1", 1)).await.unwrap();
    lose(&world.cluster);
    let error = ended(world.start(&context)).await;
    assert!(error.contains("; stopping, "), "{error}");

    let again = world.context();
    let running = world.start(&again);
    world.until("answering again", || world.published(&again).len() == 1).await;
    again.shutdown.cancel();
    running.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_whose_producer_gave_up_says_so_once_and_goes_on_with_a_new_one() {
    let world = World::new();
    let context = world.context();
    let publisher = context.bus.publisher().unwrap();
    publisher.publish(&enforcement(&decision("81.2.69.1", 1))).await.unwrap();
    lose(&world.cluster);
    let many: Vec<Enforcement> =
        (2..200).map(|strikes| enforcement(&decision("81.2.69.1", strikes))).collect();
    let publishing = tokio::time::timeout(WAIT, publisher.publish_all(&many));
    let error = publishing.await.expect("nobody waits for ever").unwrap_err().to_string();
    assert!(error.contains("could not publish to enforcements"), "{error}");

    let last = enforcement(&decision("81.2.69.1", 200));
    let publishing = tokio::time::timeout(WAIT, publisher.publish(&last));
    publishing.await.expect("a new producer publishes").unwrap();
    assert_eq!(world.published(&context).last(), Some(&last.decision_id));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_or_answered_goes_to_the_dead_letters_and_stops_nothing() {
    let world = World::new();
    let context = world.context();
    let publisher = context.bus.publisher().unwrap();
    let good = decision("81.2.69.1", 1);
    let mut wrong_key = pipeline::Message::of(&good).unwrap();
    // Quoted in full, it would make a letter that no broker takes.
    wrong_key.key = vec![0xFF; 300_000];
    let mut cut = pipeline::Message::of(&good).unwrap();
    cut.payload.truncate(30);
    let mut not_avro = pipeline::Message::of(&good).unwrap();
    not_avro.payload = b"{\"not\":\"avro\"}".to_vec();
    for message in [wrong_key, cut, not_avro] {
        publisher.send(message).await.unwrap();
    }
    publisher.publish(&decision("81.2.69.1", 13)).await.unwrap();
    publisher.publish(&good).await.unwrap();
    let running = world.start(&context);
    world.until("answering the good one", || count(&world.seen) == 1).await;
    context.shutdown.cancel();
    running.await.unwrap().unwrap();
    let classes = dead_letter_classes(&world);
    assert_eq!(classes, ["malformed", "rejected", "wrong_key", "wrong_magic"]);
}

fn dead_letter_classes(world: &World) -> Vec<String> {
    use rdkafka::Message as _;
    use rdkafka::consumer::{BaseConsumer, Consumer as _};
    use rdkafka::message::Headers as _;
    let consumer: BaseConsumer = rdkafka::ClientConfig::new()
        .set("bootstrap.servers", world.cluster.bootstrap_servers())
        .set("group.id", "test")
        .set("enable.partition.eof", "true")
        .create()
        .unwrap();
    let mut assignment = rdkafka::TopicPartitionList::new();
    assignment
        .add_partition_offset(&Topic::Decisions.dead_letters(), 0, rdkafka::Offset::Beginning)
        .unwrap();
    consumer.assign(&assignment).unwrap();
    let mut classes = Vec::new();
    while let Some(Ok(message)) = consumer.poll(Duration::from_secs(5)) {
        let headers = message.headers().unwrap();
        let class = headers.iter().find(|header| header.key == "perimeter-class").unwrap();
        classes.push(String::from_utf8_lossy(class.value.unwrap()).into_owned());
    }
    classes.sort();
    classes
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_must_wait_is_held_and_nothing_behind_it_overtakes() {
    let world = World::new();
    world.refuse.store(3, Ordering::SeqCst);
    let context = world.context();
    let publisher = context.bus.publisher().unwrap();
    for strikes in 5..10 {
        publisher.publish(&decision("81.2.69.1", strikes)).await.unwrap();
    }
    let running = world.start(&context);
    world
        .until("answering all", || {
            let seen = world.seen.lock().unwrap();
            seen.get("81.2.69.1").is_some_and(|strikes| strikes.last() == Some(&9))
        })
        .await;
    context.shutdown.cancel();
    running.await.unwrap().unwrap();
    let seen = world.seen.lock().unwrap()["81.2.69.1"].clone();
    assert_eq!(seen.iter().filter(|strikes| **strikes == 7).count(), 1);
    let after_first_seven =
        seen.iter().skip_while(|strikes| **strikes != 7).copied().collect::<Vec<_>>();
    assert_eq!(after_first_seven, [7, 8, 9], "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_partition_count_is_refused_with_a_sentence() {
    let world = World::new();
    let context = world.context();
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic(Topic::Decisions.name(), 2, 1).unwrap();
    let servers = ("bootstrap.servers".to_owned(), cluster.bootstrap_servers());
    let context = Context { bus: Bus::kafka(vec![servers]).unwrap(), ..context };
    let error = world.start(&context).await.unwrap().unwrap_err().to_string();
    assert!(error.contains("decisions has 2 partitions and must have 6"), "{error}");
}

#[test]
fn a_record_knows_its_topic_and_key() {
    let decision = decision("81.2.69.1/24", 1);
    assert_eq!((Decision::TOPIC.name(), decision.key()), ("decisions", "81.2.69.0/24".to_owned()));
}
