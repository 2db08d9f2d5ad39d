//! Verifier: proves that what was decided is in force, and that it is gone when it should be.
//!
//! This file only wires; the rules are in [`verifier::logic`].

use std::process::ExitCode;

fn main() -> ExitCode {
    // Bad configuration ends here with 64, before anything connects.
    pipeline::service::<verifier::Config, _>("verifier", verifier::start)
}
