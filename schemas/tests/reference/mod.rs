//! The slow reference: what the leases must be, and what holds for an address, from the whole history each time.
//!
//! Written from `architecture.md` and not from `src/`: ranges of numbers instead of prefixes, one pass over all
//! decisions for each question instead of a fold.

use std::net::IpAddr;

use ipnet::IpNet;
use schemas::{
    Action, Claim, Decision, Generation, Lease, Limits, Millis, Mode, Observable, Origin,
    Protected, Provenance,
};

/// One decision as the broker keeps it; its offset is its index in the log.
#[derive(Debug, Clone)]
pub(crate) struct Logged {
    pub(crate) at: Millis,
    pub(crate) decision: Decision,
}

/// First and last address of a network, on one line of numbers for both versions.
pub(crate) fn range(network: IpNet) -> (u128, u128) {
    match network {
        // Any place on the line will do, as versions are told apart before ranges are compared.
        IpNet::V4(v4) => {
            let base = 0xFFFF_0000_0000;
            (
                base + u128::from(u32::from(v4.network())),
                base + u128::from(u32::from(v4.broadcast())),
            )
        }
        IpNet::V6(v6) => (v6.network().into(), v6.broadcast().into()),
    }
}

pub(crate) fn number(address: IpAddr) -> u128 {
    range(IpNet::from(address)).0
}

fn inside(address: IpAddr, network: IpNet) -> bool {
    let (first, last) = range(network);
    address.is_ipv4() == network.addr().is_ipv4() && (first..=last).contains(&number(address))
}

fn overlap(a: IpNet, b: IpNet) -> bool {
    let ((a_first, a_last), (b_first, b_last)) = (range(a), range(b));
    a.addr().is_ipv4() == b.addr().is_ipv4() && a_first <= b_last && b_first <= a_last
}

/// The `until` with which a decision changes a lease, or `None` when it changes none.
fn admitted(logged: &Logged, protected: &Protected, limits: &Limits) -> Option<Millis> {
    let Logged { at, decision } = logged;
    let network = decision.observable.network();
    let acts = decision.action != Action::Observe && decision.mode == Mode::Enforced;
    let safe = decision.action == Action::Allow
        || !protected.networks().any(|(own, _)| overlap(own, network));
    let proved = decision.action == Action::Allow
        || decision.origin != Origin::Pipeline
        || matches!(decision.provenance, Some(Provenance::SocketPeer | Provenance::ProxyAsserted));
    let by_person = decision.origin == Origin::Operator;
    let narrowest = match (network.addr().is_ipv4(), by_person) {
        (true, false) => limits.automatic_prefix_min_v4,
        (true, true) => limits.operator_prefix_min_v4,
        (false, false) => limits.automatic_prefix_min_v6,
        (false, true) => limits.operator_prefix_min_v6,
    };
    let begun_at = decision.detected_at.unwrap_or(*at).min(*at);
    let until = decision.until.filter(|until| *until > begun_at)?;
    let longest = if by_person { limits.operator_max_ms } else { limits.automatic_max_ms };
    (acts && safe && proved && network.prefix_len() >= narrowest).then_some(until.min(at + longest))
}

/// The lease on `observable` once `log` is folded in; `None` when nothing in it ever changed one.
pub(crate) fn lease(
    log: &[Logged],
    epoch: Millis,
    observable: &Observable,
    protected: &Protected,
    limits: &Limits,
) -> Option<Lease> {
    let mut known = Vec::new();
    let mut fresh: Vec<(Millis, Millis, &Decision)> = Vec::new();
    let mut last = None;
    for (offset, logged) in
        log.iter().enumerate().filter(|(_, logged)| logged.decision.observable == *observable)
    {
        let Some(until) = admitted(logged, protected, limits) else { continue };
        last = Some(offset as i64);
        if !known.iter().rev().take(16).any(|id| *id == logged.decision.decision_id) {
            known.push(logged.decision.decision_id);
            fresh.push((logged.at, until, &logged.decision));
        }
    }
    let mut claims = Vec::new();
    for origin in [Origin::Operator, Origin::Pipeline, Origin::Feed] {
        let Some(index) = fresh.iter().rposition(|(_, _, decision)| decision.origin == origin)
        else {
            continue;
        };
        let (at, until, decision) = fresh[index];
        let allows = |(_, _, decision): &&(Millis, Millis, &Decision)| {
            decision.origin == Origin::Operator && decision.action == Action::Allow
        };
        let person_before = fresh[..index]
            .iter()
            .rev()
            .find(|(_, _, decision)| decision.origin == Origin::Operator);
        let under_allow = origin == Origin::Pipeline
            && person_before
                .filter(allows)
                .is_some_and(|(_, allowed_until, _)| at < *allowed_until);
        let until = if under_allow { until.min(at) } else { until };
        let allowed_at = fresh[index..].iter().filter(allows).map(|(at, _, _)| *at).min();
        let lifted = allowed_at.is_some_and(|allowed_at| allowed_at < until);
        let ends = allowed_at.filter(|_| lifted && origin == Origin::Pipeline);
        claims.push(Claim {
            origin,
            action: decision.action,
            until: ends.unwrap_or(until),
            strikes: decision.strikes,
            decision_id: decision.decision_id,
            decided_at: at,
            counts: origin == Origin::Pipeline
                && !decision.frozen
                && at < until
                && !under_allow
                && !lifted,
            provenance: decision.provenance,
            signature: decision.signature.clone(),
        });
    }
    let recent_decisions = known.iter().skip(known.len().saturating_sub(16)).copied().collect();
    let generation = Generation { epoch, offset: last? };
    Some(Lease { observable: observable.clone(), generation, claims, recent_decisions })
}

/// What holds for `address`: the claim that wins, unless the address is protected.
pub(crate) fn effective<'a>(
    leases: &'a [Lease],
    frozen_since: Option<Millis>,
    protected: &Protected,
    address: IpAddr,
    now: Millis,
) -> Option<(IpNet, &'a Claim)> {
    if protected.networks().any(|(own, _)| overlap(own, IpNet::from(address))) {
        return None;
    }
    let mut covering: Vec<(IpNet, &Claim)> = Vec::new();
    for lease in leases.iter().filter(|lease| inside(address, lease.observable.network())) {
        for claim in &lease.claims {
            let frozen = claim.origin != Origin::Operator
                && frozen_since.is_some_and(|since| claim.decided_at >= since);
            if claim.until > now && !frozen {
                covering.push((lease.observable.network(), claim));
            }
        }
    }
    covering.into_iter().min_by_key(|(network, claim)| {
        let order = match (claim.origin, claim.action) {
            (Origin::Operator, Action::Allow) => 0,
            (Origin::Operator, _) => 1,
            (Origin::Pipeline, _) => 2,
            (Origin::Feed, _) => 3,
        };
        let (first, last) = range(*network);
        (order, last - first)
    })
}
