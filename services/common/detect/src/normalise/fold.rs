//! From decoded bytes to the text: lower case, blanks folded.

use super::Marks;

/// Writes `from` in lower case, without NUL, each run of blanks and controls as one space.
pub(super) fn text(from: &[u8], out: &mut Vec<u8>) -> Marks {
    let (mut marks, mut length, mut before) = (Marks::default(), 0, 0);
    out.clear();
    out.resize(from.len(), 0);
    for &byte in from {
        let (folded, mark) = FOLDED[usize::from(byte)];
        marks |= mark;
        out[length] = folded;
        // A byte that folds to nothing is written over by the next one.
        let kept = (folded != 0) & !((folded == b' ') & (before == b' '));
        length += usize::from(kept);
        before = if kept { folded } else { before };
    }
    out.truncate(length);
    marks
}

/// What each byte folds to, 0 for nothing, and what is odd about it.
static FOLDED: [(u8, Marks); 256] = {
    let (mut folded, mut at) = ([(0, Marks(0)); 256], 0);
    while at < 256 {
        let byte = at as u8;
        folded[at] = match byte {
            0 => (0, Marks::NUL),
            b' ' | b'\t' | b'\n' | b'\r' => (b' ', Marks(0)),
            1..b' ' | 0x7f => (b' ', Marks::CONTROL),
            _ => (byte.to_ascii_lowercase(), Marks(0)),
        };
        at += 1;
    }
    folded
};

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
    let mut at = 0;
    while let Some(rise) = text[at..].windows(2).position(rises) {
        let letter = |byte: &&u8| byte.is_ascii_alphabetic();
        let before = text[..at + rise].iter().rev().take_while(letter).count();
        let (begin, rest) = (at + rise - before, &text[at + rise..]);
        let word = &text[begin..at + rise + rest.iter().take_while(letter).count()];
        if is_mixed(word) {
            return Marks::MIXED_CASE;
        }
        at = begin + word.len();
    }
    Marks::default()
}

fn rises(two: &[u8]) -> bool {
    two[0].is_ascii_lowercase() & two[1].is_ascii_uppercase()
}

fn is_mixed(word: &[u8]) -> bool {
    (3..=WORD_MAX).contains(&word.len())
        && word.windows(2).filter(|two| rises(two)).count()
            > usize::from(word[0] | 0x20 == b'o' || word[0] | 0x20 == b'j')
        && WORDS.iter().any(|known| known.eq_ignore_ascii_case(word))
}
