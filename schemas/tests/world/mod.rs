//! A small world on three lists instead of three topics: one fold, perhaps a paused twin of it, and three readers.
//!
//! After every record that a reader takes in, its view is compared with the reference: each lease must be what the
//! history says at that lease's generation, and no generation may fall.

mod ops;

use std::collections::HashMap;

use schemas::effective::Applied;
use schemas::{
    Action, Appended, Control, Decision, Epoch, Folded, Generation, Lease, LeaseEntry, Limits,
    Millis, Mode, Observable, Origin, Position, Protected, Provenance, Reader, fold,
};
use uuid::Uuid;

pub(crate) use self::ops::{Kind, Op, cases, op};
use crate::reference::{self, Logged};

pub(crate) const EPOCH: Millis = 1_795_000_000_000;
pub(crate) const NOW: Millis = 1_795_267_200_000;
const DAY_MS: Millis = 86_400_000;

/// Nested networks, neighbours, what is too wide, what is protected and what overlaps it.
pub(crate) const OBSERVABLES: [&str; 10] = [
    "81.2.69.142",
    "81.2.69.143",
    "81.2.69.0/24",
    "81.2.69.128/25",
    "81.2.0.0/16",
    "81.2.70.7",
    "81.2.70.0/24",
    "2a00:1450:0:5::/64",
    "2a00:1450::/56",
    "10.0.0.1",
];

pub(crate) const LIMITS: Limits = Limits {
    automatic_prefix_min_v4: 25,
    automatic_prefix_min_v6: 64,
    operator_prefix_min_v4: 24,
    operator_prefix_min_v6: 56,
    automatic_max_ms: DAY_MS,
    operator_max_ms: 7 * DAY_MS,
    strike_memory_ms: 7 * DAY_MS,
};

pub(crate) fn protected() -> Protected {
    Protected::with([("81.2.70.0/28".parse().unwrap(), "office".to_owned())])
}

pub(crate) fn appended(offset: usize, at: Millis) -> Appended {
    Appended { generation: Generation { epoch: EPOCH, offset: offset as i64 }, at }
}

/// A decision that passes every fuse unless its observable or `until` does not.
pub(crate) fn decision(
    observable: &Observable,
    origin: Origin,
    action: Action,
    until: Option<Millis>,
) -> Decision {
    Decision {
        decision_id: Uuid::from_u128(1),
        until,
        origin,
        strikes: 1,
        provenance: Some(Provenance::SocketPeer),
        ..Decision::by_pipeline(action, observable.clone())
    }
}

/// The topics: a record's offset is its index; `None` was compacted away.
#[derive(Default)]
pub(crate) struct Logs {
    pub(crate) decisions: Vec<Logged>,
    leases: Vec<Option<LeaseEntry>>,
    controls: Vec<(Control, Millis)>,
}

/// A reader and how far it has read.
#[derive(Default)]
struct Follower {
    reader: Reader,
    leases: usize,
    controls: usize,
}

/// A process that folds.
#[derive(Default)]
struct Fold {
    follower: Follower,
    next: usize,
    /// What it published itself and has not read back yet.
    own: HashMap<Observable, Lease>,
}

pub(crate) struct World {
    pub(crate) logs: Logs,
    pub(crate) now: Millis,
    committed: usize,
    fold: Fold,
    twin: Option<Fold>,
    followers: Vec<Follower>,
    next_id: u128,
}

impl Follower {
    /// Takes in up to `records` of `leases` and all of `controls`; answers which leases came of a lower generation.
    fn read(&mut self, logs: &Logs, records: usize) -> Vec<Observable> {
        let mut lower = Vec::new();
        for (control, at) in &logs.controls[self.controls..] {
            self.reader.control(self.controls as i64, control, *at);
            self.controls += 1;
        }
        for _ in 0..records {
            let Some(record) = logs.leases.get(self.leases) else { break };
            if let Some(entry) = record {
                let applied = self.reader.lease(self.leases as i64, entry.clone());
                if let (LeaseEntry::Lease(lease), Applied::Lower) = (entry, applied) {
                    lower.push(lease.observable.clone());
                }
            }
            self.leases += 1;
        }
        let end =
            Position { leases: logs.leases.len() as i64, controls: logs.controls.len() as i64 };
        self.reader.ends(end);
        if self.leases == logs.leases.len() {
            self.reader.reached(end);
        }
        lower
    }
}

impl Fold {
    /// A new process: its committed offset first, then the leases to their end.
    fn start(committed: usize, logs: &mut Logs) -> Fold {
        let mut fold = Fold { next: committed, ..Fold::default() };
        fold.catch_up(logs);
        fold
    }

    /// Reads to the end, and publishes again what somebody overwrote with an older version.
    fn catch_up(&mut self, logs: &mut Logs) {
        for observable in self.follower.read(logs, usize::MAX) {
            let held = self.follower.reader.view().lease(&observable).cloned();
            logs.leases
                .push(Some(LeaseEntry::Lease(held.expect("a lower lease is one that is held"))));
        }
    }

    fn fold_on(&mut self, logs: &mut Logs, count: usize) {
        for _ in 0..count {
            let Some(Logged { at, decision }) = logs.decisions.get(self.next).cloned() else {
                return;
            };
            let read = self.follower.reader.view().lease(&decision.observable);
            let own = self.own.get(&decision.observable);
            let held = read.into_iter().chain(own).max_by_key(|lease| lease.generation);
            if let Folded::Lease(lease) =
                fold(held, &decision, appended(self.next, at), &protected(), &LIMITS)
            {
                logs.leases.push(Some(LeaseEntry::Lease(lease.clone())));
                self.own.insert(lease.observable.clone(), lease);
            }
            self.next += 1;
        }
    }
}

impl World {
    pub(crate) fn new() -> Self {
        let mut logs = Logs::default();
        logs.leases.push(Some(LeaseEntry::Epoch(Epoch { epoch: EPOCH, replaces: Vec::new() })));
        let fold = Fold::start(0, &mut logs);
        let followers = (0..3).map(|_| Follower::default()).collect();
        World { logs, now: NOW, committed: 0, fold, twin: None, followers, next_id: 2 }
    }

    pub(crate) fn apply(&mut self, op: &Op) {
        match op {
            Op::Decide { observable, origin, action, until_ms, kind } => {
                self.decide(*observable, *origin, *action, *until_ms, *kind);
            }
            Op::Repeat { back } => {
                if let Some(index) = self.logs.decisions.len().checked_sub(back + 1) {
                    let decision = self.logs.decisions[index].decision.clone();
                    self.logs.decisions.push(Logged { at: self.now, decision });
                }
            }
            Op::Control { frozen, aware } => {
                let frozen_since = if *aware { self.expected_freeze() } else { None };
                let control = control(*frozen, frozen_since, self.now);
                self.logs.controls.push((control, self.now));
            }
            Op::Advance(ms) => self.now += ms,
            Op::Fold(count) => {
                self.fold.catch_up(&mut self.logs);
                self.fold.fold_on(&mut self.logs, *count);
            }
            Op::Commit => self.committed = self.fold.next,
            Op::Crash => self.fold = Fold::start(self.committed, &mut self.logs),
            Op::Pause => {
                let fresh = Fold::start(self.committed, &mut self.logs);
                self.twin = Some(std::mem::replace(&mut self.fold, fresh));
            }
            Op::Twin(count) => {
                if let Some(twin) = &mut self.twin {
                    twin.fold_on(&mut self.logs, *count);
                }
            }
            Op::Read { reader, records } => self.read(*reader, *records),
            Op::Restart { reader } => self.followers[*reader] = Follower::default(),
            Op::Compact => self.compact(),
        }
    }

    /// Lets everybody finish.
    pub(crate) fn settle(&mut self) {
        self.fold.catch_up(&mut self.logs);
        self.fold.fold_on(&mut self.logs, usize::MAX);
        self.fold.catch_up(&mut self.logs);
        for reader in 0..self.followers.len() {
            self.read(reader, usize::MAX);
        }
    }

    pub(crate) fn readers(&self) -> impl Iterator<Item = &Reader> {
        self.followers.iter().map(|follower| &follower.reader)
    }

    /// The leases as the reference has them, by observable.
    pub(crate) fn expected(&self) -> Vec<Lease> {
        let mut observables: Vec<Observable> =
            OBSERVABLES.iter().map(|text| text.parse().unwrap()).collect();
        observables.sort();
        let log = &self.logs.decisions;
        observables
            .iter()
            .filter_map(|observable| {
                reference::lease(log, EPOCH, observable, &protected(), &LIMITS)
            })
            .collect()
    }

    /// Since when automation is frozen, from the whole history of controls.
    pub(crate) fn expected_freeze(&self) -> Option<Millis> {
        let mut since: Option<Millis> = None;
        for (control, at) in &self.logs.controls {
            let aware = control.frozen_since.is_some();
            since = match (control.frozen, since) {
                (false, _) => None,
                (true, Some(standing)) if aware => Some(standing),
                (true, _) => Some(*at),
            };
        }
        since
    }

    fn decide(
        &mut self,
        observable: usize,
        origin: Origin,
        action: Action,
        until_ms: Option<Millis>,
        kind: Kind,
    ) {
        let observable: Observable = OBSERVABLES[observable].parse().unwrap();
        let mut decision = decision(&observable, origin, action, until_ms.map(|ms| self.now + ms));
        decision.decision_id = Uuid::from_u128(self.next_id);
        decision.strikes = self.next_id as i32 % 4;
        self.next_id += 1;
        match kind {
            Kind::Plain => {}
            Kind::Simulated => decision.mode = Mode::Simulated,
            Kind::Frozen => decision.frozen = true,
            Kind::Unproved => decision.provenance = Some(Provenance::HeaderUntrusted),
            Kind::Late => decision.detected_at = Some(self.now - 4),
        }
        self.logs.decisions.push(Logged { at: self.now, decision });
    }

    /// Lets one reader read and holds every lease it has against the reference.
    fn read(&mut self, index: usize, records: usize) {
        let follower = &mut self.followers[index];
        let before: HashMap<Observable, Generation> = generations(&follower.reader);
        follower.read(&self.logs, records);
        for (observable, generation) in generations(&follower.reader) {
            assert!(
                before.get(&observable).is_none_or(|held| *held <= generation),
                "{observable} fell back"
            );
            let history = &self.logs.decisions[..=generation.offset as usize];
            let expected = reference::lease(history, EPOCH, &observable, &protected(), &LIMITS);
            assert_eq!(
                follower.reader.view().lease(&observable),
                expected.as_ref(),
                "reader {index}"
            );
        }
    }

    /// Keeps the last record of each key among those that the fold has read, as the broker's cleaner does.
    fn compact(&mut self) {
        let cleaned = self.fold.follower.leases;
        let mut kept = std::collections::HashSet::new();
        for record in self.logs.leases[..cleaned].iter_mut().rev() {
            let key = match record {
                Some(LeaseEntry::Lease(lease)) => lease.observable.to_string(),
                Some(LeaseEntry::Epoch(_)) => schemas::lease::EPOCH_KEY.to_owned(),
                None => continue,
            };
            if !kept.insert(key) {
                *record = None;
            }
        }
    }
}

fn generations(reader: &Reader) -> HashMap<Observable, Generation> {
    reader.view().leases().map(|lease| (lease.observable.clone(), lease.generation)).collect()
}

pub(crate) fn control(frozen: bool, frozen_since: Option<Millis>, at: Millis) -> Control {
    Control {
        control_id: Uuid::from_u128(1),
        scope: schemas::control::SCOPE_ALL.to_owned(),
        frozen,
        frozen_since,
        requested_at: at,
        requested_by: "spiffe://perimeter/operator/ada".to_owned(),
        reason: String::new(),
        mode: None,
    }
}
