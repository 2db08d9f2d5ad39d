//! What stands between brackets that follow a credential's name: an object, or an array.

use std::ops::Range;
use std::sync::LazyLock;

use regex::bytes::Regex;

use super::{compile, named};

/// A credential's name, and the bracket that opens what it stands for.
static OPENING: LazyLock<Regex> = LazyLock::new(|| {
    let name = named();
    compile(&format!("{name}[\"'\\\\\\]]{{0,4}}\\s{{0,16}}(?:=>?|:|%3d|%3a)\\s{{0,16}}[\\[{{]"))
});

/// What such brackets hold, all of it.
pub(super) fn runs(text: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let start = OPENING.find_at(text, from)?.end();
        from = closed(text, start);
        Some(start..from)
    })
}

/// Where the bracket is closed that was opened just before `from`: at its own, or with the text. What stands in quotes
/// closes nothing, be they those of a text inside a string, which a backslash precedes.
fn closed(text: &[u8], from: usize) -> usize {
    let (mut at, mut depth) = (from, 0_usize);
    let mut quote: Option<(u8, bool)> = None;
    while at < text.len() {
        let (sign, length) = match &text[at..] {
            // A quote inside a string of a text that is itself inside a string.
            [b'\\', b'\\', b'\\', _, ..] => (None, 4),
            [b'\\', sign @ (b'"' | b'\''), ..] => (Some((*sign, true)), 2),
            [b'\\', ..] => (None, 2),
            [sign, ..] => (Some((*sign, false)), 1),
            [] => break,
        };
        match (quote, sign) {
            (Some(_), _) if sign == quote => quote = None,
            (None, Some((b'"' | b'\'', _))) => quote = sign,
            (None, Some((b'{' | b'[', _))) => depth += 1,
            (None, Some((b'}' | b']', _))) if depth == 0 => return at,
            (None, Some((b'}' | b']', _))) => depth -= 1,
            _ => {}
        }
        at += length;
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::super::{quote, runs};

    #[test]
    fn all_that_a_credentials_name_opens_is_masked_up_to_where_it_is_closed() {
        for (text, shown) in [
            ("{\"password\":{\"value\":\"hunter2\"}}", "{\"password\":{***}}"),
            (
                "{\"password\": {\"a\":[1,{\"b\":\"hunter2\"}]},\"q\":\"x\"}",
                "{\"password\": {***},\"q\":\"x\"}",
            ),
            ("\"tokens\":[\"a\",\"hunter2\"],\"q\":1", "\"tokens\":[***],\"q\":1"),
            ("{\"pin\" :  {\"a\":\"]}hunter2\"}}", "{\"pin\" :  {***}}"),
            ("{\"pin\":{\"a\":\"\\\"}hunter2\"},\"q\":1}", "{\"pin\":{***},\"q\":1}"),
            (r#"{\"pin\":{\"a\":\"}\\\"}hunter2\"},\"q\":1}"#, r#"{\"pin\":{***},\"q\":1}"#),
            ("secret => {'a' => 'hunter2', 'b' => 'it'}, q", "secret => {***}, q"),
            ("{\"password\":{\"value\":\"hunter2", "{\"password\":{***"),
            ("{\"q\":{\"value\":\"x\"}}", "{\"q\":{\"value\":\"x\"}}"),
        ] {
            let text = text.as_bytes();
            assert_eq!(quote(text, 0..0, &runs(text)), shown, "{}", text.escape_ascii());
        }
    }
}
