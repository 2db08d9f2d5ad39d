//! What was told to be in force at a point, and told no end of: nobody spoke for the point when it ended. Data in, data
//! out.

use std::collections::HashMap;

use schemas::{Enforcement, Millis, Status, View};
use uuid::Uuid;

use super::acts::{RECENT_MS, Stands, Wanted};

/// The last word on each decision whose end was not told of one point.
#[derive(Debug, Clone, Default)]
pub struct Untold(HashMap<Uuid, Enforcement>);

impl Untold {
    /// Takes in what was told next, in the order of the log.
    pub fn take(&mut self, told: Enforcement) {
        match told.status {
            Status::Applied | Status::Failed => {
                self.0.insert(told.decision_id, told);
            }
            Status::Lifted | Status::Superseded => self.told(told.decision_id),
            // Nothing is held because of a refusal, or because of what a later version says.
            Status::Refused | Status::Other => {}
        }
    }

    /// Learns that this run speaks of a decision, and so of its end.
    pub(super) fn told(&mut self, decision_id: Uuid) {
        self.0.remove(&decision_id);
    }

    /// The same, but for the decisions of which this run speaks already: nearly all, after a start.
    pub(super) fn without(mut self, told: impl Iterator<Item = Uuid>) -> Self {
        told.for_each(|decision_id| self.told(decision_id));
        self.0.shrink_to_fit();
        self
    }

    /// The claims among them that ended, as far as the leases say so.
    pub(super) fn ended(&self, view: &View, now: Millis) -> impl Iterator<Item = Wanted> {
        self.0.values().filter_map(move |told| {
            let (stands, until) = ended(told, view, now)?;
            Some(Wanted {
                decision_id: told.decision_id,
                observable: told.observable.clone(),
                action: told.action,
                until,
                generation: told.generation,
                stands,
            })
        })
    }
}

/// How and when it ended. None while it may still hold, while it is recent, so that the point speaks of it anyway, and
/// where the leases do not say: what is not known has not ended.
fn ended(told: &Enforcement, view: &View, now: Millis) -> Option<(Stands, Millis)> {
    let lease = view.lease(&told.observable);
    let mut claims = lease.into_iter().flat_map(|lease| &lease.claims);
    let claim = claims.find(|claim| claim.decision_id == told.decision_id);
    let until = claim.map(|claim| claim.until).or(told.until)?;
    if claim.is_some() && until > now - RECENT_MS {
        return None;
    }
    if until <= now {
        return Some((Stands::Missed, until));
    }
    let newer = lease.is_some_and(|lease| lease.generation > told.generation);
    newer.then_some((Stands::Replaced, until))
}
