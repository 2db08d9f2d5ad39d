//! Parts of a multipart body: names, file names and contents.

use super::binary;
use super::disposition;
use super::out::{Out, plain};
use crate::request::{Part, Place, Value};
use memchr::{memchr2_iter, memmem};

/// How much of a part may be its head.
const HEAD_BYTES: usize = 2048;
/// Longest boundary (RFC 2046 allows 70).
const BOUNDARY_MAX: usize = 200;

/// Hands out the parts; answers whether the boundary was found at all.
pub(super) fn parts<'a, F: FnMut(Value<'a>)>(
    kind: &[u8],
    body: &'a [u8],
    out: &mut Out<'_, F>,
) -> bool {
    let found = |word: &&[u8]| delimiter(word, body, 0).is_some();
    let boundary = declared(kind).filter(found).or_else(|| first_line(body));
    let Some(boundary) = boundary else { return false };
    let Some((first, mut start)) = delimiter(boundary, body, 0) else { return false };
    out.value(Place::Multipart, b"", body[..first].trim_ascii());
    while start < body.len() {
        let (end, next) = delimiter(boundary, body, start).unwrap_or((body.len(), body.len()));
        part(&body[start..end], out);
        start = next;
    }
    true
}

/// Where the next delimiter begins and ends: two dashes and the boundary, at the beginning of a line that says no more.
/// Of every line its first bytes are compared once, and behind those only blanks are passed over.
fn delimiter(boundary: &[u8], body: &[u8], from: usize) -> Option<(usize, usize)> {
    let breaks = memchr2_iter(b'\n', b'\r', &body[from..]).map(|at| from + at + 1);
    (from == 0).then_some(0).into_iter().chain(breaks).find_map(|begin| {
        let behind = body[begin..].strip_prefix(b"--")?.strip_prefix(boundary)?;
        let next = behind.iter().find(|byte| !matches!(byte, b' ' | b'\t' | 0x0c));
        let whole = behind.starts_with(b"--") || matches!(next, None | Some(b'\n' | b'\r'));
        whole.then(|| (begin, body.len() - behind.len()))
    })
}

/// The boundary that the content type names.
fn declared(kind: &[u8]) -> Option<&[u8]> {
    let begins = |at: &usize| *at == 0 || matches!(kind[at - 1], b';' | b' ' | b'\t');
    let named = |at: &usize| kind[*at..at + 9].eq_ignore_ascii_case(b"boundary=");
    let at = (0..kind.len().saturating_sub(8)).find(|at| begins(at) && named(at))?;
    let word = kind[at + 9..].split(|&b| b == b';').next().unwrap_or_default().trim_ascii();
    let word = word
        .strip_prefix(b"\"")
        .map_or(word, |word| word.split(|&b| b == b'"').next().unwrap_or_default());
    (!word.is_empty() && word.len() <= BOUNDARY_MAX).then_some(word)
}

fn first_line(body: &[u8]) -> Option<&[u8]> {
    let line = body.split(|&b| b == b'\n').next()?.trim_ascii();
    line.strip_prefix(b"--").filter(|word| !word.is_empty() && word.len() <= BOUNDARY_MAX)
}

/// What stands between two delimiters. Without an empty line it has no head that a server would read, and is one value.
fn part<'a, F: FnMut(Value<'a>)>(text: &'a [u8], out: &mut Out<'_, F>) {
    let near = &text[..text.len().min(HEAD_BYTES)];
    let gaps = [&b"\n\r\n"[..], b"\n\n", b"\r\r"];
    let blank = gaps.iter().filter_map(|gap| Some((memmem::find(near, gap)?, gap.len()))).min();
    let Some((at, gap)) = blank else {
        let rest = text.strip_prefix(b"--").unwrap_or(text);
        out.value(Place::Multipart, b"", rest.trim_ascii());
        return;
    };
    let (head, content) = (&text[..at], &text[at + gap..]);
    // What is no header of a part may be its content to a server that parts the lines in another way.
    let lines = head.split(|&b| b == b'\n').map(<[u8]>::trim_ascii);
    for line in lines.clone().filter(|line| !header(line)) {
        out.value(Place::Multipart, b"", line);
    }
    let named = |line: &&[u8]| {
        line.len() > DISPOSITION.len()
            && line[..DISPOSITION.len()].eq_ignore_ascii_case(DISPOSITION)
    };
    let (mut name, mut file): (&[u8], Option<bool>) = (b"", None);
    for head in lines.filter(named).map(|line| &line[DISPOSITION.len()..]) {
        let said = disposition::read(head);
        if !plain(said.name) {
            out.put(Place::Multipart, Part::Name, said.name, said.name);
        }
        disposition::file_names(head, |found| {
            out.put(Place::Multipart, Part::File, b"filename", found);
        });
        if name.is_empty() {
            name = said.name;
        }
        // Of two heads some servers take the last.
        file = Some(said.file && file.unwrap_or(true));
    }
    let content = content.strip_suffix(b"\n").unwrap_or(content);
    let content = content.strip_suffix(b"\r").unwrap_or(content);
    if !(file == Some(true) && alike(head) && binary::read(content, Place::Multipart, name, out)) {
        out.value(Place::Multipart, name, content);
    }
}

/// Whether all servers read the lines of a head alike. Some unfold those that begin with a blank, or pass over one in front
/// of a colon, and to them another head may be the one that counts.
fn alike(head: &[u8]) -> bool {
    head.split(|&b| b == b'\n').all(|line| {
        let name = line.split(|&b| b == b':').next().unwrap_or_default();
        line.trim_ascii().is_empty() || header(line) && !name.iter().any(u8::is_ascii_whitespace)
    })
}

const DISPOSITION: &[u8] = b"content-disposition:";

/// Whether a line of a part's head is a header of the kind that parts have.
fn header(line: &[u8]) -> bool {
    let content = line.len() >= 8 && line[..8].eq_ignore_ascii_case(b"content-");
    content && line.contains(&b':')
}
