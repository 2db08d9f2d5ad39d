//! From decoded bytes to the text: lower case, blanks folded.

use super::Marks;

/// Writes `from` in lower case, without NUL, each run of blanks and controls as one space.
pub(super) fn text(from: &[u8], out: &mut Vec<u8>) -> Marks {
    let mut marks = Marks::default();
    out.clear();
    for &byte in from {
        if byte > b' ' && byte != 0x7f {
            out.push(byte.to_ascii_lowercase());
        } else if byte == 0 {
            marks |= Marks::NUL;
        } else {
            marks |= Marks::when(!matches!(byte, b' ' | b'\t' | b'\n' | b'\r'), Marks::CONTROL);
            if out.last() != Some(&b' ') {
                out.push(b' ');
            }
        }
    }
    marks
}

/// Words of SQL and HTML that nobody writes with capitals inside.
const WORDS: &[&[u8]] = &[
    b"alert",
    b"and",
    b"benchmark",
    b"concat",
    b"confirm",
    b"delete",
    b"drop",
    b"embed",
    b"eval",
    b"exec",
    b"from",
    b"group",
    b"having",
    b"href",
    b"iframe",
    b"img",
    b"insert",
    b"javascript",
    b"limit",
    b"meta",
    b"object",
    b"onerror",
    b"onfocus",
    b"onload",
    b"onmouseover",
    b"order",
    b"prompt",
    b"script",
    b"select",
    b"sleep",
    b"style",
    b"svg",
    b"table",
    b"union",
    b"update",
    b"user",
    b"version",
    b"waitfor",
    b"where",
];
const WORD_MAX: usize = 11;

/// Whether a keyword stands there with a capital after a small letter.
pub(super) fn mixed_case(text: &[u8]) -> Marks {
    let mixed = text.split(|b| !b.is_ascii_alphabetic()).any(|word| {
        let rises = || {
            word.windows(2)
                .filter(|two| two[0].is_ascii_lowercase() && two[1].is_ascii_uppercase())
                .count()
        };
        (3..=WORD_MAX).contains(&word.len())
            && rises() > usize::from(word[0] | 0x20 == b'o' || word[0] | 0x20 == b'j')
            && WORDS.iter().any(|known| known.eq_ignore_ascii_case(word))
    });
    Marks::when(mixed, Marks::MIXED_CASE)
}
