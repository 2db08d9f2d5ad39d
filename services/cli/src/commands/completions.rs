//! `perimeter completions`: a script that lets a shell complete our commands.

use clap::CommandFactory as _;

use crate::args::{Arguments, Completions};
use crate::failure::Outcome;
use crate::output::Printer;

pub(crate) fn run(arguments: &Completions, printer: &Printer) -> Outcome {
    Ok(printer.text(&script(arguments.shell))?)
}

fn script(shell: clap_complete::Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "perimeter", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    #[test]
    fn every_shell_completes_every_command() {
        for shell in clap_complete::Shell::value_variants() {
            let script = script(*shell);
            for command in Arguments::command().get_subcommands() {
                assert!(script.contains(command.get_name()), "{shell}: {}", command.get_name());
            }
        }
    }
}
