//! What an operator says about automation as a whole.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Millis, Mode};

/// The scope of freeze and thaw: everything that automation does.
pub const SCOPE_ALL: &str = "all";
/// The scope of the mode. Of its own, so that neither word carries the other along when the topic is compacted.
pub const SCOPE_MODE: &str = "mode";

/// What a control asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    Frozen(bool),
    Mode(Mode),
}

/// The latest word on one scope; the topic keeps the last per scope.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Control {
    /// The request's idempotency key.
    pub control_id: Uuid,
    pub scope: String,
    /// True: no automatic claim decided from then on comes into force. Says nothing in scope `mode`.
    pub frozen: bool,
    /// Broker append time of the freeze that already stood when this one was asked for; keeps a repeated freeze
    /// from letting in what was decided between the two.
    pub frozen_since: Option<Millis>,
    pub requested_at: Millis,
    /// SPIFFE identity of the operator.
    pub requested_by: String,
    pub reason: String,
    /// The mode that is asked for in scope `mode`; absent in every other, and in what was written before there was one.
    #[serde(default)]
    pub mode: Option<Mode>,
}

impl Control {
    /// What is asked for; nothing where the scope is of a later version.
    pub fn setting(&self) -> Option<Setting> {
        match self.scope.as_str() {
            SCOPE_ALL => Some(Setting::Frozen(self.frozen)),
            SCOPE_MODE => self.mode.map(Setting::Mode),
            _ => None,
        }
    }
}
