//! Cuts a stream of bytes into its lines, each with its offset: bytes in, lines out.

use memchr::memchr;
pub use observe::HEAD_BYTES_MAX;

/// Longest line that is read, in bytes, without its end.
pub const LINE_BYTES_MAX: usize = 64 * 1024;
/// How much before a place says whether a copy is one.
pub const TAIL_BYTES_MAX: usize = 256;

/// One line, without its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece<'a> {
    /// Where it begins in its stream.
    pub offset: u64,
    /// Where the next one begins.
    pub next: u64,
    /// The line, or, where it is too long, its first [`HEAD_BYTES_MAX`] bytes.
    pub bytes: &'a [u8],
    pub too_long: bool,
}

/// The lines of one stream. A line that has not ended waits for its end.
#[derive(Debug, Default)]
pub struct Lines {
    buffer: Vec<u8>,
    /// Of what is before it in `buffer` every line was answered.
    at: usize,
    /// How far behind `at` no line ends.
    searched: usize,
    /// Offset in the stream of `buffer[at]`.
    offset: u64,
    /// Set inside a line that is too long: its offset and its head.
    skipped: Option<(u64, Vec<u8>)>,
    /// The head of the line that was too long, while it is being shown.
    shown: Vec<u8>,
}

impl Lines {
    /// The lines of a stream from `offset`, where a line begins.
    pub fn starting_at(offset: u64) -> Self {
        Lines { offset, ..Lines::default() }
    }

    /// Adds what was read next.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.at);
        self.at = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// Where the first line begins that was not answered yet.
    pub fn next_offset(&self) -> u64 {
        self.skipped.as_ref().map_or(self.offset, |(offset, _)| *offset)
    }

    /// How far the stream was pushed.
    pub fn end(&self) -> u64 {
        self.offset + (self.buffer.len() - self.at) as u64
    }

    /// Up to [`TAIL_BYTES_MAX`] bytes before [`Lines::next_offset`], of what was pushed last; `None` inside a line that
    /// is too long.
    pub fn tail(&self) -> Option<&[u8]> {
        let start = self.at.saturating_sub(TAIL_BYTES_MAX);
        self.skipped.is_none().then(|| &self.buffer[start..self.at])
    }

    /// The next line that has ended.
    pub fn next_line(&mut self) -> Option<Piece<'_>> {
        let start = self.at;
        let Some(found) = memchr(b'\n', &self.buffer[start + self.searched..]) else {
            self.wait();
            return None;
        };
        let length = self.searched + found;
        Some(self.take(length, length + 1))
    }

    /// What is left when the stream has ended: its last line, if that has no end of its own.
    pub fn last_line(&mut self) -> Option<Piece<'_>> {
        let length = self.buffer.len() - self.at;
        if length == 0 && self.skipped.is_none() {
            return None;
        }
        Some(self.take(length, length))
    }

    /// Answers `length` bytes as a line and goes on after `taken`.
    fn take(&mut self, length: usize, taken: usize) -> Piece<'_> {
        let (start, begun) = (self.at, self.offset);
        self.at += taken;
        self.searched = 0;
        self.offset += taken as u64;
        if let Some((offset, head)) = self.skipped.take() {
            self.shown = head;
            return Piece { offset, next: self.offset, bytes: &self.shown, too_long: true };
        }
        let line = &self.buffer[start..start + length];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let too_long = line.len() > LINE_BYTES_MAX;
        let bytes = if too_long { &line[..HEAD_BYTES_MAX] } else { line };
        Piece { offset: begun, next: self.offset, bytes, too_long }
    }

    /// Forgets what a line that is too long has so far, but for its head.
    fn wait(&mut self) {
        let waiting = &self.buffer[self.at..];
        if self.skipped.is_none() && waiting.len() <= LINE_BYTES_MAX {
            self.searched = waiting.len();
            return;
        }
        if self.skipped.is_none() {
            self.skipped = Some((self.offset, waiting[..HEAD_BYTES_MAX].to_vec()));
        }
        self.offset += waiting.len() as u64;
        self.at = self.buffer.len();
        self.searched = 0;
    }
}
