//! The fold: one decision on top of one lease gives the next lease.
//!
//! Executor, verifier and `bootstrap --adopt` all use it, so they cannot disagree about what must hold.

use crate::lease::RECENT_DECISIONS_MAX;
use crate::protected::{Limits, Protected, Refusal, admit};
use crate::{Action, Claim, Decision, Generation, Lease, Millis, Mode, Origin};

/// Where a decision stands in its topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    pub generation: Generation,
    /// Broker append time.
    pub at: Millis,
}

/// What folding one decision in came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Folded {
    /// At or below the lease's generation: already folded in, nothing to publish.
    Known,
    /// Observe or simulated: recorded elsewhere, changes no lease.
    Nothing,
    /// A fuse refused it; the lease stands as it was.
    Refused(Refusal),
    /// The lease as it stands now. Publish it.
    Lease(Lease),
}

/// Folds `decision` into `lease` (`None` where the observable has none yet).
///
/// Deterministic in its arguments: the same decisions in the same order give the same lease, whoever folds them and
/// however often. A decision id already folded in only raises the generation.
pub fn fold(
    lease: Option<&Lease>,
    decision: &Decision,
    appended: Appended,
    protected: &Protected,
    limits: &Limits,
) -> Folded {
    if lease.is_some_and(|lease| appended.generation <= lease.generation) {
        return Folded::Known;
    }
    if decision.action == Action::Observe || decision.mode == Mode::Simulated {
        return Folded::Nothing;
    }
    let until = match admit(decision, appended.at, protected, limits) {
        Ok(until) => until,
        Err(refusal) => return Folded::Refused(refusal),
    };
    let mut next = match lease {
        Some(lease) => lease.clone(),
        None => Lease::empty(decision.observable.clone(), appended.generation.epoch),
    };
    next.generation = appended.generation;
    if next.recent_decisions.contains(&decision.decision_id) {
        return Folded::Lease(next);
    }
    if next.recent_decisions.len() == RECENT_DECISIONS_MAX {
        next.recent_decisions.remove(0);
    }
    next.recent_decisions.push(decision.decision_id);
    claim(&mut next, decision, until, appended.at);
    Folded::Lease(next)
}

fn claim(lease: &mut Lease, decision: &Decision, until: Millis, decided_at: Millis) {
    if decision.origin == Origin::Operator && decision.action == Action::Allow {
        for pipeline in lease.claims.iter_mut().filter(|claim| claim.origin == Origin::Pipeline) {
            // Lifted by a person before its end: not a strike, and over for good, whenever the allow ends.
            pipeline.counts &= pipeline.until <= decided_at;
            pipeline.until = pipeline.until.min(decided_at);
        }
    }
    let allowed = lease
        .claim(Origin::Operator)
        .is_some_and(|operator| operator.action == Action::Allow && decided_at < operator.until);
    // What automation decides on the very observable meanwhile never holds either: it was folded just after the allow.
    let until = match (decision.origin, allowed) {
        (Origin::Pipeline, true) => until.min(decided_at),
        _ => until,
    };
    lease.claims.retain(|claim| claim.origin != decision.origin);
    lease.claims.push(Claim {
        origin: decision.origin,
        action: decision.action,
        until,
        strikes: decision.strikes,
        decision_id: decision.decision_id,
        decided_at,
        counts: decision.origin == Origin::Pipeline && !decision.frozen && decided_at < until,
        provenance: decision.provenance,
        signature: decision.signature.clone(),
    });
    lease.claims.sort_by_key(|claim| std::cmp::Reverse(claim.origin));
}

/// How many ended pipeline claims stand against the observable at `at`: the strikes that a new detection adds to.
pub fn strikes_at(lease: Option<&Lease>, at: Millis, strike_memory_ms: Millis) -> i32 {
    let Some(claim) = lease.and_then(|lease| lease.claim(Origin::Pipeline)) else { return 0 };
    if claim.until > at || claim.until.saturating_add(strike_memory_ms) < at {
        return 0;
    }
    let strikes = if claim.counts { claim.strikes } else { claim.strikes.saturating_sub(1) };
    strikes.max(0)
}
