//! Everything in Kafka since the world began, kept up to date, and a way to publish whatever a test wants.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{Offset, TopicPartitionList};
use schemas::topic::OCSF;
use schemas::{
    Control, Decision, Detection, Enforcement, Event, LeaseEntry, Millis, Outcome, Record, TOPICS,
    Topic,
};
use serde_json::Value;

use super::kit::World;

/// One record where it stands.
#[derive(Debug, Clone)]
pub(crate) struct At<R> {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) appended_at: Millis,
    pub(crate) record: R,
}

/// A dead letter.
#[derive(Debug, Clone, Default)]
pub(crate) struct Dead {
    pub(crate) topic: String,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) class: String,
    pub(crate) reason: String,
}

/// What was read so far; each topic in the order of its partitions.
#[derive(Default)]
pub(crate) struct Read {
    pub(crate) events: Vec<At<Event>>,
    pub(crate) detections: Vec<At<Detection>>,
    pub(crate) decisions: Vec<At<Decision>>,
    pub(crate) leases: Vec<At<LeaseEntry>>,
    pub(crate) controls: Vec<At<Control>>,
    pub(crate) enforcements: Vec<At<Enforcement>>,
    pub(crate) outcomes: Vec<At<Outcome>>,
    /// OCSF documents.
    pub(crate) ocsf: Vec<Value>,
    pub(crate) dead: Vec<Dead>,
}

/// The log of the running world; clones share it.
#[derive(Clone)]
pub(crate) struct Log {
    read: Arc<Mutex<Read>>,
    producer: FutureProducer,
}

static LOG: OnceLock<Log> = OnceLock::new();

impl Log {
    pub(crate) fn of(world: &World) -> Log {
        LOG.get_or_init(|| Log::begin(&world.at("/kafka/bootstrap"))).clone()
    }

    fn begin(brokers: &str) -> Log {
        schemas::record::limit_decoding();
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("group.id", "e2e")
            .set("enable.auto.commit", "false")
            .set("auto.offset.reset", "earliest")
            .set("fetch.wait.max.ms", "20")
            .create()
            .unwrap();
        let mut assignment = TopicPartitionList::new();
        for spec in TOPICS.iter() {
            for partition in 0..spec.partitions {
                assignment.add_partition_offset(&spec.name, partition, Offset::Beginning).unwrap();
            }
        }
        consumer.assign(&assignment).unwrap();
        let read = Arc::new(Mutex::new(Read::default()));
        let filling = read.clone();
        // It reads until the test process ends.
        std::thread::spawn(move || {
            loop {
                if let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) {
                    filling.lock().unwrap_or_else(PoisonError::into_inner).take(&message);
                }
            }
        });
        let producer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("partitioner", "murmur2_random")
            .set("linger.ms", "2")
            .create()
            .unwrap();
        Log { read, producer }
    }

    pub(crate) fn read(&self) -> MutexGuard<'_, Read> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the log shows something.
    pub(crate) async fn wait<T>(
        &self,
        what: &str,
        within: Duration,
        look: impl Fn(&Read) -> Option<T>,
    ) -> T {
        let begun = Instant::now();
        loop {
            let found = look(&self.read());
            if let Some(found) = found {
                return found;
            }
            assert!(begun.elapsed() < within, "the log does not show within {within:?}: {what}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Publishes a record under its own key; answers where it stands.
    pub(crate) async fn publish<R: Record>(&self, record: &R) -> (i32, i64) {
        let mut payload = Vec::new();
        record.encode(&mut payload).unwrap();
        self.publish_raw(R::TOPIC, None, record.key().as_bytes(), &payload).await
    }

    /// Publishes any bytes.
    pub(crate) async fn publish_raw(
        &self,
        topic: Topic,
        partition: Option<i32>,
        key: &[u8],
        payload: &[u8],
    ) -> (i32, i64) {
        let mut record = FutureRecord::to(topic.name()).key(key).payload(payload);
        record.partition = partition;
        let sent = self.producer.send(record, Duration::from_secs(10)).await;
        let delivered = sent.map_err(|(error, _)| error).unwrap();
        (delivered.partition, delivered.offset)
    }

    /// Publishes to a topic that is none of ours.
    pub(crate) async fn publish_elsewhere(&self, topic: &str, payload: &[u8]) {
        let record: FutureRecord<'_, [u8], [u8]> = FutureRecord::to(topic).payload(payload);
        let sent = self.producer.send(record, Duration::from_secs(10)).await;
        sent.map_err(|(error, _)| error).unwrap();
    }
}

impl Read {
    fn take(&mut self, message: &BorrowedMessage<'_>) {
        let topic = message.topic();
        let payload = message.payload().unwrap_or_default();
        match Topic::ALL.into_iter().find(|known| known.name() == topic) {
            Some(Topic::Events) => {
                if let Ok(view) = Event::decode(payload) {
                    self.events.push(at(message, view.to_event()));
                }
            }
            Some(Topic::Detections) => keep(&mut self.detections, message),
            Some(Topic::Decisions) => keep(&mut self.decisions, message),
            Some(Topic::Leases) => keep(&mut self.leases, message),
            Some(Topic::Controls) => keep(&mut self.controls, message),
            Some(Topic::Enforcements) => keep(&mut self.enforcements, message),
            Some(Topic::Outcomes) => keep(&mut self.outcomes, message),
            Some(Topic::ScorerState) => {}
            None if topic == OCSF => self.ocsf.push(serde_json::from_slice(payload).unwrap()),
            None => self.dead.push(dead(message)),
        }
    }
}

fn keep<R>(kept: &mut Vec<At<R>>, message: &BorrowedMessage<'_>)
where
    R: for<'a> Record<View<'a> = R>,
{
    // What a test published to be refused is not kept.
    if let Ok(record) = R::decode(message.payload().unwrap_or_default()) {
        kept.push(at(message, record));
    }
}

fn at<R>(message: &BorrowedMessage<'_>, record: R) -> At<R> {
    At {
        partition: message.partition(),
        offset: message.offset(),
        appended_at: message.timestamp().to_millis().unwrap_or(0),
        record,
    }
}

fn dead(message: &BorrowedMessage<'_>) -> Dead {
    let header = |name: &str| {
        let headers = message.headers()?;
        let header = headers.iter().find(|header| header.key == name)?;
        Some(String::from_utf8_lossy(header.value?).into_owned())
    };
    let number = |name: &str| header(name).and_then(|text| text.parse::<i64>().ok()).unwrap_or(-1);
    Dead {
        topic: header("perimeter-topic").unwrap_or_default(),
        partition: i32::try_from(number("perimeter-partition")).unwrap_or(-1),
        offset: number("perimeter-offset"),
        class: header("perimeter-class").unwrap_or_default(),
        reason: header("perimeter-reason").unwrap_or_default(),
    }
}
