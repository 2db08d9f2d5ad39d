//! A request as the values it is made of.

mod binary;
mod disposition;
pub(crate) mod json;
mod multipart;
mod out;
mod pairs;
mod window;
mod xml;

use crate::request::{Header, Part, Place, Request, Value};
use memchr::{memchr, memmem};
use out::{Out, Pass};

/// Most values read of one request; the rest is counted as not read.
pub const VALUES_MAX: usize = 256;
/// The last quarter is kept for what is more than a plain word: padding with words must not hide a payload.
pub const VALUES_ODD: usize = VALUES_MAX / 4;
/// Most values up to the end of the path, and up to the end of the headers.
const PATH_VALUES_MAX: usize = 48;
const HEAD_VALUES_MAX: usize = 96;
/// What is kept for the cookies, the body and the pairs of a referer, where there are any: what comes before may not crowd
/// them out.
const COOKIE_VALUES: usize = 32;
const BODY_VALUES: usize = 64;
const REFERER_VALUES: usize = 16;
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
    if out.full {
        out.again(Pass::Left);
        values(request, &mut out);
    }
    if out.long {
        out.again(Pass::Rest);
        values(request, &mut out);
    }
    out.unread
}

/// What is one value each comes first, and each group leaves room for those after it: many values in one place may not
/// hide what stands at another. What they leave of it is for the values that found no room.
fn values<'a, F: FnMut(Value<'a>)>(request: &Request<'a>, out: &mut Out<'_, F>) {
    out.at_most(PATH_VALUES_MAX);
    let query = path(request, out);
    out.at_most(HEAD_VALUES_MAX);
    if let Some(agent) = request.agent {
        out.value(Place::Agent, b"", agent);
    }
    if let Some(referer) = request.referer {
        out.value(Place::Referer, b"", referer);
    }
    let mut kind: &[u8] = b"";
    let named = |header: &Header<'_>, name: &[u8]| header.name.eq_ignore_ascii_case(name);
    for header in request.headers.iter().filter(|header| !named(header, b"cookie")) {
        if named(header, b"content-type") {
            kind = header.value;
        }
        one_header(header, out);
    }
    let content = request.body.filter(|bytes| !bytes.is_empty());
    let cookies = || request.headers.iter().filter(|header| named(header, b"cookie"));
    let referers = request.headers.iter().filter(|header| named(header, b"referer"));
    let referers = || referers.clone().map(|header| header.value).chain(request.referer);
    let keep = |there: bool, values: usize| if there { values } else { 0 };
    let last = VALUES_MAX - keep(referers().next().is_some(), REFERER_VALUES);
    let body_from = last - keep(content.is_some(), BODY_VALUES);
    out.at_most(body_from - keep(cookies().next().is_some(), COOKIE_VALUES));
    pairs::pairs(query, Place::Query, out);
    out.at_most(body_from);
    cookies().for_each(|header| pairs::cookies(header.value, out));
    out.at_most(last);
    if let Some(bytes) = content {
        body(kind, bytes, out);
    }
    out.at_most(VALUES_MAX);
    for referer in referers() {
        if let Some(at) = memchr(b'?', referer) {
            pairs::pairs(&referer[at + 1..], Place::Referer, out);
        }
    }
}

/// Hands out the path and its odd segments; answers the query. An absolute target is handed out as sent besides, for its
/// address may be the attack, and its host like the header that servers read it in place of (RFC 9112, 3.2.2).
fn path<'a, F: FnMut(Value<'a>)>(request: &Request<'a>, out: &mut Out<'_, F>) -> &'a [u8] {
    let target = request.target();
    let (path, query) = parted(target.origin);
    out.value(Place::Path, b"", path);
    if let Some(host) = target.host {
        out.value(Place::Path, b"", parted(request.uri).0);
        out.value(Place::Header, b"host", host);
    }
    if !path.iter().all(|&b| segment_byte(b) || b == b'/') {
        for segment in path.split(|&b| b == b'/') {
            if !segment.iter().all(|&b| segment_byte(b)) {
                out.value(Place::Segment, b"", segment);
            }
        }
    }
    query
}

/// What stands before the query, and the query.
fn parted(target: &[u8]) -> (&[u8], &[u8]) {
    match memchr(b'?', target) {
        Some(at) => (&target[..at], &target[at + 1..]),
        None => (target, &target[..0]),
    }
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

fn one_header<'a, F: FnMut(Value<'a>)>(header: &Header<'a>, out: &mut Out<'_, F>) {
    let Header { name, value } = *header;
    let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
    if is(b"referer") {
        out.value(Place::Referer, b"", value);
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
