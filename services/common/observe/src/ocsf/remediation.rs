//! An outcome as a Network Remediation Activity (7004).

use schemas::{Action, Effect, Millis, Observable, Origin, Outcome, Phase, Verdict};
use serde::Serialize;
use uuid::Uuid;

use super::{Base, Metadata, Named, OTHER, Observed, as_text, base, metadata, observed};

const REMEDIATION: Named = (7, "Remediation");
const NETWORK_REMEDIATION: Named = (7004, "Network Remediation Activity");
const ISOLATE: Named = (1, "Isolate");
const RESTORE: Named = (3, "Restore");
const INBOUND: Named = (1, "Inbound");

#[derive(Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    base: Base,
    time: Millis,
    message: String,
    metadata: Metadata,
    command_uid: Uuid,
    status_id: i64,
    status: &'static str,
    status_code: Effect,
    status_detail: &'a str,
    connection_info: ConnectionInfo,
    observables: [Observed<'a>; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    countermeasures: Option<[Countermeasure; 1]>,
    unmapped: Unmapped<'a>,
}

#[derive(Serialize)]
struct ConnectionInfo {
    direction_id: i64,
    direction: &'static str,
    protocol_ver_id: i64,
}

/// MITRE D3FEND's name for what a block at the edge is.
#[derive(Serialize)]
struct Countermeasure {
    d3f_tactic: Tactic,
    d3f_technique: Technique,
}

#[derive(Serialize)]
struct Tactic {
    name: &'static str,
}

#[derive(Serialize)]
struct Technique {
    uid: &'static str,
    name: &'static str,
}

const FILTERING: Countermeasure = Countermeasure {
    d3f_tactic: Tactic { name: ISOLATE.1 },
    d3f_technique: Technique { uid: "D3-ITF", name: "Inbound Traffic Filtering" },
};

#[derive(Serialize)]
struct Unmapped<'a> {
    #[serde(serialize_with = "as_text")]
    observable: &'a Observable,
    point: &'a str,
    level: i32,
    change: i32,
    action: Action,
    origin: Origin,
    verdict: Verdict,
    until: Option<Millis>,
    detected_at: Option<Millis>,
}

/// An outcome as a Network Remediation Activity (7004): what was to be done about one observable at one point, and
/// whether it was found to hold.
pub fn outcome(outcome: &Outcome) -> impl Serialize {
    let observable = &outcome.observable;
    let activity = match (outcome.phase, outcome.action) {
        (Phase::Lift, _) | (Phase::Apply, Action::Allow) => RESTORE,
        (Phase::Apply, Action::Block) => ISOLATE,
        (Phase::Apply, Action::Observe) => OTHER,
    };
    let (severity, status) = match outcome.effect {
        Effect::Effective => ((1, "Informational"), (1, "Success")),
        Effect::Partial => ((3, "Medium"), (4, "Partial")),
        Effect::Ineffective | Effect::Absent => ((4, "High"), (2, "Failure")),
        Effect::Other => ((0, "Unknown"), OTHER),
    };
    let (phase, action, effect) = (word(outcome.phase), word(outcome.action), word(outcome.effect));
    Document {
        base: base(REMEDIATION, NETWORK_REMEDIATION, activity, severity),
        time: outcome.verified_at,
        message: format!(
            "{phase} {action} of {observable} at {}: {effect}, level {}",
            outcome.point, outcome.level
        ),
        metadata: metadata("verifier", "outcomes", outcome.outcome_id, outcome.decision_id),
        command_uid: outcome.decision_id,
        status_id: status.0,
        status: status.1,
        status_code: outcome.effect,
        status_detail: &outcome.reason,
        connection_info: ConnectionInfo {
            direction_id: INBOUND.0,
            direction: INBOUND.1,
            protocol_ver_id: if observable.network().addr().is_ipv4() { 4 } else { 6 },
        },
        observables: observed(observable, "unmapped.observable"),
        countermeasures: (outcome.action == Action::Block).then_some([FILTERING]),
        unmapped: Unmapped {
            observable,
            point: &outcome.point,
            level: outcome.level,
            change: outcome.change,
            action: outcome.action,
            origin: outcome.origin,
            verdict: outcome.verdict,
            until: outcome.until,
            detected_at: outcome.detected_at,
        },
    }
}

/// A closed value as its record writes it.
fn word(value: impl Serialize) -> String {
    let written = serde_json::to_value(value).unwrap_or_default();
    written.as_str().unwrap_or_default().to_owned()
}
