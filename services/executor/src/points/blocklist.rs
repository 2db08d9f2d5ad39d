//! The point `blocklist`: the leases in force, shown to others in Redis.
//!
//! Every replica writes; generations keep a late write from doing harm. Nothing of ours depends on it.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use anyhow::Result;
use blocklist::{BATCH_MAX, Blocklist, Change, Shown, Unavailable};
use pipeline::{Context, Leases};
use schemas::{Action, Claim, Enforcement, Lease, Millis, Observable, Origin, Protected, View};

use super::{Outbox, missed, pause, reached, show};
use crate::logic::acts::{Acts, Held, Scope, Stands, Wanted, wanted};
use crate::logic::pace::BackOff;
use crate::logic::untold::Untold;
use crate::ownership::Ownership;
use crate::recall::Recalled;

/// Name of the point.
pub const POINT: &str = "blocklist";
/// How often the seal is compared, so that a Redis that lost something is noticed.
const SWEEP_INTERVAL_MS: Millis = 2_000;
/// Changes of the leases that come together are written together: whoever reads the list asks for it once a second or
/// more seldom.
const PASS_INTERVAL: Duration = Duration::from_millis(200);
const BACK_OFF_FIRST_MS: Millis = 250;
const BACK_OFF_MAX_MS: Millis = 1_000;

/// What is to be shown, and whether anything may be added.
pub struct Sight {
    shown: HashMap<Observable, Shown>,
    /// Leases of which nothing is in force, though a claim has not ended: their keys may still be there.
    hidden: Vec<Change>,
    /// Leases that others rule otherwise while this replica is frozen by itself: their keys stay as they are.
    withheld: HashSet<Observable>,
    wanted: Vec<Wanted>,
    /// `None` before the leases were read to their end: then nothing is known well enough to be shown or hidden.
    may_add: Option<bool>,
    next_end: Option<Millis>,
}

impl Sight {
    pub fn of(view: &View, may_add: Option<bool>, protected: &Protected, now: Millis) -> Sight {
        let mut shown = HashMap::new();
        let mut hidden = Vec::new();
        let mut withheld = HashSet::new();
        let mut next_end = None;
        for lease in
            view.leases().filter(|lease| lease.claims.iter().any(|claim| claim.until > now))
        {
            let here = ruling(lease, view.frozen_since(), protected, now);
            if view.frozen_here().is_some()
                && here != ruling(lease, view.frozen_by_log(), protected, now)
            {
                withheld.insert(lease.observable.clone());
                continue;
            }
            match here {
                Some(claim) => {
                    next_end =
                        Some(next_end.map_or(claim.until, |end: Millis| end.min(claim.until)));
                    shown.insert(lease.observable.clone(), of(lease, claim));
                }
                None => hidden.push(Change::Hide(lease.observable.clone(), lease.generation)),
            }
        }
        let wanted = wanted(view, protected, now);
        Sight { shown, hidden, withheld, wanted, may_add, next_end }
    }

    fn hidden_observables(&self) -> HashSet<&Observable> {
        let observables = self.hidden.iter().filter_map(|change| match change {
            Change::Hide(observable, _) => Some(observable),
            Change::Show(_) => None,
        });
        observables.collect()
    }
}

/// The claim of the lease that rules it at `now`.
fn ruling<'a>(
    lease: &'a Lease,
    frozen_since: Option<Millis>,
    protected: &Protected,
    now: Millis,
) -> Option<&'a Claim> {
    let rank = |claim: &Claim| {
        (claim.origin == Origin::Operator && claim.action == Action::Allow, claim.origin)
    };
    let in_force = lease.claims.iter().filter(|claim| claim.in_force(now, frozen_since));
    let claim = in_force.max_by_key(|claim| rank(claim))?;
    let refused =
        claim.action == Action::Block && protected.overlap(lease.observable.network()).is_some();
    (!refused).then_some(claim)
}

fn of(lease: &Lease, claim: &Claim) -> Shown {
    Shown {
        observable: lease.observable.clone(),
        action: claim.action,
        until: claim.until,
        origin: claim.origin,
        decision_id: claim.decision_id,
        generation: lease.generation,
    }
}

/// The loop without its I/O: what Redis was told, and what it is to be told next.
pub struct Mirror {
    written: HashMap<Observable, Shown>,
    hidden: HashSet<Observable>,
    seal: Option<String>,
    run: String,
    count: u64,
    acts: Acts,
}

impl Mirror {
    /// `run` tells this process from its earlier lives: a seal of theirs vouches for nothing we wrote.
    pub fn new(run: impl Into<String>) -> Self {
        Mirror {
            written: HashMap::new(),
            hidden: HashSet::new(),
            seal: None,
            run: run.into(),
            count: 0,
            acts: Acts::new(POINT),
        }
    }

    /// Compares the seal that Redis shows with the last one left there; a broken one means that all is written again.
    pub fn swept(&mut self, found: Option<&str>) {
        if found.is_none() || found != self.seal.as_deref() {
            self.written.clear();
            self.hidden.clear();
            self.seal = None;
        }
    }

    /// The changes that make Redis equal to the leases.
    pub fn changes(&self, sight: &Sight, now: Millis) -> Vec<Change> {
        let Some(may_add) = sight.may_add else { return Vec::new() };
        let mut changes = Vec::new();
        for (observable, shown) in sight.shown.iter().filter(|_| may_add) {
            if self.written.get(observable) != Some(shown) {
                changes.push(Change::Show(shown.clone()));
            }
        }
        for change in &sight.hidden {
            if let Change::Hide(observable, _) = change
                && !self.hidden.contains(observable)
            {
                changes.push(change.clone());
            }
        }
        // Redis lets go of what ended by itself; its clock may be behind ours, so it is told as well. What was written
        // and is no longer spoken of ended under a newer claim that this replica did not see in force.
        let hidden = sight.hidden_observables();
        let ended = self.written.values().filter(|shown| {
            let observable = &shown.observable;
            let spoken_of =
                sight.shown.contains_key(observable) || sight.withheld.contains(observable);
            !spoken_of && (shown.until <= now || !hidden.contains(observable))
        });
        changes.extend(ended.map(|shown| Change::Hide(shown.observable.clone(), shown.generation)));
        changes
    }

    /// The seal to leave with the next batch.
    pub fn next_seal(&mut self) -> String {
        self.count += 1;
        format!("{}-{}", self.run, self.count)
    }

    /// Learns that a batch was written with its seal.
    pub fn written(&mut self, batch: &[Change], seal: String) {
        for change in batch {
            match change {
                Change::Show(shown) => {
                    self.hidden.remove(&shown.observable);
                    self.written.insert(shown.observable.clone(), shown.clone());
                }
                Change::Hide(observable, _) => {
                    self.written.remove(observable);
                    self.hidden.insert(observable.clone());
                }
            }
        }
        self.seal = Some(seal);
    }

    /// Forgets what no lease in force needs any more.
    pub fn forget(&mut self, sight: &Sight) {
        let hidden = sight.hidden_observables();
        self.hidden.retain(|observable| hidden.contains(observable));
    }

    /// Takes in what earlier owners told, or this one before it was away.
    pub fn recall(&mut self, untold: Untold) {
        self.acts.recall(untold);
    }

    /// The same sight, with what ended and was told no end of.
    pub fn with_missed(&self, mut sight: Sight, view: &View, now: Millis) -> Sight {
        sight.wanted.extend(self.acts.missed(view, now));
        sight
    }

    /// What to publish, at most `room` records.
    pub fn settle(&mut self, sight: &Sight, now: Millis, room: usize) -> Vec<Enforcement> {
        let (written, shown) = (&self.written, &sight.shown);
        self.acts.settle(&sight.wanted, Scope::All, now, room, |claim| {
            // What others show of a claim that is withheld here is not known.
            let same = written.get(&claim.observable) == shown.get(&claim.observable);
            if same && claim.stands != Stands::Withheld { Held::AsWanted } else { Held::NotYet }
        })
    }
}

/// Keeps Redis equal to the leases until shutdown.
pub async fn reconcile(
    context: &Context,
    leases: &Leases,
    ownership: &Ownership,
    protected: &Protected,
    blocklist: &Blocklist,
    outbox: &Outbox,
    recalled: &Recalled,
) -> Result<()> {
    let writer = context.replica.to_string();
    let mut mirror = Mirror::new(uuid::Uuid::new_v4().to_string());
    let mut back_off = BackOff::new(BACK_OFF_FIRST_MS, BACK_OFF_MAX_MS);
    let mut changes = leases.changes();
    let mut sweep_at = Millis::MIN;
    loop {
        let now = context.clock.now();
        if let Some(untold) = recalled.take(POINT) {
            mirror.recall(untold);
        }
        let sight = leases.read(|reader| {
            let may_add = reader.complete().then(|| reader.hold().is_none());
            let sight = Sight::of(reader.view(), may_add, protected, now);
            mirror.with_missed(sight, reader.view(), now)
        });
        let mut wait = sight.next_end.unwrap_or(Millis::MAX).min(now + SWEEP_INTERVAL_MS);
        let sweep = now >= sweep_at;
        match pass(&mut mirror, &sight, blocklist, &writer, sweep, now).await {
            Ok(()) => {
                back_off.succeeded();
                if sweep {
                    sweep_at = now + SWEEP_INTERVAL_MS;
                }
                reached(POINT, now);
            }
            Err(error) => {
                missed(POINT);
                if back_off.until() == Millis::MIN {
                    tracing::warn!(%error, "the blocklist is not kept up; everything else goes on");
                }
                // Whether the batch was written is not known: compare seals before anything else.
                sweep_at = Millis::MIN;
                back_off.failed(now, rand::random());
                wait = back_off.until();
            }
        }
        show(POINT, sight.shown.len(), mirror.written.len(), mirror.changes(&sight, now).len());
        if ownership.term().is_some() {
            outbox.put(mirror.settle(&sight, now, outbox.room()));
        }
        let backing_off = back_off.until() > now;
        tokio::select! {
            () = tokio::time::sleep(pause(now, wait, PASS_INTERVAL)) => {}
            changed = changes.changed(), if !backing_off => {
                if changed.is_err() {
                    return Ok(());
                }
                tokio::time::sleep(PASS_INTERVAL).await;
            }
            () = context.shutdown.cancelled() => return Ok(()),
        }
    }
}

/// One pass: compare seals if it is time, then write what differs.
pub async fn pass(
    mirror: &mut Mirror,
    sight: &Sight,
    blocklist: &Blocklist,
    writer: &str,
    sweep: bool,
    now: Millis,
) -> Result<(), Unavailable> {
    if sweep {
        mirror.swept(blocklist.seal(writer).await?.as_deref());
    }
    // A broken seal is met once: what is written then needs none before it.
    while !write(mirror, sight, blocklist, writer, now).await? {
        mirror.swept(None);
    }
    mirror.forget(sight);
    Ok(())
}

/// Writes what differs; false when the seal left last is gone, and with it nobody knows what.
async fn write(
    mirror: &mut Mirror,
    sight: &Sight,
    blocklist: &Blocklist,
    writer: &str,
    now: Millis,
) -> Result<bool, Unavailable> {
    let changes = mirror.changes(sight, now);
    let nothing_vouches = mirror.seal.is_none() && sight.may_add.is_some();
    let none: &[Change] = &[];
    let seal_alone = (changes.is_empty() && nothing_vouches).then_some(none);
    for batch in changes.chunks(BATCH_MAX).chain(seal_alone) {
        let seal = mirror.next_seal();
        if !blocklist.write(batch, writer, mirror.seal.as_deref(), &seal).await? {
            return Ok(false);
        }
        mirror.written(batch, seal);
    }
    Ok(true)
}
