//! A process's copy of the leases and controls, kept by following both topics.
//!
//! The copy answers from memory for ever once it was complete; how fresh it is, and whether it must hold, is said
//! beside it. Executor, decider and verifier use the same one.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use schemas::effective::Applied;
use schemas::reader::{Mark, MayWrite};
use schemas::{Control, Lease, LeaseEntry, Millis, Observable, Position, Reader, Topic};
use tokio::sync::watch;

use crate::bus::{From, Raw};
use crate::changed::{Changes, Seen};
use crate::follow::{Follow, Update};

/// The topics to follow for a copy of the leases.
pub const LEASE_TOPICS: [(Topic, From); 2] =
    [(Topic::Leases, From::Beginning), (Topic::Controls, From::Beginning)];

const FORGET_INTERVAL_MS: Millis = 60 * 60 * 1000;
/// The reading thread turns at least this often while the process runs, be Kafka there or not.
const TURN_MS_MAX: Millis = 2_500;
/// How long the broker must have told no end before it counts as away, and how long a mark must lie beyond the end that
/// it tells before the log counts as cut short. Twenty times the interval at which ends are asked for.
const PATIENCE_MS: Millis = 10_000;

/// A shared copy of the leases and controls; clones share it.
#[derive(Clone)]
pub struct Leases {
    copy: Arc<RwLock<Copy>>,
    changes: watch::Sender<u64>,
}

#[derive(Default)]
struct Copy {
    reader: Reader,
    changes: Changes,
    leases_confirmed: Option<(i64, Millis)>,
    controls_confirmed: Option<(i64, Millis)>,
    /// Where both topics were last said to end.
    end: Position,
    /// When that was said.
    told_at: Millis,
    /// A mark beyond what was read, and since when it is known.
    ahead: Option<(Mark, Millis)>,
    /// When the reading thread turned last.
    turned_at: Millis,
}

impl Copy {
    /// Notes a mark of somebody of ours who had read further, even before this copy is whole: what is published on less
    /// hides that the log lost its tail.
    fn note(&mut self, mark: Mark, now: Millis) {
        let position = self.reader.position();
        let ours = self.reader.epoch().is_none_or(|held| held == mark.epoch);
        if !ours || !position.behind(mark.position) {
            return;
        }
        let known = self.ahead.is_some_and(|(ahead, _)| {
            ahead.epoch == mark.epoch
                && position.behind(ahead.position)
                && !ahead.position.behind(mark.position)
        });
        if !known {
            self.ahead = Some((mark, now));
        }
    }

    fn read_on_to(&self) -> Option<Position> {
        let (ahead, _) = self.ahead?;
        let missing = self.reader.position().behind(ahead.position);
        (missing && self.reader.epoch() == Some(ahead.epoch)).then_some(ahead.position)
    }

    /// Holds where the log was confirmed, for long enough, to end before a mark that somebody of ours left.
    fn hold_if_cut_short(&mut self) {
        let (Some(reached), Some((_, since))) = (self.read_on_to(), self.ahead) else { return };
        let (Some((leases, read_at)), Some((controls, also_at))) =
            (self.leases_confirmed, self.controls_confirmed)
        else {
            return;
        };
        if self.reader.hold().is_none() && read_at.min(also_at) - since >= PATIENCE_MS {
            self.reader.ends_below(reached, Position { leases, controls });
        }
    }
}

/// The writing end: feeds what is followed into the copy.
pub struct LeasesSink {
    leases: Leases,
    late_write: Box<dyn FnMut(Lease) + Send>,
    forget_at: Millis,
}

impl Default for Leases {
    fn default() -> Self {
        Leases { copy: Arc::default(), changes: watch::Sender::new(0) }
    }
}

impl Leases {
    /// The end that is given to [`crate::follow`] with [`LEASE_TOPICS`].
    pub fn sink(&self) -> LeasesSink {
        self.sink_with(|_| {})
    }

    /// As [`Leases::sink`]; `late_write` gets the lease held whenever somebody wrote a lower generation over it, to be
    /// published again by whoever folds that observable.
    pub fn sink_with(&self, late_write: impl FnMut(Lease) + Send + 'static) -> LeasesSink {
        LeasesSink { leases: self.clone(), late_write: Box::new(late_write), forget_at: 0 }
    }

    /// Looks at the copy. Never hold the look across an await.
    pub fn read<T>(&self, look: impl FnOnce(&Reader) -> T) -> T {
        look(&self.shared().reader)
    }

    /// As [`Leases::read`], and says which leases were taken in since the look that left `seen`; none if anything may have
    /// changed.
    pub fn read_since<T>(
        &self,
        seen: &mut Seen,
        look: impl FnOnce(&Reader, Option<Vec<Observable>>) -> T,
    ) -> T {
        let copy = self.shared();
        look(&copy.reader, copy.changes.since(seen))
    }

    /// Whether this process may write to a provider that shows `mark`.
    ///
    /// Not on what it knew before it slept: what a process that was stopped takes for ended may have been renewed since,
    /// so it first lets its reading thread turn, and reads on to the end that it is told.
    pub fn may_write(&self, mark: Option<Mark>, now: Millis) -> MayWrite {
        let mut copy = self.exclusive();
        if let Some(mark) = mark {
            copy.note(mark, now);
        }
        let behind = copy.reader.hold().is_none() && copy.reader.position().behind(copy.end);
        // A broker that went away between telling an end and giving what lies before it counts as away, as it would had
        // it told nothing: else what is due would stay for as long as it is.
        let away = now - copy.told_at > PATIENCE_MS;
        if now - copy.turned_at > TURN_MS_MAX || behind && !away {
            return MayWrite::ReadOnTo(copy.end);
        }
        match copy.reader.may_write(mark) {
            MayWrite::All(_) if behind => MayWrite::OnlyDue,
            may => may,
        }
    }

    /// Up to where somebody of ours had read when a provider was written, if this copy has not come there: until it has,
    /// nothing is folded on what it knows. Where the log is confirmed to end before, the copy holds within seconds.
    pub fn read_on_to(&self) -> Option<Position> {
        self.shared().read_on_to()
    }

    /// Lets this process withhold what automation decides, whatever the log says: from the append time on that `since`
    /// answers, or not any more. Looked up and set in one, so that nothing comes into force in between.
    pub fn freeze_here(&self, since: impl FnOnce(&Reader) -> Option<Millis>) {
        let mut copy = self.exclusive();
        let since = since(&copy.reader);
        copy.reader.freeze_here(since);
        copy.changes.any();
        drop(copy);
        self.changes.send_modify(|count| *count += 1);
    }

    /// Learns that the reading thread turned.
    pub fn turned(&self, now: Millis) {
        self.exclusive().turned_at = now;
    }

    /// Milliseconds since both topics were last confirmed read to their ends; `None` before the first time.
    pub fn age_ms(&self, now: Millis) -> Option<Millis> {
        let copy = self.shared();
        let confirmed = copy.leases_confirmed?.1.min(copy.controls_confirmed?.1);
        Some((now - confirmed).max(0))
    }

    /// Wakes whenever a lease or control was taken in.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn shared(&self) -> RwLockReadGuard<'_, Copy> {
        self.copy.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn exclusive(&self) -> RwLockWriteGuard<'_, Copy> {
        self.copy.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Follow for LeasesSink {
    fn update(&mut self, update: Update<'_>) {
        match update {
            Update::Record(raw) => {
                if let Some(held) = self.record(&raw) {
                    (self.late_write)(held);
                }
                self.leases.changes.send_modify(|count| *count += 1);
            }
            Update::End { topic, end, now, .. } => {
                let mut copy = self.leases.exclusive();
                copy.told_at = now;
                copy.end = at(topic, end, copy.end);
                let end = at(topic, end, copy.reader.position());
                copy.reader.ends(end);
            }
            Update::Reached { topic, end, now, .. } => self.reached(topic, end, now),
            Update::Restarted { .. } => {
                let mut copy = self.leases.exclusive();
                copy.reader.restart();
                copy.changes.any();
            }
            Update::Tick { now } => {
                self.leases.turned(now);
                self.forget_ended(now);
            }
        }
    }
}

impl LeasesSink {
    /// Takes one record in; answers the lease held if the record was a late write.
    fn record(&self, raw: &Raw<'_>) -> Option<Lease> {
        let mut copy = self.leases.exclusive();
        let next = raw.offset + 1;
        if raw.topic == Topic::Controls {
            match raw.decode::<Control>() {
                Ok(control) => {
                    copy.reader.control(raw.offset, &control, raw.timestamp);
                    copy.changes.any();
                }
                Err(error) => {
                    tracing::warn!(%error, offset = raw.offset, "passed over a control");
                    copy.reader.skip(Position { leases: 0, controls: next });
                }
            }
            return None;
        }
        match raw.decode::<LeaseEntry>() {
            Ok(entry) => {
                let observable = match &entry {
                    LeaseEntry::Lease(lease) => Some(lease.observable.clone()),
                    LeaseEntry::Epoch(_) => None,
                };
                match &observable {
                    Some(observable) => copy.changes.one(observable.clone()),
                    None => copy.changes.any(),
                }
                if copy.reader.lease(raw.offset, entry) == Applied::Lower {
                    return observable
                        .and_then(|observable| copy.reader.view().lease(&observable).cloned());
                }
            }
            Err(error) => {
                tracing::warn!(%error, offset = raw.offset, "passed over a lease");
                copy.reader.skip(Position { leases: next, controls: 0 });
            }
        }
        None
    }

    /// Drops what the topic's retention removes as well, so that the copy stays as small as the topic.
    fn forget_ended(&mut self, now: Millis) {
        if now < self.forget_at {
            return;
        }
        self.forget_at = now + FORGET_INTERVAL_MS;
        let ended_before = now - Topic::Leases.spec().retention_ms;
        let mut copy = self.leases.exclusive();
        copy.reader.forget_ended(ended_before);
        copy.changes.any();
    }

    fn reached(&self, topic: Topic, end: i64, now: Millis) {
        let mut copy = self.leases.exclusive();
        match topic {
            Topic::Controls => copy.controls_confirmed = Some((end, now)),
            _ => copy.leases_confirmed = Some((end, now)),
        }
        if let (Some((leases, _)), Some((controls, _))) =
            (copy.leases_confirmed, copy.controls_confirmed)
        {
            let first = !copy.reader.complete();
            copy.reader.reached(Position { leases, controls });
            if first {
                copy.changes.any();
                // While the log was read for the first time, that it had not come there yet said nothing.
                copy.ahead = copy.ahead.map(|(mark, _)| (mark, now));
            }
            copy.hold_if_cut_short();
            drop(copy);
            if first {
                self.leases.changes.send_modify(|count| *count += 1);
            }
        }
    }
}

fn at(topic: Topic, end: i64, position: Position) -> Position {
    match topic {
        Topic::Controls => Position { controls: end, ..position },
        _ => Position { leases: end, ..position },
    }
}
