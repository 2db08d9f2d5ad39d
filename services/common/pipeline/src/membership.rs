//! A static group member: who owns which partition, and what of it the broker has acknowledged.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rdkafka::client::{Client, ClientContext};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, Message as _, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext};
use rdkafka::statistics::Statistics;
use rdkafka::{Offset, TopicPartitionList};
use tokio::sync::Notify;

use crate::stage::Message;

/// How long a revocation waits for outstanding acknowledgements before it lets go.
const REVOKE_WAIT: Duration = Duration::from_secs(3);
/// How long one wait for acknowledgements lasts; each is taken in as soon as it comes.
const ACKS_POLL: Duration = Duration::from_secs(1);

/// The messages of a batch that the broker has not acknowledged yet; clones share the count.
#[derive(Clone)]
pub(crate) struct Acks(Arc<Outstanding>);

/// What the client carries beside each message of a batch.
pub(crate) struct Outstanding {
    left: AtomicUsize,
    refused: OnceLock<Refused>,
    settled: Notify,
}

/// A message that the broker will not have.
#[derive(Debug, Clone)]
pub(crate) struct Refused {
    pub(crate) topic: String,
    pub(crate) cause: String,
}

impl Acks {
    pub(crate) fn expecting(count: usize) -> Self {
        let (left, refused, settled) = (AtomicUsize::new(count), OnceLock::new(), Notify::new());
        Acks(Arc::new(Outstanding { left, refused, settled }))
    }

    pub(crate) fn done(&self) -> bool {
        self.0.left.load(Ordering::Acquire) == 0
    }

    /// The first message of the batch that was refused.
    pub(crate) fn refused(&self) -> Option<&Refused> {
        self.0.refused.get()
    }

    /// Waits until every message was acknowledged or refused. One task at a time.
    pub(crate) async fn settled(&self) {
        while !self.done() {
            self.0.settled.notified().await;
        }
    }
}

/// A producer; clones share it. Somebody must poll it for acknowledgements: see [`polled`].
pub(crate) type Producer = Arc<BaseProducer<Delivery>>;

/// Takes in the acknowledgements of `producer` in a thread that ends within [`ACKS_POLL`] after its last clone is gone.
///
/// rdkafka's own `ThreadedProducer` does the same ten times a second, and each time spins through the last fraction of a
/// millisecond: 0.7 % of a core for every producer of every process, at rest.
pub(crate) fn polled(producer: BaseProducer<Delivery>) -> Result<Producer> {
    let producer = Arc::new(producer);
    let polled = Arc::downgrade(&producer);
    let polling = move || {
        while let Some(producer) = polled.upgrade() {
            producer.poll(ACKS_POLL);
        }
    };
    std::thread::Builder::new()
        .name("acknowledged".to_owned())
        .spawn(polling)
        .context("could not start a thread for acknowledgements")?;
    Ok(producer)
}

/// Counts acknowledgements down.
pub(crate) struct Delivery;

impl ClientContext for Delivery {}

impl ProducerContext for Delivery {
    type DeliveryOpaque = Arc<Outstanding>;

    fn delivery(&self, result: &DeliveryResult<'_>, batch: Arc<Outstanding>) {
        if let Err((error, message)) = result {
            // Only the first is kept.
            batch.refused.get_or_init(|| Refused {
                topic: message.topic().to_owned(),
                cause: error.to_string(),
            });
        }
        if batch.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            batch.settled.notify_one();
        }
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
    /// What is to be committed of each partition and is not yet.
    uncommitted: BTreeMap<i32, i64>,
    /// Partitions assigned and not opened yet, and partitions to let go, since last asked.
    pub(crate) assigned: Vec<i32>,
    pub(crate) revoked: Vec<i32>,
    /// Whether the group gave this member its share. Where there are more members than partitions that may be none.
    pub(crate) joined: bool,
}

impl MembershipState {
    /// The offset up to which a partition may be committed. It is answered again until [`MembershipState::committed`]
    /// learns of it: where nothing more comes, no later offset covers one that could not be committed.
    pub(crate) fn committable(&mut self, partition: i32) -> Option<i64> {
        if let Some(in_flight) = self.in_flight.get_mut(&partition) {
            while let Some((offset, acks)) = in_flight.front() {
                if !acks.done() || acks.refused().is_some() {
                    break;
                }
                self.uncommitted.insert(partition, *offset);
                in_flight.pop_front();
            }
        }
        self.uncommitted.get(&partition).copied()
    }

    /// Learns that what was committable was committed.
    pub(crate) fn committed(&mut self, partition: i32) {
        self.uncommitted.remove(&partition);
    }

    /// Forgets a partition that is to be let go; answers what is still to be committed of it.
    fn let_go(&mut self, partition: i32) -> Option<i64> {
        let next = self.committable(partition);
        self.in_flight.remove(&partition);
        self.uncommitted.remove(&partition);
        self.assigned.retain(|assigned| *assigned != partition);
        self.revoked.push(partition);
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
            let acks: Vec<Acks> = self
                .lock()
                .in_flight
                .get(&partition)
                .into_iter()
                .flatten()
                .map(|(_, acks)| acks.clone())
                .collect();
            while !acks.iter().all(Acks::done) && Instant::now() < deadline {
                std::thread::park_timeout(Duration::from_millis(2));
            }
            if let Some(next) = self.lock().let_go(partition)
                && let Err(error) =
                    commit.add_partition_offset(element.topic(), partition, Offset::Offset(next))
            {
                tracing::warn!(%error, partition, "could not note an offset before letting go; records are repeated");
            }
            // Whoever reads it now says how far behind it is.
            lag(element.topic(), partition).set(0.0);
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
        for (topic, partition, records) in behind(&statistics) {
            lag(topic, partition).set(records as f64);
        }
    }
}

impl ConsumerContext for Membership {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Revoke(partitions) = rebalance {
            self.lock().joined = false;
            self.revoke(consumer, partitions);
        }
    }

    fn post_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(partitions) => {
                let assigned = partitions
                    .elements()
                    .iter()
                    .map(|element| element.partition())
                    .collect::<Vec<_>>();
                tracing::info!(?assigned, "partitions assigned");
                let mut state = self.lock();
                state.assigned.extend(assigned);
                state.joined = true;
            }
            Rebalance::Revoke(_) => {}
            Rebalance::Error(error) => tracing::warn!(%error, "could not rebalance"),
        }
    }
}

/// How many records each partition is behind that this member reads or has read. One that was given away stays in the
/// client's figures; its lag is told by whoever reads it now, and is 0 here.
fn behind(statistics: &Statistics) -> impl Iterator<Item = (&str, i32, i64)> {
    let partitions = statistics.topics.iter().flat_map(|(topic, figures)| {
        figures.partitions.iter().map(move |(partition, figures)| (topic, *partition, figures))
    });
    partitions.filter(|(_, partition, figures)| *partition >= 0 && figures.consumer_lag >= 0).map(
        |(topic, partition, figures)| {
            (topic.as_str(), partition, if figures.desired { figures.consumer_lag } else { 0 })
        },
    )
}

fn lag(topic: &str, partition: i32) -> metrics::Gauge {
    let labels = [("topic", topic.to_owned()), ("partition", partition.to_string())];
    metrics::gauge!("perimeter_stage_lag_records", &labels)
}

/// Why `client` will never read or publish again, whatever is tried; none while it may. Polling it says nothing of that
/// after the first time.
pub(crate) fn given_up<C: ClientContext>(client: &Client<C>) -> Option<String> {
    client.fatal_error().map(|(code, reason)| format!("{code}: {reason}"))
}

/// Fails where `consumer` has given up: it was fenced, for one.
pub(crate) fn able(consumer: &BaseConsumer<Membership>, topic: &str) -> Result<()> {
    let Some(cause) = given_up(consumer.client()) else { return Ok(()) };
    bail!(
        "could not go on reading {topic} ({cause}); stopping, to be started again, which mends it where the broker was away \
         for longer than this member's session and fenced it when it joined once more; if it repeats, another process \
         runs with the same replica number"
    )
}

/// Hands messages to the producer; the answer counts their acknowledgements down.
pub(crate) fn send(producer: &Producer, messages: &[Message]) -> Result<Acks> {
    let acks = Acks::expecting(messages.len());
    for message in messages {
        let handing = || format!("could not publish to {}", message.topic);
        while !hand(producer, message, &acks).with_context(handing)? {
            // The broker is behind: wait for it here, so that reading waits too.
            if let Err(error) = producer.flush(Duration::from_millis(20)) {
                tracing::trace!(%error, "the producer's queue is full");
            }
        }
    }
    Ok(acks)
}

/// Hands one message to the producer. False when its queue is full: then it is to be tried again.
pub(crate) fn hand(
    producer: &Producer,
    message: &Message,
    acks: &Acks,
) -> Result<bool, KafkaError> {
    let record = BaseRecord {
        topic: &message.topic,
        partition: message.partition,
        payload: Some(&message.payload),
        key: Some(&message.key),
        timestamp: None,
        headers: headers(message),
        delivery_opaque: acks.0.clone(),
    };
    match producer.send(record) {
        Ok(()) => Ok(true),
        Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => Ok(false),
        Err((error, _)) => Err(error),
    }
}

/// Most messages have none, and even an empty list of them costs.
fn headers(message: &Message) -> Option<OwnedHeaders> {
    if message.headers.is_empty() {
        return None;
    }
    let headers = OwnedHeaders::new_with_capacity(message.headers.len());
    let add = |headers: OwnedHeaders, (key, value): &(&'static str, Vec<u8>)| {
        headers.insert(Header { key, value: Some(value) })
    };
    Some(message.headers.iter().fold(headers, add))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use rdkafka::statistics::{Partition, Topic};

    use super::*;

    /// A partition 0 of which everything below `next` is acknowledged.
    fn acknowledged(next: i64) -> MembershipState {
        let in_flight =
            InFlight::from([(next, Acks::expecting(0)), (next + 1, Acks::expecting(1))]);
        MembershipState { in_flight: BTreeMap::from([(0, in_flight)]), ..Default::default() }
    }

    #[test]
    fn what_could_not_be_committed_is_to_be_committed_until_it_is() {
        let mut state = acknowledged(7);
        assert_eq!([state.committable(0), state.committable(0)], [Some(7); 2]);
        state.committed(0);
        assert_eq!([state.committable(0), state.committable(1)], [None; 2]);
    }

    #[test]
    fn what_could_not_be_committed_is_tried_once_more_before_a_partition_is_let_go() {
        let mut state = acknowledged(7);
        state.assigned = vec![0, 1];
        assert_eq!(state.committable(0), Some(7));
        assert_eq!(state.let_go(0), Some(7));
        assert_eq!((state.assigned, state.revoked), (vec![1], vec![0]));
        assert!(state.in_flight.is_empty() && state.uncommitted.is_empty());
    }

    #[test]
    fn a_partition_that_was_given_away_is_not_behind_here() {
        let partition =
            |desired, consumer_lag| Partition { desired, consumer_lag, ..Partition::default() };
        let partitions = HashMap::from([
            (0, partition(true, 7)),
            (1, partition(false, 900)),
            // Never read, and librdkafka's own for what has no partition.
            (2, partition(false, -1)),
            (-1, partition(true, 5)),
        ]);
        let topic = Topic { partitions, ..Topic::default() };
        let topics = HashMap::from([("events".to_owned(), topic)]);
        let statistics = Statistics { topics, ..Statistics::default() };
        let mut told: Vec<_> = behind(&statistics).collect();
        told.sort();
        assert_eq!(told, [("events", 0, 7), ("events", 1, 0)]);
    }
}
