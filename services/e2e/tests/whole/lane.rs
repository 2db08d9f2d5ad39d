//! One partition of one stage on the twin in memory, one step at a time, with a crash wherever the seed wants one.

use anyhow::Result;
use futures::executor::block_on;
use pipeline::memory::Log;
use pipeline::{Assigned, Bus, Message, Raw, Stage, Worker};
use rand::Rng as _;
use rand_chacha::ChaCha8Rng;
use schemas::Topic;

/// Where a process may die.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Site {
    Opened,
    Read,
    Handled,
    HalfPublished,
    Published,
    Committed,
    SnapshotPublished,
}

impl Site {
    pub const ALL: [Site; 7] = [
        Site::Opened,
        Site::Read,
        Site::Handled,
        Site::HalfPublished,
        Site::Published,
        Site::Committed,
        Site::SnapshotPublished,
    ];
}

/// What goes wrong in a run.
pub enum Faults {
    Nothing,
    /// Every batch is read, handled and published once more before its offset is committed.
    EveryRecordTwice,
    /// The stage of `group` dies the `nth` time it passes `site`.
    CrashOnce { group: &'static str, site: Site, nth: usize },
    /// Any stage dies at any site with this chance.
    Crashes { chance: f64, rng: ChaCha8Rng },
}

impl Faults {
    fn crash(&mut self, at_group: &'static str, at: Site) -> bool {
        match self {
            Faults::Nothing | Faults::EveryRecordTwice => false,
            Faults::Crashes { chance, rng } => rng.random_bool(*chance),
            Faults::CrashOnce { group, site, nth } => {
                if *group != at_group || *site != at || *nth == 0 {
                    return false;
                }
                *nth -= 1;
                *nth == 0
            }
        }
    }
}

type Open<S> = Box<dyn Fn(Assigned) -> Result<S>>;

/// One partition of one stage.
pub struct Lane<S: Stage> {
    group: &'static str,
    partition: i32,
    log: Log,
    open: Open<S>,
    worker: Option<Worker<S>>,
    next: i64,
    pub crashes: usize,
}

/// A lane of whatever stage.
pub trait Step {
    /// Does one step; answers whether there was anything to do.
    fn step(&mut self, batch_max: usize, faults: &mut Faults) -> bool;
    fn crashes(&self) -> usize;
    /// Kills the process: everything not in the log is gone.
    fn kill(&mut self);
}

/// A message owned by the lane, so that a batch outlives the log's lock.
struct Read {
    offset: i64,
    timestamp: i64,
    key: Vec<u8>,
    payload: Vec<u8>,
}

impl<S: Stage> Lane<S> {
    pub fn new(
        group: &'static str,
        partition: i32,
        log: &Log,
        open: impl Fn(Assigned) -> Result<S> + 'static,
    ) -> Self {
        Lane { group, partition, log: log.clone(), open: Box::new(open), worker: None, next: 0, crashes: 0 }
    }

    pub fn stage(&self) -> Option<&S> {
        self.worker.as_ref().map(Worker::stage)
    }

    fn topic(&self) -> Topic {
        <S::Input as schemas::Record>::TOPIC
    }

    fn dies(&mut self, site: Site, faults: &mut Faults) -> bool {
        let dies = faults.crash(self.group, site);
        if dies {
            self.kill();
        }
        dies
    }

    fn start(&mut self) {
        let committed = self.log.committed(self.group, self.topic(), self.partition);
        let read_back = Bus::in_memory(self.log.clone()).read_back();
        let assigned = Assigned { partition: self.partition, committed, read_back };
        let stage = (self.open)(assigned).unwrap_or_else(|error| panic!("could not open {}: {error:#}", self.group));
        self.worker = Some(Worker::new(stage, self.partition));
        self.next = committed;
    }

    fn read(&self, batch_max: usize) -> Vec<Read> {
        let mut batch = Vec::new();
        self.log.poll(self.topic(), self.partition, self.next, batch_max, &mut |raw| {
            batch.push(Read {
                offset: raw.offset,
                timestamp: raw.timestamp,
                key: raw.key.to_vec(),
                payload: raw.payload.to_vec(),
            });
        });
        batch
    }

    fn publish(&self, messages: &[Message]) {
        for message in messages {
            self.log.append(message.clone());
        }
    }
}

impl<S: Stage> Step for Lane<S> {
    fn step(&mut self, batch_max: usize, faults: &mut Faults) -> bool {
        if self.worker.is_none() {
            self.start();
            if self.dies(Site::Opened, faults) {
                return true;
            }
        }
        let batch = self.read(batch_max);
        if batch.is_empty() {
            return false;
        }
        if self.dies(Site::Read, faults) {
            return true;
        }
        let (topic, partition) = (self.topic(), self.partition);
        let raws: Vec<Raw<'_>> = batch
            .iter()
            .map(|read| Raw {
                topic,
                partition,
                offset: read.offset,
                timestamp: read.timestamp,
                key: &read.key,
                payload: &read.payload,
                trace: None,
            })
            .collect();
        let rounds = if matches!(faults, Faults::EveryRecordTwice) { 2 } else { 1 };
        let mut next = self.next;
        for _ in 0..rounds {
            let Some(worker) = self.worker.as_mut() else { return true };
            let produced = block_on(worker.work(&raws));
            if self.dies(Site::Handled, faults) {
                return true;
            }
            let half = produced.messages.len() / 2;
            self.publish(&produced.messages[..half]);
            if self.dies(Site::HalfPublished, faults) {
                return true;
            }
            self.publish(&produced.messages[half..]);
            next = produced.next_offset;
        }
        if self.dies(Site::Published, faults) {
            return true;
        }
        let held = next <= self.next && !raws.is_empty();
        self.next = next;
        self.log.commit(self.group, topic, partition, next);
        if self.dies(Site::Committed, faults) {
            return true;
        }
        let snapshots = self.worker.as_mut().map(|worker| worker.committed(next)).unwrap_or_default();
        self.publish(&snapshots);
        self.dies(Site::SnapshotPublished, faults);
        !held
    }

    fn crashes(&self) -> usize {
        self.crashes
    }

    fn kill(&mut self) {
        self.worker = None;
        self.crashes += 1;
    }
}
