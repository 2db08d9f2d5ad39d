//! Records as the gRPC contract shows them. Data in, data out.

use std::cmp::Reverse;
use std::net::IpAddr;

use ipnet::IpNet;
use proto::v1::{ClaimState, Decision as DecisionAnswer, KpisReply, Share as ShareAnswer};
use schemas::observable::representative;
use schemas::{
    Action, Claim, Decision, Effective, Lease, Millis, Observable, Origin, Protected, View,
    effective,
};

use crate::index::Index;
use crate::logic::kpis::{Figures, Share};
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
        explanation: match index.decision_of(claim.decision_id) {
            Some(decision) => decision.explanation.clone(),
            None if index.complete() => "its decision is not retained".to_owned(),
            None => "its decision is not read yet".to_owned(),
        },
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
        let lifted = lifted(network, claim, view);
        return Some(if lifted { "ended by an operator's allow" } else { "ended" }.to_owned());
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

/// Whether the operator's allow that stands in the same lease ended the claim before its time, or stood already when it
/// was folded.
fn lifted(network: IpNet, claim: &Claim, view: &View) -> bool {
    let lease = view.lease(&Observable::from(network));
    let operator = lease.and_then(|lease| lease.claim(Origin::Operator));
    claim.origin == Origin::Pipeline
        && operator.is_some_and(|operator| {
            operator.action == Action::Allow
                && operator.decided_at <= claim.until
                && claim.decided_at < operator.until
        })
}

/// What holds for a network, in words, and whether protection has a say in it.
pub(crate) fn holding(
    network: IpNet,
    view: &View,
    protected: &Protected,
    now: Millis,
) -> (Action, bool, String) {
    let (action, covered, mut explanation) = holds(representative(network), view, protected, now);
    let overlap = protected.overlap(network);
    if let (false, Some((own, name))) = (covered, overlap) {
        explanation.push_str(&format!("; it overlaps {own} ({name}), which is protected"));
    }
    (action, overlap.is_some(), explanation)
}

/// The leases that cover a network or lie inside it, narrowest first.
pub(crate) fn leases_about(view: &View, network: IpNet) -> Vec<&Lease> {
    let mut leases: Vec<_> =
        view.leases().filter(|lease| concerns(network, lease.observable.network())).collect();
    leases.sort_by_key(|lease| {
        (Reverse(lease.observable.network().prefix_len()), lease.observable.clone())
    });
    leases
}

/// Whether one of two networks covers the other.
pub(crate) fn concerns(network: IpNet, other: IpNet) -> bool {
    other.contains(&network) || network.contains(&other)
}

/// What holds for an address, in words.
fn holds(
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

/// The key figures of what happened from `since` on.
pub(crate) fn kpis(figures: &Figures, since: Millis, now: Millis, active: usize) -> KpisReply {
    KpisReply {
        since,
        now,
        detections: count(figures.detections),
        blocks: count(figures.blocks),
        simulated: count(figures.simulated),
        contained: Some(share(figures.contained)),
        proof_p50_ms: figures.proof_p50_ms,
        proof_p99_ms: figures.proof_p99_ms,
        proofs: count(figures.proofs),
        false_positives: Some(share(figures.false_positives)),
        lifted_on_time: Some(share(figures.lifted_on_time)),
        active: count(active),
        level: figures.level,
    }
}

fn share(share: Share) -> ShareAnswer {
    let Share { count: counted, of, share, low, high } = share;
    ShareAnswer { count: count(counted), of: count(of), share, low, high }
}

pub(crate) fn count(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
