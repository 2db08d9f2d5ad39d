//! What each byte is, in one table, so that a value that needs no decoding is known in one pass.

use crate::request::{Place, Value};

pub(super) const LOWER: u32 = 1;
/// One bit above [`LOWER`]: "lower then upper" is found by one shift.
pub(super) const UPPER: u32 = 1 << 1;
pub(super) const SLASH: u32 = 1 << 2;
/// One bit above [`SLASH`], for the same reason.
pub(super) const DOT: u32 = 1 << 3;
/// Cannot stand as it is in a text: the value needs the long way.
pub(super) const DECODE: u32 = 1 << 4;
pub(super) const PLUS: u32 = 1 << 5;
pub(super) const BLANK: u32 = 1 << 6;
pub(super) const AMPERSAND: u32 = 1 << 7;
/// May make the view for SQL differ.
pub(super) const SQL: u32 = 1 << 8;
/// May make the view for a shell differ.
pub(super) const SHELL: u32 = 1 << 9;
/// May make the view for a path differ, alone.
pub(super) const PATH: u32 = 1 << 10;
/// A digit of base64, in either alphabet.
pub(super) const BASE64: u32 = 1 << 11;

const IN_PATH: u32 = 1 << 16;
const IN_QUERY: u32 = 1 << 17;
const IN_AGENT: u32 = 1 << 18;
const IN_REFERER: u32 = 1 << 19;
const IN_HOP: u32 = 1 << 20;
const EVERYWHERE: u32 = IN_PATH | IN_QUERY | IN_AGENT | IN_REFERER | IN_HOP;

pub(super) static CLASS: [u32; 256] = table();

const fn add(mut table: [u32; 256], bytes: &[u8], bits: u32) -> [u32; 256] {
    let mut at = 0;
    while at < bytes.len() {
        table[bytes[at] as usize] |= bits;
        at += 1;
    }
    table
}

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let byte = at as u8;
        table[at] = if byte.is_ascii_lowercase() {
            LOWER | EVERYWHERE
        } else if byte.is_ascii_uppercase() {
            UPPER | EVERYWHERE
        } else if byte.is_ascii_digit() {
            EVERYWHERE
        } else if byte >= 0x80 {
            DECODE | EVERYWHERE
        } else if byte < 0x20 || byte == 0x7f {
            DECODE
        } else {
            0
        };
        at += 1;
    }
    table = add(table, b"\t\n\r", EVERYWHERE);
    table = add(table, b" ", BLANK | EVERYWHERE);
    table = add(table, b"%\\", DECODE);
    table =
        add(table, b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_", BASE64);
    table = add(table, b"/", SLASH);
    table = add(table, b".", DOT);
    table = add(table, b"+", PLUS);
    table = add(table, b"&", AMPERSAND);
    table = add(table, b"'\"*", SQL);
    table = add(table, b"'\"\\$^`{", SHELL);
    table = add(table, b"\\;", PATH);
    table = add(table, b"/._-~,:@+", IN_PATH);
    table = add(table, b"/._-~,:@+!?", IN_QUERY);
    table = add(table, b"/._-~,:@+();", IN_AGENT);
    table = add(table, b"/._-~,:@+?&=", IN_REFERER);
    table = add(table, b"/._-~,:@+();*=\"?", IN_HOP);
    table
}

/// The bit that says "ordinary where this value stood".
pub(super) fn ordinary(value: &Value<'_>) -> u32 {
    match value.place {
        Place::Path | Place::Segment => IN_PATH,
        Place::Query
        | Place::Form
        | Place::Json
        | Place::Xml
        | Place::Multipart
        | Place::Cookie
        | Place::Body => IN_QUERY,
        Place::Agent => IN_AGENT,
        Place::Referer if value.name.is_empty() => IN_REFERER,
        Place::Referer => IN_QUERY,
        Place::Header if structural(value.name) => IN_HOP,
        Place::Header => IN_AGENT,
    }
}

/// Headers whose value is a list with parameters by their grammar, not free text.
pub(super) fn structural(name: &[u8]) -> bool {
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
