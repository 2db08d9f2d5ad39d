//! The fold: a decision becomes a lease, published and committed, nothing more.
//!
//! What is not here: any enforcement point. A point that is down delays no lease.

use std::collections::HashMap;

use anyhow::{Context as _, Result, anyhow};
use pipeline::{Assigned, Fault, From, Leases, Outputs, Received, Stage};
use schemas::{
    Appended, Decision, Enforcement, Folded, Generation, Lease, LeaseEntry, Limits, Millis,
    Observable, Phase, Position, Protected, Reader, Refusal, Status, Topic, fold,
};

use crate::ownership::{Owned, Ownership, partition_of};
use crate::view::Repairs;

/// How many decisions are folded between two looks for leases that nobody needs any more.
const FORGET_INTERVAL: usize = 65_536;

/// What was read of `leases` before a partition is folded.
#[derive(Debug, Clone, Default)]
pub struct Restored {
    /// When the topics were made; `None` where that is not known, and the fold holds.
    pub epoch: Option<Millis>,
    pub leases: HashMap<Observable, Lease>,
    /// Observables over whose lease somebody who was behind wrote last: to be published again.
    pub overwritten: Vec<Observable>,
}

/// The fuses that are checked once more before a decision comes into force.
#[derive(Debug, Clone)]
pub struct Fuses {
    pub protected: Protected,
    pub limits: Limits,
}

/// The fold of one partition of `decisions`.
pub struct FoldStage {
    epoch: Option<Millis>,
    folded: HashMap<Observable, Lease>,
    fuses: Fuses,
    leases: Leases,
    partition: i32,
    since_forgotten: usize,
    /// Held for as long as the partition is folded here.
    _owned: Owned,
}

impl Restored {
    /// Reads `leases` to its end as it is now. Call after the committed offsets are known: what was folded below them
    /// is then in what is read.
    pub fn read(assigned: &Assigned) -> Result<Restored> {
        let mut restoring = Restoring::new(assigned.partition);
        assigned.read_back.read(Topic::Leases, 0, From::Beginning, &mut |raw| {
            match raw.decode::<LeaseEntry>() {
                Ok(entry) => restoring.take(raw.offset, entry),
                Err(error) => tracing::warn!(%error, offset = raw.offset, "passed over a lease"),
            }
            Ok(())
        })?;
        Ok(restoring.done())
    }
}

/// Takes in the records of `leases` for one partition of `decisions`.
pub struct Restoring {
    reader: Reader,
    partition: i32,
    overwritten: HashMap<Observable, bool>,
}

impl Restoring {
    pub fn new(partition: i32) -> Self {
        Restoring { reader: Reader::default(), partition, overwritten: HashMap::new() }
    }

    pub fn take(&mut self, offset: i64, entry: LeaseEntry) {
        let observable = match &entry {
            LeaseEntry::Lease(lease) => Some(lease.observable.clone()),
            LeaseEntry::Epoch(_) => None,
        };
        let applied = self.reader.lease(offset, entry);
        if let Some(observable) = observable {
            self.overwritten.insert(observable, applied == schemas::effective::Applied::Lower);
        }
    }

    pub fn done(mut self) -> Restored {
        self.reader.reached(self.reader.position());
        let own = |observable: &Observable| partition_of(observable) == self.partition;
        let held = self.reader.view().leases().filter(|lease| own(&lease.observable));
        let lower =
            self.overwritten.iter().filter(|(observable, lower)| **lower && own(observable));
        Restored {
            epoch: if self.reader.hold().is_none() { self.reader.epoch() } else { None },
            leases: held.map(|lease| (lease.observable.clone(), lease.clone())).collect(),
            overwritten: lower.map(|(observable, _)| observable.clone()).collect(),
        }
    }
}

impl FoldStage {
    /// The fold of a partition that was just assigned. Leases that somebody who was behind wrote over are asked to be
    /// published again.
    pub fn open(
        assigned: &Assigned,
        fuses: Fuses,
        leases: Leases,
        ownership: &Ownership,
        repairs: &Repairs,
    ) -> Result<FoldStage> {
        let restored = Restored::read(assigned).context("could not restore the leases")?;
        let overwritten = restored.overwritten.clone();
        let owned = ownership.take(assigned.partition);
        let stage = FoldStage::new(assigned.partition, restored, fuses, leases, owned);
        overwritten.into_iter().for_each(|observable| repairs.ask(observable));
        Ok(stage)
    }

    /// `leases` is this process's copy: while it holds, so does the fold.
    pub fn new(
        partition: i32,
        restored: Restored,
        fuses: Fuses,
        leases: Leases,
        owned: Owned,
    ) -> Self {
        FoldStage {
            epoch: restored.epoch,
            folded: restored.leases,
            fuses,
            leases,
            partition,
            since_forgotten: 0,
            _owned: owned,
        }
    }

    /// The epoch under which to fold, or why to hold. What is folded before a log that lost its tail is known to have
    /// lost it would bring the log on to where it had been, and nobody would see any more that anything is missing.
    fn epoch(&mut self) -> Result<Millis> {
        let (hold, found) = self.leases.read(|reader| (reader.hold(), reader.epoch()));
        if let Some(hold) = hold {
            return Err(anyhow!("{hold}"));
        }
        if let Some(Position { leases, controls }) = self.leases.read_on_to() {
            return Err(anyhow!(
                "an IP set was written by somebody who had read leases and controls to {leases}/{controls}; waiting \
                 for the copy to come there"
            ));
        }
        match (self.epoch, found) {
            (Some(own), Some(found)) if own == found => Ok(own),
            (own, Some(found)) if own.is_none_or(|own| own < found) => {
                self.adopt(found);
                Ok(found)
            }
            (own, found) => Err(anyhow!(
                "the fold knows epoch {own:?} and the copy of the leases {found:?}; waiting for the copy"
            )),
        }
    }

    /// Goes on under an epoch that was adopted while this partition was folded: its leases were published before it.
    fn adopt(&mut self, epoch: Millis) {
        let partition = self.partition;
        let adopted: Vec<Lease> = self.leases.read(|reader| {
            let own = |lease: &&Lease| partition_of(&lease.observable) == partition;
            reader.view().leases().filter(own).cloned().collect()
        });
        for lease in adopted {
            let held = self.folded.get(&lease.observable).map(|held| held.generation);
            if held.is_none_or(|held| held <= lease.generation) {
                self.folded.insert(lease.observable.clone(), lease);
            }
        }
        tracing::info!(epoch, partition, "folding under a new epoch");
        self.epoch = Some(epoch);
    }

    fn answer(&mut self, epoch: Millis, received: &Received<'_, Decision>, out: &mut Outputs) {
        let decision = &received.record;
        let generation = Generation { epoch, offset: received.offset };
        let appended = Appended { generation, at: received.timestamp };
        let held = self.folded.get(&decision.observable);
        match fold(held, decision, appended, &self.fuses.protected, &self.fuses.limits) {
            Folded::Known | Folded::Nothing => {}
            Folded::Refused(refusal) => {
                metrics::counter!("perimeter_fuse_trips_total", "fuse" => fuse(&refusal))
                    .increment(1);
                out.continue_trace(received.headers.trace());
                out.push(&refused(decision, appended, &refusal));
            }
            Folded::Lease(lease) => {
                self.folded.insert(lease.observable.clone(), lease.clone());
                out.continue_trace(received.headers.trace());
                out.push(&LeaseEntry::Lease(lease));
            }
        }
    }

    /// Drops leases that ended longer ago than any strike is remembered: the topic's retention drops them as well.
    fn forget(&mut self, now: Millis) {
        self.since_forgotten = 0;
        let limits = &self.fuses.limits;
        let before = now - limits.operator_max_ms - limits.strike_memory_ms;
        self.folded.retain(|_, lease| lease.claims.iter().any(|claim| claim.until >= before));
    }
}

impl Stage for FoldStage {
    type Input = Decision;

    async fn handle(&mut self, batch: &[Received<'_, Decision>], out: &mut Outputs) {
        let (Some(first), Some(last)) = (batch.first(), batch.last()) else { return };
        let epoch = match self.epoch() {
            Ok(epoch) => epoch,
            Err(hold) => return out.fault(first.offset, Fault::Retry(hold)),
        };
        for received in batch {
            self.answer(epoch, received, out);
        }
        self.since_forgotten += batch.len();
        if self.since_forgotten >= FORGET_INTERVAL {
            self.forget(last.timestamp);
        }
    }
}

fn refused(decision: &Decision, appended: Appended, refusal: &Refusal) -> Enforcement {
    let (phase, status) = (Phase::Apply, Status::Refused);
    let Appended { generation, at } = appended;
    let reason = refusal.to_string();
    Enforcement {
        reason,
        ..Enforcement::of(decision, Enforcement::FOLD, phase, status, generation, at)
    }
}

fn fuse(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::Protected { .. } => "protected",
        Refusal::TooWide { .. } => "too_wide",
        Refusal::NoEnd { .. } => "no_end",
        Refusal::AlreadyEnded { .. } => "already_ended",
        Refusal::Provenance { .. } => "provenance",
    }
}
