//! Records as one line for a person who watches.

use proto::v1::Happening;
use schemas::{Control, Detection, Enforcement, Millis, Outcome, Phase};

use super::told::Told;
use crate::names;

/// What is told, as happened at `at`.
pub(super) fn happening(at: Millis, told: &Told) -> Happening {
    let (kind, text) = match told {
        Told::Detection(record) => ("detection", detection(record)),
        Told::Decision(record) => ("decision", record.explanation.clone()),
        Told::Enforcement(record) => ("enforcement", enforcement(record)),
        Told::Outcome(record) => ("outcome", outcome(record)),
        Told::Control(record) => ("control", control(record)),
    };
    Happening {
        at,
        kind: kind.to_owned(),
        observable: told
            .network()
            .map_or_else(String::new, |network| schemas::Observable::from(network).to_string()),
        decision_id: told.story().to_string(),
        text,
    }
}

fn detection(detection: &Detection) -> String {
    let rules: Vec<&str> =
        detection.evidence.iter().map(|evidence| evidence.rule.as_str()).collect();
    format!(
        "{} ({} severity, {:.0} %) by {}",
        detection.category.words(),
        names::severity(detection.severity),
        detection.probability * 100.0,
        rules.join(", ")
    )
}

fn enforcement(act: &Enforcement) -> String {
    let mut text = format!("{} {}", act.point, names::status(act.status));
    if !act.reason.is_empty() {
        text.push_str(&format!(": {}", act.reason));
    }
    text
}

fn outcome(outcome: &Outcome) -> String {
    let mut text = format!(
        "{} {} level {} {}",
        names::phase(outcome.phase),
        outcome.point,
        outcome.level,
        names::effect(outcome.effect)
    );
    if let (Some(detected_at), Phase::Apply) = (outcome.detected_at, outcome.phase) {
        text.push_str(&format!(" after {} ms", outcome.verified_at.saturating_sub(detected_at)));
    }
    if !outcome.reason.is_empty() {
        text.push_str(&format!(": {}", outcome.reason));
    }
    text
}

fn control(control: &Control) -> String {
    let verb = names::setting(control.setting());
    let name = control.requested_by.rsplit('/').next().unwrap_or_default();
    format!("{verb}: {name} asked for it: {}", control.reason)
}
