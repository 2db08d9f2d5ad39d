//! Load: traffic through the edge, and a report of what became of it. This file only hands over.

use std::process::ExitCode;

fn main() -> ExitCode {
    loadtest::main(std::env::args_os())
}
