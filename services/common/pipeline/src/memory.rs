//! Kafka's twin in memory: topics, partitions, append times and committed offsets, without any thread.
//!
//! A test drives it step by step, so every run with the same seed is the same run. It promises what the pipeline
//! relies on (order per partition, at-least-once, compaction that a reader must survive) and nothing more.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard};

use anyhow::Result;
use schemas::{Millis, TOPICS, Topic};

use crate::bus::{From, Raw};
use crate::foreign::Foreign;
use crate::letters::DeadLetter;
use crate::service::Clock;
use crate::stage::Message;

/// A log shared by everything that was given a clone.
#[derive(Clone)]
pub struct Log {
    inner: Arc<Mutex<Inner>>,
    clock: Clock,
}

#[derive(Default)]
struct Inner {
    partitions: BTreeMap<(String, i32), Partition>,
    committed: HashMap<(String, String, i32), i64>,
    /// Answers to keyless records go round the partitions.
    keyless: i32,
}

#[derive(Default)]
struct Partition {
    records: Vec<Stored>,
    /// Offset of the first record that is still there.
    base: i64,
}

#[derive(Clone)]
struct Stored {
    timestamp: Millis,
    message: Message,
}

/// Records copied out of the log, so that whoever works on them may append to it.
pub struct Batch {
    topic: Topic,
    partition: i32,
    /// Offset of the first of them.
    first: i64,
    records: Vec<Stored>,
}

impl Batch {
    /// The records as a worker is handed them.
    pub fn raws(&self) -> Vec<Raw<'_>> {
        let numbered = self.records.iter().zip(self.first..);
        let raw = numbered.map(|(stored, offset)| {
            Raw::of(&stored.message, self.topic, self.partition, offset, stored.timestamp)
        });
        raw.collect()
    }

    /// The offset after the last of them.
    pub fn next_offset(&self) -> i64 {
        self.first + self.records.len() as i64
    }

    /// Whether there was nothing to read.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }
}

impl Log {
    pub fn new(clock: Clock) -> Self {
        Log { inner: Arc::new(Mutex::new(Inner::default())), clock }
    }

    /// Appends a message; answers its partition and offset.
    pub fn append(&self, message: Message) -> (i32, i64) {
        let count =
            TOPICS.iter().find(|spec| spec.name == message.topic).map_or(1, |spec| spec.partitions);
        let mut inner = self.lock();
        let partition = match message.partition {
            Some(partition) => partition,
            None if message.key.is_empty() => {
                inner.keyless += 1;
                inner.keyless % count
            }
            None => schemas::topic::partition_of_key(&message.key, count),
        };
        let timestamp = self.clock.now();
        let stored = inner.partitions.entry((message.topic.clone(), partition)).or_default();
        stored.records.push(Stored { timestamp, message });
        (partition, stored.base + stored.records.len() as i64 - 1)
    }

    /// Up to `count` records of a partition from `offset`.
    pub fn batch(&self, topic: Topic, partition: i32, offset: i64, count: usize) -> Batch {
        let inner = self.lock();
        let Some(stored) = inner.partitions.get(&(topic.name().to_owned(), partition)) else {
            return Batch { topic, partition, first: offset, records: Vec::new() };
        };
        let from = usize::try_from(offset - stored.base).unwrap_or(0).min(stored.records.len());
        let to = stored.records.len().min(from + count);
        let (first, records) = (stored.base + from as i64, stored.records[from..to].to_vec());
        Batch { topic, partition, first, records }
    }

    /// Calls `each` for up to `count` records from `offset`; answers the next offset.
    pub fn poll(
        &self,
        topic: Topic,
        partition: i32,
        offset: i64,
        count: usize,
        each: &mut dyn FnMut(Raw<'_>),
    ) -> i64 {
        let batch = self.batch(topic, partition, offset, count);
        for raw in batch.raws() {
            each(raw);
        }
        batch.next_offset()
    }

    /// The next offset to be written.
    pub fn end(&self, topic: Topic, partition: i32) -> i64 {
        self.lock()
            .partitions
            .get(&(topic.name().to_owned(), partition))
            .map_or(0, |stored| stored.base + stored.records.len() as i64)
    }

    pub fn commit(&self, group: &str, topic: Topic, partition: i32, next_offset: i64) {
        self.commit_named(group, topic.name(), partition, next_offset);
    }

    /// The committed offset of a group, 0 where it never committed.
    pub fn committed(&self, group: &str, topic: Topic, partition: i32) -> i64 {
        let key = (group.to_owned(), topic.name().to_owned(), partition);
        self.lock().committed.get(&key).copied().unwrap_or(0)
    }

    pub(crate) fn commit_named(&self, group: &str, topic: &str, partition: i32, next_offset: i64) {
        let key = (group.to_owned(), topic.to_owned(), partition);
        self.lock().committed.insert(key, next_offset);
    }

    /// Up to `count` records of any topic: of each partition from where `taken` or else the group's commit says.
    pub(crate) fn foreign(
        &self,
        topic: &str,
        group: &str,
        taken: &BTreeMap<i32, i64>,
        count: usize,
    ) -> Vec<Foreign> {
        let inner = self.lock();
        let mut records = Vec::new();
        for ((_, partition), stored) in
            inner.partitions.iter().filter(|((name, _), _)| name == topic)
        {
            let committed = inner.committed.get(&(group.to_owned(), topic.to_owned(), *partition));
            let from = taken.get(partition).or(committed).copied().unwrap_or(0);
            for (record, offset) in stored.records.iter().zip(stored.base..) {
                if offset >= from && records.len() < count {
                    let timestamp = Some(record.timestamp);
                    let payload = record.message.payload.clone();
                    records.push(Foreign { partition: *partition, offset, timestamp, payload });
                }
            }
        }
        records
    }

    /// Everything in a topic, dead letters included, in partition and offset order.
    pub fn messages(&self, topic: &str) -> Vec<(i32, i64, Message)> {
        let inner = self.lock();
        let of_topic = inner.partitions.iter().filter(|((name, _), _)| name == topic);
        of_topic
            .flat_map(|((_, partition), stored)| {
                stored.records.iter().enumerate().map(move |(index, record)| {
                    (*partition, stored.base + index as i64, record.message.clone())
                })
            })
            .collect()
    }

    /// Deletes and makes a topic anew: empty, offsets from 0, group offsets kept as Kafka keeps them.
    pub fn recreate(&self, topic: Topic) {
        self.lock().partitions.retain(|(name, _), _| name != topic.name());
    }

    pub(crate) fn read_back(
        &self,
        topic: Topic,
        partition: i32,
        from: From,
        each: &mut dyn FnMut(Raw<'_>) -> Result<()>,
    ) -> Result<i64> {
        let end = self.end(topic, partition);
        let start = match from {
            From::Beginning => 0,
            From::End => end,
            From::Offset(offset) => offset,
            From::Since(time) => self.first_since(topic.name(), partition, time),
        };
        let mut outcome = Ok(());
        self.poll(topic, partition, start, usize::MAX / 2, &mut |raw| {
            if outcome.is_ok() && raw.offset < end {
                outcome = each(raw);
            }
        });
        outcome.map(|()| end)
    }

    pub(crate) fn read_letters(
        &self,
        topic: Topic,
        from: From,
        each: &mut dyn FnMut(DeadLetter<'_>) -> Result<ControlFlow<()>>,
    ) -> Result<i64> {
        let name = topic.dead_letters();
        let (records, base) = {
            let inner = self.lock();
            let Some(stored) = inner.partitions.get(&(name.clone(), 0)) else { return Ok(0) };
            (stored.records.clone(), stored.base)
        };
        let end = base + records.len() as i64;
        let start = match from {
            From::Beginning => base,
            From::End => end,
            From::Offset(offset) => offset,
            From::Since(time) => self.first_since(&name, 0, time),
        };
        for (record, offset) in records.iter().zip(base..).filter(|(_, offset)| *offset >= start) {
            if each(record.letter(topic, offset))?.is_break() {
                break;
            }
        }
        Ok(end)
    }

    fn first_since(&self, name: &str, partition: i32, time: Millis) -> i64 {
        let inner = self.lock();
        let Some(stored) = inner.partitions.get(&(name.to_owned(), partition)) else {
            return 0;
        };
        let index = stored.records.iter().position(|record| record.timestamp >= time);
        stored.base + index.unwrap_or(stored.records.len()) as i64
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Stored {
    fn letter(&self, topic: Topic, offset: i64) -> DeadLetter<'_> {
        let headers = self.message.headers.iter();
        DeadLetter {
            topic,
            offset,
            timestamp: self.timestamp,
            key: &self.message.key,
            payload: &self.message.payload,
            headers: headers.map(|(key, value)| (*key, value.as_slice())).collect(),
        }
    }
}
