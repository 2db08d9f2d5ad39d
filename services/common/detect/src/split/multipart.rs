//! Parts of a multipart body: names, file names and contents.

use super::out::{Out, plain};
use crate::request::{Part, Place, Value};
use memchr::memmem;

/// How much of a part may be its head.
const HEAD_BYTES: usize = 2048;

/// Hands out the parts; answers whether the boundary was found at all.
pub(super) fn parts<'a, F: FnMut(Value<'a>)>(
    kind: &[u8],
    body: &'a [u8],
    out: &mut Out<'_, F>,
) -> bool {
    let boundary = declared(kind)
        .filter(|word| memmem::find(body, word).is_some())
        .or_else(|| first_line(body));
    let Some(boundary) = boundary else { return false };
    let finder = memmem::Finder::new(boundary);
    let Some(first) = finder.find(body) else { return false };
    let mut rest = &body[first + boundary.len()..];
    while !rest.is_empty() {
        let end = finder.find(rest).unwrap_or(rest.len());
        part(rest[..end].strip_suffix(b"--").unwrap_or(&rest[..end]), out);
        rest = rest.get(end + boundary.len()..).unwrap_or_default();
    }
    true
}

/// The boundary that the content type names.
fn declared(kind: &[u8]) -> Option<&[u8]> {
    let at = kind.windows(9).position(|at| at.eq_ignore_ascii_case(b"boundary="))?;
    let word = kind[at + 9..].split(|&b| b == b';').next().unwrap_or_default().trim_ascii();
    let word = word
        .strip_prefix(b"\"")
        .map_or(word, |word| word.split(|&b| b == b'"').next().unwrap_or_default());
    (!word.is_empty()).then_some(word)
}

fn first_line(body: &[u8]) -> Option<&[u8]> {
    let line = body.split(|&b| b == b'\n').next()?.trim_ascii();
    line.strip_prefix(b"--").filter(|word| !word.is_empty() && word.len() <= 200)
}

fn part<'a, F: FnMut(Value<'a>)>(text: &'a [u8], out: &mut Out<'_, F>) {
    let near = &text[..text.len().min(HEAD_BYTES)];
    let blank = [&b"\r\n\r\n"[..], b"\n\n"]
        .iter()
        .filter_map(|gap| Some((memmem::find(near, gap)?, gap.len())))
        .min();
    let (head, content) = match blank {
        Some((at, gap)) => (&text[..at], &text[at + gap..]),
        None => (near, &text[near.len()..]),
    };
    let name = parameter(head, b"name=").unwrap_or_default();
    if !plain(name) {
        out.put(Place::Multipart, Part::Name, name, name);
    }
    for key in [&b"filename="[..], b"filename*="] {
        if let Some(file) = parameter(head, key) {
            out.value(Place::Multipart, b"filename", file);
        }
    }
    let content = content.strip_suffix(b"--").unwrap_or(content);
    out.value(Place::Multipart, name, content.strip_suffix(b"\r\n").unwrap_or(content));
}

/// The value of the parameter `key` of a part's head, as far as its line goes: a quote inside a file name must not
/// hide the rest of it.
fn parameter<'a>(head: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    let at = (0..head.len()).find(|&at| {
        let starts =
            head.len() - at >= key.len() && head[at..at + key.len()].eq_ignore_ascii_case(key);
        starts
            && at
                .checked_sub(1)
                .is_none_or(|before| matches!(head[before], b' ' | b';' | b'\t' | b'\n'))
    })?;
    let line =
        head[at + key.len()..].split(|&b| b == b'\n').next().unwrap_or_default().trim_ascii();
    let Some(quoted) = line.strip_prefix(b"\"") else {
        return line.split(|&b| b == b';').next();
    };
    let next = memmem::find(quoted, b"\"; ").or_else(|| memmem::find(quoted, b"\";"));
    let end = next.or_else(|| quoted.iter().rposition(|&b| b == b'"')).unwrap_or(quoted.len());
    Some(&quoted[..end])
}
