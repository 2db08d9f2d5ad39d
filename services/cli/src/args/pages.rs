//! Whatever a page calls a command of `perimeter` is one: it is read as the command line reads it.

use std::path::{Path, PathBuf};

use clap::Parser as _;
use clap::error::ErrorKind;

use super::Arguments;

/// What pages write where a reader puts something of his own.
const PLACEHOLDERS: [(&str, &str); 1] = [("ADDRESS", "81.2.69.142")];

fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut pages = vec![root.join("README.md")];
    for folder in ["docs", "docs/guides", "docs/runbooks"] {
        let entries = std::fs::read_dir(root.join(folder)).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        pages.extend(paths.filter(|path| path.extension().is_some_and(|end| end == "md")));
    }
    pages
}

/// The commands of a page: its lines that begin with one, and what stands in backquotes.
fn commands(page: &str) -> Vec<String> {
    let mut commands = Vec::new();
    // A drawing may name the program, too.
    for line in page.lines().filter(|line| !line.contains('─')) {
        let bare = line.trim_start().trim_start_matches("$ ");
        let quoted = line.split('`').skip(1).step_by(2);
        for text in std::iter::once(bare).chain(quoted) {
            commands.extend(text.strip_prefix("perimeter ").map(str::to_owned));
        }
    }
    commands
}

/// Splits as a shell does, so far as pages use it: quotes, and an end at a comment, a pipe or a redirection.
fn words(command: &str) -> Vec<String> {
    let (mut words, mut quote, mut open) = (Vec::new(), None, None::<String>);
    for letter in command.chars() {
        match (letter, quote) {
            ('"' | '\'', None) => {
                quote = Some(letter);
                open.get_or_insert_default();
            }
            (end, Some(begin)) if end == begin => quote = None,
            (' ', None) => words.extend(open.take()),
            ('#' | '>' | '|', None) if open.is_none() => return words,
            (letter, _) => open.get_or_insert_default().push(letter),
        }
    }
    words.extend(open);
    words
}

#[test]
fn every_command_that_a_page_names_is_one() {
    let mut read = 0;
    for page in pages() {
        let text = std::fs::read_to_string(&page).unwrap();
        for command in commands(&text) {
            let mut shown = command.clone();
            for (placeholder, value) in PLACEHOLDERS {
                shown = shown.replace(placeholder, value);
            }
            let arguments = std::iter::once("perimeter".to_owned()).chain(words(&shown));
            let Err(error) = Arguments::try_parse_from(arguments) else {
                read += 1;
                continue;
            };
            // A page may speak of a command without all that it takes.
            let named = matches!(
                error.kind(),
                ErrorKind::MissingRequiredArgument
                    | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
            );
            assert!(named, "{}: perimeter {command}: {error}", page.display());
        }
    }
    assert!(read > 20, "the commands were not found");
}
