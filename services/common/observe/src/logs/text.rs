//! The pieces that access logs share: addresses, request lines, quoted fields and their escapes.

use std::borrow::Cow;
use std::net::IpAddr;

use memchr::{memchr, memchr2};
use schemas::Activity;
use schemas::observable::canonical_address;

use crate::client::hop_address;
use crate::observation::{Dead, Observation};
use crate::{Trusted, client_address};

/// Longest method; what is longer is no method.
const METHOD_BYTES_MAX: usize = 32;
/// Longest excerpt of a line in a reason.
const EXCERPT_BYTES_MAX: usize = 80;

/// A request of `peer`, or of whom it asks for if it is a trusted proxy.
pub(super) fn request_of(
    peer: IpAddr,
    forwarded_for: Option<&str>,
    trusted: &Trusted,
) -> Observation {
    let client = client_address(peer, forwarded_for, trusted);
    Observation::new(Activity::HttpRequest, client.address, client.provenance)
}

/// `bytes` as text; what is not UTF-8 is replaced. Nearly all of it is, which is told faster than replaced.
pub(super) fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

/// An address as servers write it, with or without port, brackets and zone.
pub(crate) fn address(text: &str) -> Result<IpAddr, Dead> {
    hop_address(text)
        .map(canonical_address)
        .ok_or_else(|| Dead::no_address(format!("'{}' is not an address", excerpt(text))))
}

/// An address that a port always follows, as in `::1:37752`.
pub(super) fn address_and_port(text: &str) -> Result<IpAddr, Dead> {
    let (address_text, port) = text.rsplit_once(':').unwrap_or((text, ""));
    match port.parse::<u16>() {
        Ok(_) => address(address_text),
        Err(_) => {
            Err(Dead::no_address(format!("'{}' is not an address and a port", excerpt(text))))
        }
    }
}

/// Puts method and uri of a request line into `observation`; `undo` takes the server's own escapes away.
pub(super) fn set_request<'a>(
    observation: &mut Observation,
    line: &'a str,
    undo: impl FnOnce(&'a str) -> Cow<'a, str>,
) {
    let (method, uri) = split_request(line);
    observation.method = method.to_owned();
    observation.uri = undo(uri).into_owned();
}

/// Method and uri of `GET /a?b=c HTTP/1.1`. What is no request line is all uri: it is what was asked for. A line of
/// nothing but dashes is a request that never came, as servers write it: `-`, `- - -`, `- - HTTP/1.1`.
pub(super) fn split_request(line: &str) -> (&str, &str) {
    let (method, uri) = match line.split_once(' ').filter(|(method, _)| is_method(method)) {
        Some((method, rest)) => {
            let uri = rest.rsplit_once(' ').filter(|(_, protocol)| protocol.starts_with("HTTP/"));
            (method, uri.map_or(rest, |(uri, _)| uri))
        }
        None => ("", line),
    };
    let came = |part: &str| part.bytes().any(|byte| !matches!(byte, b'-' | b' '));
    if came(method) || came(uri) { (method, uri) } else { ("", "") }
}

fn is_method(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphabetic() || matches!(byte, b'-' | b'_');
    (1..=METHOD_BYTES_MAX).contains(&text.len()) && text.bytes().all(allowed)
}

/// A status, or nothing where the log has none.
pub(super) fn status(text: &str) -> Option<i32> {
    text.parse().ok().filter(|status| (100..1_000).contains(status))
}

/// A field's text, or nothing where the log has `-` or nothing.
pub(super) fn field(text: &str) -> Option<String> {
    present(text).map(|text| unescaped(text).into_owned())
}

pub(crate) fn present(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty() && *text != "-")
}

/// The inside of the quoted field that `text` begins with, and what follows it. A quote after `\` does not end it.
pub(super) fn quoted(text: &str) -> Option<(&str, &str)> {
    let inside = text.strip_prefix('"')?;
    let end = unescaped_quote(inside)?;
    Some((&inside[..end], &inside[end + 1..]))
}

/// Where the first quote stands that no `\` escapes.
pub(super) fn unescaped_quote(text: &str) -> Option<usize> {
    let mut from = 0;
    loop {
        let found = from + memchr2(b'"', b'\\', &text.as_bytes()[from..])?;
        if text.as_bytes()[found] == b'"' {
            return Some(found);
        }
        // What follows the backslash may be several bytes long.
        from = found + 1 + text[found + 1..].chars().next()?.len_utf8();
    }
}

/// `text` with `\xHH`, `\"`, `\\` and the likes of `\t` as the bytes they stand for, as nginx and Apache escape. Other
/// backslashes stay: not every server escapes, and a path of Windows has them. So a letter counts only where every
/// backslash of the text is an escape, as it is wherever the server escapes backslashes too.
pub(super) fn unescaped(text: &str) -> Cow<'_, str> {
    if memchr(b'\\', text.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    let letters = escapes_all(text);
    undone(text, b'\\', |after| {
        escape(after).filter(|_| letters || matches!(after, [b'x' | b'"' | b'\\', ..]))
    })
}

/// `text` with the escapes of JSON undone, as nginx writes them under `escape=json`: there `\u00XX` is a control
/// character and everything else of more than one byte stays as it is.
pub(super) fn unescaped_json(text: &str) -> Cow<'_, str> {
    undone(text, b'\\', |after| match after {
        [b'u', b'0', b'0', high, low, ..] => {
            hex(*high, *low).filter(u8::is_ascii).map(|byte| (byte, 5))
        }
        [b'/', ..] => Some((b'/', 1)),
        _ => escape(after),
    })
}

/// `text` with each escape that begins with `mark` as the byte it stands for. `escape` says which byte that is, and how
/// many bytes after the mark it takes.
pub(super) fn undone(
    text: &str,
    mark: u8,
    escape: impl Fn(&[u8]) -> Option<(u8, usize)>,
) -> Cow<'_, str> {
    if memchr(mark, text.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let escaped = if *first == mark { escape(after) } else { None };
        let (byte, taken) = escaped.unwrap_or((*first, 0));
        bytes.push(byte);
        rest = &after[taken..];
    }
    match String::from_utf8(bytes) {
        Ok(text) => Cow::Owned(text),
        Err(error) => Cow::Owned(String::from_utf8_lossy(error.as_bytes()).into_owned()),
    }
}

/// The byte that stands after a backslash in a log of Apache's, and how many bytes it takes there.
fn escape(after: &[u8]) -> Option<(u8, usize)> {
    let byte = match after {
        [b'x', high, low, ..] => return hex(*high, *low).map(|byte| (byte, 3)),
        [own @ (b'"' | b'\\'), ..] => *own,
        [b'b', ..] => 0x08,
        [b't', ..] => b'\t',
        [b'n', ..] => b'\n',
        [b'v', ..] => 0x0B,
        [b'f', ..] => 0x0C,
        [b'r', ..] => b'\r',
        _ => return None,
    };
    Some((byte, 1))
}

/// Whether every backslash of `text` begins an escape.
fn escapes_all(text: &str) -> bool {
    let mut rest = text.as_bytes();
    while let Some(found) = memchr(b'\\', rest) {
        let after = &rest[found + 1..];
        let Some((_, taken)) = escape(after) else { return false };
        rest = &after[taken..];
    }
    true
}

/// The byte of two hexadecimal digits.
pub(super) fn hex(high: u8, low: u8) -> Option<u8> {
    let digit = |digit: u8| char::from(digit).to_digit(16);
    Some((digit(high)? << 4 | digit(low)?) as u8)
}

/// The first word of `text` and what follows the space after it.
pub(super) fn word(text: &str) -> Option<(&str, &str)> {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    if word.is_empty() { None } else { Some((word, rest)) }
}

/// A short piece of a line for a reason.
pub(super) fn excerpt(text: &str) -> &str {
    crate::observation::cut(text, EXCERPT_BYTES_MAX)
}
