//! The decision itself: data in, data out. No Kafka, no gRPC, no clock.

pub mod around;
pub mod kpis;
pub mod overrides;
pub mod past;
mod words;

use observe::Policy;
use schemas::protected::admit;
use schemas::{Action, Decision, Detection, Limits, Mode, Protected, Reason, Refusal};
use uuid::Uuid;

pub use past::{Known, Past};

/// The policy with what follows from it, worked out once.
#[derive(Debug)]
pub struct Rules {
    pub policy: Policy,
    pub protected: Protected,
    pub limits: Limits,
}

impl Rules {
    pub fn new(policy: Policy) -> Self {
        Rules { protected: policy.protected(), limits: policy.limits(), policy }
    }

    /// The mode in force where operators asked for `asked`: enforced only if neither they nor the policy say simulated.
    pub fn mode(&self, asked: Option<Mode>) -> Mode {
        match (self.policy.mode, asked) {
            (Mode::Enforced, None | Some(Mode::Enforced)) => Mode::Enforced,
            (Mode::Simulated, _) | (_, Some(Mode::Simulated)) => Mode::Simulated,
        }
    }
}

/// The id of the answer to a detection: the same detection is answered under the same id for ever.
pub fn decision_id(detection_id: Uuid) -> Uuid {
    Decision::id(detection_id)
}

/// Answers `detection` with exactly one decision, given what is known of its observable.
///
/// The rules are tried in order and the first that applies wins, so the [`Reason`] in the decision is the whole
/// explanation an operator needs:
///
/// 1. What the policy protects is never acted against, however sure the detection.
/// 2. While an operator's claim is in force, it stands; an allow of a network around it as well.
/// 3. While our own is in force, it neither grows nor counts again.
/// 4. What the policy only observes at this severity is observed.
/// 5. An address that was not learnt from a peer or a trusted proxy convicts nobody.
/// 6. Anything else gets the action of its severity, for as long as its strikes say, inside the fuses.
///
/// A detection already answered is not answered again: the caller asks [`Past::answered`] first.
pub fn decide(rules: &Rules, detection: &Detection, known: &Known, frozen: bool) -> Decision {
    decide_in(rules, detection, known, rules.policy.mode, frozen)
}

/// As [`decide`], in the mode that [`Rules::mode`] says is in force.
pub fn decide_in(
    rules: &Rules,
    detection: &Detection,
    known: &Known,
    mode: Mode,
    frozen: bool,
) -> Decision {
    let observe = |reason| observed(detection, reason, mode, frozen);
    let at = detection.detected_at;

    if let Some((network, name)) = rules.protected.overlap(detection.observable.network()) {
        return explained(observe(Reason::Protected), words::protected(detection, network, name));
    }
    if let Some(claim) = known.operator_in_force_at(at) {
        return explained(observe(Reason::Overridden), words::overridden(detection, None, claim));
    }
    // What would be blocked for now would come into force when the allow ends, and count.
    if let Some(around) = known.allowed_around_at(at) {
        let words = words::overridden(detection, Some(around.network), &around.claim);
        return explained(observe(Reason::Overridden), words);
    }
    if let Some(until) = known.pipeline_until().filter(|until| *until > at) {
        return explained(observe(Reason::InForce), words::in_force(detection, until));
    }
    let action = rules.policy.action_for(detection.severity);
    if action == Action::Observe {
        return explained(observe(Reason::BelowFloor), words::below_floor(detection));
    }
    if !detection.provenance.may_convict() {
        return explained(observe(Reason::Provenance), words::provenance(detection));
    }
    let strikes = known.strikes_at(at, rules.limits.strike_memory_ms).saturating_add(1);
    let until = at.saturating_add(rules.policy.step_ms(strikes));
    let asked = Decision { action, strikes, until: Some(until), ..observe(Reason::Policy) };
    match admit(&asked, at, &rules.protected, &rules.limits) {
        Ok(until) => {
            let explanation = words::acted(detection, &asked, until.saturating_sub(at), frozen);
            explained(Decision { until: Some(until), ..asked }, explanation)
        }
        Err(refusal) => {
            let explanation = words::refused(detection, &refusal);
            explained(observe(reason_of(&refusal)), explanation)
        }
    }
}

fn observed(detection: &Detection, reason: Reason, mode: Mode, frozen: bool) -> Decision {
    Decision {
        decision_id: decision_id(detection.detection_id),
        detection_id: Some(detection.detection_id),
        reason,
        mode,
        frozen,
        detected_at: Some(detection.detected_at),
        provenance: Some(detection.provenance),
        severity: Some(detection.severity),
        category: Some(detection.category),
        ..Decision::by_pipeline(Action::Observe, detection.observable.clone())
    }
}

fn explained(decision: Decision, explanation: String) -> Decision {
    Decision { explanation, ..decision }
}

fn reason_of(refusal: &Refusal) -> Reason {
    match refusal {
        Refusal::Protected { .. } => Reason::Protected,
        Refusal::TooWide { .. } => Reason::TooWide,
        Refusal::Provenance { .. } => Reason::Provenance,
        Refusal::NoEnd { .. } | Refusal::AlreadyEnded { .. } => Reason::Other,
    }
}
