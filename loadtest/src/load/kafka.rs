//! Kafka under load: events straight to `events`, how far the scorer's group is, and what it publishes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, DeliveryResult};
use rdkafka::producer::{BaseRecord, Producer as _, ProducerContext, ThreadedProducer};
use rdkafka::{Offset, TopicPartitionList};
use schemas::{Record as _, Topic};

use super::mix::Prepared;

/// The group whose committed offsets say what was scored, its detections acknowledged.
const SCORER_GROUP: &str = "scorer";
const ASK_TIMEOUT: Duration = Duration::from_secs(5);
const FLUSH_TIMEOUT: Duration = Duration::from_secs(120);
/// How long a full queue is left alone before the next try.
const QUEUE_FULL_WAIT: Duration = Duration::from_millis(2);
/// Most events that wait for the broker in this process.
const QUEUE_EVENTS_MAX: u32 = 500_000;

/// How events are handed to the broker.
#[derive(Debug, Clone)]
pub struct Batching {
    pub linger_ms: u32,
    pub compression: String,
}

/// Publishes events, and knows how many the broker has.
pub struct Events {
    acks: Acks,
    payload: Vec<u8>,
}

/// How many events the broker has; clones share the producer.
///
/// It reports refusals only: a report for each event would cost the sender as much as the event. What was handed over
/// and is neither on its way nor refused is acknowledged.
#[derive(Clone)]
pub struct Acks {
    producer: Arc<ThreadedProducer<Refusals>>,
    handed: Arc<AtomicU64>,
    refusals: Refusals,
}

/// Counts refusals; clones share the count.
#[derive(Clone, Default)]
pub struct Refusals(Arc<AtomicU64>);

impl Acks {
    pub fn acknowledged(&self) -> u64 {
        let handed = self.handed.load(Ordering::Acquire);
        let on_their_way = u64::try_from(self.producer.in_flight_count()).unwrap_or(0);
        handed.saturating_sub(on_their_way + self.refused())
    }

    fn refused(&self) -> u64 {
        self.refusals.0.load(Ordering::Relaxed)
    }
}

impl ClientContext for Refusals {}

impl ProducerContext for Refusals {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if result.is_err() {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Events {
    pub fn new(bootstrap: &str, batching: &Batching) -> Result<Self> {
        let refusals = Refusals::default();
        let producer = ClientConfig::new()
            .set("bootstrap.servers", bootstrap)
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("delivery.report.only.error", "true")
            .set("linger.ms", batching.linger_ms.to_string())
            .set("compression.type", &batching.compression)
            .set("batch.size", "1000000")
            .set("batch.num.messages", "10000")
            .set("queue.buffering.max.messages", QUEUE_EVENTS_MAX.to_string())
            .set("queue.buffering.max.kbytes", "524288")
            .create_with_context(refusals.clone())
            .context(
                "could not make a Kafka producer; is --compression one that librdkafka knows",
            )?;
        let acks = Acks { producer: Arc::new(producer), handed: Arc::default(), refusals };
        Ok(Events { acks, payload: Vec::with_capacity(1024) })
    }

    pub fn acks(&self) -> Acks {
        self.acks.clone()
    }

    /// Hands one event over; waits while too many wait.
    pub fn send(&mut self, one: &Prepared) -> Result<()> {
        self.payload.clear();
        one.event.encode(&mut self.payload)?;
        let topic = Topic::Events.name();
        let mut record =
            BaseRecord::to(topic).key(&one.key).payload(&self.payload).partition(one.partition);
        while let Err((error, back)) = self.acks.producer.send(record) {
            if error != KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull) {
                return Err(error).context("could not publish an event");
            }
            record = back;
            std::thread::park_timeout(QUEUE_FULL_WAIT);
        }
        self.acks.handed.fetch_add(1, Ordering::Release);
        Ok(())
    }

    /// Waits until the broker has everything.
    pub fn finish(&self) -> Result<()> {
        let flushed = self.acks.producer.flush(FLUSH_TIMEOUT);
        flushed.context("the broker did not take all events")?;
        match self.acks.refused() {
            0 => Ok(()),
            refused => bail!("the broker refused {refused} events"),
        }
    }
}

/// Totals over all partitions, since the topics were made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Ever appended to `events`.
    pub appended: u64,
    /// Behind the scorer's committed offsets.
    pub scored: u64,
    pub dead_letters: u64,
}

impl Totals {
    pub fn lag(&self) -> u64 {
        self.appended.saturating_sub(self.scored)
    }
}

/// Asks the broker for offsets; joins no group.
pub struct Offsets(BaseConsumer);

impl Offsets {
    pub fn new(bootstrap: &str) -> Result<Self> {
        let consumer = ClientConfig::new()
            .set("bootstrap.servers", bootstrap)
            .set("group.id", SCORER_GROUP)
            .set("enable.auto.commit", "false")
            .create()
            .context("could not make a Kafka consumer")?;
        Ok(Offsets(consumer))
    }

    pub fn totals(&self) -> Result<Totals> {
        let events = Topic::Events;
        let mut asked = TopicPartitionList::new();
        for partition in 0..events.partitions() {
            asked.add_partition(events.name(), partition);
        }
        let committed = self
            .0
            .committed_offsets(asked, ASK_TIMEOUT)
            .context("could not ask how far the scorer is; is the broker up")?;
        let mut totals = Totals::default();
        for element in committed.elements() {
            if let Offset::Offset(offset) = element.offset() {
                totals.scored += u64::try_from(offset)?;
            }
        }
        let dead_letters = events.dead_letters();
        let mut ends = TopicPartitionList::new();
        for partition in 0..events.partitions() {
            ends.add_partition_offset(events.name(), partition, Offset::End)?;
        }
        ends.add_partition_offset(&dead_letters, 0, Offset::End)?;
        // The end is what the protocol answers for the time -1, and all of them are one request.
        let asking = || {
            format!(
                "could not ask for the ends of {} and {dead_letters}; has `perimeter bootstrap kafka` made them",
                events.name()
            )
        };
        let ends = self.0.offsets_for_times(ends, ASK_TIMEOUT).with_context(asking)?;
        for element in ends.elements() {
            element.error().with_context(asking)?;
            let Offset::Offset(end) = element.offset() else { bail!("{}", asking()) };
            let total = if element.topic() == dead_letters {
                &mut totals.dead_letters
            } else {
                &mut totals.appended
            };
            *total += u64::try_from(end)?;
        }
        Ok(totals)
    }
}

/// Reads what is published from now on, by manual assignment.
pub struct Follower(BaseConsumer);

impl Follower {
    pub fn new(bootstrap: &str, topics: &[Topic]) -> Result<Self> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", bootstrap)
            // Asked for by librdkafka; nothing is ever committed under it.
            .set("group.id", format!("loadtest-{}", std::process::id()))
            .set("enable.auto.commit", "false")
            .set("fetch.wait.max.ms", "100")
            .create()
            .context("could not make a Kafka consumer")?;
        let mut assignment = TopicPartitionList::new();
        for topic in topics {
            for partition in 0..topic.partitions() {
                let (_, end) = consumer
                    .fetch_watermarks(topic.name(), partition, ASK_TIMEOUT)
                    .with_context(|| format!("could not ask for the end of {}", topic.name()))?;
                assignment.add_partition_offset(topic.name(), partition, Offset::Offset(end))?;
            }
        }
        consumer.assign(&assignment).context("could not assign the topics to read")?;
        Ok(Follower(consumer))
    }

    /// The next message, if one comes within `wait`. librdkafka reconnects by itself: its errors are only news of that.
    pub fn next(&self, wait: Duration) -> Option<BorrowedMessage<'_>> {
        self.0.poll(wait)?.ok()
    }
}
