//! Cuts a stream of syslog into its messages (RFC 6587): bytes in, messages out.
//!
//! Each message says by its first byte how it ends: a digit begins the number of its bytes, anything else ends with its
//! line. A count cannot be forged from inside a message, an end of line can: see the guide.

use memchr::memchr;

use super::lines::{HEAD_BYTES_MAX, LINE_BYTES_MAX, Piece};

/// Longest message that is read, in bytes.
pub const MESSAGE_BYTES_MAX: usize = LINE_BYTES_MAX;
/// Most digits of a count. More are no count.
const DIGITS_MAX: usize = 9;

/// The messages of one stream. A message that has not ended waits for its end.
#[derive(Debug, Default)]
pub struct Frames {
    buffer: Vec<u8>,
    /// Of what is before it in `buffer` every message was answered.
    at: usize,
    /// How far behind `at` no line ends.
    searched: usize,
    /// Offset in the stream of `buffer[at]`.
    offset: u64,
    /// Set inside a message that is too long.
    skipped: Option<Skipped>,
    /// The head of the message that was too long, while it is being shown.
    shown: Vec<u8>,
}

#[derive(Debug)]
struct Skipped {
    offset: u64,
    head: Vec<u8>,
    /// How many bytes are still to come; `None` up to the end of the line.
    left: Option<u64>,
}

/// How the message ends that begins at a place.
enum Ending {
    /// Its first byte, and how many there are.
    Count(usize, u64),
    Line,
    /// More bytes must come to tell.
    Unknown,
}

impl Frames {
    /// Adds what was read next.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.at);
        self.at = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// Whether a message has begun and not ended.
    pub fn pending(&self) -> bool {
        self.skipped.is_some() || self.at < self.buffer.len()
    }

    /// The next message that has ended.
    pub fn next_frame(&mut self) -> Option<Piece<'_>> {
        if let Some(skipped) = self.skipped.take() {
            return self.skip(skipped);
        }
        let waiting = &self.buffer[self.at..];
        match ending(waiting) {
            Ending::Unknown => None,
            Ending::Count(start, count) if count > MESSAGE_BYTES_MAX as u64 => {
                let skipped = Skipped { offset: self.offset, head: Vec::new(), left: Some(count) };
                self.advance(start);
                self.skip(skipped)
            }
            Ending::Count(start, count) => {
                let end = start + count as usize;
                (waiting.len() >= end).then(|| self.take(start, end, end))
            }
            Ending::Line => match memchr(b'\n', &waiting[self.searched..]) {
                Some(found) => {
                    let end = self.searched + found;
                    Some(self.take(0, end, end + 1))
                }
                None if waiting.len() <= MESSAGE_BYTES_MAX => {
                    self.searched = waiting.len();
                    None
                }
                None => {
                    let offset = self.offset;
                    self.skip(Skipped { offset, head: Vec::new(), left: None })
                }
            },
        }
    }

    /// What is left when the stream has ended inside a message. Cut, it may name another address than it was to name, so
    /// it is no message.
    pub fn rest(&mut self) -> Option<Piece<'_>> {
        if let Some(skipped) = self.skipped.take() {
            return Some(self.skipped_piece(skipped));
        }
        let length = self.buffer.len() - self.at;
        (length > 0).then(|| self.take(0, length, length))
    }

    /// Answers the bytes from `start` to `end` as a message and goes on after `taken`.
    fn take(&mut self, start: usize, end: usize, taken: usize) -> Piece<'_> {
        let (begun, offset) = (self.at, self.offset);
        self.advance(taken);
        let message = &self.buffer[begun + start..begun + end];
        let too_long = message.len() > MESSAGE_BYTES_MAX;
        let bytes = if too_long { &message[..HEAD_BYTES_MAX] } else { message };
        Piece { offset, next: self.offset, bytes, too_long }
    }

    /// Passes over what has come of a message that is too long; answers its head once it has ended.
    fn skip(&mut self, mut skipped: Skipped) -> Option<Piece<'_>> {
        let waiting = &self.buffer[self.at..];
        let (taken, ended) = match &mut skipped.left {
            Some(left) => {
                let taken = waiting.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= taken as u64;
                (taken, *left == 0)
            }
            None => match memchr(b'\n', waiting) {
                Some(found) => (found + 1, true),
                None => (waiting.len(), false),
            },
        };
        let room = HEAD_BYTES_MAX - skipped.head.len();
        skipped.head.extend_from_slice(&waiting[..taken.min(room)]);
        self.advance(taken);
        if ended {
            return Some(self.skipped_piece(skipped));
        }
        self.skipped = Some(skipped);
        None
    }

    fn skipped_piece(&mut self, skipped: Skipped) -> Piece<'_> {
        self.shown = skipped.head;
        Piece { offset: skipped.offset, next: self.offset, bytes: &self.shown, too_long: true }
    }

    fn advance(&mut self, taken: usize) {
        self.at += taken;
        self.offset += taken as u64;
        self.searched = 0;
    }
}

fn ending(waiting: &[u8]) -> Ending {
    let digits = waiting.iter().take_while(|byte| byte.is_ascii_digit()).count();
    match (waiting.first(), waiting.get(digits)) {
        (None, _) => Ending::Unknown,
        (Some(b'1'..=b'9'), None) if digits <= DIGITS_MAX => Ending::Unknown,
        (Some(b'1'..=b'9'), Some(b' ')) if digits <= DIGITS_MAX => {
            let count =
                waiting[..digits].iter().fold(0, |count, byte| count * 10 + u64::from(byte - b'0'));
            Ending::Count(digits + 1, count)
        }
        _ => Ending::Line,
    }
}
