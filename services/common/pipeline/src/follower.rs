//! The reading thread of [`crate::follow`] on Kafka.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message as _;
use rdkafka::{Offset, TopicPartitionList};
use schemas::Topic;
use tokio_util::sync::CancellationToken;

use crate::bus::From;
use crate::follow::{Follow, Update};
use crate::kafka::{Kafka, METADATA_TIMEOUT, Quiet, raw, start_offset};
use crate::service::Clock;

/// How long the ends may take to be asked for before reading goes on without.
const ENDS_TIMEOUT: Duration = Duration::from_millis(1_000);
/// How often a follower confirms that it has read to the end.
const CONFIRM_INTERVAL: Duration = Duration::from_millis(500);
const POLL: Duration = Duration::from_millis(50);

pub(crate) struct Follower {
    reading: BaseConsumer<Quiet>,
    /// A client of its own: on the reading one, a question would wait behind the long poll for records.
    asking: BaseConsumer<Quiet>,
    /// The next offset to be read, by partition.
    next: BTreeMap<(Topic, i32), i64>,
    /// Asks for the end of every partition at once.
    ends: TopicPartitionList,
    confirmed: Option<Instant>,
}

impl Follower {
    /// Waits for the broker; `None` when the process must stop first.
    pub(crate) fn assign(
        kafka: &Kafka,
        topics: &[(Topic, From)],
        shutdown: &CancellationToken,
    ) -> Result<Option<Self>> {
        let reading = kafka.follower()?;
        let asking = kafka.reader()?;
        let mut next = BTreeMap::new();
        let mut ends = TopicPartitionList::new();
        let mut assignment = TopicPartitionList::new();
        for (topic, from) in topics {
            for partition in 0..topic.partitions() {
                let start = loop {
                    let asked = asking
                        .fetch_watermarks(topic.name(), partition, METADATA_TIMEOUT)
                        .map_err(anyhow::Error::from)
                        .and_then(|(low, end)| {
                            start_offset(&asking, topic.name(), partition, *from, low, end)
                        });
                    match asked {
                        Ok(start) => break start,
                        Err(_) if shutdown.is_cancelled() => return Ok(None),
                        Err(error) => {
                            tracing::warn!(%error, topic = topic.name(), "could not reach Kafka; trying again");
                        }
                    }
                };
                assignment.add_partition_offset(topic.name(), partition, Offset::Offset(start))?;
                ends.add_partition_offset(topic.name(), partition, Offset::End)?;
                next.insert((*topic, partition), start);
            }
        }
        reading.assign(&assignment).context("could not assign the topics to follow")?;
        Ok(Some(Follower { reading, asking, next, ends, confirmed: None }))
    }

    /// Reads what is there, and never so long that nobody asks where it ends, or whether the process must stop: behind
    /// what was written long ago, there is always more.
    pub(crate) fn poll(&mut self, sink: &mut dyn Follow) {
        let begun = Instant::now();
        let mut timeout = POLL;
        while let Some(polled) = self.reading.poll(timeout) {
            timeout = Duration::ZERO;
            match polled {
                Ok(message) => {
                    let own = self.next.iter_mut().find(|((topic, partition), _)| {
                        topic.name() == message.topic() && *partition == message.partition()
                    });
                    let Some((&(topic, partition), next)) = own else { continue };
                    if message.offset() < *next {
                        sink.update(Update::Restarted { topic, partition });
                    }
                    *next = message.offset() + 1;
                    sink.update(Update::Record(raw(topic, &message)));
                }
                Err(error) => tracing::debug!(%error, "could not read; trying again"),
            }
            if begun.elapsed() > CONFIRM_INTERVAL {
                return;
            }
        }
    }

    /// Asks where the partitions end, and says which are read to there.
    pub(crate) fn confirm(&mut self, clock: &Clock, sink: &mut dyn Follow) {
        if self.confirmed.is_some_and(|confirmed| confirmed.elapsed() < CONFIRM_INTERVAL) {
            return;
        }
        let ends = match self.asking.offsets_for_times(self.ends.clone(), ENDS_TIMEOUT) {
            Ok(ends) => ends,
            Err(error) => {
                tracing::debug!(%error, "could not confirm the end of the log");
                return;
            }
        };
        let now = clock.now();
        let mut all = true;
        for (&(topic, partition), next) in &self.next {
            let asked =
                ends.find_partition(topic.name(), partition).map(|element| element.offset());
            let Some(Offset::Offset(end)) = asked else {
                all = false;
                continue;
            };
            sink.update(Update::End { topic, partition, end, now });
            if *next >= end {
                sink.update(Update::Reached { topic, partition, end, now });
            } else {
                all = false;
            }
        }
        // Until everything was read once, ask at every turn: a start should not wait for the interval.
        if all || self.confirmed.is_some() {
            self.confirmed = Some(Instant::now());
        }
    }
}
