//! The texts of a request as an attacked server would see them: decoded, in lower case, in buffers that are reused.
//!
//! Values are decoded up to twice, because what is encoded twice is only ever meant to be decoded twice.

use observe::route;

/// One text of a request, normalised.
#[derive(Debug, Clone, Copy)]
pub struct Text<'a> {
    /// The path, or which part of the query.
    pub part: Part,
    pub bytes: &'a [u8],
    /// A dot was written in a way that no ordinary client writes it.
    pub dot_encoded: bool,
    /// A slash was written as an escape.
    pub slash_encoded: bool,
    /// Only a second decoding gave this text.
    pub decoded_twice: bool,
}

/// Where a text stood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Path,
    /// The n-th part of the query, name and value together: a payload may stand in either.
    Query(usize),
}

/// Buffers for the texts of one request at a time.
#[derive(Debug, Default)]
pub struct Texts {
    bytes: Vec<u8>,
    found: Vec<Found>,
}

#[derive(Debug, Clone, Copy)]
struct Found {
    part: Part,
    start: usize,
    end: usize,
    marks: Marks,
}

#[derive(Debug, Clone, Copy, Default)]
struct Marks {
    dot: bool,
    slash: bool,
    twice: bool,
}

impl Texts {
    /// Replaces what was held by the texts of `uri`.
    pub fn read(&mut self, uri: &str) {
        self.bytes.clear();
        self.found.clear();
        self.add(Part::Path, route::path(uri), None);
        for (index, (name, value)) in route::query_parts(uri).enumerate() {
            self.add(Part::Query(index), name, Some(value));
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = Text<'_>> {
        self.found.iter().map(|found| Text {
            part: found.part,
            bytes: &self.bytes[found.start..found.end],
            dot_encoded: found.marks.dot,
            slash_encoded: found.marks.slash,
            decoded_twice: found.marks.twice,
        })
    }

    fn add(&mut self, part: Part, text: &str, value: Option<&str>) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(text.as_bytes());
        if let Some(value) = value {
            self.bytes.push(b'=');
            self.bytes.extend_from_slice(value.as_bytes());
            // A plus is a space in a query only, and only before percent-decoding.
            for byte in self.bytes[start..].iter_mut().filter(|byte| **byte == b'+') {
                *byte = b' ';
            }
        }
        let mut marks = Marks::default();
        if decode_in_place(&mut self.bytes, start, &mut marks) {
            marks.twice = decode_in_place(&mut self.bytes, start, &mut marks);
        }
        fold_in_place(&mut self.bytes, start, &mut marks);
        self.found.push(Found { part, start, end: self.bytes.len(), marks });
    }
}

/// The part of a uri that a text came from, as (place, value is a secret).
pub fn place(uri: &str, part: Part) -> (String, bool) {
    match part {
        Part::Path => ("path".to_owned(), false),
        Part::Query(index) => {
            let name = route::query_parts(uri).nth(index).map_or("", |(name, _)| name);
            let name = route::percent_decoded(name).to_lowercase();
            let short: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
            (format!("query:{short}"), secret(&name))
        }
    }
}

/// Whether a parameter of this name carries something that must not be quoted.
pub fn secret(name: &str) -> bool {
    ["pass", "pwd", "secret", "token", "credential", "api_key", "apikey", "session", "otp"]
        .iter()
        .any(|word| name.contains(word))
}

/// Decodes each `%XX` from `start` on. Whether there was any.
fn decode_in_place(bytes: &mut Vec<u8>, start: usize, marks: &mut Marks) -> bool {
    let Some(first) = bytes[start..].iter().position(|byte| *byte == b'%') else { return false };
    let (mut read, mut write) = (start + first, start + first);
    let mut decoded_any = false;
    while read < bytes.len() {
        let pair = if bytes[read] == b'%' { bytes.get(read + 1..read + 3) } else { None };
        match pair.and_then(|pair| Some(hex(pair[0])? << 4 | hex(pair[1])?)) {
            Some(decoded) => {
                marks.dot |= decoded == b'.';
                marks.slash |= matches!(decoded, b'/' | b'\\');
                bytes[write] = decoded;
                read += 3;
                decoded_any = true;
            }
            None => {
                bytes[write] = bytes[read];
                read += 1;
            }
        }
        write += 1;
    }
    bytes.truncate(write);
    decoded_any
}

/// Lower case, every blank and control a space, and the overlong forms of `.`, `/` and `\` as what they stand for.
fn fold_in_place(bytes: &mut Vec<u8>, start: usize, marks: &mut Marks) {
    let (mut read, mut write) = (start, start);
    while read < bytes.len() {
        let (folded, taken) = match (bytes[read], bytes.get(read + 1)) {
            (0xC0, Some(0xAE)) => (b'.', 2),
            (0xC0, Some(0xAF)) => (b'/', 2),
            (0xC1, Some(0x9C)) => (b'\\', 2),
            (byte, _) if byte.is_ascii_control() => (b' ', 1),
            (byte, _) => (byte.to_ascii_lowercase(), 1),
        };
        marks.dot |= taken == 2;
        bytes[write] = folded;
        read += taken;
        write += 1;
    }
    bytes.truncate(write);
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(uri: &str, expected: &[&str]) {
        let mut texts = Texts::default();
        texts.read("/an/earlier?request=that+must+leave+nothing");
        texts.read(uri);
        let found: Vec<_> =
            texts.iter().map(|text| String::from_utf8_lossy(text.bytes).into_owned()).collect();
        assert_eq!(found, expected, "{uri}");
    }

    #[test]
    fn texts_are_what_the_server_would_see() {
        check("/", &["/"]);
        check("/A?Q=O%27Brien", &["/a", "q=o'brien"]);
        check("/a+b?c=d+e%2Bf", &["/a+b", "c=d e+f"]);
        check("/%252e%252e/", &["/../"]);
        check("/%c0%ae%c0%ae/", &["/../"]);
        check("/x?a=%&b=%zz&c=%4", &["/x", "a=%", "b=%zz", "c=%4"]);
        check("/x?a=1%0a%09or", &["/x", "a=1  or"]);
        check("/x?lonely", &["/x", "lonely="]);
        check("/x?a=%25252e", &["/x", "a=%2e"]);
    }
}
