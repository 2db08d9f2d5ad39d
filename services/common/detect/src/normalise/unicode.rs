//! Characters that stand for ASCII ones: overlong forms, full width, look-alikes.

use super::Marks;

/// What a character is read as.
enum Alike {
    Same,
    Gone,
    Ascii(u8, Marks),
}

/// Folds what is not ASCII in place. Answers the marks, and whether ASCII came out of it.
pub(super) fn fold(buf: &mut Vec<u8>) -> (Marks, bool) {
    if buf.is_ascii() {
        return (Marks::default(), false);
    }
    let first = buf.iter().position(|&b| b >= 0x80).unwrap_or(buf.len());
    let (mut read, mut write, mut marks, mut changed) = (first, first, Marks::default(), false);
    while read < buf.len() {
        let byte = buf[read];
        if byte < 0x80 {
            buf[write] = byte;
            (read, write) = (read + 1, write + 1);
            continue;
        }
        let (code, length, odd) = sequence(&buf[read..]);
        let neighbours = [write.checked_sub(1).map(|at| buf[at]), buf.get(read + length).copied()];
        let [before, after] =
            neighbours.map(|byte| byte.is_some_and(|byte| byte.is_ascii_alphabetic()));
        let inside =
            neighbours.iter().all(|byte| byte.is_some_and(|byte| byte.is_ascii_alphanumeric()));
        marks |= odd;
        match code.map_or(Alike::Same, |code| alike(code, before, after, inside)) {
            Alike::Same if code.is_none() && byte == 0xa0 => {
                // MySQL reads a lone NBSP of Latin-1 as a blank.
                buf[write] = b' ';
                (write, changed) = (write + 1, true);
            }
            Alike::Same => {
                buf.copy_within(read..read + length, write);
                write += length;
            }
            Alike::Gone => marks |= Marks::when(before && after, Marks::LOOK_ALIKE),
            Alike::Ascii(ascii, mark) => {
                marks |= mark;
                buf[write] = ascii;
                (write, changed) = (write + 1, true);
            }
        }
        read += length;
    }
    buf.truncate(write);
    (marks, changed)
}

/// The character at the head of `rest`, how long it is, and what is odd about it. Overlong forms are read as decoders
/// that do not look for them do.
fn sequence(rest: &[u8]) -> (Option<u32>, usize, Marks) {
    let (length, head) = match rest[0] {
        0xc0..=0xdf => (2, rest[0] & 0x1f),
        0xe0..=0xef => (3, rest[0] & 0x0f),
        0xf0..=0xf7 => (4, rest[0] & 0x07),
        _ => return (None, 1, Marks::INVALID_UTF8),
    };
    let tail = rest.get(1..length).filter(|tail| tail.iter().all(|b| b & 0xc0 == 0x80));
    // Decoders that keep the low six bits of whatever follows read a slash or a dot here.
    if let [0xc0, last @ (b'/' | b'.'), ..] = *rest {
        return (Some(u32::from(last)), 2, Marks::OVERLONG);
    }
    let Some(tail) = tail else { return (None, 1, Marks::INVALID_UTF8) };
    let code = tail.iter().fold(u32::from(head), |sum, &b| sum << 6 | u32::from(b & 0x3f));
    let least = [0x80, 0x800, 0x1_0000][length - 2];
    let odd = if code < least {
        Marks::OVERLONG
    } else if char::from_u32(code).is_none() {
        Marks::INVALID_UTF8
    } else {
        Marks::default()
    };
    (Some(code), length, odd)
}

const CYRILLIC: &[(u32, u8)] = &[
    (0x430, b'a'),
    (0x435, b'e'),
    (0x43e, b'o'),
    (0x440, b'p'),
    (0x441, b'c'),
    (0x443, b'y'),
    (0x445, b'x'),
    (0x455, b's'),
    (0x456, b'i'),
    (0x458, b'j'),
    (0x4bb, b'h'),
    (0x501, b'd'),
    (0x410, b'A'),
    (0x412, b'B'),
    (0x415, b'E'),
    (0x41a, b'K'),
    (0x41c, b'M'),
    (0x41d, b'H'),
    (0x41e, b'O'),
    (0x420, b'P'),
    (0x421, b'C'),
    (0x422, b'T'),
    (0x425, b'X'),
    (0x405, b'S'),
    (0x406, b'I'),
    (0x408, b'J'),
    (0x3bf, b'o'),
    (0x3b1, b'a'),
    (0x391, b'A'),
    (0x392, b'B'),
    (0x395, b'E'),
    (0x397, b'H'),
    (0x399, b'I'),
    (0x39a, b'K'),
    (0x39c, b'M'),
    (0x39d, b'N'),
    (0x39f, b'O'),
    (0x3a1, b'P'),
    (0x3a4, b'T'),
    (0x3a7, b'X'),
    (0x396, b'Z'),
    (0x131, b'i'),
    (0x1c3, b'!'),
];

/// `before` and `after`: whether a letter of ASCII stands there; `inside`: whether letters or digits stand on both sides.
fn alike(code: u32, before: bool, after: bool, inside: bool) -> Alike {
    let marked = |byte| Alike::Ascii(byte, Marks::LOOK_ALIKE);
    match code {
        0..=0x7f => Alike::Ascii(code as u8, Marks::default()),
        0xa0 | 0x2000..=0x200a | 0x2028 | 0x2029 | 0x202f | 0x205f | 0x3000 => {
            Alike::Ascii(b' ', Marks::default())
        }
        0xad | 0x200b..=0x200d | 0x2060 | 0xfeff => Alike::Gone,
        0xff01..=0xff5e => Alike::Ascii((code - 0xfee0) as u8, Marks::FULL_WIDTH),
        // Typographic quotes are what a word processor writes, so they leave no mark.
        0x2018 | 0x2019 => Alike::Ascii(b'\'', Marks::default()),
        0x201c | 0x201d => Alike::Ascii(b'"', Marks::default()),
        0x2b9 | 0x2bc | 0x2c8 | 0x2032 | 0x201b => marked(b'\''),
        0x2ba | 0x2033 | 0x201f => marked(b'"'),
        0x2039 | 0x2329 | 0x3008 | 0xfe64 => marked(b'<'),
        0x203a | 0x232a | 0x3009 | 0xfe65 => marked(b'>'),
        0x2044 | 0x2215 | 0x29f8 => marked(b'/'),
        0x2216 | 0x29f5 | 0xfe68 => marked(b'\\'),
        0x2024 | 0xfe52 => marked(b'.'),
        // Full stops of Chinese and Japanese, which host names are split at, too.
        0x3002 | 0xff61 if inside => Alike::Ascii(b'.', Marks::default()),
        0x37e | 0xfe54 => marked(b';'),
        0xfe59 => marked(b'('),
        0xfe5a => marked(b')'),
        0xfe66 => marked(b'='),
        0xfe6a => marked(b'%'),
        0x17f => marked(b's'),
        0x212a => marked(b'K'),
        0x24b6..=0x24cf => marked((code - 0x24b6) as u8 + b'A'),
        0x24d0..=0x24e9 => marked((code - 0x24d0) as u8 + b'a'),
        0x1_d400..=0x1_d6a3 => {
            let at = ((code - 0x1_d400) % 52) as u8;
            marked(if at < 26 { b'A' + at } else { b'a' + at - 26 })
        }
        // A letter of another script is one of ours only inside a word of ours.
        0x131..=0x52f if before || after => CYRILLIC
            .iter()
            .find(|(known, _)| *known == code)
            .map_or(Alike::Same, |&(_, byte)| marked(byte)),
        _ => Alike::Same,
    }
}
