//! Texts and attributes of an XML document.

use super::WINDOW_BYTES;
use super::out::Out;
use crate::request::{Place, Value};
use memchr::{memchr, memmem};

/// How much of a document is read as one value, so that its declarations are seen together.
const HEAD_BYTES: usize = 4 * WINDOW_BYTES;

/// The head of the document (named `document`), then every text, section and attribute. Behind the head come whole also
/// declarations, instructions and the tags whose attributes are not quoted.
pub(super) fn texts<'a, F: FnMut(Value<'a>)>(text: &'a [u8], out: &mut Out<'_, F>) {
    out.value(Place::Xml, b"document", &text[..text.len().min(HEAD_BYTES)]);
    let (mut rest, mut name): (&[u8], &[u8]) = (text, b"");
    while let Some(open) = memchr(b'<', rest) {
        out.value(Place::Xml, name, rest[..open].trim_ascii());
        let from = &rest[open..];
        let mut whole = false;
        rest = if let Some(section) = from.strip_prefix(b"<![CDATA[") {
            let (value, after) = until(section, b"]]>");
            out.value(Place::Xml, name, value);
            after
        } else if from.starts_with(b"<!--") {
            until(from, b"-->").1
        } else if from.starts_with(b"<?") {
            whole = true;
            until(from, b"?>").1
        } else if from.starts_with(b"<!") {
            whole = true;
            declaration(from)
        } else {
            let (after, odd) = element(&from[1..], &mut name, out);
            whole = odd;
            after
        };
        if whole && text.len() - rest.len() > HEAD_BYTES {
            out.value(Place::Xml, b"document", &from[..from.len() - rest.len()]);
        }
    }
    out.value(Place::Xml, name, rest.trim_ascii());
}

fn until<'a>(text: &'a [u8], end: &[u8]) -> (&'a [u8], &'a [u8]) {
    match memmem::find(text, end) {
        Some(at) => (&text[..at], &text[at + end.len()..]),
        None => (text, &text[text.len()..]),
    }
}

/// What follows a declaration: its own end, or that of the declarations inside it.
fn declaration(text: &[u8]) -> &[u8] {
    let (head, after) = until(text, b">");
    if memchr(b'[', head).is_none() || memchr(b']', head).is_some() {
        return after;
    }
    let after = until(text, b"]").1.trim_ascii_start();
    after.strip_prefix(b">").unwrap_or(after)
}

/// The attributes of the element that begins `text`; answers what follows it, and whether it has attributes that are not
/// quoted as XML has them.
fn element<'a, F: FnMut(Value<'a>)>(
    text: &'a [u8],
    name: &mut &'a [u8],
    out: &mut Out<'_, F>,
) -> (&'a [u8], bool) {
    let stop = |b: &u8| b.is_ascii_whitespace() || matches!(b, b'>' | b'/' | b'<');
    let length = text.iter().position(stop).unwrap_or(text.len());
    if length > 0 {
        *name = &text[..length];
    }
    let mut at = length;
    let mut word = at;
    let mut odd = false;
    while let Some(&byte) = text.get(at) {
        match byte {
            b'>' => return (&text[at + 1..], odd),
            b'<' => return (&text[at..], odd),
            b'=' if matches!(text.get(at + 1), Some(b'"' | b'\'')) => {
                let quoted = &text[at + 2..];
                let end = memchr(text[at + 1], quoted).unwrap_or(quoted.len());
                out.value(Place::Xml, text[word..at].trim_ascii(), &quoted[..end]);
                at = (at + 3 + end).min(text.len());
                word = at;
            }
            _ => {
                odd |= byte == b'=';
                at += 1;
                if byte.is_ascii_whitespace() {
                    word = at;
                }
            }
        }
    }
    (&text[text.len()..], odd)
}
