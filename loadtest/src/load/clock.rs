//! The wall clock that everything of a run is dated with.

use std::time::{SystemTime, UNIX_EPOCH};

use super::expected::Micros;

/// Microseconds since the Unix epoch.
pub fn micros() -> Micros {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Micros::try_from(since.as_micros()).unwrap_or(Micros::MAX)
}
