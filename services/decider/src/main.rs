//! Decider: answers every detection with exactly one decision.
//!
//! Reads `detections`, writes `decisions`, and serves the operator's override and query calls. This file only wires;
//! the rules are in [`decider::logic`].

use std::process::ExitCode;

fn main() -> ExitCode {
    pipeline::service::<decider::Config, _>("decider", decider::start)
}
