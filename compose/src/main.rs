//! `compose`: what `cargo demo` and `cargo verify` call.
//!
//! Everything runs on the main thread: the programs that it starts die with the thread that started them.

use std::process::ExitCode;

fn main() -> ExitCode {
    compose::cli::main()
}
