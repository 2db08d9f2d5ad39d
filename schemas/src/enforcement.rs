//! What was actually done at an enforcement point, and how it went.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Action, Decision, Generation, Millis, Observable};

/// Whether a remedy is being put in force or taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    Apply,
    Lift,
}

/// How the attempt went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Other,
    /// The point holds it.
    Applied,
    /// The point no longer holds it.
    Lifted,
    /// A newer decision on the same observable took its place before or after it was put in force.
    Superseded,
    /// The point could not take it; `reason` says why.
    Failed,
    /// A fuse at the executor refused it; `reason` says which.
    Refused,
}

/// One act at one enforcement point, for one decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Enforcement {
    /// A function of decision, point, phase and status.
    pub enforcement_id: Uuid,
    pub decision_id: Uuid,
    pub observable: Observable,
    /// Name of the point: `envoy/0`, `aws-waf`, `blocklist`; [`Enforcement::FOLD`] for a refusal by the fold.
    pub point: String,
    pub phase: Phase,
    pub status: Status,
    pub action: Action,
    pub until: Option<Millis>,
    pub generation: Generation,
    pub enforced_at: Millis,
    /// For a person; empty when all went well.
    pub reason: String,
}

impl Enforcement {
    /// Under which name the fold says what it refused. It holds nothing, so it is no point.
    pub const FOLD: &str = "executor";

    /// The id of an act: the same act told twice has the same id.
    pub fn id(decision_id: Uuid, point: &str, phase: Phase, status: Status) -> Uuid {
        Uuid::new_v5(&decision_id, format!("enforcement/{point}/{phase:?}/{status:?}").as_bytes())
    }

    /// An act for `decision` of which there is nothing more to say. `generation` is that of its lease.
    pub fn of(
        decision: &Decision,
        point: &str,
        phase: Phase,
        status: Status,
        generation: Generation,
        enforced_at: Millis,
    ) -> Enforcement {
        Enforcement {
            enforcement_id: Enforcement::id(decision.decision_id, point, phase, status),
            decision_id: decision.decision_id,
            observable: decision.observable.clone(),
            point: point.to_owned(),
            phase,
            status,
            action: decision.action,
            until: decision.until,
            generation,
            enforced_at,
            reason: String::new(),
        }
    }
}
