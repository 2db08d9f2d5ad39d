//! Reads a topic that is not ours, perhaps on somebody else's cluster: any number of partitions, any bytes, keys
//! ignored. What was read is committed when the caller says so; until then it is read again after a restart.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::Message as _;
use rdkafka::{Offset, Timestamp, TopicPartitionList};
use schemas::Millis;
use tokio_util::sync::CancellationToken;

use crate::bus::Bus;
use crate::kafka::{Kafka, METADATA_TIMEOUT};
use crate::membership::{Membership, able};
use crate::memory::Log;

/// Most records, and about the most bytes, that are handed out at once.
const RECORDS_MAX: usize = 1_024;
const BYTES_MAX: usize = 8 * 1024 * 1024;
const POLL: Duration = Duration::from_millis(100);

/// One record of a topic that is not ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Foreign {
    pub partition: i32,
    pub offset: i64,
    /// When it was appended or, where the topic has that instead, when its producer says it was made.
    pub timestamp: Option<Millis>,
    /// Empty where there is none.
    pub payload: Vec<u8>,
}

/// Whose topic is read, and as which member of which group. One member reads one topic.
#[derive(Debug, Clone)]
pub struct Subscription {
    pub topic: String,
    pub group: String,
    pub member: String,
}

/// A member of a group.
pub struct Consumer {
    inner: Inner,
    subscription: Subscription,
    /// The offset after what was handed out and not committed, by partition.
    taken: BTreeMap<i32, i64>,
}

enum Inner {
    Kafka(Arc<BaseConsumer<Membership>>),
    Memory(Log),
}

impl Consumer {
    /// Waits for the broker, then joins; `None` when the process must stop first. A topic that is not there is an error.
    pub async fn join(
        bus: &Bus,
        subscription: Subscription,
        shutdown: &CancellationToken,
    ) -> Result<Option<Consumer>> {
        // From the start: a counter that first appears above 0 has, to whoever watches it, never risen.
        count(&subscription.topic, 0);
        let inner = match bus {
            Bus::Memory(log) => Inner::Memory(log.clone()),
            Bus::Kafka(kafka) => {
                let (kafka, shutdown, own) =
                    (kafka.clone(), shutdown.clone(), subscription.clone());
                let joining = move || subscribe(&kafka, &own, &shutdown);
                match tokio::task::spawn_blocking(joining).await?? {
                    Some(consumer) => Inner::Kafka(Arc::new(consumer)),
                    None => return Ok(None),
                }
            }
        };
        Ok(Some(Consumer { inner, subscription, taken: BTreeMap::new() }))
    }

    /// Whether the group gave this member its share.
    pub fn joined(&self) -> bool {
        match &self.inner {
            Inner::Kafka(consumer) => consumer.context().lock().joined,
            Inner::Memory(_) => true,
        }
    }

    /// The next records, in the order of each partition; none if none came within a moment. An error is final: only a new
    /// member reads on.
    pub async fn next(&mut self) -> Result<Vec<Foreign>> {
        let records = match &self.inner {
            Inner::Kafka(consumer) => {
                let polled = consumer.clone();
                let records = tokio::task::spawn_blocking(move || poll(&polled)).await?;
                able(consumer, &self.subscription.topic)?;
                let mut state = consumer.context().lock();
                state.assigned.clear();
                // What is somebody else's now is read again there.
                for partition in state.revoked.drain(..) {
                    self.taken.remove(&partition);
                }
                records
            }
            Inner::Memory(log) => {
                tokio::task::yield_now().await;
                let Subscription { topic, group, .. } = &self.subscription;
                log.foreign(topic, group, &self.taken, RECORDS_MAX)
            }
        };
        count(&self.subscription.topic, records.len());
        for record in &records {
            self.taken.insert(record.partition, record.offset + 1);
        }
        Ok(records)
    }

    /// Notes that everything handed out need not be read again.
    pub async fn commit(&mut self) -> Result<()> {
        let taken = std::mem::take(&mut self.taken);
        let Subscription { topic, group, .. } = &self.subscription;
        match &self.inner {
            Inner::Kafka(consumer) if !taken.is_empty() => {
                let mut offsets = TopicPartitionList::new();
                for (partition, next) in taken {
                    offsets.add_partition_offset(topic, partition, Offset::Offset(next))?;
                }
                let consumer = consumer.clone();
                let committing = move || consumer.commit(&offsets, CommitMode::Sync);
                if let Err(error) = tokio::task::spawn_blocking(committing).await? {
                    // Not lost: the next commit covers it, or the records are repeated.
                    tracing::warn!(%error, topic, "could not commit");
                }
            }
            Inner::Kafka(_) => {}
            Inner::Memory(log) => {
                for (partition, next) in taken {
                    log.commit_named(group, topic, partition, next);
                }
            }
        }
        Ok(())
    }

    /// Leaves the group; what was not committed is read again.
    pub async fn leave(self) -> Result<()> {
        // Closing waits for the broker.
        Ok(tokio::task::spawn_blocking(move || drop(self)).await?)
    }
}

/// Counts records as a stage counts its own: beside the lag of the same topic it tells a reader that stands still from a
/// busy one.
fn count(topic: &str, records: usize) {
    let labels = [("topic", topic.to_owned())];
    metrics::counter!("perimeter_stage_records_total", &labels).increment(records as u64);
}

fn subscribe(
    kafka: &Kafka,
    subscription: &Subscription,
    shutdown: &CancellationToken,
) -> Result<Option<BaseConsumer<Membership>>> {
    let Subscription { topic, group, member } = subscription;
    let asking = kafka.reader()?;
    while !shutdown.is_cancelled() {
        let asked = asking.fetch_metadata(Some(topic), METADATA_TIMEOUT);
        let metadata = match asked {
            Ok(metadata) => metadata,
            Err(error) => {
                tracing::warn!(%error, topic, "could not reach Kafka; trying again");
                continue;
            }
        };
        let fault = metadata.topics().first().and_then(|found| found.error());
        match fault.map(RDKafkaErrorCode::from) {
            None => {
                let consumer = kafka.member(group, member)?;
                consumer
                    .subscribe(&[topic])
                    .with_context(|| format!("could not subscribe to {topic}"))?;
                return Ok(Some(consumer));
            }
            Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => {
                bail!("there is no topic {topic} to read; make it, or correct its name")
            }
            Some(RDKafkaErrorCode::TopicAuthorizationFailed) => {
                bail!("we may not read topic {topic}; allow it, and group {group}")
            }
            Some(fault) => {
                tracing::warn!(%fault, topic, "the topic cannot be read; trying again");
                std::thread::park_timeout(METADATA_TIMEOUT);
            }
        }
    }
    Ok(None)
}

fn poll(consumer: &BaseConsumer<Membership>) -> Vec<Foreign> {
    let (mut records, mut bytes, mut wait) = (Vec::new(), 0, POLL);
    while let Some(polled) = consumer.poll(wait) {
        wait = Duration::ZERO;
        match polled {
            Ok(message) => {
                let payload = message.payload().unwrap_or_default().to_vec();
                bytes += payload.len();
                let timestamp = match message.timestamp() {
                    Timestamp::NotAvailable => None,
                    Timestamp::CreateTime(at) | Timestamp::LogAppendTime(at) => Some(at),
                };
                let (partition, offset) = (message.partition(), message.offset());
                records.push(Foreign { partition, offset, timestamp, payload });
            }
            Err(error) => tracing::debug!(%error, "could not read; trying again"),
        }
        if records.len() >= RECORDS_MAX || bytes >= BYTES_MAX {
            break;
        }
    }
    records
}
