//! When a copy of the leases may be trusted, and when its owner must hold.
//!
//! Unknown is not empty. A reader that holds keeps every claim it has until that claim's `until`, adds nothing and
//! removes only what is due. This file decides that from what was read; it reads nothing itself.

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use crate::effective::Applied;
use crate::{Control, Epoch, Generation, Lease, LeaseEntry, Millis, Observable, Position, View};

/// Most leases of an epoch not yet adopted that a reader keeps aside.
const ASIDE_MAX: usize = 100_000;

/// Why a reader holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// `leases` and `controls` were not yet read to their ends.
    NotRead,
    /// Nobody has said when the topics were made.
    NoEpoch,
    /// The topics are of another epoch than what is held.
    OtherEpoch { held: Millis, found: Millis },
    /// The end of a topic lies below what was already read.
    EndBelow { reached: Position, end: Position, held: Option<Millis> },
}

/// What stands at a provider: who wrote it last, by epoch and position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    pub epoch: Millis,
    pub position: Position,
}

/// Whether this reader may write to a provider, given the mark found there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MayWrite {
    /// Add and remove, and leave this mark.
    All(Mark),
    /// Remove what is due and leave the mark as it is.
    OnlyDue,
    /// Somebody who had read further wrote there: read on to `Position` first. Only what is due may go.
    ReadOnTo(Position),
}

/// The leases and controls as far as they were read, and whether that may be acted upon.
#[derive(Debug, Clone, Default)]
pub struct Reader {
    view: View,
    epoch: Option<Millis>,
    /// An epoch that the log or a provider shows and that does not follow from the one held.
    foreign: Option<Millis>,
    position: Position,
    /// What was read when an end lay below it.
    rewound: Option<(Position, Position)>,
    /// What somebody else had read, and where the log was confirmed to end below it. Over once the log goes on to there:
    /// it may have been a broker that was cut off.
    cut_short: Option<(Position, Position)>,
    complete: bool,
    /// Epochs that were adopted into the one held: what they wrote, here or at a provider, is ours.
    replaced: BTreeSet<Millis>,
    /// Leases read while holding, and leases of epochs that no epoch record has adopted yet: taken in once the hold
    /// ends. Full, the newest observables are left out; adoption publishes every lease anew.
    aside: HashMap<Observable, Lease>,
}

impl Reader {
    pub fn view(&self) -> &View {
        &self.view
    }

    pub fn position(&self) -> Position {
        self.position
    }

    pub fn epoch(&self) -> Option<Millis> {
        self.epoch
    }

    /// Whether both topics were once read to their ends: from then on the view answers, fresh or not.
    pub fn complete(&self) -> bool {
        self.complete
    }

    /// Takes in the record of `leases` at `offset`. `Lower` means: a late write of somebody who was behind; whoever
    /// folds that observable publishes what [`Reader::view`] holds again, and likewise the epoch record.
    pub fn lease(&mut self, offset: i64, entry: LeaseEntry) -> Applied {
        self.position.leases = offset + 1;
        match entry {
            LeaseEntry::Epoch(epoch) => self.take_epoch(&epoch),
            LeaseEntry::Lease(lease) => self.take_lease(lease),
        }
    }

    /// Drops leases all of whose claims ended before `ended_before`.
    pub fn forget_ended(&mut self, ended_before: Millis) {
        self.view.forget_ended(ended_before);
    }

    /// Takes in the record of `controls` at `offset`.
    pub fn control(&mut self, offset: i64, control: &Control, appended_at: Millis) {
        self.position.controls = offset + 1;
        self.view.apply_control(control, appended_at);
    }

    /// Withholds what automation decides, whatever the log says: see [`View::freeze_here`].
    pub fn freeze_here(&mut self, since: Option<Millis>) {
        self.view.freeze_here(since);
    }

    /// Moves past a record that could not be decoded.
    pub fn skip(&mut self, position: Position) {
        self.position.leases = self.position.leases.max(position.leases);
        self.position.controls = self.position.controls.max(position.controls);
    }

    /// Learns where both topics end. A compacted topic may end behind its last record, so reaching the end counts.
    pub fn ends(&mut self, end: Position) {
        if end.leases < self.position.leases || end.controls < self.position.controls {
            self.rewound = Some((self.position, end));
        }
    }

    /// Learns that the topics end at `end`, although somebody who wrote to a provider had read to `reached`: the log lost
    /// its tail, or the broker that is asked does not know it.
    pub fn ends_below(&mut self, reached: Position, end: Position) {
        self.cut_short = Some((reached, end));
    }

    /// Learns that everything below `end` was read.
    pub fn reached(&mut self, end: Position) {
        if self.rewound.is_some() {
            return;
        }
        self.skip(end);
        self.complete = true;
    }

    /// Learns that the topics were made anew: the log is read again from its beginning, what is held stays.
    pub fn restart(&mut self) {
        self.rewound.get_or_insert((self.position, Position::default()));
        self.position = Position::default();
    }

    /// Why this reader holds, if it does.
    pub fn hold(&self) -> Option<Hold> {
        if let Some((reached, end)) = self.rewound {
            return Some(Hold::EndBelow { reached, end, held: self.epoch });
        }
        if !self.complete {
            return Some(Hold::NotRead);
        }
        match (self.epoch, self.foreign, self.cut_short) {
            (Some(held), Some(found), _) => Some(Hold::OtherEpoch { held, found }),
            (None, ..) => Some(Hold::NoEpoch),
            (held, None, Some((reached, end))) if self.position.behind(reached) => {
                Some(Hold::EndBelow { reached, end, held })
            }
            (Some(_), None, _) => None,
        }
    }

    /// Whether this reader may write to a provider that shows `mark`; `None` is a provider nobody wrote to.
    pub fn may_write(&mut self, mark: Option<Mark>) -> MayWrite {
        if let (Some(mark), Some(held)) = (mark, self.epoch)
            && mark.epoch != held
            && !self.replaced.contains(&mark.epoch)
            && self.hold().is_none()
        {
            self.foreign = Some(mark.epoch);
        }
        match (self.hold(), self.epoch, mark) {
            (None, Some(epoch), Some(mark))
                if self.position.behind(mark.position) && mark.epoch == epoch =>
            {
                MayWrite::ReadOnTo(mark.position)
            }
            (None, Some(epoch), _) => MayWrite::All(Mark { epoch, position: self.position }),
            _ => MayWrite::OnlyDue,
        }
    }

    fn take_epoch(&mut self, record: &Epoch) -> Applied {
        if self.replaced.contains(&record.epoch) {
            return Applied::Lower;
        }
        let follows = match self.epoch {
            None => true,
            Some(held) => held == record.epoch || record.replaces.contains(&held),
        };
        if !follows {
            self.foreign = Some(record.epoch);
            return Applied::Same;
        }
        let adopted = self.epoch.is_some_and(|held| held != record.epoch);
        self.replaced
            .extend(record.replaces.iter().copied().filter(|epoch| *epoch != record.epoch));
        self.epoch = Some(record.epoch);
        let foreign_settled = self
            .foreign
            .is_some_and(|found| found == record.epoch || record.replaces.contains(&found));
        if foreign_settled {
            self.foreign = None;
        }
        if adopted {
            self.rewound = None;
            self.cut_short = None;
        }
        for (_, lease) in std::mem::take(&mut self.aside) {
            self.take_lease(lease);
        }
        if adopted { Applied::Newer } else { Applied::Same }
    }

    fn take_lease(&mut self, lease: Lease) -> Applied {
        let Generation { epoch, .. } = lease.generation;
        // A log that was cut short is of the same epoch: what comes in it is as true as what is held.
        let unknown = self.foreign.is_some() || self.epoch.is_none();
        let holds = self.rewound.is_some() || self.complete && unknown;
        if self.epoch.is_none_or(|held| held == epoch) && !holds {
            return self.view.apply(lease);
        }
        if self.epoch.is_some_and(|held| epoch < held) {
            return Applied::Lower;
        }
        match self.aside.get(&lease.observable).map(|held| held.generation) {
            Some(held) if held > lease.generation => {}
            None if self.aside.len() >= ASIDE_MAX => {}
            _ => {
                self.aside.insert(lease.observable.clone(), lease);
            }
        }
        Applied::Same
    }
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Hold::NotRead => f.write_str("leases and controls are not read to their ends yet"),
            Hold::NoEpoch => f.write_str(
                "leases holds no epoch record; run `perimeter bootstrap kafka`, which writes it",
            ),
            Hold::OtherEpoch { held, found } => write!(
                f,
                "epoch {found} was found where {held} is held; if the topics were made anew on purpose, \
                 run `perimeter bootstrap kafka --adopt --replaces {held}`"
            ),
            Hold::EndBelow { reached, end, held } => write!(
                f,
                "leases and controls end at {}/{}, below {}/{} already read; if the topics were made anew on \
                 purpose, run `perimeter bootstrap kafka --adopt --replaces {}`",
                end.leases,
                end.controls,
                reached.leases,
                reached.controls,
                held.unwrap_or_default()
            ),
        }
    }
}
