//! What must hold for one observable until an absolute time.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Action, Millis, Observable, Origin, Provenance};

/// How many decision ids a lease remembers, so that one that arrives again is known.
pub const RECENT_DECISIONS_MAX: usize = 16;
/// Key of the epoch record in `leases`.
pub const EPOCH_KEY: &str = "epoch";

/// Order of one lease's versions: which topics, and how far in `decisions` it was folded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Generation {
    pub epoch: Millis,
    /// Offset of the last decision folded in.
    pub offset: i64,
}

/// How far a reader has read: the next offsets of `leases` and `controls`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Position {
    pub leases: i64,
    pub controls: i64,
}

impl Position {
    /// Whether `other` has read something this reader has not.
    pub fn behind(self, other: Position) -> bool {
        self.leases < other.leases || self.controls < other.controls
    }
}

/// What one origin wants for an observable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Claim {
    pub origin: Origin,
    pub action: Action,
    /// The decision's `until`, inside the fuses; of an automatic block that an operator's allow of the very observable
    /// ended, when that allow was decided, or when it was decided itself where the allow stood already.
    pub until: Millis,
    /// Strikes including this one.
    pub strikes: i32,
    pub decision_id: Uuid,
    /// Broker append time of the decision.
    pub decided_at: Millis,
    /// Whether the claim, once ended, is a strike.
    pub counts: bool,
    pub provenance: Option<Provenance>,
    #[serde(with = "apache_avro::serde::bytes_opt", default)]
    pub signature: Option<Vec<u8>>,
}

impl Claim {
    /// Whether the claim holds at `now`, given since when automation is frozen.
    pub fn in_force(&self, now: Millis, frozen_since: Option<Millis>) -> bool {
        let held_back =
            self.origin.automatic() && frozen_since.is_some_and(|since| self.decided_at >= since);
        now < self.until && !held_back
    }
}

/// All claims on one observable, at most one per origin.
///
/// A lease is never deleted: ended, it keeps its generation so that no late write can bring it back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lease {
    pub observable: Observable,
    pub generation: Generation,
    pub claims: Vec<Claim>,
    /// Ids of the last decisions folded in, oldest first, at most [`RECENT_DECISIONS_MAX`].
    pub recent_decisions: Vec<Uuid>,
}

impl Lease {
    /// A lease that nobody has claimed yet.
    pub fn empty(observable: Observable, epoch: Millis) -> Self {
        let generation = Generation { epoch, offset: -1 };
        Lease { observable, generation, claims: Vec::new(), recent_decisions: Vec::new() }
    }

    pub fn claim(&self, origin: Origin) -> Option<&Claim> {
        self.claims.iter().find(|claim| claim.origin == origin)
    }
}

/// When these topics were made. The one record of `leases` that is not a lease; its key is [`EPOCH_KEY`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// Unix time in milliseconds at which `bootstrap kafka` made `decisions` and `leases`, or adopted them.
    pub epoch: Millis,
    /// The epochs whose leases were adopted into this one.
    pub replaces: Vec<Millis>,
}

/// Either record of the topic `leases`.
#[derive(Debug, Clone, PartialEq)]
pub enum LeaseEntry {
    Lease(Lease),
    Epoch(Epoch),
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch, self.offset)
    }
}
