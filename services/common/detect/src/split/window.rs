//! The windows of a long value.
//!
//! What parts two words of a language may be as long as one likes: blanks and comments, each of their signs written in one
//! of several ways. It counts as few bytes here, so that what it parts stands in one window and is read together.

use super::{WINDOW_BYTES, WINDOW_OVERLAP_BYTES, json};
use crate::normalise::{ROUNDS, entity_sign};
use crate::percent;
use std::ops::Range;

/// How many bytes of a run of blanks and comments count.
const FILLING_BYTES: usize = 64;

/// The windows of one value, one after another. Two beside each other share as many bytes that count as the overlap has.
pub(super) struct Windows<'a> {
    raw: &'a [u8],
    /// Where the next window begins; at the end there is none.
    start: usize,
    /// Whether a comment that begins further on may end. Where one does not, none behind it does, and none is looked for.
    closes: bool,
}

impl<'a> Windows<'a> {
    pub(super) fn new(raw: &'a [u8]) -> Self {
        Self { raw, start: 0, closes: true }
    }

    /// How long the run of blanks and comments is that begins at `start`.
    fn filling(&mut self, start: usize) -> usize {
        let (raw, mut at) = (self.raw, start);
        while let Some((first, length)) = sign(&raw[at..]) {
            let behind = &raw[at + length..];
            let more = match first {
                0..=b' ' | 0x7f | 0xa0 => Some(0),
                b'/' => self.block_comment(behind),
                b'-' | b'#' => line_comment(first, behind),
                _ => None,
            };
            let Some(more) = more else { break };
            at += length + more;
        }
        at - start
    }

    /// How long the rest of a comment is that goes on like this behind its first sign: `/* … */`.
    fn block_comment(&mut self, text: &[u8]) -> Option<usize> {
        let (star, mut at) = sign(text)?;
        if star != b'*' || !self.closes {
            return None;
        }
        let mut before = 0;
        while let Some((one, length)) = sign(&text[at..]) {
            at += length;
            if (before, one) == (b'*', b'/') {
                return Some(at);
            }
            before = one;
        }
        self.closes = false;
        None
    }
}

impl Iterator for Windows<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        let (start, end) = (self.start, self.raw.len());
        if end - start <= WINDOW_BYTES {
            self.start = end;
            return (start < end).then_some(start..end);
        }
        let (mut at, mut counted) = (start, 0);
        while at < end && counted < WINDOW_BYTES {
            if counted <= WINDOW_BYTES - WINDOW_OVERLAP_BYTES {
                self.start = at;
            }
            let length = self.filling(at).max(1);
            counted += length.min(FILLING_BYTES);
            at += length;
        }
        if at == end {
            self.start = end;
        }
        Some(start..at)
    }
}

/// The same for `-- …` and `#…` up to the break of their line. Where they hold more than words they are not taken out of a
/// text before it is read as SQL, and so they are no filling.
fn line_comment(first: u8, text: &[u8]) -> Option<usize> {
    let mut at = 0;
    if first == b'-' {
        let (second, length) = sign(text)?;
        at = (second == b'-').then_some(length)?;
    }
    while let Some((one, length)) = sign(&text[at..]) {
        at += length;
        match one {
            b'\n' | b'\r' => return Some(at),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' => {}
            b' ' | b'\t' if first == b'-' => {}
            _ => return None,
        }
    }
    None
}

/// The sign that `text` begins with as the attacked program would read it, and how many bytes write it.
fn sign(text: &[u8]) -> Option<(u8, usize)> {
    let first = *text.first()?;
    match first {
        // A blank in queries and forms; elsewhere a run of them says as little.
        b'+' => Some((b' ', 1)),
        b'%' => percent::sign(text, ROUNDS),
        b'\\' => json::escape(text).or(Some((first, 1))),
        b'&' => entity_sign(text).or(Some((first, 1))),
        _ => Some((first, 1)),
    }
}
