//! The reading thread of [`crate::follow`] on Kafka.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message as _;
use rdkafka::{Offset, TopicPartitionList};
use schemas::Topic;
use tokio_util::sync::CancellationToken;

use crate::bus::From;
use crate::follow::{Follow, Update};
use crate::kafka::{Kafka, METADATA_TIMEOUT, raw, start_offset};
use crate::service::Clock;

/// How long a reader without a group asks for watermarks before it goes on without.
const WATERMARK_TIMEOUT: Duration = Duration::from_millis(1_000);
/// How often a follower confirms that it has read to the end.
const CONFIRM_INTERVAL: Duration = Duration::from_millis(500);
const POLL: Duration = Duration::from_millis(50);

pub(crate) struct Follower {
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
    pub(crate) fn assign(
        kafka: &Kafka,
        topics: &[(Topic, From)],
        shutdown: &CancellationToken,
    ) -> Result<Self> {
        let consumer: BaseConsumer = kafka.follower_config().create()?;
        let mut partitions = BTreeMap::new();
        let mut assignment = TopicPartitionList::new();
        for (topic, from) in topics {
            for partition in 0..topic.partitions() {
                let start = loop {
                    let asked = consumer
                        .fetch_watermarks(topic.name(), partition, METADATA_TIMEOUT)
                        .map_err(anyhow::Error::from)
                        .and_then(|(low, end)| {
                            start_offset(&consumer, *topic, partition, *from, low, end)
                        });
                    match asked {
                        Ok(start) => break start,
                        Err(error) if shutdown.is_cancelled() => return Err(error),
                        Err(error) => {
                            tracing::warn!(%error, topic = topic.name(), "could not reach Kafka; trying again")
                        }
                    }
                };
                assignment.add_partition_offset(topic.name(), partition, Offset::Offset(start))?;
                partitions.insert((*topic, partition), Followed { next: start, at_end: false });
            }
        }
        consumer.assign(&assignment).context("could not assign the topics to follow")?;
        Ok(Follower { consumer, partitions, confirmed: None })
    }

    pub(crate) fn poll(&mut self, sink: &mut dyn Follow) {
        let mut timeout = POLL;
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
    pub(crate) fn confirm(&mut self, clock: &Clock, sink: &mut dyn Follow) {
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
