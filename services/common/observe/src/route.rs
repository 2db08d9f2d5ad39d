//! What a uri names: its path, the route that path means, and the parts of its query.

use std::borrow::Cow;

/// Most parts a query is split into; the last one carries all that is left, so that nothing hides behind it.
pub const QUERY_PARTS_MAX: usize = 128;

/// The path of a uri as it was sent, without query and fragment; that of an absolute uri too. Never empty.
pub fn path(uri: &str) -> &str {
    let (uri, _) = split_query(uri);
    let path = match uri.split_once("://") {
        Some((scheme, rest)) if is_scheme(scheme) => {
            rest.find('/').map_or("", |start| &rest[start..])
        }
        _ => uri,
    };
    if path.is_empty() { "/" } else { path }
}

/// The route that `uri` means: its path percent-decoded once, repeated slashes and dot segments resolved, without
/// a slash at the end. Case is kept, because servers do.
///
/// Servers answer `/login`, `//login` and `/x/../login/` alike, so a rule about a route must see them as one.
pub fn route(uri: &str) -> String {
    let decoded = percent_decoded(path(uri));
    let mut segments: Vec<&str> = Vec::new();
    for segment in decoded.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            _ => segments.push(segment),
        }
    }
    format!("/{}", segments.join("/"))
}

/// The query of a uri as it was sent; empty where there is none.
pub fn query(uri: &str) -> &str {
    split_query(uri).1
}

/// The parts of a uri's query, as (name, value), both as they were sent.
///
/// At most [`QUERY_PARTS_MAX`]; the value of the last is the whole rest. A part without `=` has an empty value.
pub fn query_parts(uri: &str) -> impl Iterator<Item = (&str, &str)> {
    query(uri)
        .splitn(QUERY_PARTS_MAX, '&')
        .filter(|part| !part.is_empty())
        .map(|part| part.split_once('=').unwrap_or((part, "")))
}

/// `text` with each `%XX` decoded once. What is not UTF-8 then is replaced; a `%` without two digits stays.
pub fn percent_decoded(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while index < bytes.len() {
        let pair = bytes.get(index + 1..index + 3).filter(|_| bytes[index] == b'%');
        match pair.and_then(|pair| Some(hex(pair[0])? << 4 | hex(pair[1])?)) {
            Some(byte) => {
                decoded.push(byte);
                index += 3;
            }
            None => {
                decoded.push(bytes[index]);
                index += 1;
            }
        }
    }
    match String::from_utf8_lossy(&decoded) {
        Cow::Borrowed(text) => Cow::Owned(text.to_owned()),
        Cow::Owned(text) => Cow::Owned(text),
    }
}

fn split_query(uri: &str) -> (&str, &str) {
    let uri = uri.split_once('#').map_or(uri, |(uri, _)| uri);
    uri.split_once('?').unwrap_or((uri, ""))
}

fn is_scheme(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}
