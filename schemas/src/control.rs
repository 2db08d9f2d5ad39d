//! What an operator says about automation as a whole.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Millis;

/// The one scope of this version: everything.
pub const SCOPE_ALL: &str = "all";

/// The latest word on one scope; the topic keeps the last per scope.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Control {
    /// The request's idempotency key.
    pub control_id: Uuid,
    pub scope: String,
    /// True: no automatic claim decided from then on comes into force.
    pub frozen: bool,
    /// Broker append time of the freeze that already stood when this one was asked for; keeps a repeated freeze
    /// from letting in what was decided between the two.
    pub frozen_since: Option<Millis>,
    pub requested_at: Millis,
    /// SPIFFE identity of the operator.
    pub requested_by: String,
    pub reason: String,
}
