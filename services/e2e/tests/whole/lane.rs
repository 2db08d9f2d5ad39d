//! One partition of one stage on the twin in memory, one step at a time, with a crash wherever the plan wants one.

use anyhow::Result;
use futures::executor::block_on;
use pipeline::memory::{Batch, Log};
use pipeline::{Assigned, Bus, Message, Stage, Worker};
use schemas::{Record, Topic};

use crate::faults::{Died, Faults, Site};

type Open<S> = Box<dyn Fn(Assigned) -> Result<S>>;

/// One partition of one stage.
pub(crate) struct Lane<S: Stage> {
    group: &'static str,
    partition: i32,
    log: Log,
    open: Open<S>,
    worker: Option<Worker<S>>,
    next: i64,
}

impl<S: Stage> Lane<S> {
    pub(crate) fn new(
        group: &'static str,
        partition: i32,
        log: &Log,
        open: impl Fn(Assigned) -> Result<S> + 'static,
    ) -> Self {
        let open = Box::new(open);
        Lane { group, partition, log: log.clone(), open, worker: None, next: 0 }
    }

    pub(crate) fn partition(&self) -> i32 {
        self.partition
    }

    fn topic() -> Topic {
        <S::Input as Record>::TOPIC
    }

    fn start(&mut self) {
        let committed = self.log.committed(self.group, Self::topic(), self.partition);
        let read_back = Bus::in_memory(self.log.clone()).read_back();
        let assigned = Assigned { partition: self.partition, committed, read_back };
        let stage = (self.open)(assigned)
            .unwrap_or_else(|error| panic!("could not open {}: {error:#}", self.group));
        self.worker = Some(Worker::new(stage, self.partition));
        self.next = committed;
    }

    fn read(&mut self, batch_max: usize) -> Batch {
        if self.next > self.log.end(Self::topic(), self.partition) {
            // The topic was made anew: the offset is out of range, and `auto.offset.reset` is earliest.
            self.next = 0;
        }
        self.log.batch(Self::topic(), self.partition, self.next, batch_max)
    }

    fn work(&mut self, batch: &Batch) -> (Vec<Message>, i64) {
        let worker = self.worker.as_mut().expect("a lane is opened before it works");
        let produced = block_on(worker.work(&batch.raws()));
        (produced.messages, produced.next_offset)
    }

    /// Opens the lane, or handles its next batch; answers whether anything came of it.
    pub(crate) fn step(&mut self, batch_max: usize, faults: &mut Faults) -> Result<bool, Died> {
        if self.worker.is_none() {
            self.start();
            faults.pass(self.group, Site::Opened)?;
        }
        let batch = self.read(batch_max);
        if batch.is_empty() {
            return Ok(false);
        }
        faults.pass(self.group, Site::Read)?;
        let rounds = if faults.handled_twice() { 2 } else { 1 };
        let mut next = self.next;
        for _ in 0..rounds {
            let (messages, after) = self.work(&batch);
            faults.pass(self.group, Site::Handled)?;
            let (first, rest) = messages.split_at(messages.len() / 2);
            first.iter().for_each(|message| faults.append(&self.log, message));
            faults.pass(self.group, Site::HalfPublished)?;
            rest.iter().for_each(|message| faults.append(&self.log, message));
            next = after;
        }
        faults.pass(self.group, Site::Published)?;
        let held = next <= self.next;
        self.next = next;
        if faults.unacknowledged() {
            return Ok(!held);
        }
        self.log.commit(self.group, Self::topic(), self.partition, next);
        faults.pass(self.group, Site::Committed)?;
        let worker = self.worker.as_mut().expect("a lane is opened before it works");
        let snapshots = worker.committed(next);
        if !snapshots.is_empty() {
            snapshots.iter().for_each(|message| faults.append(&self.log, message));
            faults.pass(self.group, Site::SnapshotPublished)?;
        }
        Ok(!held)
    }

    /// What a process does that slept through a takeover: it handles what it had not handled and publishes; its commit
    /// is refused. Answers how much it published.
    pub(crate) fn late_write(&mut self, batch_max: usize) -> usize {
        if self.worker.is_none() {
            return 0;
        }
        let batch = self.read(batch_max);
        if batch.is_empty() {
            return 0;
        }
        let (messages, next) = self.work(&batch);
        self.next = next;
        let count = messages.len();
        messages.into_iter().for_each(|message| {
            self.log.append(message);
        });
        count
    }
}
