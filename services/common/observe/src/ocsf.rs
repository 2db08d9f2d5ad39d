//! What happens here as OCSF documents: a detection as a Detection Finding, an outcome as a Network Remediation
//! Activity. The schema is `schemas/ocsf`; why these classes is `docs/adr/0015`.
//!
//! A record always gives the same document, whose `metadata.uid` is the record's id. The way in, from others' OCSF, is
//! [`crate::documents`].

use schemas::{
    Action, Category, Decision, Detection, Effect, Evidence, Observable, Outcome, Phase, Severity,
};
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

/// The version of the schema that every document follows.
pub const VERSION: &str = "1.8.0";

/// A value of OCSF's with the name that the schema gives it.
type Named = (i64, &'static str);
/// An entry of MITRE's: id and name.
type Catalogued = (&'static str, &'static str);

const FINDINGS: Named = (2, "Findings");
const DETECTION_FINDING: Named = (2004, "Detection Finding");
const CREATE: Named = (1, "Create");
const NEW: Named = (1, "New");
const RULE: Named = (1, "Rule");

const REMEDIATION: Named = (7, "Remediation");
const NETWORK_REMEDIATION: Named = (7004, "Network Remediation Activity");
const ISOLATE: Named = (1, "Isolate");
const RESTORE: Named = (3, "Restore");
const INBOUND: Named = (1, "Inbound");

const OTHER: Named = (99, "Other");
const IP_ADDRESS: Named = (2, "IP Address");
const SUBNET: Named = (12, "Subnet");

/// From which probability on OCSF's confidence is medium, and high.
const CONFIDENCE_MEDIUM_MIN: f64 = 0.5;
const CONFIDENCE_HIGH_MIN: f64 = 0.9;

/// A detection as a Detection Finding (2004).
pub fn detection(detection: &Detection) -> Value {
    let observable = &detection.observable;
    let id = detection.detection_id;
    let severity = match detection.severity {
        Severity::Low => (2, "Low"),
        Severity::Medium => (3, "Medium"),
        Severity::High => (4, "High"),
        Severity::Critical => (5, "Critical"),
    };
    let confidence = match detection.probability {
        high if high >= CONFIDENCE_HIGH_MIN => (3, "High"),
        medium if medium >= CONFIDENCE_MEDIUM_MIN => (2, "Medium"),
        _ => (1, "Low"),
    };
    let title = format!("{} from {observable}", what(detection.category));
    let mut document = base(FINDINGS, DETECTION_FINDING, CREATE, severity);
    let own = json!({
        "time": detection.detected_at,
        "message": format!("{title}, probability {:.3}", detection.probability),
        "metadata": metadata("scorer", "detections", id, Decision::id(id)),
        "status_id": NEW.0,
        "status": NEW.1,
        "confidence_id": confidence.0,
        "confidence": confidence.1,
        "confidence_score": (detection.probability * 100.0).round() as i64,
        "is_alert": true,
        "finding_info": finding(detection, title),
        "evidences": evidences(detection),
        "observables": [observed(observable, "evidences[].src_endpoint")],
        "unmapped": {
            "probability": detection.probability,
            "provenance": word(detection.provenance),
        },
    });
    extend(&mut document, own);
    document
}

/// An outcome as a Network Remediation Activity (7004): what was to be done about one observable at one point, and
/// whether it was found to hold.
pub fn outcome(outcome: &Outcome) -> Value {
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
    let (action, phase, effect) = (word(outcome.action), word(outcome.phase), word(outcome.effect));
    let message = format!(
        "{phase} {action} of {observable} at {}: {effect}, level {}",
        outcome.point, outcome.level
    );
    let version = if observable.network().addr().is_ipv4() { 4 } else { 6 };
    let mut document = base(REMEDIATION, NETWORK_REMEDIATION, activity, severity);
    let own = json!({
        "time": outcome.verified_at,
        "message": message,
        "metadata": metadata("verifier", "outcomes", outcome.outcome_id, outcome.decision_id),
        "command_uid": outcome.decision_id,
        "status_id": status.0,
        "status": status.1,
        "status_code": effect,
        "status_detail": outcome.reason,
        "connection_info": {
            "direction_id": INBOUND.0,
            "direction": INBOUND.1,
            "protocol_ver_id": version,
        },
        "observables": [observed(observable, "unmapped")],
        "unmapped": {
            "observable": observable.to_string(),
            "point": outcome.point,
            "level": outcome.level,
            "change": outcome.change,
            "action": action,
            "origin": word(outcome.origin),
            "verdict": word(outcome.verdict),
            "until": outcome.until,
            "detected_at": outcome.detected_at,
        },
    });
    extend(&mut document, own);
    if outcome.action == Action::Block {
        // MITRE D3FEND's name for what a block at the edge is.
        let filtering = json!({
            "d3f_tactic": { "name": ISOLATE.1 },
            "d3f_technique": { "uid": "D3-ITF", "name": "Inbound Traffic Filtering" },
        });
        document["countermeasures"] = json!([filtering]);
    }
    document
}

/// What every class of OCSF asks for.
fn base(category: Named, class: Named, activity: Named, severity: Named) -> Value {
    json!({
        "category_uid": category.0,
        "category_name": category.1,
        "class_uid": class.0,
        "class_name": class.1,
        "activity_id": activity.0,
        "activity_name": activity.1,
        "type_uid": class.0 * 100 + activity.0,
        "type_name": format!("{}: {}", class.1, activity.1),
        "severity_id": severity.0,
        "severity": severity.1,
    })
}

/// `together` is what a finding and the outcomes that follow from it have in common: the decision's id.
fn metadata(service: &str, topic: &str, id: Uuid, together: Uuid) -> Value {
    json!({
        "version": VERSION,
        "uid": id,
        "correlation_uid": together,
        "log_name": topic,
        "product": {
            "name": "Perimeter",
            "vendor_name": "Perimeter",
            "version": env!("CARGO_PKG_VERSION"),
            "feature": { "name": service },
        },
    })
}

fn finding(detection: &Detection, title: String) -> Value {
    let explanations: Vec<&str> =
        detection.evidence.iter().map(|piece| piece.explanation.as_str()).collect();
    let mut finding = json!({
        "uid": detection.detection_id,
        "title": title,
        "desc": explanations.join("; "),
        "types": [word(detection.category)],
        "created_time": detection.detected_at,
    });
    let heaviest =
        detection.evidence.iter().max_by(|one, other| one.weight.total_cmp(&other.weight));
    if let Some(piece) = heaviest {
        finding["analytic"] =
            json!({ "type_id": RULE.0, "type": RULE.1, "uid": piece.rule, "name": piece.rule });
    }
    if let Some((tactic, technique)) = attack(detection.category) {
        let named = |(uid, name)| json!({ "uid": uid, "name": name });
        finding["attacks"] = json!([{ "tactic": named(tactic), "technique": named(technique) }]);
    }
    finding
}

/// MITRE ATT&CK's tactic and technique; none where the category says too little.
fn attack(category: Category) -> Option<(Catalogued, Catalogued)> {
    match category {
        Category::Other => None,
        Category::BruteForce => Some((("TA0006", "Credential Access"), ("T1110", "Brute Force"))),
        Category::Scanner | Category::SensitiveFile => {
            Some((("TA0043", "Reconnaissance"), ("T1595", "Active Scanning")))
        }
        Category::WebShell => {
            Some((("TA0003", "Persistence"), ("T1505", "Server Software Component")))
        }
        _ => Some((("TA0001", "Initial Access"), ("T1190", "Exploit Public-Facing Application"))),
    }
}

/// One for each piece of evidence; where there is none, one that says whom it is about.
fn evidences(detection: &Detection) -> Vec<Value> {
    let endpoint = endpoint(&detection.observable);
    if detection.evidence.is_empty() {
        return vec![json!({ "src_endpoint": endpoint })];
    }
    let piece = |piece: &Evidence| {
        json!({
            "uid": piece.event_id,
            "name": piece.rule,
            "src_endpoint": endpoint,
            "data": {
                "place": piece.place,
                "value": piece.value,
                "weight": piece.weight,
                "explanation": piece.explanation,
            },
        })
    };
    detection.evidence.iter().map(piece).collect()
}

/// A client; what is wider than one address has its network as the name, and its first address as the address.
fn endpoint(observable: &Observable) -> Value {
    let network = observable.network();
    let mut endpoint = json!({ "ip": network.addr() });
    if kind(observable) == SUBNET {
        endpoint["name"] = json!(network);
    }
    endpoint
}

/// The observable as OCSF's: `parent` is where in the document it stands.
fn observed(observable: &Observable, parent: &str) -> Value {
    let kind = kind(observable);
    let attribute = match parent {
        "unmapped" => "observable",
        _ if kind == SUBNET => "name",
        _ => "ip",
    };
    json!({
        "name": format!("{parent}.{attribute}"),
        "type_id": kind.0,
        "type": kind.1,
        "value": observable.to_string(),
    })
}

fn kind(observable: &Observable) -> Named {
    let network = observable.network();
    if network.prefix_len() == network.max_prefix_len() { IP_ADDRESS } else { SUBNET }
}

fn what(category: Category) -> String {
    let words = match category {
        Category::Other => "an attack",
        Category::BruteForce => "login brute force",
        category => category.words(),
    };
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// A closed value as its record writes it.
fn word(value: impl Serialize) -> String {
    let written = serde_json::to_value(value).unwrap_or_default();
    written.as_str().unwrap_or_default().to_owned()
}

fn extend(document: &mut Value, own: Value) {
    if let (Value::Object(document), Value::Object(own)) = (document, own) {
        document.extend(own);
    }
}
