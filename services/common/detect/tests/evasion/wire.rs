//! How a text is written into a query: as a browser would, and otherwise.

use crate::chance::Chance;
use crate::table::{Mutation, wire};

pub(crate) const TABLE: &[Mutation] = &[
    wire("every byte escaped", 0, |text, _| Some(escape(text, |_| true, "%", true))),
    wire("escapes in lower case", 0, |text, _| {
        Some(escape(text, |byte| !byte.is_ascii_alphanumeric(), "%", false))
    }),
    wire("escaped twice", 1, |text, _| {
        Some(escape(text, |byte| !byte.is_ascii_alphanumeric(), "%25", true))
    }),
    wire("letters escaped by chance", 0, |text, chance| {
        Some(escape(text, |byte| !byte.is_ascii_alphanumeric() || chance.coin(), "%", true))
    }),
];

/// `text` with the bytes chosen by `which` as escapes that begin with `mark`.
pub(crate) fn escape(
    text: &str,
    mut which: impl FnMut(u8) -> bool,
    mark: &str,
    upper: bool,
) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match (which(byte) || !byte.is_ascii(), upper) {
            (false, _) => out.push(char::from(byte)),
            (true, true) => out.push_str(&format!("{mark}{byte:02X}")),
            (true, false) => out.push_str(&format!("{mark}{byte:02x}")),
        }
    }
    out
}

/// Only what a query must escape.
pub(crate) fn plain(text: &str) -> String {
    let needed = |byte: u8| !byte.is_ascii_graphic() || b"%&#+".contains(&byte);
    escape(text, needed, "%", true)
}

/// Replaces every `from`; None where there is none.
pub(crate) fn replaced(text: &str, from: &str, to: &str) -> Option<String> {
    text.contains(from).then(|| text.replace(from, to))
}

/// Rewrites every run of ASCII letters, digits and underscores; None where nothing changes.
pub(crate) fn words(text: &str, mut each: impl FnMut(&str) -> Option<String>) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let word = |byte: char| byte.is_ascii_alphanumeric() || byte == '_';
    while let Some(start) = rest.find(word) {
        let (before, from) = rest.split_at(start);
        let end = from.find(|byte| !word(byte)).unwrap_or(from.len());
        out.push_str(before);
        match each(&from[..end]) {
            Some(new) => out.push_str(&new),
            None => out.push_str(&from[..end]),
        }
        rest = &from[end..];
    }
    out.push_str(rest);
    (out != text).then_some(out)
}

/// `text` with the letters of either case by chance; None without letters.
pub(crate) fn cased(text: &str, chance: &mut Chance) -> Option<String> {
    let new: String =
        text.chars()
            .map(|letter| {
                if chance.coin() {
                    letter.to_ascii_uppercase()
                } else {
                    letter.to_ascii_lowercase()
                }
            })
            .collect();
    (new != text).then_some(new)
}
