//! Records as the gRPC contract shows them. Data in, data out.

use std::net::IpAddr;

use ipnet::IpNet;
use proto::v1::{ClaimState, Decision as DecisionAnswer};
use schemas::observable::representative;
use schemas::{Action, Claim, Decision, Effective, Lease, Millis, Protected, View, effective};

use crate::index::Index;
use crate::names;

pub(crate) fn decision(decision: &Decision) -> DecisionAnswer {
    DecisionAnswer {
        decision_id: decision.decision_id.to_string(),
        observable: decision.observable.to_string(),
        action: names::action(decision.action).to_owned(),
        until: decision.until.unwrap_or(0),
        origin: names::origin(decision.origin).to_owned(),
        strikes: decision.strikes,
        reason: names::reason(decision.reason).to_owned(),
        explanation: decision.explanation.clone(),
        mode: names::mode(decision.mode).to_owned(),
        frozen: decision.frozen,
        detected_at: decision.detected_at.unwrap_or(0),
        decided_by: decision.decided_by.clone().unwrap_or_default(),
    }
}

/// One claim of a lease, and where it stands.
pub(crate) fn claim(
    lease: &Lease,
    claim: &Claim,
    view: &View,
    protected: &Protected,
    index: &Index,
    now: Millis,
) -> ClaimState {
    let standing = standing(lease.observable.network(), claim, view, protected, now);
    ClaimState {
        observable: lease.observable.to_string(),
        action: names::action(claim.action).to_owned(),
        origin: names::origin(claim.origin).to_owned(),
        until: claim.until,
        strikes: claim.strikes,
        decision_id: claim.decision_id.to_string(),
        decided_at: claim.decided_at,
        in_force: standing.is_none(),
        standing: standing.unwrap_or_else(|| "in force".to_owned()),
        points: index.points_of(claim.decision_id),
        explanation: index.decision_of(claim.decision_id).map_or_else(
            || "its decision is not retained".to_owned(),
            |decision| decision.explanation.clone(),
        ),
    }
}

/// Why a claim is not in force, or nothing when it is.
pub(crate) fn standing(
    network: IpNet,
    claim: &Claim,
    view: &View,
    protected: &Protected,
    now: Millis,
) -> Option<String> {
    if claim.until <= now {
        return Some("ended".to_owned());
    }
    if !claim.in_force(now, view.frozen_since()) {
        return Some("held back by a freeze".to_owned());
    }
    match effective(view, protected, representative(network), now) {
        Effective::Claim { claim: winning, .. } if winning.decision_id == claim.decision_id => None,
        Effective::Claim { network, claim: winning } => {
            let (origin, action) = (names::origin(winning.origin), names::action(winning.action));
            Some(
                format!("outranked by an {origin}'s {action} of {network}")
                    .replace("an pipeline", "the pipeline"),
            )
        }
        Effective::Protected => Some("protected".to_owned()),
        Effective::Nothing => Some("ended".to_owned()),
    }
}

/// What holds for an address, in words.
pub(crate) fn holds(
    address: IpAddr,
    view: &View,
    protected: &Protected,
    now: Millis,
) -> (Action, bool, String) {
    match effective(view, protected, address, now) {
        Effective::Protected => {
            (Action::Allow, true, "protected: nothing may hold, whatever is claimed".to_owned())
        }
        Effective::Nothing if protected.covers(address) => {
            (Action::Allow, true, "protected, and nobody claims anything".to_owned())
        }
        Effective::Nothing => (Action::Allow, false, "nobody claims anything".to_owned()),
        Effective::Claim { network, claim } => {
            let seconds = claim.until.saturating_sub(now).saturating_add(999) / 1_000;
            let text = format!(
                "{} by the {}'s claim on {network}, for another {seconds} s (decision {})",
                names::action(claim.action),
                names::origin(claim.origin),
                claim.decision_id
            );
            (claim.action, false, text)
        }
    }
}
