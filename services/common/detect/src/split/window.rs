//! Where a window of a long value ends.
//!
//! Blanks and comments between two words of a language may be as long as one likes. They count as few bytes here, so that
//! what they part stands in one window and is read together.

use super::WINDOW_BYTES;

/// How many bytes of a run of blanks and comments count.
const FILLING_BYTES: usize = 64;

/// Where the window that begins at `start` ends.
pub(super) fn end(raw: &[u8], start: usize) -> usize {
    if raw.len() - start <= WINDOW_BYTES {
        return raw.len();
    }
    let (mut at, mut counted) = (start, 0);
    while at < raw.len() && counted < WINDOW_BYTES {
        let length = filling(&raw[at..]);
        counted += length.clamp(1, FILLING_BYTES);
        at += length.max(1);
    }
    at
}

/// How long the run of blanks and comments is that `text` begins with.
fn filling(text: &[u8]) -> usize {
    let mut at = 0;
    while at < text.len() {
        let blank = blank(&text[at..]);
        let length = if blank > 0 { blank } else { comment(&text[at..]) };
        if length == 0 {
            break;
        }
        at += length;
    }
    at
}

/// How long the blank is that `text` begins with, as it is or percent-encoded.
fn blank(text: &[u8]) -> usize {
    match text {
        [b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c | b'+', ..] => 1,
        [b'%', b'2', b'0', ..] | [b'%', b'0', b'9' | b'a'..=b'd' | b'A'..=b'D', ..] => 3,
        _ => 0,
    }
}

/// How long the comment is that `text` begins with: `/* … */`.
fn comment(text: &[u8]) -> usize {
    let Some(inside) = text.strip_prefix(b"/*") else { return 0 };
    memchr::memmem::find(inside, b"*/").map_or(0, |end| end + 4)
}
