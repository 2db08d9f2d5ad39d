//! Runs a stage on Kafka: reads as a static group member, publishes, commits what is acknowledged, drains.
//!
//! Offsets are committed only for the contiguous prefix whose outputs the broker acknowledged. Reading does not wait
//! for acknowledgements; up to [`IN_FLIGHT_BATCHES_MAX`] batches per partition may be on their way.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use futures::executor::block_on;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::producer::Producer as _;
use rdkafka::{Offset, TopicPartitionList};
use schemas::{Record, Topic};

use crate::bus::{Bus, Raw, ReadBack};
use crate::kafka::raw;
use crate::membership::{Membership, Producer, Refused, able, send};
use crate::service::Context;
use crate::stage::Stage;
use crate::worker::Worker;

/// Most records in one batch of all partitions together.
const BATCH_MAX: usize = 4_096;
/// Most batches of one partition whose outputs are not acknowledged yet; beyond, reading waits.
const IN_FLIGHT_BATCHES_MAX: usize = 128;
const POLL_IDLE: Duration = Duration::from_millis(100);
/// With acknowledgements outstanding, a commit must not wait for the next record.
const POLL_BUSY: Duration = Duration::from_millis(5);
/// A commit is a request of its own; what was handled since the last one is handled again after a crash.
const COMMIT_INTERVAL: Duration = Duration::from_millis(250);
/// How long after a commit that failed the next is tried.
const COMMIT_AGAIN: Duration = Duration::from_secs(1);
const RETRY_FIRST: Duration = Duration::from_millis(50);
const RETRY_MAX: Duration = Duration::from_secs(5);
const FLUSH_MAX: Duration = Duration::from_secs(3);
const OFFSETS_TIMEOUT: Duration = Duration::from_secs(10);

/// A consumer group, by name. One group reads one topic.
#[derive(Debug, Clone, Copy)]
pub struct Group(pub &'static str);

/// A partition that this process must handle from now on.
pub struct Assigned {
    pub partition: i32,
    /// The first offset that will be handled: the group's committed one, or 0.
    pub committed: i64,
    pub read_back: ReadBack,
}

/// Runs one stage per assigned partition of the stage's topic until shutdown.
///
/// `open` restores a partition's stage; it may block and read back. It is called again after every reassignment; a
/// stage whose partition was taken away is dropped.
pub async fn run<S: Stage>(
    context: &Context,
    group: Group,
    open: impl FnMut(Assigned) -> Result<S> + Send + 'static,
) -> Result<()> {
    let Bus::Kafka(kafka) = context.bus.clone() else {
        bail!("only a bus on Kafka can be run; a test drives a Worker itself");
    };
    let part = format!("stage {}", group.0);
    context.health.expect(part.clone());
    if let Some(registry) = kafka.registry() {
        registry.accept(&context.shutdown).await?;
    }
    let context = context.clone();
    let running = tokio::task::spawn_blocking(move || {
        let topic = <S::Input as Record>::TOPIC;
        kafka.check_partitions(topic, &context.shutdown)?;
        let consumer = kafka.member(group.0, &format!("{}-{}", group.0, context.replica))?;
        consumer
            .subscribe(&[topic.name()])
            .with_context(|| format!("could not subscribe to {}", topic.name()))?;
        announce(topic);
        let mut runner = Runner {
            producer: kafka.producer()?,
            topic,
            service: context.service,
            open,
            read_back: context.bus.read_back(),
            partitions: BTreeMap::new(),
            commit_at: Instant::now() + COMMIT_INTERVAL,
        };
        let mut outcome = Ok(());
        while outcome.is_ok() && !context.shutdown.is_cancelled() {
            outcome = runner.step(&consumer);
            context.health.set(part.clone(), consumer.context().lock().joined);
        }
        runner.drain(&consumer);
        outcome
    });
    running.await?
}

struct Runner<S: Stage, O> {
    producer: Producer,
    topic: Topic,
    service: &'static str,
    open: O,
    read_back: ReadBack,
    partitions: BTreeMap<i32, Partition<S>>,
    /// When is committed next.
    commit_at: Instant,
}

struct Partition<S: Stage> {
    worker: Worker<S>,
    /// Set while a record is held: where to read again, when, and how long to wait the next time.
    held: Option<(i64, Instant)>,
    retry_after: Duration,
}

impl<S: Stage> Partition<S> {
    fn new(worker: Worker<S>) -> Self {
        Partition { worker, held: None, retry_after: RETRY_FIRST }
    }
}

impl<S: Stage, O: FnMut(Assigned) -> Result<S>> Runner<S, O> {
    fn step(&mut self, consumer: &BaseConsumer<Membership>) -> Result<()> {
        let busy =
            consumer.context().lock().in_flight.values().any(|in_flight| !in_flight.is_empty());
        let messages = poll_batch(consumer, if busy { POLL_BUSY } else { POLL_IDLE });
        able(consumer, self.topic.name())?;
        self.follow_assignment(consumer)?;
        let mut batches: BTreeMap<i32, Vec<Raw<'_>>> = BTreeMap::new();
        for message in &messages {
            batches.entry(message.partition()).or_default().push(raw(self.topic, message));
        }
        for (partition, batch) in batches {
            self.work(consumer, partition, &batch)?;
        }
        self.resume_held(consumer)?;
        self.commit(consumer, false)
    }

    /// Lets go of what was revoked, and opens what was assigned, in the order in which it happened.
    fn follow_assignment(&mut self, consumer: &BaseConsumer<Membership>) -> Result<()> {
        let (revoked, assigned) = {
            let mut state = consumer.context().lock();
            (std::mem::take(&mut state.revoked), std::mem::take(&mut state.assigned))
        };
        for partition in revoked {
            self.partitions.remove(&partition);
        }
        if assigned.is_empty() {
            return Ok(());
        }
        let mut asked = TopicPartitionList::new();
        for partition in &assigned {
            asked.add_partition(self.topic.name(), *partition);
        }
        let committed = consumer.committed_offsets(asked, OFFSETS_TIMEOUT).with_context(|| {
            format!("could not read the committed offsets of {}", self.topic.name())
        })?;
        for element in committed.elements() {
            let committed = match element.offset() {
                Offset::Offset(offset) => offset,
                _ => 0,
            };
            let partition = element.partition();
            let assigned = Assigned { partition, committed, read_back: self.read_back.clone() };
            let stage = (self.open)(assigned)
                .with_context(|| format!("could not open {}/{partition}", self.topic.name()))?;
            let worker = Worker::new(stage, partition).traced_as(self.service);
            self.partitions.insert(partition, Partition::new(worker));
        }
        Ok(())
    }

    fn work(
        &mut self,
        consumer: &BaseConsumer<Membership>,
        id: i32,
        batch: &[Raw<'_>],
    ) -> Result<()> {
        // Records of a partition that was revoked within this poll are somebody else's now.
        let Some(partition) = self.partitions.get_mut(&id) else { return Ok(()) };
        if partition.held.is_some() {
            return Ok(());
        }
        let begun = Instant::now();
        let produced = block_on(partition.worker.work(batch));
        let labels = [("topic", self.topic.name())];
        metrics::counter!("perimeter_stage_records_total", &labels).increment(batch.len() as u64);
        metrics::histogram!("perimeter_stage_seconds", &labels)
            .record(begun.elapsed().as_secs_f64());
        if produced.dead_letters > 0 {
            let labels = [("topic", self.topic.name()), ("fault", "reject")];
            metrics::counter!("perimeter_stage_faults_total", &labels)
                .increment(produced.dead_letters as u64);
        }
        if let Some((offset, error)) = produced.held {
            let labels = [("topic", self.topic.name()), ("fault", "retry")];
            metrics::counter!("perimeter_stage_faults_total", &labels).increment(1);
            tracing::warn!(
                error = format!("{error:#}"),
                offset,
                partition = id,
                "held; trying again"
            );
            let mut paused = TopicPartitionList::new();
            paused.add_partition(self.topic.name(), id);
            consumer.pause(&paused).context("could not pause a held partition")?;
            partition.held = Some((offset, Instant::now() + partition.retry_after));
            partition.retry_after = (partition.retry_after * 2).min(RETRY_MAX);
        } else {
            partition.retry_after = RETRY_FIRST;
        }
        let acks = send(&self.producer, &produced.messages)?;
        let waiting = {
            let mut state = consumer.context().lock();
            let in_flight = state.in_flight.entry(id).or_default();
            in_flight.push_back((produced.next_offset, acks));
            in_flight.len()
        };
        if waiting >= IN_FLIGHT_BATCHES_MAX
            && let Err(error) = self.producer.flush(FLUSH_MAX)
        {
            tracing::warn!(%error, "the broker is behind; reading waits");
        }
        Ok(())
    }

    fn resume_held(&mut self, consumer: &BaseConsumer<Membership>) -> Result<()> {
        for (id, partition) in &mut self.partitions {
            let Some((offset, at)) = partition.held else { continue };
            if Instant::now() < at {
                continue;
            }
            let name = self.topic.name();
            let mut resumed = TopicPartitionList::new();
            resumed.add_partition(name, *id);
            consumer
                .seek(name, *id, Offset::Offset(offset), OFFSETS_TIMEOUT)
                .and_then(|()| consumer.resume(&resumed))
                .with_context(|| format!("could not go back to {name}/{id} offset {offset}"))?;
            partition.held = None;
        }
        Ok(())
    }

    fn commit(&mut self, consumer: &BaseConsumer<Membership>, now: bool) -> Result<()> {
        if !now && Instant::now() < self.commit_at {
            return Ok(());
        }
        self.commit_at = Instant::now() + COMMIT_INTERVAL;
        let mut offsets = TopicPartitionList::new();
        let mut committed = Vec::new();
        {
            let mut state = consumer.context().lock();
            let refused = state.in_flight.values().flatten().find_map(|(_, acks)| acks.refused());
            if let Some(Refused { topic, cause }) = refused {
                bail!(
                    "the broker refused a record for {topic} ({cause}); stopping, so that it is handled again from the \
                     last commit"
                );
            }
            for id in self.partitions.keys() {
                if let Some(next) = state.committable(*id) {
                    offsets.add_partition_offset(self.topic.name(), *id, Offset::Offset(next))?;
                    committed.push((*id, next));
                }
            }
        }
        if committed.is_empty() {
            return Ok(());
        }
        if let Err(error) = consumer.commit(&offsets, CommitMode::Sync) {
            // Not lost: it is tried again, or the records are repeated.
            tracing::warn!(%error, "could not commit; trying again");
            self.commit_at = Instant::now() + COMMIT_AGAIN;
            return Ok(());
        }
        for (id, next) in committed {
            consumer.context().lock().committed(id);
            if let Some(partition) = self.partitions.get_mut(&id) {
                send(&self.producer, &partition.worker.committed(next))?;
            }
        }
        Ok(())
    }

    fn drain(&mut self, consumer: &BaseConsumer<Membership>) {
        if let Err(error) = self.producer.flush(FLUSH_MAX) {
            tracing::warn!(%error, "could not flush; the records are repeated after the restart");
        }
        if let Err(error) = self.commit(consumer, true) {
            tracing::warn!(
                error = format!("{error:#}"),
                "could not commit; the records are repeated"
            );
        }
        if let Err(error) = self.producer.flush(FLUSH_MAX) {
            tracing::warn!(%error, "could not flush a snapshot; the next start reads further back");
        }
    }
}

/// Shows the stage's metrics from the start: a counter that first appears above 0 has, to whoever watches it, never risen.
fn announce(topic: Topic) {
    let labels = [("topic", topic.name())];
    metrics::counter!("perimeter_stage_records_total", &labels).increment(0);
    for fault in ["reject", "retry"] {
        let labels = [("topic", topic.name()), ("fault", fault)];
        metrics::counter!("perimeter_stage_faults_total", &labels).increment(0);
    }
}

fn poll_batch(consumer: &BaseConsumer<Membership>, timeout: Duration) -> Vec<BorrowedMessage<'_>> {
    let mut messages = Vec::new();
    let mut wait = timeout;
    while let Some(polled) = consumer.poll(wait) {
        wait = Duration::ZERO;
        match polled {
            Ok(message) => messages.push(message),
            Err(error) => tracing::debug!(%error, "could not read; trying again"),
        }
        if messages.len() >= BATCH_MAX {
            break;
        }
    }
    messages
}
