//! A detection as a Detection Finding (2004).

use schemas::{Category, Detection, Evidence, Millis, Provenance, Severity};
use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};
use uuid::Uuid;

use super::{
    Base, Endpoint, Metadata, Named, Observed, SUBNET, base, endpoint, kind, metadata, observed,
};

/// An entry of MITRE's: id and name.
type Catalogued = (&'static str, &'static str);

const FINDINGS: Named = (2, "Findings");
const DETECTION_FINDING: Named = (2004, "Detection Finding");
const CREATE: Named = (1, "Create");
const NEW: Named = (1, "New");
const RULE: Named = (1, "Rule");

/// From which probability on OCSF's confidence is medium, and high.
const CONFIDENCE_MEDIUM_MIN: f64 = 0.5;
const CONFIDENCE_HIGH_MIN: f64 = 0.9;

#[derive(Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    base: Base,
    time: Millis,
    message: String,
    metadata: Metadata,
    status_id: i64,
    status: &'static str,
    confidence_id: i64,
    confidence: &'static str,
    confidence_score: i64,
    is_alert: bool,
    finding_info: FindingInfo<'a>,
    evidences: Evidences<'a>,
    observables: [Observed<'a>; 1],
    unmapped: Unmapped,
}

#[derive(Serialize)]
struct Unmapped {
    probability: f64,
    provenance: Provenance,
}

/// A detection as a Detection Finding (2004).
pub fn detection(detection: &Detection) -> impl Serialize {
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
    let place = if kind(observable) == SUBNET {
        "evidences[].src_endpoint.name"
    } else {
        "evidences[].src_endpoint.ip"
    };
    Document {
        base: base(FINDINGS, DETECTION_FINDING, CREATE, severity),
        time: detection.detected_at,
        message: format!("{title}, probability {:.3}", detection.probability),
        metadata: metadata("scorer", "detections", id, schemas::Decision::id(id)),
        status_id: NEW.0,
        status: NEW.1,
        confidence_id: confidence.0,
        confidence: confidence.1,
        confidence_score: (detection.probability * 100.0).round() as i64,
        is_alert: true,
        finding_info: finding(detection, title),
        evidences: Evidences(detection),
        observables: observed(observable, place),
        unmapped: Unmapped { probability: detection.probability, provenance: detection.provenance },
    }
}

#[derive(Serialize)]
struct FindingInfo<'a> {
    uid: Uuid,
    title: String,
    desc: String,
    types: [Category; 1],
    created_time: Millis,
    #[serde(skip_serializing_if = "Option::is_none")]
    analytic: Option<Analytic<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attacks: Option<[Attack; 1]>,
}

#[derive(Serialize)]
struct Analytic<'a> {
    type_id: i64,
    r#type: &'static str,
    uid: &'a str,
    name: &'a str,
}

#[derive(Serialize)]
struct Attack {
    tactic: Entry,
    technique: Entry,
}

#[derive(Serialize)]
struct Entry {
    uid: &'static str,
    name: &'static str,
}

impl From<Catalogued> for Entry {
    fn from((uid, name): Catalogued) -> Self {
        Entry { uid, name }
    }
}

fn finding(detection: &Detection, title: String) -> FindingInfo<'_> {
    let explanations: Vec<&str> =
        detection.evidence.iter().map(|piece| piece.explanation.as_str()).collect();
    FindingInfo {
        uid: detection.detection_id,
        title,
        desc: explanations.join("; "),
        types: [detection.category],
        created_time: detection.detected_at,
        analytic: detection.heaviest().map(|piece| Analytic {
            type_id: RULE.0,
            r#type: RULE.1,
            uid: &piece.rule,
            name: &piece.rule,
        }),
        attacks: attack(detection.category).map(|(tactic, technique)| {
            [Attack { tactic: tactic.into(), technique: technique.into() }]
        }),
    }
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
struct Evidences<'a>(&'a Detection);

impl Serialize for Evidences<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Detection { observable, evidence, .. } = self.0;
        let src_endpoint = endpoint(observable);
        let mut list = serializer.serialize_seq(Some(evidence.len().max(1)))?;
        if evidence.is_empty() {
            list.serialize_element(&AboutWhom { src_endpoint })?;
        }
        for piece in evidence {
            list.serialize_element(&told(piece, src_endpoint))?;
        }
        list.end()
    }
}

#[derive(Serialize)]
struct AboutWhom {
    src_endpoint: Endpoint,
}

#[derive(Serialize)]
struct Piece<'a> {
    uid: Uuid,
    name: &'a str,
    src_endpoint: Endpoint,
    data: PieceData<'a>,
}

#[derive(Serialize)]
struct PieceData<'a> {
    place: &'a str,
    value: &'a str,
    weight: f64,
    explanation: &'a str,
}

fn told(piece: &Evidence, src_endpoint: Endpoint) -> Piece<'_> {
    Piece {
        uid: piece.event_id,
        name: &piece.rule,
        src_endpoint,
        data: PieceData {
            place: &piece.place,
            value: &piece.value,
            weight: piece.weight,
            explanation: &piece.explanation,
        },
    }
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
