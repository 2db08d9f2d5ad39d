//! A world as lines of text, so that two worlds can be compared and their difference read.

use std::collections::{BTreeMap, BTreeSet};

use schemas::{Effect, Lease};

use crate::records;
use crate::world::World;

/// Everything about a run that no fault may change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Portrait(BTreeSet<String>);

impl Portrait {
    pub(crate) fn of(world: &World) -> Portrait {
        let log = &world.log;
        let mut lines: BTreeSet<String> = world.timeline.iter().cloned().collect();
        lines.extend(
            records::detections(log)
                .iter()
                .map(|found| format!("detection {} {}", found.detection_id, found.observable)),
        );
        lines.extend(records::decisions(log).iter().map(|decision| {
            format!(
                "decision {} {} {:?} until {:?} by {:?} strike {}: {:?}",
                decision.decision_id,
                decision.observable,
                decision.action,
                decision.until,
                decision.origin,
                decision.strikes,
                decision.reason
            )
        }));
        let mut leases: BTreeMap<String, Lease> = BTreeMap::new();
        for lease in records::leases(log) {
            let held = leases.get(&lease.observable.to_string());
            if held.is_none_or(|held| held.generation <= lease.generation) {
                leases.insert(lease.observable.to_string(), lease);
            }
        }
        for (observable, lease) in leases {
            lines.extend(lease.claims.iter().map(|claim| {
                format!(
                    "claim {observable} {:?} {:?} until {} strike {} counts {} by {}",
                    claim.origin,
                    claim.action,
                    claim.until,
                    claim.strikes,
                    claim.counts,
                    claim.decision_id
                )
            }));
        }
        lines.extend(records::enforcements(log).iter().map(|act| {
            format!(
                "enforcement {} {} {:?} {:?}",
                act.decision_id, act.point, act.phase, act.status
            )
        }));
        lines.extend(outcomes(world));
        Portrait(lines)
    }

    /// The lines about one decision, without its id.
    pub(crate) fn about(&self, kind: &str, decision_id: &str) -> Vec<String> {
        let own = self
            .0
            .iter()
            .filter_map(|line| line.strip_prefix(kind)?.trim_start().strip_prefix(decision_id));
        own.map(|rest| rest.trim_start().to_owned()).collect()
    }

    /// Fails with the lines that only one of the two has.
    #[track_caller]
    pub(crate) fn check(&self, expected: &Portrait, run: &str) {
        let lacking: Vec<&String> = expected.0.difference(&self.0).collect();
        let surplus: Vec<&String> = self.0.difference(&expected.0).collect();
        assert!(
            lacking.is_empty() && surplus.is_empty(),
            "{run}: another world than without faults\nlacking: {lacking:#?}\nsurplus: {surplus:#?}"
        );
    }
}

/// The last effect of each decision, point, level and phase.
fn outcomes(world: &World) -> Vec<String> {
    let mut last: BTreeMap<String, (i32, Effect)> = BTreeMap::new();
    for outcome in records::outcomes(&world.log) {
        let place = format!(
            "outcome {} {}/{} {:?}",
            outcome.decision_id, outcome.point, outcome.level, outcome.phase
        );
        if last.get(&place).is_none_or(|(change, _)| *change <= outcome.change) {
            last.insert(place, (outcome.change, outcome.effect));
        }
    }
    last.into_iter().map(|(place, (_, effect))| format!("{place} {effect:?}")).collect()
}
