//! The verifier's record: did it hold, and was it right.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Action, Millis, Observable, Origin, Phase};

/// Did the remedy hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    Other,
    Effective,
    Partial,
    Ineffective,
    /// Nothing holds it anywhere.
    Absent,
}

/// Was the detection right. Only the verifier or a person says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    InsufficientData,
    TruePositive,
    FalsePositive,
    Benign,
}

/// How well one decision is proved at one point, published when the effect changes and not per probe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// A function of decision, point, level, phase, effect and `change`.
    pub outcome_id: Uuid,
    pub decision_id: Uuid,
    pub observable: Observable,
    /// Name of the point. At Envoy levels 2 and 3 are about Envoy itself: `envoy`.
    pub point: String,
    /// 1 acknowledged, 2 read back, 3 probed, 4 seen in traffic.
    pub level: i32,
    pub phase: Phase,
    pub effect: Effect,
    /// How often the effect has changed at this level, 0 for the first.
    pub change: i32,
    pub action: Action,
    pub origin: Origin,
    pub until: Option<Millis>,
    /// Event time of the request that completed the detection; absent for an override.
    pub detected_at: Option<Millis>,
    /// When the verifier saw it.
    pub verified_at: Millis,
    pub verdict: Verdict,
    /// For a person: what was seen, or what is missing.
    pub reason: String,
}

impl Outcome {
    /// The id of an observation: the same change told twice has the same id.
    pub fn id(
        decision_id: Uuid,
        point: &str,
        level: i32,
        phase: Phase,
        effect: Effect,
        change: i32,
    ) -> Uuid {
        let name = format!("outcome/{point}/{level}/{phase:?}/{effect:?}/{change}");
        Uuid::new_v5(&decision_id, name.as_bytes())
    }
}
