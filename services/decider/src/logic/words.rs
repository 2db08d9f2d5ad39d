//! The reasons in words, for a person on call.

use ipnet::IpNet;
use schemas::{Claim, Decision, Detection, Millis, Mode, Refusal};

use crate::names;

/// Longest explanation, in bytes; evidence may quote what an attacker sent.
const EXPLANATION_BYTES_MAX: usize = 600;

pub(super) fn acted(
    detection: &Detection,
    decision: &Decision,
    lasts: Millis,
    frozen: bool,
) -> String {
    let mut text = format!(
        "{} {} for {}: {}, strike {}",
        names::action(decision.action),
        detection.observable,
        duration(lasts),
        cause(detection),
        decision.strikes
    );
    if decision.mode == Mode::Simulated {
        text.push_str("; simulated, so nothing is enforced");
    }
    if frozen {
        text.push_str("; automation is frozen, so it waits for the thaw");
    }
    text.truncate(text.floor_char_boundary(EXPLANATION_BYTES_MAX));
    text
}

pub(super) fn protected(detection: &Detection, network: IpNet, name: &str) -> String {
    only_observed(detection, &format!("it overlaps {network} ({name}), which is protected"))
}

/// `around` is the network that the claim is about, where it is not the very observable.
pub(super) fn overridden(detection: &Detection, around: Option<IpNet>, claim: &Claim) -> String {
    let of = around.map_or_else(String::new, |network| format!(" of {network}"));
    let why = format!(
        "an operator's {}{of} stands for another {} (decision {})",
        names::action(claim.action),
        duration(claim.until.saturating_sub(detection.detected_at)),
        claim.decision_id
    );
    only_observed(detection, &why)
}

pub(super) fn in_force(detection: &Detection, until: Millis) -> String {
    let left = duration(until.saturating_sub(detection.detected_at));
    only_observed(detection, &format!("our own claim holds for another {left} and does not grow"))
}

pub(super) fn below_floor(detection: &Detection) -> String {
    let severity = names::severity(detection.severity);
    only_observed(detection, &format!("the policy observes what is of {severity} severity"))
}

pub(super) fn provenance(detection: &Detection) -> String {
    only_observed(detection, "its address was not learnt from a peer or a trusted proxy")
}

pub(super) fn refused(detection: &Detection, refusal: &Refusal) -> String {
    only_observed(detection, &refusal.to_string())
}

/// A duration in its two largest units: `5 min`, `1 h 30 min`.
pub(super) fn duration(ms: Millis) -> String {
    let seconds = ms.max(0).saturating_add(500) / 1_000;
    let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
    match (hours, minutes, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, 0) => format!("{minutes} min"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, 0, _) => format!("{hours} h"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

fn only_observed(detection: &Detection, why: &str) -> String {
    let mut text = format!("observe {}: {}; {why}", detection.observable, cause(detection));
    text.truncate(text.floor_char_boundary(EXPLANATION_BYTES_MAX));
    text
}

/// What was seen: `SQL injection by sqli-union at query:id, high severity`.
fn cause(detection: &Detection) -> String {
    let category = detection.category.words();
    let severity = names::severity(detection.severity);
    match detection.heaviest() {
        Some(evidence) => {
            format!("{category} by {} at {}, {severity} severity", evidence.rule, evidence.place)
        }
        None => format!("{category}, {severity} severity"),
    }
}
