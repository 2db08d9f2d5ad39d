//! What a point `envoy/N` tells, without its I/O. What Envoy would be answered is what the leases say, so all there is to
//! do is to tell what came into force and what ended. Data in, data out.
//!
//! A storm of decisions changes few leases many times a second, so only those are looked at, and all of them once a
//! second.

use std::collections::BTreeSet;

use schemas::{Enforcement, Millis, Observable, Protected, View};

use super::acts::{Acts, Held, Scope, Stands, Wanted, wanted, wanted_of};
use super::freeze::WITHHELD;
use super::untold::Untold;

/// How often all leases are looked at, whatever changed.
const ALL_INTERVAL_MS: Millis = 1_000;
/// How soon all leases are looked at again when there was no room to tell everything.
const ROOM_INTERVAL_MS: Millis = 100;

/// What one point has told, and when it is to tell more.
pub struct EnvoyPoint {
    acts: Acts,
    protected: Protected,
    /// When claims end that were in force when their lease was looked at. A claim that was replaced since does no harm.
    ends: BTreeSet<(Millis, Observable)>,
    all_at: Millis,
    held: usize,
}

/// What was seen at one look.
pub struct Pass {
    wanted: Vec<Wanted>,
    /// None: all leases.
    only: Option<BTreeSet<Observable>>,
}

/// Name of the point that a replica is.
pub fn name(replica: u32) -> String {
    format!("envoy/{replica}")
}

impl EnvoyPoint {
    pub fn new(replica: u32, protected: Protected) -> Self {
        EnvoyPoint {
            acts: Acts::new(name(replica)),
            protected,
            ends: BTreeSet::new(),
            all_at: Millis::MIN,
            held: 0,
        }
    }

    pub fn name(&self) -> &str {
        self.acts.point()
    }

    /// Takes in what earlier runs told.
    pub fn recall(&mut self, untold: Untold) {
        self.acts.recall(untold);
    }

    /// How many claims were in force when all leases were last looked at.
    pub fn held(&self) -> usize {
        self.held
    }

    /// When there is something to tell even if nothing changes.
    pub fn due_at(&self) -> Millis {
        self.ends.first().map_or(self.all_at, |(until, _)| self.all_at.min(*until))
    }

    /// Looks at what may be different from what was told: the leases that `changed` since the last look, all of them if that
    /// is not known, and what ended.
    pub fn look(&mut self, view: &View, changed: Option<Vec<Observable>>, now: Millis) -> Pass {
        let mut only: BTreeSet<Observable> = BTreeSet::new();
        while let Some((until, _)) = self.ends.first()
            && *until <= now
        {
            only.extend(self.ends.pop_first().map(|(_, ended)| ended));
        }
        let known = changed.is_some();
        only.extend(changed.into_iter().flatten());
        // What lies inside a network may be ruled by it.
        let alone = |observable: &Observable| !view.any_narrower_than(observable.network());
        let mut pass = if known && now < self.all_at && only.iter().all(alone) {
            let leases = only.iter().filter_map(|observable| view.lease(observable));
            Pass { wanted: wanted_of(leases, view, &self.protected, now), only: Some(only) }
        } else {
            self.ends.clear();
            self.all_at = now + ALL_INTERVAL_MS;
            let wanted = wanted(view, &self.protected, now);
            self.held = wanted.iter().filter(|claim| claim.stands == Stands::Holds).count();
            Pass { wanted, only: None }
        };
        let standing = pass.wanted.iter().filter(|claim| claim.until > now);
        self.ends.extend(standing.map(|claim| (claim.until, claim.observable.clone())));
        pass.wanted.extend(self.acts.missed(view, now));
        pass
    }

    /// What to publish about what was seen, at most `room` records.
    pub fn settle(&mut self, pass: &Pass, now: Millis, room: usize) -> Vec<Enforcement> {
        let scope = pass.only.as_ref().map_or(Scope::All, Scope::Only);
        let told = self.acts.settle(&pass.wanted, scope, now, room, |claim| match claim.stands {
            Stands::Withheld => Held::Failed(WITHHELD.to_owned()),
            _ => Held::AsWanted,
        });
        if told.len() >= room {
            // What did not fit is known only by looking again.
            self.all_at = self.all_at.min(now + ROOM_INTERVAL_MS);
        }
        told
    }
}
