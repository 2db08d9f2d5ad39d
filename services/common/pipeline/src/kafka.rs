//! Everything that is particular to librdkafka: properties, membership, acknowledgements, reading back, following.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, DeliveryResult, Headers as _, Message as _};
use rdkafka::producer::{BaseRecord, Producer as _, ProducerContext, ThreadedProducer};
use rdkafka::statistics::Statistics;
use rdkafka::{Offset, TopicPartitionList};
use schemas::Topic;
use tokio_util::sync::CancellationToken;

use crate::bus::{From, Raw};
use crate::follow::{Follow, Update};
use crate::publisher::headers;
use crate::service::Clock;
use crate::stage::Message;

const METADATA_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a reader without a group asks for watermarks before it goes on without.
const WATERMARK_TIMEOUT: Duration = Duration::from_millis(1_000);
/// How often a follower confirms that it has read to the end.
const CONFIRM_INTERVAL: Duration = Duration::from_millis(500);
const FOLLOW_POLL: Duration = Duration::from_millis(50);
const READ_BACK_STALL: Duration = Duration::from_secs(20);
/// How long a revocation waits for outstanding acknowledgements before it lets go.
const REVOKE_WAIT: Duration = Duration::from_secs(3);

/// A Kafka cluster by its client properties.
#[derive(Clone)]
pub struct Kafka {
    properties: Vec<(String, String)>,
}

/// How many messages of a batch the broker has not acknowledged yet.
#[derive(Clone, Default)]
pub(crate) struct Acks(Arc<(AtomicUsize, AtomicBool)>);

impl Acks {
    pub(crate) fn expecting(count: usize) -> Self {
        Acks(Arc::new((AtomicUsize::new(count), AtomicBool::new(false))))
    }

    pub(crate) fn done(&self) -> bool {
        self.0.0.load(Ordering::Acquire) == 0
    }

    pub(crate) fn failed(&self) -> bool {
        self.0.1.load(Ordering::Acquire)
    }
}

pub(crate) type Producer = ThreadedProducer<Delivery>;

/// Counts acknowledgements down.
pub(crate) struct Delivery;

impl ClientContext for Delivery {}

impl ProducerContext for Delivery {
    type DeliveryOpaque = Box<Acks>;

    fn delivery(&self, result: &DeliveryResult<'_>, acks: Box<Acks>) {
        if let Err((error, message)) = result {
            tracing::error!(%error, topic = message.topic(), "a record was not acknowledged");
            acks.0.1.store(true, Ordering::Release);
        }
        acks.0.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Batches of one partition in offset order: the offset to commit after each, and its acknowledgements.
pub(crate) type InFlight = VecDeque<(i64, Acks)>;

/// Follows the group's assignments. A revocation commits what is acknowledged before it lets go.
#[derive(Default)]
pub(crate) struct Membership {
    state: Mutex<MembershipState>,
}

#[derive(Default)]
pub(crate) struct MembershipState {
    pub(crate) in_flight: BTreeMap<i32, InFlight>,
    /// Partitions assigned and not opened yet, and partitions to let go, since last asked.
    pub(crate) assigned: Vec<i32>,
    pub(crate) revoked: Vec<i32>,
}

impl MembershipState {
    /// Takes the offset up to which a partition may be committed, and everything below it.
    pub(crate) fn committable(&mut self, partition: i32) -> Option<i64> {
        let in_flight = self.in_flight.get_mut(&partition)?;
        let mut next = None;
        while let Some((offset, acks)) = in_flight.front() {
            if !acks.done() || acks.failed() {
                break;
            }
            next = Some(*offset);
            in_flight.pop_front();
        }
        next
    }
}

impl Membership {
    pub(crate) fn lock(&self) -> MutexGuard<'_, MembershipState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn revoke(&self, consumer: &BaseConsumer<Self>, revoked: &TopicPartitionList) {
        let deadline = Instant::now() + REVOKE_WAIT;
        let mut commit = TopicPartitionList::new();
        for element in revoked.elements() {
            let partition = element.partition();
            let acks: Vec<Acks> =
                self.lock().in_flight.get(&partition).into_iter().flatten().map(|(_, acks)| acks.clone()).collect();
            while !acks.iter().all(Acks::done) && Instant::now() < deadline {
                std::thread::park_timeout(Duration::from_millis(2));
            }
            let mut state = self.lock();
            if let Some(next) = state.committable(partition)
                && let Err(error) = commit.add_partition_offset(element.topic(), partition, Offset::Offset(next))
            {
                tracing::warn!(%error, partition, "could not note an offset before letting go; records are repeated");
            }
            state.in_flight.remove(&partition);
            state.revoked.push(partition);
        }
        if commit.count() > 0
            && let Err(error) = consumer.commit(&commit, CommitMode::Sync)
        {
            tracing::warn!(%error, "could not commit before letting go; the records are repeated elsewhere");
        }
    }
}

impl ClientContext for Membership {
    fn stats(&self, statistics: Statistics) {
        for (topic, partitions) in &statistics.topics {
            for (partition, figures) in partitions.partitions.iter().filter(|(id, f)| **id >= 0 && f.consumer_lag >= 0) {
                let labels = [("topic", topic.clone()), ("partition", partition.to_string())];
                metrics::gauge!("perimeter_stage_lag_records", &labels).set(figures.consumer_lag as f64);
            }
        }
    }
}

impl ConsumerContext for Membership {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Revoke(partitions) = rebalance {
            self.revoke(consumer, partitions);
        }
    }

    fn post_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(partitions) => {
                let assigned = partitions.elements().iter().map(|element| element.partition()).collect::<Vec<_>>();
                tracing::info!(?assigned, "partitions assigned");
                self.lock().assigned.extend(assigned);
            }
            Rebalance::Revoke(_) => {}
            Rebalance::Error(error) => tracing::warn!(%error, "could not rebalance"),
        }
    }
}

impl Kafka {
    pub(crate) fn new(properties: Vec<(String, String)>) -> Result<Self> {
        let kafka = Kafka { properties };
        let check = |config: ClientConfig| config.create_native_config().map(|_| ());
        check(kafka.producer_config())
            .and_then(|()| check(kafka.member_config("check", "check-0")))
            .context("could not use the KAFKA_… settings; see librdkafka's CONFIGURATION.md for names and values")?;
        Ok(kafka)
    }

    fn base(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "500")
            .set("allow.auto.create.topics", "false")
            .set("topic.metadata.refresh.interval.ms", "30000")
            .set("client.id", "perimeter");
        config
    }

    fn with_properties(&self, mut config: ClientConfig) -> ClientConfig {
        for (name, value) in &self.properties {
            config.set(name, value);
        }
        config
    }

    pub(crate) fn producer_config(&self) -> ClientConfig {
        let mut config = self.base();
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("linger.ms", "1")
            .set("compression.type", "lz4")
            .set("partitioner", "murmur2_random")
            // A record waits for the broker as long as it takes: it is lag, never loss.
            .set("message.timeout.ms", "0");
        self.with_properties(config)
    }

    fn reader_config(&self) -> ClientConfig {
        let mut config = self.base();
        config
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "earliest")
            .set("fetch.wait.max.ms", "100")
            .set("fetch.error.backoff.ms", "50")
            .set("queued.max.messages.kbytes", "65536");
        config
    }

    fn member_config(&self, group: &str, member: &str) -> ClientConfig {
        let mut config = self.reader_config();
        config
            .set("group.id", group)
            .set("group.instance.id", member)
            .set("partition.assignment.strategy", "range")
            .set("session.timeout.ms", "6000")
            .set("heartbeat.interval.ms", "500")
            .set("statistics.interval.ms", "5000");
        self.with_properties(config)
    }

    fn follower_config(&self) -> ClientConfig {
        let mut config = self.reader_config();
        config.set("group.id", "perimeter-reader").set("enable.partition.eof", "true");
        self.with_properties(config)
    }

    pub(crate) fn member(&self, group: &str, member: &str) -> Result<BaseConsumer<Membership>> {
        self.member_config(group, member)
            .create_with_context(Membership::default())
            .with_context(|| format!("could not create the consumer {member}"))
    }

    pub(crate) fn producer(&self) -> Result<Producer> {
        self.producer_config().create_with_context(Delivery).context("could not create a producer")
    }

    pub(crate) fn admin_config(&self) -> ClientConfig {
        self.with_properties(self.base())
    }

    /// Waits for the broker, then checks that the topic exists with the partitions it must have.
    pub(crate) fn check_partitions(&self, topic: Topic, shutdown: &CancellationToken) -> Result<()> {
        let consumer: BaseConsumer = self.follower_config().create()?;
        while !shutdown.is_cancelled() {
            match consumer.fetch_metadata(Some(topic.name()), METADATA_TIMEOUT) {
                Ok(metadata) => {
                    let found = metadata.topics().first().map_or(0, |found| found.partitions().len());
                    if found == usize::try_from(topic.partitions()).unwrap_or(0) {
                        return Ok(());
                    }
                    if found > 0 {
                        bail!(
                            "topic {} has {found} partitions and must have {}; see `perimeter bootstrap kafka`",
                            topic.name(),
                            topic.partitions()
                        );
                    }
                    tracing::warn!(topic = topic.name(), "the topic does not exist; run `perimeter bootstrap kafka`");
                    std::thread::park_timeout(Duration::from_millis(500));
                }
                Err(error) => tracing::warn!(%error, "could not reach Kafka; trying again"),
            }
        }
        Ok(())
    }

    pub(crate) fn read_back(
        &self,
        topic: Topic,
        partition: i32,
        from: From,
        each: &mut dyn FnMut(Raw<'_>) -> Result<()>,
    ) -> Result<i64> {
        let consumer: BaseConsumer = self.follower_config().create()?;
        let name = topic.name();
        let reading = || format!("could not read {name}/{partition} back");
        let (low, end) =
            consumer.fetch_watermarks(name, partition, READ_BACK_STALL).with_context(reading)?;
        let start = start_offset(&consumer, topic, partition, from, low, end).with_context(reading)?;
        if start >= end {
            return Ok(end);
        }
        let mut assignment = TopicPartitionList::new();
        assignment.add_partition_offset(name, partition, Offset::Offset(start))?;
        consumer.assign(&assignment).with_context(reading)?;
        let mut moved = Instant::now();
        loop {
            match consumer.poll(FOLLOW_POLL) {
                Some(Ok(message)) => {
                    moved = Instant::now();
                    if message.offset() < end {
                        each(raw(topic, &message))?;
                    }
                    if message.offset() + 1 >= end {
                        return Ok(end);
                    }
                }
                // The last records of a compacted topic may be gone: its end counts as reached.
                Some(Err(KafkaError::PartitionEOF(_))) => return Ok(end),
                Some(Err(error)) => tracing::warn!(%error, topic = name, "could not read; trying again"),
                None => {}
            }
            if moved.elapsed() > READ_BACK_STALL {
                bail!("{}: nothing came for {} s", reading(), READ_BACK_STALL.as_secs());
            }
        }
    }

    pub(crate) fn follow(
        &self,
        topics: &[(Topic, From)],
        shutdown: &CancellationToken,
        clock: &Clock,
        sink: &mut dyn Follow,
    ) -> Result<()> {
        for (topic, _) in topics {
            self.check_partitions(*topic, shutdown)?;
        }
        let mut follower = Follower::assign(self, topics, shutdown)?;
        while !shutdown.is_cancelled() {
            follower.poll(sink);
            follower.confirm(clock, sink);
            sink.update(Update::Tick { now: clock.now() });
        }
        Ok(())
    }
}

struct Follower {
    consumer: BaseConsumer,
    partitions: BTreeMap<(Topic, i32), Followed>,
    confirmed: Option<Instant>,
}

struct Followed {
    /// The next offset to be read.
    next: i64,
    /// Whether the client said that nothing follows what was read.
    at_end: bool,
}

impl Follower {
    fn assign(kafka: &Kafka, topics: &[(Topic, From)], shutdown: &CancellationToken) -> Result<Self> {
        let consumer: BaseConsumer = kafka.follower_config().create()?;
        let mut partitions = BTreeMap::new();
        let mut assignment = TopicPartitionList::new();
        for (topic, from) in topics {
            for partition in 0..topic.partitions() {
                let start = loop {
                    let asked = consumer
                        .fetch_watermarks(topic.name(), partition, METADATA_TIMEOUT)
                        .map_err(anyhow::Error::from)
                        .and_then(|(low, end)| start_offset(&consumer, *topic, partition, *from, low, end));
                    match asked {
                        Ok(start) => break start,
                        Err(error) if shutdown.is_cancelled() => return Err(error),
                        Err(error) => tracing::warn!(%error, topic = topic.name(), "could not reach Kafka; trying again"),
                    }
                };
                assignment.add_partition_offset(topic.name(), partition, Offset::Offset(start))?;
                partitions.insert((*topic, partition), Followed { next: start, at_end: false });
            }
        }
        consumer.assign(&assignment).context("could not assign the topics to follow")?;
        Ok(Follower { consumer, partitions, confirmed: None })
    }

    fn poll(&mut self, sink: &mut dyn Follow) {
        let mut timeout = FOLLOW_POLL;
        while let Some(polled) = self.consumer.poll(timeout) {
            timeout = Duration::ZERO;
            match polled {
                Ok(message) => {
                    let key = self.partitions.keys().find(|(topic, partition)| {
                        topic.name() == message.topic() && *partition == message.partition()
                    });
                    let Some(key) = key.copied() else { continue };
                    let Some(followed) = self.partitions.get_mut(&key) else { continue };
                    if message.offset() < followed.next {
                        sink.update(Update::Restarted { topic: key.0, partition: key.1 });
                    }
                    followed.next = message.offset() + 1;
                    followed.at_end = false;
                    sink.update(Update::Record(raw(key.0, &message)));
                }
                Err(KafkaError::PartitionEOF(partition)) => {
                    // The client does not say of which topic; asking for the end below settles it.
                    for ((_, own), followed) in &mut self.partitions {
                        followed.at_end |= *own == partition;
                    }
                }
                Err(error) => tracing::debug!(%error, "could not read; trying again"),
            }
            if self.confirmed.is_some_and(|confirmed| confirmed.elapsed() > CONFIRM_INTERVAL) {
                return;
            }
        }
    }

    /// Asks where the partitions end, and says which are read to there.
    fn confirm(&mut self, clock: &Clock, sink: &mut dyn Follow) {
        if self.confirmed.is_some_and(|confirmed| confirmed.elapsed() < CONFIRM_INTERVAL) {
            return;
        }
        let mut all = true;
        for (&(topic, partition), followed) in &mut self.partitions {
            match self.consumer.fetch_watermarks(topic.name(), partition, WATERMARK_TIMEOUT) {
                Ok((low, end)) => {
                    let now = clock.now();
                    sink.update(Update::End { topic, partition, end, now });
                    let emptied = low >= end && followed.at_end;
                    if followed.next >= end || emptied {
                        sink.update(Update::Reached { topic, partition, end, now });
                    } else {
                        all = false;
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, topic = topic.name(), "could not confirm the end of the log");
                    all = false;
                    break;
                }
            }
        }
        // Until everything was read once, ask at every turn: a start should not wait for the interval.
        if all || self.confirmed.is_some() {
            self.confirmed = Some(Instant::now());
        }
    }
}

fn start_offset(
    consumer: &BaseConsumer,
    topic: Topic,
    partition: i32,
    from: From,
    low: i64,
    end: i64,
) -> Result<i64> {
    let since = match from {
        From::Beginning => return Ok(low),
        From::End => return Ok(end),
        From::Offset(offset) => return Ok(offset.max(low)),
        From::Since(since) => since,
    };
    let mut asked = TopicPartitionList::new();
    asked.add_partition_offset(topic.name(), partition, Offset::Offset(since))?;
    let found = consumer.offsets_for_times(asked, METADATA_TIMEOUT)?;
    let offset = found.elements().first().map(|element| element.offset());
    Ok(match offset {
        Some(Offset::Offset(offset)) => offset,
        _ => end,
    })
}

/// A message of the client as the pipeline sees it.
pub(crate) fn raw<'a>(topic: Topic, message: &'a BorrowedMessage<'_>) -> Raw<'a> {
    let trace = message.headers().and_then(|headers| {
        let header = headers.iter().find(|header| header.key == "traceparent")?;
        std::str::from_utf8(header.value?).ok()
    });
    Raw {
        topic,
        partition: message.partition(),
        offset: message.offset(),
        timestamp: message.timestamp().to_millis().unwrap_or(0),
        key: message.key().unwrap_or_default(),
        payload: message.payload().unwrap_or_default(),
        trace,
    }
}

/// Hands messages to the producer; the answer counts their acknowledgements down.
pub(crate) fn send(producer: &Producer, messages: &[Message]) -> Result<Acks> {
    let acks = Acks::expecting(messages.len());
    for message in messages {
        let mut record = BaseRecord::with_opaque_to(&message.topic, Box::new(acks.clone()))
            .key(&message.key)
            .payload(&message.payload)
            .headers(headers(message));
        if let Some(partition) = message.partition {
            record = record.partition(partition);
        }
        loop {
            match producer.send(record) {
                Ok(()) => break,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    record = back;
                    // The broker is behind: wait for it here, so that reading waits too.
                    if let Err(error) = producer.flush(Duration::from_millis(20)) {
                        tracing::trace!(%error, "the producer's queue is full");
                    }
                }
                Err((error, _)) => {
                    return Err(error).with_context(|| format!("could not publish to {}", message.topic));
                }
            }
        }
    }
    Ok(acks)
}
