//! A replica's own freeze, by file or by call: why, and from which append time on it withholds what automation decides.
//! Data in, data out.
//!
//! It can only stop additions. What came into force before stays until its `until`, operators' claims are untouched, and
//! nothing of it reaches the log: other replicas go on.

use schemas::{Millis, Reader, View};

/// How far the broker's clock and this host's may lie apart.
const CLOCKS_MS: Millis = 5_000;
/// Longest reason that is taken from a file.
pub const FILE_REASON_BYTES_MAX: usize = 200;
/// Longest reason that a call may give.
pub const CALL_REASON_BYTES_MAX: usize = 1_024;
/// What a point says of a claim that it withholds.
pub const WITHHELD: &str =
    "this executor is frozen by its own file or call and adds nothing that automation decides";

/// Why the replica is frozen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// Since when, by this host's clock.
    pub at: Millis,
    /// One sentence for a person.
    pub text: String,
}

/// Everything that keeps the replica frozen; empty when it is not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Causes {
    pub file: Option<Cause>,
    pub call: Option<Cause>,
}

impl Causes {
    pub fn all(&self) -> impl Iterator<Item = &Cause> {
        self.file.iter().chain(&self.call)
    }

    /// From which append time on automatic claims are withheld, given what `reader` knows; `None` when not frozen.
    ///
    /// 1. While it stays frozen, for whatever cause, the answer stays.
    /// 2. A replica that knows what is in force withholds whatever was decided after the newest of it. No clock is asked.
    /// 3. One that just started does not know yet: what was decided before the first cause was in force, and as clocks
    ///    differ it rather lets in a decision of those seconds than takes one out that was in force.
    pub fn since(&self, reader: &Reader, now: Millis) -> Option<Millis> {
        let began_at = self.all().map(|cause| cause.at).min()?;
        let view = reader.view();
        if let Some(since) = view.frozen_here() {
            return Some(since);
        }
        if reader.complete() {
            return Some(after_newest(view, now));
        }
        Some(began_at.min(now).saturating_add(CLOCKS_MS))
    }
}

/// Just after the newest automatic decision in force.
fn after_newest(view: &View, now: Millis) -> Millis {
    let frozen_since = view.frozen_since();
    let claims = view.leases().flat_map(|lease| &lease.claims);
    let automatic = claims
        .filter(|claim| claim.origin.automatic() && claim.in_force(now, frozen_since))
        .map(|claim| claim.decided_at);
    automatic.max().map_or(Millis::MIN, |newest| newest.saturating_add(1))
}

/// What the file comes to: that it is there is enough, its first line says why.
pub fn by_file(path: &str, text: &[u8], at: Millis) -> Cause {
    let first = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let reason = shown(&String::from_utf8_lossy(first), FILE_REASON_BYTES_MAX);
    let reason = if reason.is_empty() { "it says nothing" } else { &reason };
    Cause { at, text: format!("the file {path} is there: {reason}") }
}

/// What a call comes to.
pub fn by_call(identity: &str, reason: &str, at: Millis) -> Cause {
    let reason = shown(reason, CALL_REASON_BYTES_MAX);
    Cause { at, text: format!("{identity} asked for it: {reason}") }
}

/// A text without what a terminal would obey, at most so long.
fn shown(text: &str, bytes_max: usize) -> String {
    let mut shown = String::new();
    for character in text.trim().chars().filter(|character| !character.is_control()) {
        if shown.len() + character.len_utf8() > bytes_max {
            break;
        }
        shown.push(character);
    }
    shown
}
