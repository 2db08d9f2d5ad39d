//! A process's copy of the leases and controls, kept by following both topics.
//!
//! The copy answers from memory for ever once it was complete; how fresh it is, and whether it must hold, is said
//! beside it. Executor, decider and verifier use the same one.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use schemas::effective::Applied;
use schemas::reader::{Mark, MayWrite};
use schemas::{Control, Lease, LeaseEntry, Millis, Position, Reader, Topic};
use tokio::sync::watch;

use crate::bus::{From, Raw};
use crate::follow::{Follow, Update};

/// The topics to follow for a copy of the leases.
pub const LEASE_TOPICS: [(Topic, From); 2] =
    [(Topic::Leases, From::Beginning), (Topic::Controls, From::Beginning)];

const FORGET_INTERVAL_MS: Millis = 60 * 60 * 1000;

/// A shared copy of the leases and controls; clones share it.
#[derive(Clone)]
pub struct Leases {
    copy: Arc<RwLock<Copy>>,
    changes: watch::Sender<u64>,
}

#[derive(Default)]
struct Copy {
    reader: Reader,
    leases_confirmed: Option<(i64, Millis)>,
    controls_confirmed: Option<(i64, Millis)>,
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

    /// Whether this process may write to a provider that shows `mark`.
    pub fn may_write(&self, mark: Option<Mark>) -> MayWrite {
        self.exclusive().reader.may_write(mark)
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
            Update::End { topic, end, .. } => {
                let mut copy = self.leases.exclusive();
                let end = at(topic, end, copy.reader.position());
                copy.reader.ends(end);
            }
            Update::Reached { topic, end, now, .. } => self.reached(topic, end, now),
            Update::Restarted { .. } => self.leases.exclusive().reader.restart(),
            Update::Tick { now } => self.forget_ended(now),
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
                Ok(control) => copy.reader.control(raw.offset, &control, raw.timestamp),
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
        self.leases.exclusive().reader.forget_ended(ended_before);
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
