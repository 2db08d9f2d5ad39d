//! The scorer's claim about one observable.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Millis, Observable, Provenance};

/// Most pieces of evidence one detection carries.
pub const EVIDENCE_COUNT_MAX: usize = 16;
/// Longest value quoted in a piece of evidence, in bytes.
pub const EVIDENCE_VALUE_BYTES_MAX: usize = 160;

/// How bad it is if the detection is right. The policy maps it to an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Low,
    Medium,
    High,
    Critical,
}

/// What kind of attack it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    Other,
    SqlInjection,
    PathTraversal,
    BruteForce,
}

/// One fact that led to a detection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// Identifier of the signature or rate rule.
    pub rule: String,
    /// Where it was seen: `query:id`, `path`, `rate`.
    pub place: String,
    /// The normalised value, cut to [`EVIDENCE_VALUE_BYTES_MAX`].
    pub value: String,
    /// Weight in log-odds (natural logarithm).
    pub weight: f64,
    /// What it means, for a person on call.
    pub explanation: String,
    pub event_id: Uuid,
}

/// A claim that one observable attacks.
///
/// `detection_id` is a function of the event that completed it and of the rule, so a replay gives the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Detection {
    pub detection_id: Uuid,
    pub observable: Observable,
    /// Event time of the request that completed it.
    pub detected_at: Millis,
    /// Calibrated, 0 to 1.
    pub probability: f64,
    pub severity: Severity,
    pub category: Category,
    pub provenance: Provenance,
    pub evidence: Vec<Evidence>,
}
