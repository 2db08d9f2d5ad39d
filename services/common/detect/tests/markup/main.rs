//! Markup's flags and the packs of markup, paths and requests.

mod flags;
mod packs;
mod scripts;
mod share;
mod tags;
mod views;

use detect::structure::markup::{Markup, read};

/// Each text, which is in lower case already, has exactly these flags.
#[track_caller]
fn check(rows: &[(&str, &[&str])]) {
    for (text, wanted) in rows {
        assert_eq!(flags(text), *wanted, "{text:?}");
    }
}

/// The flags that a text has.
fn flags(text: &str) -> Vec<&'static str> {
    let found = read(text.as_bytes(), &mut 0).0;
    let set = Markup::NAMES.iter().enumerate().filter(|(bit, _)| found >> bit & 1 == 1);
    set.map(|(_, name)| name.trim_start_matches("markup.")).collect()
}
