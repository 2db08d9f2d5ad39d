//! Where a window of a long value ends.
//!
//! Blanks and comments between two words of a language may be as long as one likes. They count as few bytes here, so that
//! what they part stands in one window and is read together.

use super::{WINDOW_BYTES, WINDOW_OVERLAP_BYTES};
use memchr::memmem;

/// How many bytes of a run of blanks and comments count.
const FILLING_BYTES: usize = 64;

/// Where the last comment of `raw` ends, or 0: nothing behind it begins one. To be found once for each value.
pub(super) fn last_comment(raw: &[u8]) -> usize {
    if raw.len() <= WINDOW_BYTES {
        return 0;
    }
    memmem::rfind(raw, b"*/").map_or(0, |at| at + 2)
}

/// Where the window that begins at `start` ends: in front of a long filling, if hardly anything behind it would
/// stand in this window: the next one begins with what stands before the filling.
pub(super) fn end(raw: &[u8], start: usize, last_comment: usize) -> usize {
    if raw.len() - start <= WINDOW_BYTES {
        return raw.len();
    }
    let (mut at, mut counted) = (start, 0);
    while at < raw.len() && counted < WINDOW_BYTES {
        let length = filling(raw, at, last_comment);
        counted += length.clamp(1, FILLING_BYTES);
        if length > FILLING_BYTES && counted + WINDOW_OVERLAP_BYTES >= WINDOW_BYTES {
            break;
        }
        at += length.max(1);
    }
    at
}

/// How long the run of blanks and comments is that begins at `start`.
fn filling(raw: &[u8], start: usize, last_comment: usize) -> usize {
    let mut at = start;
    while at < raw.len() {
        let text = &raw[at..];
        let length = match blank(text) {
            0 if at < last_comment => comment(text),
            blank => blank,
        };
        if length == 0 {
            break;
        }
        at += length;
    }
    at - start
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
    memmem::find(inside, b"*/").map_or(0, |end| end + 4)
}
