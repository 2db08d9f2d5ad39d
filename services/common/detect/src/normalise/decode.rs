//! Decoders that work in place: what they write is never longer than what they read.

use super::Marks;
use crate::percent::escape;
use memchr::memchr;

pub(super) fn hex(byte: u8) -> Option<u32> {
    char::from(byte).to_digit(16)
}

/// The number that the `digits` hex digits at `at` spell.
fn hex_number(buf: &[u8], at: usize, digits: usize) -> Option<u32> {
    let slice = buf.get(at..at + digits)?;
    slice.iter().try_fold(0, |sum, &b| Some(sum << 4 | hex(b)?))
}

/// Writes `code` as UTF-8 at `write`; callers have read at least as many bytes as that takes.
fn put(buf: &mut [u8], write: &mut usize, code: u32) {
    let mut bytes = [0; 4];
    let text = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER).encode_utf8(&mut bytes);
    buf[*write..*write + text.len()].copy_from_slice(text.as_bytes());
    *write += text.len();
}

/// Rewrites `buf` from the first `trigger` on: `step` is given what is left and answers how much of it to replace, by
/// which character or byte.
fn rewrite(
    buf: &mut Vec<u8>,
    trigger: u8,
    mut step: impl FnMut(&[u8]) -> Option<(usize, Put)>,
) -> bool {
    let Some(first) = memchr(trigger, buf) else { return false };
    let (mut read, mut write, mut changed) = (first, first, false);
    while read < buf.len() {
        let byte = buf[read];
        let found = if byte == trigger { step(&buf[read..]) } else { None };
        if let Some((taken, with)) = found {
            match with {
                Put::Byte(b) => {
                    buf[write] = b;
                    write += 1;
                }
                Put::Code(code) => put(buf, &mut write, code),
            }
            read += taken;
            changed = true;
        } else {
            buf[write] = byte;
            read += 1;
            write += 1;
        }
    }
    buf.truncate(write);
    changed
}

#[derive(Clone, Copy)]
enum Put {
    Byte(u8),
    Code(u32),
}

/// `%41`, and `%u0041` as some programs read it in a value, once. `round` counts from 0.
pub(super) fn percent(buf: &mut Vec<u8>, round: usize) -> Marks {
    let mut marks = Marks::default();
    rewrite(buf, b'%', |rest| {
        if let Some(byte) = escape(rest) {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_') {
                marks |= Marks::PERCENT_NEEDLESS;
            }
            marks |= if round == 0 { Marks::PERCENT } else { Marks::PERCENT_TWICE };
            return Some((3, Put::Byte(byte)));
        }
        if rest.len() >= 6 && rest[1] | 0x20 == b'u' {
            let code = hex_number(rest, 2, 4)?;
            marks |= Marks::PERCENT_U;
            return Some((6, Put::Code(code)));
        }
        None
    });
    marks
}

const NAMED: &[(&[u8], u8)] = &[
    (b"amp", b'&'),
    (b"apos", b'\''),
    (b"ast", b'*'),
    (b"bsol", b'\\'),
    (b"colon", b':'),
    (b"comma", b','),
    (b"commat", b'@'),
    (b"dollar", b'$'),
    (b"equals", b'='),
    (b"excl", b'!'),
    (b"grave", b'`'),
    (b"gt", b'>'),
    (b"hat", b'^'),
    (b"lbrace", b'{'),
    (b"lbrack", b'['),
    (b"lcub", b'{'),
    (b"lowbar", b'_'),
    (b"lpar", b'('),
    (b"lsqb", b'['),
    (b"lt", b'<'),
    (b"nbsp", b' '),
    (b"newline", b'\n'),
    (b"num", b'#'),
    (b"percnt", b'%'),
    (b"period", b'.'),
    (b"plus", b'+'),
    (b"quest", b'?'),
    (b"quot", b'"'),
    (b"rbrace", b'}'),
    (b"rbrack", b']'),
    (b"rcub", b'}'),
    (b"rpar", b')'),
    (b"rsqb", b']'),
    (b"semi", b';'),
    (b"sol", b'/'),
    (b"tab", b'\t'),
    (b"verbar", b'|'),
    (b"vert", b'|'),
];

/// Most digits of a numeric entity: padding with zeros included.
const ENTITY_DIGITS_MAX: usize = 32;

/// `&lt;`, `&#60;`, `&#x3c`, with padding and without the semicolon as browsers allow.
pub(super) fn entity(buf: &mut Vec<u8>) -> Marks {
    Marks::when(rewrite(buf, b'&', one_entity), Marks::ENTITY)
}

fn one_entity(rest: &[u8]) -> Option<(usize, Put)> {
    if rest.get(1) == Some(&b'#') { numeric_entity(rest) } else { named_entity(rest) }
}

/// The byte that an entity at the head of `rest` stands for, and how long the entity is.
pub(crate) fn entity_sign(rest: &[u8]) -> Option<(u8, usize)> {
    let (length, sign) = one_entity(rest)?;
    match sign {
        Put::Byte(byte) => Some((byte, length)),
        Put::Code(code) => Some((u8::try_from(code).ok()?, length)),
    }
}

fn numeric_entity(rest: &[u8]) -> Option<(usize, Put)> {
    let radix = if rest.get(2)? | 0x20 == b'x' { 16 } else { 10 };
    let start = if radix == 16 { 3 } else { 2 };
    let (mut at, mut code) = (start, 0_u32);
    while at < rest.len() && at - start < ENTITY_DIGITS_MAX {
        let Some(digit) = char::from(rest[at]).to_digit(radix) else { break };
        code = code.saturating_mul(radix).saturating_add(digit);
        at += 1;
    }
    if at == start || code > 0x10_ffff {
        return None;
    }
    let end = at + usize::from(rest.get(at) == Some(&b';'));
    // U+FFFD takes three bytes, and so does the shortest entity.
    Some((end, Put::Code(code)))
}

fn named_entity(rest: &[u8]) -> Option<(usize, Put)> {
    let length = rest[1..].iter().take(8).take_while(|b| b.is_ascii_alphabetic()).count();
    let name = &rest[1..=length];
    let closed = rest.get(1 + length) == Some(&b';');
    let &(known, byte) = NAMED.iter().find(|(known, _)| name.eq_ignore_ascii_case(known))?;
    if closed {
        return Some((length + 2, Put::Byte(byte)));
    }
    let legacy = matches!(known, b"lt" | b"gt" | b"quot" | b"amp");
    let next = rest.get(1 + length).copied().unwrap_or(b' ');
    (legacy && next != b'=' && !next.is_ascii_alphanumeric())
        .then_some((length + 1, Put::Byte(byte)))
}

/// The escapes of a JSON string. Only needless ones leave a mark: what JSON has to escape says nothing.
pub(super) fn json(buf: &mut Vec<u8>) -> Marks {
    let mut marks = Marks::default();
    rewrite(buf, b'\\', |rest| {
        let byte = match *rest.get(1)? {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'b' => 8,
            b'f' => 12,
            same @ (b'"' | b'\\' | b'/') => same,
            b'u' => return unicode_escape(rest, &mut marks),
            _ => return None,
        };
        Some((2, Put::Byte(byte)))
    });
    marks
}

fn unicode_escape(rest: &[u8], marks: &mut Marks) -> Option<(usize, Put)> {
    let high = hex_number(rest, 2, 4)?;
    if (0x20..0x7f).contains(&high) {
        *marks |= Marks::JSON_ESCAPE;
    }
    if (0xd800..0xdc00).contains(&high) && rest.get(6..8) == Some(b"\\u") {
        let low = hex_number(rest, 8, 4).filter(|low| (0xdc00..0xe000).contains(low));
        if let Some(low) = low {
            return Some((12, Put::Code(0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00))));
        }
    }
    Some((6, Put::Code(high)))
}

/// `\u0041`, `\u{41}`, `\x41` and `\101`, wherever they stand.
pub(super) fn escapes(buf: &mut Vec<u8>) -> Marks {
    let mut marks = Marks::default();
    rewrite(buf, b'\\', |rest| {
        let found = match *rest.get(1)? {
            b'u' | b'U' if rest.get(2) == Some(&b'{') => braced_escape(rest),
            b'u' | b'U' => unicode_escape(rest, &mut marks),
            b'x' | b'X' => hex_number(rest, 2, 2).map(|code| (4, Put::Byte(code as u8))),
            b'0'..=b'3' => octal_escape(rest),
            _ => None,
        };
        marks |= Marks::when(found.is_some(), Marks::JSON_ESCAPE);
        found
    });
    marks
}

fn braced_escape(rest: &[u8]) -> Option<(usize, Put)> {
    let length = rest[3..].iter().take(8).take_while(|&&b| hex(b).is_some()).count();
    let code = rest[3..3 + length].iter().try_fold(0_u32, |sum, &b| Some(sum << 4 | hex(b)?))?;
    (length > 0 && rest.get(3 + length) == Some(&b'}')).then_some((length + 4, Put::Code(code)))
}

/// Three octal digits that spell a printable character: shorter ones are parts of Windows paths too often.
fn octal_escape(rest: &[u8]) -> Option<(usize, Put)> {
    let digits = rest.get(1..4)?;
    let code = digits.iter().try_fold(0, |sum, &b| Some(sum << 3 | char::from(b).to_digit(8)?))?;
    (0x20..0x7f).contains(&code).then_some((4, Put::Byte(code as u8)))
}

/// UTF-7 runs (`+ADw-`) that spell punctuation: letters need no such dress, and words after a plus look alike.
pub(super) fn utf7(buf: &mut Vec<u8>) -> Marks {
    let changed = rewrite(buf, b'+', |rest| {
        let length = rest[1..].iter().take(4).take_while(|b| b.is_ascii_alphanumeric()).count();
        if length != 3 || rest.get(4) != Some(&b'-') {
            return None;
        }
        let bits =
            rest[1..4].iter().fold(0, |sum, &b| sum << 6 | u32::from(sextet(b).unwrap_or(63)));
        let code = bits >> 2;
        (bits & 3 == 0 && code < 0x80 && (code as u8).is_ascii_punctuation())
            .then_some((5, Put::Byte(code as u8)))
    });
    Marks::when(changed, Marks::UTF7)
}

/// The six bits of a base64 digit, of either alphabet.
pub(super) fn sextet(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}
