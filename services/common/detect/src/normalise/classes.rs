//! What each byte is, in one table, so that a value that needs no decoding is known in one pass.

use crate::request::{Part, Place, Value};

/// Cannot stand as it is in a text: the value needs the long way.
pub(super) const DECODE: u64 = 1;
pub(super) const PLUS: u64 = 1 << 1;
pub(super) const AMPERSAND: u64 = 1 << 2;
pub(super) const SLASH: u64 = 1 << 3;
/// May make the view for SQL differ.
pub(super) const SQL: u64 = 1 << 4;
/// May make the view for a shell differ.
pub(super) const SHELL: u64 = 1 << 5;
/// May make the view for a path differ, alone.
pub(super) const PATH: u64 = 1 << 6;
/// A digit of base64, in either alphabet. The highest bit, so that a shift makes a mask of it.
const BASE64: u64 = 1 << 63;

const NOT_IN_PATH: u64 = 1 << 8;
const NOT_IN_QUERY: u64 = 1 << 9;
const NOT_IN_AGENT: u64 = 1 << 10;
const NOT_IN_REFERER: u64 = 1 << 11;
const NOT_IN_HOP: u64 = 1 << 12;
const NOWHERE: u64 = NOT_IN_PATH | NOT_IN_QUERY | NOT_IN_AGENT | NOT_IN_REFERER | NOT_IN_HOP;

/// Two blanks.
pub(super) const BLANKS: u64 = 1 << 16;
/// Two slashes.
pub(super) const SLASHES: u64 = 1 << 17;
/// Two dots.
pub(super) const DOTS: u64 = 1 << 18;
/// A dot behind a slash.
pub(super) const SLASH_DOT: u64 = 1 << 19;
/// A capital behind a small letter.
pub(super) const RISE: u64 = 1 << 20;
/// `0x`.
const NUMBER: u64 = 1 << 21;

/// The class of each byte, and in which pairs it may be the second; in the second table `/` is no digit of base64.
static CLASS: [[u64; 256]; 2] = [table(b"/"), table(b"")];
/// In which pairs each byte may be the first.
static FIRST: [u64; 256] = first();

/// What one pass over some bytes found.
#[derive(Clone, Copy)]
pub(super) struct Seen {
    /// Classes of single bytes.
    pub(super) any: u64,
    /// Pairs that stood next to one another.
    pub(super) pairs: u64,
    /// Lengths of the runs of base64 digits, all in one: not less than the longest.
    runs: u64,
}

impl Seen {
    #[inline(never)]
    /// Looks every byte up once. `slash` says whether `/` is a digit of base64.
    pub(super) fn new(bytes: &[u8], slash: bool) -> Self {
        let table = &CLASS[usize::from(!slash)];
        let mut seen = Self { any: 0, pairs: 0, runs: 0 };
        let (mut before, mut run) = (0, 0);
        for &byte in bytes {
            let class = table[usize::from(byte)];
            seen.any |= class;
            seen.pairs |= class & before;
            before = FIRST[usize::from(byte)];
            run = (run + 1) & (class as i64 >> 63) as u64;
            seen.runs |= run;
        }
        seen
    }

    /// Nothing but bytes that are ordinary where `value` stood.
    pub(super) fn ordinary(&self, value: &Value<'_>) -> bool {
        self.any & extraordinary(value) == 0
    }

    /// Whether there is `0x`, or a run of `least` base64 digits (a power of two).
    pub(super) fn may_encode(&self, least: usize) -> bool {
        self.pairs & NUMBER != 0 || self.runs >= least as u64
    }
}

/// Which bytes a quiet reading of a value at `place` may have in its text.
pub(super) fn quiet(place: Place) -> [bool; 256] {
    let value = |place, name| Value { place, part: Part::Value, name, raw: b"" };
    // A header may be one whose value is a list, and what is encoded inside is read as a body.
    let kinds = [value(place, b""), value(place, b"accept"), value(Place::Body, b"")];
    let bits = kinds.map(|value| extraordinary(&value));
    let mut bytes = [false; 256];
    for byte in 0..=u8::MAX {
        let class = CLASS[0][usize::from(byte)];
        let folded = if byte <= b' ' { b' ' } else { byte.to_ascii_lowercase() };
        bytes[usize::from(folded)] |= bits.iter().any(|bit| class & bit == 0);
    }
    bytes
}

/// Whether `byte` is a digit of base64; `slash` says whether `/` is one.
pub(super) fn digit(byte: u8, slash: bool) -> bool {
    CLASS[usize::from(!slash)][usize::from(byte)] & BASE64 != 0
}

const fn add(mut table: [u64; 256], bytes: &[u8], bits: u64) -> [u64; 256] {
    let mut at = 0;
    while at < bytes.len() {
        table[bytes[at] as usize] |= bits;
        at += 1;
    }
    table
}

const fn remove(mut table: [u64; 256], bytes: &[u8], bits: u64) -> [u64; 256] {
    let mut at = 0;
    while at < bytes.len() {
        table[bytes[at] as usize] &= !bits;
        at += 1;
    }
    table
}

const fn table(more: &[u8]) -> [u64; 256] {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let byte = at as u8;
        table[at] = if byte.is_ascii_lowercase() {
            BASE64
        } else if byte.is_ascii_uppercase() {
            BASE64 | RISE
        } else if byte.is_ascii_digit() {
            BASE64
        } else if byte >= 0x80 {
            DECODE
        } else if byte < 0x20 || byte == 0x7f {
            DECODE | NOWHERE
        } else {
            NOWHERE
        };
        at += 1;
    }
    table = remove(table, b"\t\n\r ", NOWHERE);
    table = add(table, b"%\\", DECODE);
    table = add(table, b" ", BLANKS);
    table = add(table, b"/", SLASH | SLASHES);
    table = add(table, b".", DOTS | SLASH_DOT);
    table = add(table, b"x", NUMBER);
    table = add(table, b"+", PLUS);
    table = add(table, b"&", AMPERSAND);
    table = add(table, b"+-_", BASE64);
    table = add(table, more, BASE64);
    table = add(table, b"'\"*", SQL);
    table = add(table, b"'\"\\$^`{", SHELL);
    table = add(table, b"\\;", PATH);
    table = remove(table, b"/._-~,:@+", NOT_IN_PATH);
    table = remove(table, b"/._-~,:@+!?", NOT_IN_QUERY);
    table = remove(table, b"/._-~,:@+();", NOT_IN_AGENT);
    table = remove(table, b"/._-~,:@+?&=", NOT_IN_REFERER);
    remove(table, b"/._-~,:@+();*=\"?", NOT_IN_HOP)
}

const fn first() -> [u64; 256] {
    let table = add([0; 256], b"abcdefghijklmnopqrstuvwxyz", RISE);
    let table = add(table, b" ", BLANKS);
    let table = add(table, b"/", SLASHES | SLASH_DOT);
    let table = add(table, b".", DOTS);
    add(table, b"0", NUMBER)
}

/// The bit that says "not ordinary where this value stood".
fn extraordinary(value: &Value<'_>) -> u64 {
    match value.place {
        Place::Path | Place::Segment => NOT_IN_PATH,
        Place::Query
        | Place::Form
        | Place::Json
        | Place::Xml
        | Place::Multipart
        | Place::Cookie
        | Place::Body => NOT_IN_QUERY,
        Place::Agent => NOT_IN_AGENT,
        Place::Referer if value.name.is_empty() => NOT_IN_REFERER,
        Place::Referer => NOT_IN_QUERY,
        Place::Header if structural(value.name) => NOT_IN_HOP,
        Place::Header => NOT_IN_AGENT,
    }
}

/// Headers whose value is a list with parameters by their grammar, not free text.
pub(crate) fn structural(name: &[u8]) -> bool {
    const PREFIXES: &[&[u8]] = &[
        b"accept",
        b"cache-control",
        b"connection",
        b"content-",
        b"if-",
        b"keep-alive",
        b"pragma",
        b"prefer",
        b"priority",
        b"range",
        b"sec-",
        b"te",
        b"transfer-encoding",
    ];
    PREFIXES.iter().any(|p| {
        name.len() >= p.len()
            && name[..p.len()].eq_ignore_ascii_case(p)
            && (p.len() > 2 || name.len() == 2)
    })
}
