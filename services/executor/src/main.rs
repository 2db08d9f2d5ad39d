//! Executor: folds decisions into leases and makes every enforcement point equal to them.
//!
//! This file only wires; the story is in [`executor`].

use std::process::ExitCode;

fn main() -> ExitCode {
    pipeline::service::<executor::Config, _>("executor", executor::start)
}
