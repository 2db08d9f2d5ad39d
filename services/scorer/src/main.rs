//! Scorer: turns events into detections, and says so only when something is worth a decision.
//!
//! Reads `events` and its own `scorer-state`, writes `detections` and `scorer-state`. This file only wires; the rules
//! are in [`scorer::logic`].

use std::process::ExitCode;

fn main() -> ExitCode {
    pipeline::service::<scorer::Config, _>("scorer", scorer::start)
}
