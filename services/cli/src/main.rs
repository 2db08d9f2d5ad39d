//! `perimeter`: the operator's command. This file only wires; the story is in [`cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
