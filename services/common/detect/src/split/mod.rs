//! A request as the values it is made of.

pub(crate) mod json;
mod multipart;
mod out;
mod pairs;
mod xml;

use crate::request::{Header, Part, Place, Request, Value};
use memchr::{memchr, memmem};
use out::Out;

/// Most values read of one request; the rest is counted as not read.
pub const VALUES_MAX: usize = 256;
/// Values after this many are read only if they are more than a plain word: padding with words must not hide a payload.
pub const VALUES_PLAIN_MAX: usize = 192;
/// Most windows read of one request beyond the first of each value.
pub const WINDOWS_MAX: usize = 64;
/// A value is read in windows of this size, each beginning before the end of the one before it.
pub const WINDOW_BYTES: usize = 2048;
pub const WINDOW_OVERLAP_BYTES: usize = 128;

/// Calls `each` with every window of every value of `request`, in a fixed order, within the limits above. Answers how
/// many windows were not read. The first window of every value comes before the second of any.
pub fn split<'a>(request: &Request<'a>, mut each: impl FnMut(Value<'a>)) -> usize {
    let mut out = Out::new(&mut each);
    values(request, &mut out);
    if out.long {
        out.again();
        values(request, &mut out);
    }
    out.unread
}

fn values<'a, F: FnMut(Value<'a>)>(request: &Request<'a>, out: &mut Out<'_, F>) {
    uri(request.uri, out);
    if let Some(agent) = request.agent {
        out.value(Place::Agent, b"", agent);
    }
    if let Some(value) = request.referer {
        referer(value, out);
    }
    let mut kind: &[u8] = b"";
    for header in request.headers {
        if header.name.eq_ignore_ascii_case(b"content-type") {
            kind = header.value;
        }
        one_header(header, out);
    }
    if let Some(bytes) = request.body.filter(|bytes| !bytes.is_empty()) {
        body(kind, bytes, out);
    }
}

fn uri<'a, F: FnMut(Value<'a>)>(uri: &'a [u8], out: &mut Out<'_, F>) {
    let (path, query) = match memchr(b'?', uri) {
        Some(at) => (&uri[..at], &uri[at + 1..]),
        None => (uri, &uri[..0]),
    };
    out.value(Place::Path, b"", path);
    if !path.iter().all(|&b| segment_byte(b) || b == b'/') {
        for segment in path.split(|&b| b == b'/') {
            if !segment.iter().all(|&b| segment_byte(b)) {
                out.value(Place::Segment, b"", segment);
            }
        }
    }
    pairs::pairs(query, Place::Query, out);
}

fn segment_byte(byte: u8) -> bool {
    SEGMENT[usize::from(byte)]
}

/// The bytes of ordinary segments.
static SEGMENT: [bool; 256] = {
    let (mut segment, mut at) = ([false; 256], 0);
    while at < 256 {
        let byte = at as u8;
        segment[at] = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
        at += 1;
    }
    segment
};

fn referer<'a, F: FnMut(Value<'a>)>(value: &'a [u8], out: &mut Out<'_, F>) {
    out.value(Place::Referer, b"", value);
    if let Some(at) = memchr(b'?', value) {
        pairs::pairs(&value[at + 1..], Place::Referer, out);
    }
}

fn one_header<'a, F: FnMut(Value<'a>)>(header: &Header<'a>, out: &mut Out<'_, F>) {
    let Header { name, value } = *header;
    let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
    if is(b"cookie") {
        pairs::cookies(value, out);
    } else if is(b"referer") {
        referer(value, out);
    } else if is(b"user-agent") {
        out.value(Place::Agent, b"", value);
    } else {
        if !name.iter().all(|&b| segment_byte(b)) {
            out.put(Place::Header, Part::Name, name, name);
        }
        out.value(Place::Header, name, value);
    }
}

/// The form of a body, by what the content type says and, where that says little or is wrong, by how it begins.
fn body<'a, F: FnMut(Value<'a>)>(kind: &[u8], bytes: &'a [u8], out: &mut Out<'_, F>) {
    let says = |word: &[u8]| kind.windows(word.len()).any(|at| at.eq_ignore_ascii_case(word));
    let head = bytes.trim_ascii_start();
    let braced = matches!(head.first(), Some(b'{' | b'['));
    if says(b"multipart/") && multipart::parts(kind, bytes, out) {
        return;
    }
    if says(b"json") || braced {
        if json::well_formed(bytes) {
            json::leaves(bytes, out);
        } else {
            out.value(Place::Body, b"", bytes);
        }
        return;
    }
    let declared = head.starts_with(b"<?xml")
        || head.len() > 8 && head[..9].eq_ignore_ascii_case(b"<!doctype");
    let tagged = head.first() == Some(&b'<') && memmem::find(head, b"</").is_some();
    if says(b"xml") || declared || tagged {
        xml::texts(bytes, out);
    } else if says(b"x-www-form-urlencoded") || pairs::form_like(bytes) {
        pairs::pairs(bytes, Place::Form, out);
    } else {
        out.value(Place::Body, b"", bytes);
    }
}
