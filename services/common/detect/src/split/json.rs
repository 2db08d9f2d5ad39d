//! Strings of a JSON text, as they stand between their quotes.

use super::out::{Out, plain};
use crate::request::{Part, Place, Value};
use memchr::memchr2;

/// Deepest nesting that is followed.
const DEPTH_MAX: usize = 64;

/// One token that matters.
enum Token<'a> {
    /// With the number of braces and brackets around it.
    Key(&'a [u8], usize),
    Text(&'a [u8]),
}

/// Whether `text` keeps to JSON's words as far as it goes: the head of a longer text does.
pub(super) fn well_formed(text: &[u8]) -> bool {
    scan(text, |_| {}).is_some()
}

/// The strings and the keys that are more than plain words.
pub(super) fn leaves<'a, F: FnMut(Value<'a>)>(text: &'a [u8], out: &mut Out<'_, F>) {
    let mut name: &[u8] = b"";
    // A bit for each depth whose last key is `constructor`.
    let mut constructors = 0_u128;
    let whole = scan(text, |token| match token {
        Token::Key(key, depth) => {
            if !plain(key) {
                out.put(Place::Json, Part::Name, key, key);
            }
            if constructors << 1 >> depth & 1 == 1 && spells(key, b"prototype") {
                // Both are plain words, and only together do they name what all objects inherit from.
                out.put(Place::Json, Part::Name, key, b"constructor.prototype");
            }
            constructors &= (1_u128 << depth) - 1;
            constructors |= u128::from(spells(key, b"constructor")) << depth;
            name = key;
        }
        Token::Text(value) => out.value(Place::Json, name, value),
    });
    debug_assert!(whole.is_some(), "only well formed texts are read");
}

/// Whether `text` is a whole document in which every string is plain words: it says no more than they do.
pub(crate) fn says_nothing(text: &[u8]) -> bool {
    let word =
        |byte: &u8| byte.is_ascii_alphanumeric() || *byte >= 0x80 || b" _-.,:@+!?".contains(byte);
    let mut words = true;
    let mut one = |token| {
        let (Token::Key(string, _) | Token::Text(string)) = token;
        words &= string.iter().all(word) && !string.starts_with(b"__");
    };
    let opened = matches!(text.first(), Some(b'{' | b'['));
    opened && matches!(text.last(), Some(b'}' | b']')) && scan(text, &mut one).is_some() && words
}

/// Whether `key` is `word` once its escapes are read.
fn spells(mut key: &[u8], word: &[u8]) -> bool {
    for wanted in word {
        let Some(&first) = key.first() else { return false };
        let (sign, length) = escape(key).unwrap_or((first, 1));
        if sign != *wanted {
            return false;
        }
        key = &key[length..];
    }
    key.is_empty()
}

/// The sign that an escape at the head of `text` stands for, if it is ASCII, and how long the escape is.
pub(super) fn escape(text: &[u8]) -> Option<(u8, usize)> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    match *text {
        [b'\\', b'n', ..] => Some((b'\n', 2)),
        [b'\\', b'r', ..] => Some((b'\r', 2)),
        [b'\\', b't', ..] => Some((b'\t', 2)),
        [b'\\', b'b', ..] => Some((8, 2)),
        [b'\\', b'f', ..] => Some((12, 2)),
        [b'\\', same @ (b'"' | b'\\' | b'/'), ..] => Some((same, 2)),
        [b'\\', b'u', b'0', b'0', high, low, ..] => {
            Some(((digit(high)? << 4 | digit(low)?) as u8, 6))
        }
        _ => None,
    }
}

fn scan<'a>(text: &'a [u8], mut each: impl FnMut(Token<'a>)) -> Option<()> {
    let (mut at, mut depth) = (0, 0_usize);
    while let Some(&byte) = text.get(at) {
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' | b',' | b':' => at += 1,
            b'{' | b'[' => {
                depth += 1;
                at += 1;
            }
            b'}' | b']' => {
                depth = depth.checked_sub(1)?;
                at += 1;
            }
            b'"' => {
                let end = string_end(text, at + 1);
                let value = &text[at + 1..end];
                at = (end + 1).min(text.len());
                while text.get(at).is_some_and(u8::is_ascii_whitespace) {
                    at += 1;
                }
                match text.get(at) {
                    Some(b':') => each(Token::Key(value, depth)),
                    None | Some(b',' | b'}' | b']') => each(Token::Text(value)),
                    Some(_) => return None,
                }
            }
            _ => at = literal_end(text, at)?,
        }
        if depth > DEPTH_MAX {
            return None;
        }
    }
    Some(())
}

/// Whether what stands at `at` of a well formed text stands under a key that is `one`, however deep.
pub(crate) fn under(text: &[u8], at: usize, one: impl Fn(&[u8]) -> bool) -> bool {
    // Of each object and array that is open, whether it stands under such a key; and whether the last key is one.
    let mut open: Vec<bool> = Vec::new();
    let mut last = false;
    let mut here = 0;
    while here < at.min(text.len()) {
        match text[here] {
            b'{' | b'[' => {
                open.push(last || open.last() == Some(&true));
                last = false;
            }
            b'}' | b']' => {
                open.pop();
                last = false;
            }
            b',' => last = false,
            b'"' => {
                let end = string_end(text, here + 1);
                if at <= end {
                    break;
                }
                let behind = text.get(end + 1..).unwrap_or_default().trim_ascii_start();
                if behind.first() == Some(&b':') {
                    last = one(&text[here + 1..end]);
                }
                here = end;
            }
            _ => {}
        }
        here += 1;
    }
    last || open.last() == Some(&true)
}

/// Where the string that begins at `at` ends: at its quote, or with the text.
pub(super) fn string_end(text: &[u8], mut at: usize) -> usize {
    while let Some(found) = memchr2(b'"', b'\\', text.get(at..).unwrap_or_default()) {
        at += found;
        if text[at] == b'"' {
            return at;
        }
        at += 2;
    }
    text.len()
}

fn literal_end(text: &[u8], at: usize) -> Option<usize> {
    let length = text[at..]
        .iter()
        .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
        .count();
    let word = &text[at..at + length];
    let number = |word: &[u8]| {
        word.iter().all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E'))
    };
    let cut = at + length == text.len();
    let known = [&b"true"[..], b"false", b"null"]
        .iter()
        .any(|known| *known == word || cut && known.starts_with(word));
    (length > 0 && (known || number(word))).then_some(at + length)
}
