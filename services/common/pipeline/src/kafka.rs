//! Everything that is particular to librdkafka: properties, clients, reading back.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::{Offset, TopicPartitionList};
use schemas::Topic;
use tokio_util::sync::CancellationToken;

use crate::bus::{From, Headers, Raw};
use crate::follow::{Follow, Update};
use crate::follower::Follower;
use crate::membership::{Delivery, Membership, Producer, polled};
use crate::registry::Registry;
use crate::service::Clock;

pub(crate) const METADATA_TIMEOUT: Duration = Duration::from_secs(2);
const READ_BACK_POLL: Duration = Duration::from_millis(50);
const READ_BACK_STALL: Duration = Duration::from_secs(20);

/// A topic is not as `topics.yaml` says: no restart mends that, so the process ends with 64.
#[derive(Debug, thiserror::Error)]
#[error(
    "topic {topic} has {found} partitions and must have {expected}; see `perimeter bootstrap kafka`"
)]
pub struct WrongPartitions {
    topic: &'static str,
    found: usize,
    expected: i32,
}

/// A reader's context: the end of a partition is no error.
#[derive(Default)]
pub(crate) struct Quiet;

impl ClientContext for Quiet {
    fn error(&self, error: KafkaError, reason: &str) {
        if !matches!(error, KafkaError::PartitionEOF(_)) {
            tracing::warn!(%error, reason, "librdkafka");
        }
    }
}

impl ConsumerContext for Quiet {}

/// A Kafka cluster by its client properties.
#[derive(Clone)]
pub struct Kafka {
    properties: Vec<(String, String)>,
    /// Whose schema ids are accepted beside our own encoding.
    registry: Option<Registry>,
    pace: Pace,
}

/// How long records may be gathered before they are sent or fetched.
#[derive(Clone, Copy)]
struct Pace {
    linger_ms: &'static str,
    fetch_bytes_min: &'static str,
    fetch_wait_ms: &'static str,
}

/// As soon as there is one.
const PROMPT: Pace = Pace { linger_ms: "1", fetch_bytes_min: "1", fetch_wait_ms: "300" };
/// For what nobody waits for.
const BULK: Pace = Pace { linger_ms: "400", fetch_bytes_min: "262144", fetch_wait_ms: "400" };

impl Kafka {
    pub(crate) fn new(properties: Vec<(String, String)>) -> Result<Self> {
        let kafka = Kafka { properties, registry: None, pace: PROMPT };
        let check = |config: ClientConfig| config.create_native_config().map(|_| ());
        check(kafka.producer_config())
            .and_then(|()| check(kafka.member_config("check", "check-0")))
            .context("could not use the KAFKA_… settings; see librdkafka's CONFIGURATION.md for names and values")?;
        kafka.check_files()?;
        Ok(kafka)
    }

    /// Fails where the files of TLS cannot be used. A client reads them when it is made, which is late; the one that is
    /// made here is told of no broker and of no login, so it connects to nothing.
    fn check_files(&self) -> Result<()> {
        // What stands last holds.
        let set: BTreeMap<&str, &str> =
            self.properties.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let protocol = set.get("security.protocol").copied().unwrap_or_default();
        if !["ssl", "sasl_ssl"].iter().any(|encrypted| protocol.eq_ignore_ascii_case(encrypted)) {
            return Ok(());
        }
        let mut config = ClientConfig::new();
        config.set("security.protocol", "ssl");
        let mut files = Vec::new();
        for (name, value) in set.into_iter().filter(|(name, _)| name.starts_with("ssl.")) {
            config.set(name, value);
            if name.ends_with(".location") {
                files.push(format!("{name}={value}"));
            }
        }
        let made: KafkaResult<BaseConsumer<Quiet>> = config.create_with_context(Quiet);
        made.map(drop).with_context(|| {
            format!(
                "could not use the KAFKA_SSL_… settings ({}); name files that belong together and that this process \
                 may read",
                files.join(", ")
            )
        })
    }

    pub(crate) fn with_registry(self, registry: Option<Registry>) -> Self {
        Kafka { registry, ..self }
    }

    pub(crate) fn in_bulk(self) -> Self {
        Kafka { pace: BULK, ..self }
    }

    pub(crate) fn registry(&self) -> Option<&Registry> {
        self.registry.as_ref()
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
            .set("linger.ms", self.pace.linger_ms)
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
            .set("fetch.min.bytes", self.pace.fetch_bytes_min)
            .set("fetch.wait.max.ms", self.pace.fetch_wait_ms)
            .set("fetch.error.backoff.ms", "50")
            .set("queued.max.messages.kbytes", "65536")
            // A full queue is eaten in half of the second for which nothing more is fetched by default.
            .set("fetch.queue.backoff.ms", "20");
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
            // A stage may read all that a topic keeps while it opens, which is between two polls. That a member died,
            // its session tells.
            .set("max.poll.interval.ms", "1800000")
            .set("statistics.interval.ms", "5000");
        self.with_properties(config)
    }

    /// A client that reads by manual assignment, or only asks.
    pub(crate) fn reader(&self) -> Result<BaseConsumer<Quiet>> {
        let mut config = self.reader_config();
        config.set("group.id", "perimeter-reader").set("enable.partition.eof", "true");
        self.with_properties(config).create_with_context(Quiet).context("could not create a reader")
    }

    /// As [`Kafka::reader`], without being told of ends: a follower asks for them.
    pub(crate) fn follower(&self) -> Result<BaseConsumer<Quiet>> {
        let mut config = self.reader_config();
        config.set("group.id", "perimeter-reader");
        self.with_properties(config)
            .create_with_context(Quiet)
            .context("could not create a follower")
    }

    pub(crate) fn member(&self, group: &str, member: &str) -> Result<BaseConsumer<Membership>> {
        self.member_config(group, member)
            .create_with_context(Membership::default())
            .with_context(|| format!("could not create the consumer {member}"))
    }

    pub(crate) fn producer(&self) -> Result<Producer> {
        let created = self.producer_config().create_with_context(Delivery);
        polled(created.context("could not create a producer")?)
    }

    pub(crate) fn admin_config(&self) -> ClientConfig {
        self.with_properties(self.base())
    }

    /// Waits for the broker, then checks that the topic exists with the partitions it must have.
    pub(crate) fn check_partitions(
        &self,
        topic: Topic,
        shutdown: &CancellationToken,
    ) -> Result<()> {
        let consumer = self.reader()?;
        while !shutdown.is_cancelled() {
            match consumer.fetch_metadata(Some(topic.name()), METADATA_TIMEOUT) {
                Ok(metadata) => {
                    let found =
                        metadata.topics().first().map_or(0, |found| found.partitions().len());
                    if found == usize::try_from(topic.partitions()).unwrap_or(0) {
                        return Ok(());
                    }
                    if found > 0 {
                        return Err(WrongPartitions {
                            topic: topic.name(),
                            found,
                            expected: topic.partitions(),
                        }
                        .into());
                    }
                    tracing::warn!(
                        topic = topic.name(),
                        "the topic does not exist; run `perimeter bootstrap kafka`"
                    );
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
        self.read_to_end(topic.name(), partition, from, &mut |message| {
            each(raw(topic, message)).map(ControlFlow::Continue)
        })
    }

    /// Calls `each` for every message of the partition from `from` to its end, or until it has had enough; answers the
    /// end.
    pub(crate) fn read_to_end(
        &self,
        name: &str,
        partition: i32,
        from: From,
        each: &mut dyn FnMut(&BorrowedMessage<'_>) -> Result<ControlFlow<()>>,
    ) -> Result<i64> {
        let consumer = self.reader()?;
        let reading = || format!("could not read {name}/{partition} back");
        let (low, end) =
            consumer.fetch_watermarks(name, partition, READ_BACK_STALL).with_context(reading)?;
        let start =
            start_offset(&consumer, name, partition, from, low, end).with_context(reading)?;
        if start >= end {
            return Ok(end);
        }
        let mut assignment = TopicPartitionList::new();
        assignment.add_partition_offset(name, partition, Offset::Offset(start))?;
        consumer.assign(&assignment).with_context(reading)?;
        let mut moved = Instant::now();
        loop {
            match consumer.poll(READ_BACK_POLL) {
                Some(Ok(message)) => {
                    if message.offset() < end && each(&message)?.is_break() {
                        return Ok(end);
                    }
                    // What is done with a record takes its own time.
                    moved = Instant::now();
                    if message.offset() + 1 >= end {
                        return Ok(end);
                    }
                }
                // The last records of a compacted topic may be gone: its end counts as reached.
                Some(Err(KafkaError::PartitionEOF(_))) => return Ok(end),
                Some(Err(error)) => {
                    tracing::warn!(%error, topic = name, "could not read; trying again")
                }
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
        let Some(mut follower) = Follower::assign(self, topics, shutdown)? else { return Ok(()) };
        while !shutdown.is_cancelled() {
            follower.poll(sink);
            follower.confirm(clock, sink);
            sink.update(Update::Tick { now: clock.now() });
        }
        Ok(())
    }
}

pub(crate) fn start_offset(
    consumer: &BaseConsumer<Quiet>,
    name: &str,
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
    asked.add_partition_offset(name, partition, Offset::Offset(since))?;
    let found = consumer.offsets_for_times(asked, METADATA_TIMEOUT)?;
    let offset = found.elements().first().map(|element| element.offset());
    Ok(match offset {
        Some(Offset::Offset(offset)) => offset,
        _ => end,
    })
}

/// A message of the client as the pipeline sees it.
pub(crate) fn raw<'a>(topic: Topic, message: &'a BorrowedMessage<'_>) -> Raw<'a> {
    Raw {
        topic,
        partition: message.partition(),
        offset: message.offset(),
        timestamp: message.timestamp().to_millis().unwrap_or(0),
        key: message.key().unwrap_or_default(),
        payload: message.payload().unwrap_or_default(),
        headers: Headers::of_message(message),
    }
}
