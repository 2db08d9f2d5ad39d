//! What a point says about each decision: applied, lifted, superseded, failed. Data in, data out.
//!
//! A point compares what the leases want with what it holds and tells every change once. After a restart it tells
//! again what is recent, and the end of what was told to be in force; the ids are functions of decision, point, phase and
//! status, so a repeat is harmless.

use std::collections::{BTreeSet, HashMap};

use ipnet::IpNet;
use schemas::{
    Action, Claim, Enforcement, Generation, Lease, Millis, Observable, Origin, Phase, Protected,
    Status, View,
};
use uuid::Uuid;

use super::untold::Untold;

/// How long after its end a claim is still spoken of by a point that starts.
pub const RECENT_MS: Millis = 60_000;

/// One claim, and how it stands among all that is claimed for its network.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    pub decision_id: Uuid,
    pub observable: Observable,
    pub action: Action,
    pub until: Millis,
    pub generation: Generation,
    pub stands: Stands,
}

/// How a claim stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stands {
    /// Its network is to be treated as it says.
    Holds,
    /// Its `until` passed.
    Ended,
    /// Its `until` passed long ago, and nobody told.
    Missed,
    /// A claim of higher rank, or protection, decides otherwise.
    Overruled,
    /// Automation was frozen before it was decided.
    HeldBack,
    /// It would hold, but this replica is frozen by itself.
    Withheld,
    /// A newer decision took its place in the lease.
    Replaced,
}

/// What a point holds for the network of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    /// Exactly what the leases want there.
    AsWanted,
    /// Not yet what the leases want there.
    NotYet,
    /// It cannot be brought to what the leases want there, and why.
    Failed(String),
}

/// Every claim of the view that is in force or ended at most [`RECENT_MS`] ago.
pub fn wanted(view: &View, protected: &Protected, now: Millis) -> Vec<Wanted> {
    wanted_of(view.leases(), view, protected, now)
}

/// As [`wanted`], of some of the view's leases.
pub fn wanted_of<'a>(
    leases: impl Iterator<Item = &'a Lease>,
    view: &View,
    protected: &Protected,
    now: Millis,
) -> Vec<Wanted> {
    let recent = |claim: &&Claim| claim.until > now - RECENT_MS;
    let mut wanted = Vec::new();
    for lease in leases {
        for claim in lease.claims.iter().filter(recent) {
            wanted.push(Wanted {
                decision_id: claim.decision_id,
                observable: lease.observable.clone(),
                action: claim.action,
                until: claim.until,
                generation: lease.generation,
                stands: stands(view, protected, lease, claim, now),
            });
        }
    }
    wanted
}

fn stands(view: &View, protected: &Protected, lease: &Lease, claim: &Claim, now: Millis) -> Stands {
    let network = lease.observable.network();
    if now >= claim.until {
        return Stands::Ended;
    }
    if !claim.in_force(now, view.frozen_by_log()) {
        return Stands::HeldBack;
    }
    if claim.action == Action::Block && protected.overlap(network).is_some() {
        return Stands::Overruled;
    }
    match ruling(view, network, now) {
        Some(action) if action == claim.action => Stands::Holds,
        Some(_) => Stands::Overruled,
        None => Stands::Withheld,
    }
}

/// The action that rules the whole of `network`: as `schemas::effective`, over the leases that contain all of it.
fn ruling(view: &View, network: IpNet, now: Millis) -> Option<Action> {
    let rank = |claim: &Claim| {
        (claim.origin == Origin::Operator && claim.action == Action::Allow, claim.origin)
    };
    let mut best: Option<&Claim> = None;
    let around = view.covering(network.network());
    for lease in
        around.filter(|lease| lease.observable.network().prefix_len() <= network.prefix_len())
    {
        for claim in lease.claims.iter().filter(|claim| claim.in_force(now, view.frozen_since())) {
            if best.is_none_or(|held| rank(claim) > rank(held)) {
                best = Some(claim);
            }
        }
    }
    best.map(|claim| claim.action)
}

/// What one point has said so far.
#[derive(Debug)]
pub struct Acts {
    point: String,
    said: HashMap<Observable, Vec<Said>>,
    /// What was told before this run, and this run has not spoken of.
    untold: Untold,
    /// Counts the calls of [`Acts::settle`].
    round: u64,
}

#[derive(Debug)]
struct Said {
    claim: Wanted,
    status: Status,
    /// The last round in which it was wanted.
    round: u64,
}

/// Of which observables a call of [`Acts::settle`] speaks: `wanted` has every recent claim of theirs.
#[derive(Debug, Clone, Copy)]
pub enum Scope<'a> {
    All,
    Only(&'a BTreeSet<Observable>),
}

impl Acts {
    pub fn new(point: impl Into<String>) -> Self {
        Acts { point: point.into(), said: HashMap::new(), untold: Untold::default(), round: 0 }
    }

    pub fn point(&self) -> &str {
        &self.point
    }

    /// Takes in what was told of this point before, by whoever spoke for it.
    pub fn recall(&mut self, untold: Untold) {
        let said = self.said.values().flatten();
        self.untold = untold.without(said.map(|said| said.claim.decision_id));
    }

    /// What ended of that and is still to be told: to be settled with what is wanted.
    pub fn missed(&self, view: &View, now: Millis) -> impl Iterator<Item = Wanted> {
        self.untold.ended(view, now)
    }

    /// What is to be published now, at most `room` records; what does not fit comes at the next call that speaks of it.
    pub fn settle(
        &mut self,
        wanted: &[Wanted],
        scope: Scope<'_>,
        now: Millis,
        room: usize,
        held: impl Fn(&Wanted) -> Held,
    ) -> Vec<Enforcement> {
        let mut telling = Telling { point: &self.point, now, room, held, published: Vec::new() };
        self.round += 1;
        let round = self.round;
        for claim in wanted {
            let of_lease = self.said.get_mut(&claim.observable);
            let said = of_lease.and_then(|said| {
                said.iter_mut().find(|said| said.claim.decision_id == claim.decision_id)
            });
            let status = telling.tell(claim, said.as_ref().map(|said| said.status));
            let Some(status) = status else { continue };
            match said {
                Some(said) => {
                    (said.status, said.round) = (status, round);
                    if said.claim != *claim {
                        said.claim = claim.clone();
                    }
                }
                None => {
                    let said = Said { claim: claim.clone(), status, round };
                    self.said.entry(claim.observable.clone()).or_default().push(said);
                }
            }
        }
        match scope {
            Scope::All => self.said.retain(|_, said| {
                said.retain_mut(|said| said.round == round || telling.tell_gone(said));
                !said.is_empty()
            }),
            Scope::Only(observables) => {
                for observable in observables {
                    let Some(said) = self.said.get_mut(observable) else { continue };
                    said.retain_mut(|said| said.round == round || telling.tell_gone(said));
                    if said.is_empty() {
                        self.said.remove(observable);
                    }
                }
            }
        }
        let published = telling.published;
        published.iter().for_each(|act| self.untold.told(act.decision_id));
        published
    }
}

/// One call of [`Acts::settle`].
struct Telling<'a, H> {
    point: &'a str,
    now: Millis,
    room: usize,
    held: H,
    published: Vec<Enforcement>,
}

impl<H: Fn(&Wanted) -> Held> Telling<'_, H> {
    /// Publishes how a claim ended that is no longer in the view: replaced by a newer decision, or ended while the point
    /// could not be reached. True while that is still to be told.
    fn tell_gone(&mut self, said: &mut Said) -> bool {
        if matches!(said.status, Status::Lifted | Status::Superseded) {
            return false;
        }
        let over = self.now >= said.claim.until;
        said.claim.stands = if over { Stands::Ended } else { Stands::Replaced };
        self.tell(&said.claim, Some(said.status)) == Some(said.status)
    }

    /// Publishes what is new about `claim`; answers what was said of it, with that.
    fn tell(&mut self, claim: &Wanted, said: Option<Status>) -> Option<Status> {
        let (phase, status, reason) = match (claim.stands, (self.held)(claim)) {
            (_, Held::NotYet) => return said,
            (Stands::Holds | Stands::Withheld, Held::Failed(reason)) => {
                (Phase::Apply, Status::Failed, reason)
            }
            (_, Held::Failed(_)) => return said,
            // What this replica withholds may stand at a point that others write to as well.
            (Stands::Holds | Stands::Withheld, Held::AsWanted) => {
                (Phase::Apply, Status::Applied, String::new())
            }
            (Stands::Ended, Held::AsWanted) => (Phase::Lift, Status::Lifted, String::new()),
            (Stands::Missed, Held::AsWanted) => {
                (Phase::Lift, Status::Lifted, "nobody was there to tell when it ended".to_owned())
            }
            (Stands::HeldBack, Held::AsWanted) => {
                // What never came into force has nothing to be lifted.
                said?;
                (Phase::Lift, Status::Lifted, "automation is frozen".to_owned())
            }
            (Stands::Overruled, Held::AsWanted) => {
                (Phase::Lift, Status::Superseded, "a claim of higher rank rules".to_owned())
            }
            (Stands::Replaced, Held::AsWanted) => {
                (Phase::Lift, Status::Superseded, "a newer decision took its place".to_owned())
            }
        };
        if said == Some(status) || self.published.len() >= self.room {
            return said;
        }
        self.published.push(Enforcement {
            enforcement_id: Enforcement::id(claim.decision_id, self.point, phase, status),
            decision_id: claim.decision_id,
            observable: claim.observable.clone(),
            point: self.point.to_owned(),
            phase,
            status,
            action: claim.action,
            until: Some(claim.until),
            generation: claim.generation,
            enforced_at: self.now,
            reason,
        });
        Some(status)
    }
}
