//! A static group member: who owns which partition, and what of it the broker has acknowledged.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message as _};
use rdkafka::producer::{BaseRecord, Producer as _, ProducerContext, ThreadedProducer};
use rdkafka::statistics::Statistics;
use rdkafka::{Offset, TopicPartitionList};

use crate::publisher::headers;
use crate::stage::Message;

/// How long a revocation waits for outstanding acknowledgements before it lets go.
const REVOKE_WAIT: Duration = Duration::from_secs(3);

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
    /// Whether the group gave this member its share. Where there are more members than partitions that may be none.
    pub(crate) joined: bool,
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
            let mut state = self.lock();
            if let Some(next) = state.committable(partition)
                && let Err(error) =
                    commit.add_partition_offset(element.topic(), partition, Offset::Offset(next))
            {
                tracing::warn!(%error, partition, "could not note an offset before letting go; records are repeated");
            }
            state.in_flight.remove(&partition);
            state.revoked.push(partition);
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
        for (topic, partitions) in &statistics.topics {
            for (partition, figures) in
                partitions.partitions.iter().filter(|(id, f)| **id >= 0 && f.consumer_lag >= 0)
            {
                lag(topic, *partition).set(figures.consumer_lag as f64);
            }
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

fn lag(topic: &str, partition: i32) -> metrics::Gauge {
    let labels = [("topic", topic.to_owned()), ("partition", partition.to_string())];
    metrics::gauge!("perimeter_stage_lag_records", &labels)
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
                    return Err(error)
                        .with_context(|| format!("could not publish to {}", message.topic));
                }
            }
        }
    }
    Ok(acks)
}
