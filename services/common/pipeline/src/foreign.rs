//! Reads a topic that is not ours, perhaps on somebody else's cluster: any number of partitions, any bytes, keys
//! ignored. What was read is committed when the caller says so; until then it is read again after a restart, or by the
//! member that takes the place of one that gave up.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::Message as _;
use rdkafka::{Offset, Timestamp, TopicPartitionList};
use schemas::Millis;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::bus::Bus;
use crate::kafka::{Kafka, METADATA_TIMEOUT};
use crate::membership::{Membership, given_up};
use crate::memory::Log;

/// Most records, and about the most bytes, that are handed out at once.
const RECORDS_MAX: usize = 1_024;
const BYTES_MAX: usize = 8 * 1024 * 1024;
const POLL: Duration = Duration::from_millis(100);
/// How long is waited before a new member takes the place of one that gave up: the first time, and at most.
const AGAIN_FIRST: Duration = Duration::from_secs(1);
const AGAIN_MAX: Duration = Duration::from_secs(60);
/// What befalls a member that lasted so long is no repetition.
const STEADY: Duration = Duration::from_secs(5 * 60);

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

/// A member of a group, replaced once it gave up.
pub struct Consumer {
    inner: Inner,
    subscription: Subscription,
    /// The offset after what was handed out and not committed, by partition.
    taken: BTreeMap<i32, i64>,
}

enum Inner {
    Kafka(Member),
    Memory(Log),
}

/// Who reads for us on Kafka.
struct Member {
    kafka: Kafka,
    shutdown: CancellationToken,
    /// None once it gave up, until a new one is made.
    reading: Option<Arc<BaseConsumer<Membership>>>,
    made_at: Instant,
    /// How many gave up in a row.
    lost: u32,
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
        restarts(&subscription.group, 0);
        let inner = match bus {
            Bus::Memory(log) => Inner::Memory(log.clone()),
            Bus::Kafka(kafka) => {
                let (kafka, shutdown) = (kafka.clone(), shutdown.clone());
                let reading = subscribed(&kafka, &subscription, &shutdown).await?;
                if reading.is_none() {
                    return Ok(None);
                }
                Inner::Kafka(Member { kafka, shutdown, reading, made_at: Instant::now(), lost: 0 })
            }
        };
        Ok(Some(Consumer { inner, subscription, taken: BTreeMap::new() }))
    }

    /// Whether the group gave this member its share.
    pub fn joined(&self) -> bool {
        match &self.inner {
            Inner::Kafka(member) => {
                member.reading.as_ref().is_some_and(|reading| reading.context().lock().joined)
            }
            Inner::Memory(_) => true,
        }
    }

    /// The next records, in the order of each partition; none if none came within a moment, or while a new member takes the
    /// place of one that gave up: to that one is handed again what was not committed.
    pub async fn next(&mut self) -> Result<Vec<Foreign>> {
        let records = match &mut self.inner {
            Inner::Kafka(member) => {
                let Some(reading) = &member.reading else {
                    member.again(&self.subscription).await?;
                    return Ok(Vec::new());
                };
                let polled = reading.clone();
                let records = tokio::task::spawn_blocking(move || poll(&polled)).await?;
                if let Some(cause) = given_up(reading.client()) {
                    self.taken.clear();
                    member.lose(&cause, &self.subscription).await?;
                    return Ok(Vec::new());
                }
                let mut state = reading.context().lock();
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
            Inner::Kafka(Member { reading: Some(reading), .. }) if !taken.is_empty() => {
                let mut offsets = TopicPartitionList::new();
                for (partition, next) in taken {
                    offsets.add_partition_offset(topic, partition, Offset::Offset(next))?;
                }
                let reading = reading.clone();
                let committing = move || reading.commit(&offsets, CommitMode::Sync);
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
        // librdkafka closes none that gave up, and says so as an error; what is left to wait for are its threads.
        Ok(tokio::task::spawn_blocking(move || drop(self)).await?)
    }
}

impl Member {
    /// Lets go of a member that will never read again, so that one that is made anew may.
    async fn lose(&mut self, cause: &str, subscription: &Subscription) -> Result<()> {
        let Subscription { topic, group, .. } = subscription;
        tracing::warn!(
            cause,
            topic,
            "the member gave up; going on with a new one from the last commit; if that repeats, another process runs \
             with the same replica number"
        );
        restarts(group, 1);
        if self.made_at.elapsed() > STEADY {
            self.lost = 0;
        }
        self.lost = self.lost.saturating_add(1);
        let lost = self.reading.take();
        // Closing waits for the broker.
        Ok(tokio::task::spawn_blocking(move || drop(lost)).await?)
    }

    /// Makes a new member, after a pause. Where that fails it is tried again at the next call, after a longer one.
    async fn again(&mut self, subscription: &Subscription) -> Result<()> {
        // The first four bytes of such an id are drawn at random.
        let (drawn, ..) = Uuid::new_v4().as_fields();
        let paused = tokio::time::sleep(pause(self.lost, f64::from(drawn) / f64::from(u32::MAX)));
        if self.shutdown.run_until_cancelled(paused).await.is_none() {
            return Ok(());
        }
        match subscribed(&self.kafka, subscription, &self.shutdown).await {
            Ok(reading) => {
                self.reading = reading;
                self.made_at = Instant::now();
            }
            Err(error) => {
                self.lost = self.lost.saturating_add(1);
                let topic = &subscription.topic;
                tracing::warn!(
                    error = format!("{error:#}"),
                    topic,
                    "could not make a new member; trying again"
                );
            }
        }
        Ok(())
    }
}

/// How long to wait after `lost` members in a row gave up. `jitter` in 0..1 spreads those who lost theirs at once: the wait
/// is between half and all of its step.
fn pause(lost: u32, jitter: f64) -> Duration {
    let doubled = AGAIN_FIRST.saturating_mul(1 << lost.saturating_sub(1).min(16));
    doubled.min(AGAIN_MAX).mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0)
}

/// Counts members that gave up.
fn restarts(group: &str, lost: u64) {
    let labels = [("group", group.to_owned())];
    metrics::counter!("perimeter_group_restarts_total", &labels).increment(lost);
}

/// Counts records as a stage counts its own: beside the lag of the same topic it tells a reader that stands still from a
/// busy one.
fn count(topic: &str, records: usize) {
    let labels = [("topic", topic.to_owned())];
    metrics::counter!("perimeter_stage_records_total", &labels).increment(records as u64);
}

/// A new member; `None` when the process must stop before there is one.
async fn subscribed(
    kafka: &Kafka,
    subscription: &Subscription,
    shutdown: &CancellationToken,
) -> Result<Option<Arc<BaseConsumer<Membership>>>> {
    let (kafka, shutdown, own) = (kafka.clone(), shutdown.clone(), subscription.clone());
    let joining = move || subscribe(&kafka, &own, &shutdown);
    Ok(tokio::task::spawn_blocking(joining).await??.map(Arc::new))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_keeps_losing_its_place_waits_longer_each_time_and_never_for_ever() {
        for (lost, shortest_ms, longest_ms) in [
            (0, 500, 1_000),
            (1, 500, 1_000),
            (2, 1_000, 2_000),
            (7, 30_000, 60_000),
            (u32::MAX, 30_000, 60_000),
        ] {
            let waits = [pause(lost, 0.0), pause(lost, 1.0)];
            assert_eq!(waits, [shortest_ms, longest_ms].map(Duration::from_millis), "{lost}");
        }
    }
}
