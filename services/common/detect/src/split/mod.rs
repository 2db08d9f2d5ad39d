//! A request as the values it is made of.

mod binary;
pub(crate) mod json;
mod multipart;
mod out;
mod pairs;
mod window;
mod xml;

use crate::request::{Header, Part, Place, Request, Value};
use memchr::{memchr, memmem};
use out::Out;

/// Most values read of one request; the rest is counted as not read.
pub const VALUES_MAX: usize = 256;
/// The last so many are kept for what is more than a plain word: padding with words must not hide a payload.
pub const VALUES_ODD: usize = 64;
/// Most values up to the end of the query where cookies or a body follow, and up to the end of the cookies where a body
/// does: a query of many may not hide what comes after it.
const QUERY_VALUES_MAX: usize = 128;
const COOKIE_VALUES_MAX: usize = 192;
/// Most windows read of one request beyond the first of each value.
pub const WINDOWS_MAX: usize = 64;
/// A value is read in windows of this size, each beginning before the end of the one before it. A long run of blanks or
/// a comment counts as a few bytes.
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

/// What is one value each comes first: a query of many may not crowd it out.
fn values<'a, F: FnMut(Value<'a>)>(request: &Request<'a>, out: &mut Out<'_, F>) {
    let query = path(request.uri, out);
    if let Some(agent) = request.agent {
        out.value(Place::Agent, b"", agent);
    }
    if let Some(value) = request.referer {
        referer(value, out);
    }
    let mut kind: &[u8] = b"";
    let cookie = |header: &&Header<'_>| header.name.eq_ignore_ascii_case(b"cookie");
    for header in request.headers.iter().filter(|header| !cookie(header)) {
        if header.name.eq_ignore_ascii_case(b"content-type") {
            kind = header.value;
        }
        one_header(header, out);
    }
    let content = request.body.filter(|bytes| !bytes.is_empty());
    let cookies = request.headers.iter().any(|header| cookie(&header));
    out.at_most(if cookies || content.is_some() { QUERY_VALUES_MAX } else { VALUES_MAX });
    pairs::pairs(query, Place::Query, out);
    out.at_most(if content.is_some() { COOKIE_VALUES_MAX } else { VALUES_MAX });
    for header in request.headers.iter().filter(cookie) {
        pairs::cookies(header.value, out);
    }
    out.at_most(VALUES_MAX);
    if let Some(bytes) = content {
        body(kind, bytes, out);
    }
}

/// Hands out the path and its odd segments; answers the query.
fn path<'a, F: FnMut(Value<'a>)>(uri: &'a [u8], out: &mut Out<'_, F>) -> &'a [u8] {
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
    query
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
    if is(b"referer") {
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
    if says(b"multipart/") && multipart::parts(kind, bytes, out) {
        return;
    }
    let braced = matches!(head.first(), Some(b'{' | b'['));
    if (says(b"json") || braced) && json::well_formed(bytes) {
        json::leaves(bytes, out);
        return;
    }
    // Some programs send JSON and XML and say that it is a form; whoever reads it as a form finds pairs in anything.
    let form = says(b"x-www-form-urlencoded");
    let declared = head.starts_with(b"<?xml")
        || head.len() > 8 && head[..9].eq_ignore_ascii_case(b"<!doctype");
    let tagged = head.first() == Some(&b'<') && memmem::find(head, b"</").is_some();
    let xml = !says(b"json") && (says(b"xml") || declared || tagged);
    if xml {
        xml::texts(bytes, out);
    }
    if form || !xml && !says(b"json") && pairs::form_like(bytes) {
        pairs::pairs(bytes, Place::Form, out);
    } else if !xml && !binary::read(bytes, Place::Body, b"", out) {
        out.value(Place::Body, b"", bytes);
    }
}
