//! The shell tokeniser and the packs of code injection: what each signature must hit and must leave alone.

mod arguments;
mod commands;
mod files;
mod measure;
mod packs;
mod places;
mod signs;
mod structure;
mod view;

use detect::structure::shell::{Shell, read};

/// The flags of a text as it stands, without `shell.` in front: those of commands, which come before those of files.
fn flags(text: &str) -> Vec<&'static str> {
    let found = read(text.as_bytes(), &mut 0).0;
    let of_commands = Shell::NAMES.iter().take(21).enumerate();
    let set = of_commands.filter(|(bit, _)| found >> bit & 1 == 1);
    set.map(|(_, name)| name.trim_start_matches("shell.")).collect()
}

/// Each text has exactly these flags of commands.
#[track_caller]
fn check(rows: &[(&str, &[&str])]) {
    for (text, wanted) in rows {
        assert_eq!(flags(text), *wanted, "{text:?}");
    }
}
