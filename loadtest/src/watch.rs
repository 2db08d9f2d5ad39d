//! What the pipeline publishes, read from Kafka beside it: by manual assignment, from the end at the start.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::{Offset, TopicPartitionList};
use schemas::{
    Decision, DecodeError, Detection, Enforcement, Lease, LeaseEntry, Millis, Outcome, Record,
    TOPICS, Topic,
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

const READ: [Topic; 5] =
    [Topic::Detections, Topic::Decisions, Topic::Leases, Topic::Enforcements, Topic::Outcomes];
const ASK_TIMEOUT: Duration = Duration::from_secs(5);
/// At the start a missing broker is told soon; later it may only be restarting.
const ASK_ATTEMPTS_AT_START: u32 = 2;
const ASK_ATTEMPTS: u32 = 6;
const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// One record of the pipeline, and the time Kafka has for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    pub record: Seeable,
    pub published_at: Millis,
}

/// The records that a run follows.
#[derive(Debug, Clone, PartialEq)]
pub enum Seeable {
    Detection(Detection),
    Decision(Decision),
    Lease(Lease),
    Enforcement(Enforcement),
    Outcome(Outcome),
    /// Bytes that are none of ours, and why.
    Unreadable {
        topic: String,
        error: String,
    },
}

/// How many records topics have gained since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Growth {
    pub events: i64,
    pub dead_letters: i64,
}

/// A reader that stands at the end of every topic as it was at the start.
#[derive(Clone)]
pub struct Watch {
    consumer: Arc<StreamConsumer>,
    bootstrap: String,
    /// End of each partition at the start.
    started_at: Arc<BTreeMap<(String, i32), i64>>,
}

impl Watch {
    /// Finds the end of every topic and begins to read there.
    pub async fn start(bootstrap: &str) -> anyhow::Result<Self> {
        let consumer: StreamConsumer = ClientConfig::new()
            .set("bootstrap.servers", bootstrap)
            // Asked for by librdkafka; nothing is ever committed under it.
            .set("group.id", format!("loadtest-{}", std::process::id()))
            .set("enable.auto.commit", "false")
            // Offsets that a restarted broker no longer knows must not make us skip what came since.
            .set("auto.offset.reset", "earliest")
            .set("fetch.wait.max.ms", "100")
            .set("fetch.error.backoff.ms", "100")
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "500")
            .create()
            .context("could not make a Kafka consumer")?;
        let watch = Watch {
            consumer: Arc::new(consumer),
            bootstrap: bootstrap.to_owned(),
            started_at: Arc::default(),
        };
        let topics = TOPICS.iter().map(|spec| (spec.name.clone(), spec.partitions)).collect();
        let started_at = watch.ends(topics, ASK_ATTEMPTS_AT_START).await?;
        let mut assignment = TopicPartitionList::new();
        for topic in READ {
            for partition in 0..topic.partitions() {
                let end = started_at[&(topic.name().to_owned(), partition)];
                assignment.add_partition_offset(topic.name(), partition, Offset::Offset(end))?;
            }
        }
        watch.consumer.assign(&assignment).context("could not assign the topics to read")?;
        Ok(Watch { started_at: Arc::new(started_at), ..watch })
    }

    /// Reads until `stop` or until nobody listens. A broker that is away is waited for.
    pub async fn read(&self, seen: mpsc::Sender<Seen>, stop: CancellationToken) {
        loop {
            let received = tokio::select! {
                received = self.consumer.recv() => received,
                () = stop.cancelled() => return,
            };
            // librdkafka reconnects by itself; its errors here are only news of that.
            let Ok(message) = received else {
                tokio::time::sleep(RETRY_PAUSE / 10).await;
                continue;
            };
            let Some(record) = decode(&message) else { continue };
            let published_at = message.timestamp().to_millis().unwrap_or_default();
            if seen.send(Seen { record, published_at }).await.is_err() {
                return;
            }
        }
    }

    /// What `events` and the dead-letter topics gained since the start.
    pub async fn growth(&self) -> anyhow::Result<Growth> {
        let counted = |name: &str| name == Topic::Events.name() || name.ends_with(".dlq");
        let partitions = self.started_at.keys().filter(|(name, _)| counted(name));
        let mut topics: BTreeMap<String, i32> = BTreeMap::new();
        for (name, _) in partitions {
            *topics.entry(name.clone()).or_default() += 1;
        }
        let ends = self.ends(topics.into_iter().collect(), ASK_ATTEMPTS).await?;
        let mut growth = Growth::default();
        for (partition, end) in ends {
            let gained = end - self.started_at.get(&partition).copied().unwrap_or_default();
            if partition.0 == Topic::Events.name() {
                growth.events += gained;
            } else {
                growth.dead_letters += gained;
            }
        }
        Ok(growth)
    }

    /// The high watermark of every partition of `topics`.
    async fn ends(
        &self,
        topics: Vec<(String, i32)>,
        attempts: u32,
    ) -> anyhow::Result<BTreeMap<(String, i32), i64>> {
        let consumer = self.consumer.clone();
        let asked = tokio::task::spawn_blocking(move || {
            let mut ends = BTreeMap::new();
            for (name, partitions) in topics {
                for partition in 0..partitions {
                    let end = end_of(&consumer, &name, partition, attempts)?;
                    ends.insert((name.clone(), partition), end);
                }
            }
            anyhow::Ok(ends)
        });
        asked.await?.with_context(|| {
            format!(
                "could not read the topics at {}: the broker must be up, and `perimeter bootstrap kafka` have made them",
                self.bootstrap
            )
        })
    }
}

/// Asks again while the broker is away: it is killed and restarted in some runs.
fn end_of(
    consumer: &StreamConsumer,
    topic: &str,
    partition: i32,
    attempts: u32,
) -> anyhow::Result<i64> {
    let mut last = anyhow!("nothing was asked");
    for _ in 0..attempts {
        match consumer.fetch_watermarks(topic, partition, ASK_TIMEOUT) {
            Ok((_, high)) => return Ok(high),
            // As text: its own causes repeat what it says.
            Err(error) => last = anyhow!("{error}"),
        }
    }
    Err(last.context(format!("could not read the end of {topic}/{partition}")))
}

fn decode(message: &BorrowedMessage<'_>) -> Option<Seeable> {
    let payload = message.payload().unwrap_or_default();
    let decoded = decode_of(message.topic(), payload)?;
    Some(decoded.unwrap_or_else(|error| Seeable::Unreadable {
        topic: message.topic().to_owned(),
        error: error.to_string(),
    }))
}

/// `None` for what is no news: the epoch, and topics that nobody asked for.
fn decode_of(topic: &str, payload: &[u8]) -> Option<Result<Seeable, DecodeError>> {
    let topic = READ.into_iter().find(|read| read.name() == topic)?;
    Some(match topic {
        Topic::Detections => Detection::decode(payload).map(Seeable::Detection),
        Topic::Decisions => Decision::decode(payload).map(Seeable::Decision),
        Topic::Enforcements => Enforcement::decode(payload).map(Seeable::Enforcement),
        Topic::Outcomes => Outcome::decode(payload).map(Seeable::Outcome),
        _ => match LeaseEntry::decode(payload) {
            Ok(LeaseEntry::Lease(lease)) => Ok(Seeable::Lease(lease)),
            Ok(LeaseEntry::Epoch(_)) => return None,
            Err(error) => Err(error),
        },
    })
}
