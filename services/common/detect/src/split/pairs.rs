//! Pairs of names and values: queries, forms, cookies.

use super::out::{Out, plain};
use crate::request::{Part, Place, Value};
use memchr::{memchr, memchr_iter};

/// Longest name of a body that is taken for a form without saying so.
const FORM_NAME_MAX: usize = 64;

/// Splits `text` at `&`, and at `;` where every piece is a pair.
pub(super) fn pairs<'a, F: FnMut(Value<'a>)>(text: &'a [u8], place: Place, out: &mut Out<'_, F>) {
    if text.is_empty() {
        return;
    }
    let mut start = 0;
    for at in memchr_iter(b'&', text) {
        if parts(text, at) {
            piece(&text[start..at], place, out);
            start = at + 1;
        }
    }
    piece(&text[start..], place, out);
}

/// Whether the `&` at `at` parts two pairs: one that is doubled, follows a redirection, precedes a blank or begins an
/// entity was meant as text by whoever did not encode it.
fn parts(text: &[u8], at: usize) -> bool {
    let before = at.checked_sub(1).map_or(b' ', |at| text[at]);
    let after = &text[at + 1..];
    if matches!(before, b'&' | b'>' | b'<') {
        return false;
    }
    match after.first() {
        Some(b'&') => after.len() == 1,
        Some(b' ' | b'+' | b'#') => false,
        Some(b'%') => !after.starts_with(b"%20"),
        Some(b) if b.is_ascii_alphabetic() => {
            let length = after.iter().take(9).take_while(|b| b.is_ascii_alphabetic()).count();
            after.get(length) != Some(&b';') || after[..length].eq_ignore_ascii_case(b"amp")
        }
        _ => true,
    }
}

fn piece<'a, F: FnMut(Value<'a>)>(text: &'a [u8], place: Place, out: &mut Out<'_, F>) {
    let all_pairs = || {
        text.split(|&b| b == b';')
            .all(|one| memchr(b'=', one).is_some_and(|at| at > 0 && plain(&one[..at])))
    };
    if memchr(b';', text).is_some() && all_pairs() {
        text.split(|&b| b == b';').for_each(|one| pair(one, place, out));
    } else {
        pair(text, place, out);
    }
}

fn pair<'a, F: FnMut(Value<'a>)>(text: &'a [u8], place: Place, out: &mut Out<'_, F>) {
    let Some(at) = memchr(b'=', text) else {
        out.value(place, b"", text);
        return;
    };
    let (name, value) = (&text[..at], &text[at + 1..]);
    if !plain(name) {
        // A name that is no name goes on behind the sign: `a' or 1=1`.
        let path = |&b: &u8| {
            b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'[' | b']' | b'$' | b':')
        };
        out.put(place, Part::Name, name, if name.iter().all(path) { name } else { text });
    }
    out.value(place, name, value);
}

pub(super) fn cookies<'a, F: FnMut(Value<'a>)>(text: &'a [u8], out: &mut Out<'_, F>) {
    text.split(|&b| b == b';').for_each(|one| pair(one.trim_ascii(), Place::Cookie, out));
}

/// Whether a body that does not say what it is begins like a form.
pub(super) fn form_like(text: &[u8]) -> bool {
    memchr(b'=', &text[..text.len().min(FORM_NAME_MAX)]).is_some_and(|at| {
        at > 0
            && text[..at].iter().all(|&b| {
                b.is_ascii_alphanumeric()
                    || matches!(b, b'_' | b'-' | b'.' | b'[' | b']' | b'%' | b'$')
            })
    }) && !text[..text.len().min(1024)].contains(&b'\n')
}
