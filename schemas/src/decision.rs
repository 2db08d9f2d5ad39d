//! One answer to one detection, or to one operator's request.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Category, Millis, Observable, Severity};

/// What is to be done. Ordered by how much it takes from the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    Observe,
    Allow,
    Block,
}

/// Who decided.
///
/// The order is the precedence: an operator outranks the pipeline, the pipeline outranks a feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    Feed,
    Pipeline,
    Operator,
}

impl Origin {
    /// Whether a machine decided: fuses and freezes are for those.
    pub fn automatic(self) -> bool {
        self != Origin::Operator
    }
}

/// Whether a decision is to be put in force or only recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    Simulated,
    Enforced,
}

/// How an address was learnt. Only the first two may lead to an automatic block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Provenance {
    SocketPeer,
    ProxyAsserted,
    HeaderUntrusted,
    LogText,
    ExternalFeed,
}

impl Provenance {
    /// Whether the address is proved well enough to be blocked without a person.
    pub fn may_convict(self) -> bool {
        matches!(self, Provenance::SocketPeer | Provenance::ProxyAsserted)
    }
}

/// Why the answer is what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// A reason of a later version.
    Other,
    /// The policy's action for this severity.
    Policy,
    /// An operator asked for it.
    Override,
    /// The observable is, contains or lies inside something protected.
    Protected,
    /// The network is wider than automation, or one operator, may block.
    TooWide,
    /// An operator's claim stands for this observable.
    Overridden,
    /// A claim of the pipeline was already in force at the time of the detection.
    InForce,
    /// The policy asks for no action at this severity.
    BelowFloor,
    /// The address was learnt in a way that cannot convict.
    Provenance,
}

/// One answer: action, observable, `until`, origin, reason.
///
/// `decision_id` is a function of the detection's id, or is the idempotency key of an override, so a repeat is
/// recognised. An answer that does nothing is `Observe` and has no `until`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    pub decision_id: Uuid,
    /// The detection that is answered; absent for an override.
    pub detection_id: Option<Uuid>,
    pub observable: Observable,
    pub action: Action,
    /// When it must end; absent only when nothing is done.
    pub until: Option<Millis>,
    pub origin: Origin,
    /// Strikes including this one; 0 when the ladder was not asked.
    pub strikes: i32,
    pub reason: Reason,
    /// The reason in words for a person on call.
    pub explanation: String,
    pub mode: Mode,
    /// Made while the decider knew of a freeze.
    pub frozen: bool,
    /// Event time of the request that completed the detection; absent for an override.
    pub detected_at: Option<Millis>,
    /// SPIFFE identity of the operator; absent for the pipeline.
    pub decided_by: Option<String>,
    pub provenance: Option<Provenance>,
    pub severity: Option<Severity>,
    pub category: Option<Category>,
    /// Signature over the decision; not written yet.
    #[serde(with = "apache_avro::serde::bytes_opt", default)]
    pub signature: Option<Vec<u8>>,
}

impl Decision {
    /// The id of the answer to a detection: the same however often it is answered.
    pub fn id(detection_id: Uuid) -> Uuid {
        Uuid::new_v5(&detection_id, b"decision")
    }

    /// An operator's word on `observable`, for the caller to complete: it has no id, no end and no explanation yet.
    ///
    /// It is enforced in simulated mode too: the mode is about what automation decides by itself.
    pub fn by_operator(action: Action, observable: Observable) -> Decision {
        let (origin, reason) = (Origin::Operator, Reason::Override);
        Decision { origin, reason, ..Decision::by_pipeline(action, observable) }
    }

    /// The pipeline's own on `observable`, to be completed likewise: it answers no detection and counts no strike yet.
    pub fn by_pipeline(action: Action, observable: Observable) -> Decision {
        Decision {
            decision_id: Uuid::nil(),
            detection_id: None,
            observable,
            action,
            until: None,
            origin: Origin::Pipeline,
            strikes: 0,
            reason: Reason::Policy,
            explanation: String::new(),
            mode: Mode::Enforced,
            frozen: false,
            detected_at: None,
            decided_by: None,
            provenance: None,
            severity: None,
            category: None,
            signature: None,
        }
    }
}
