//! Reads the lines of a file, of a gzip file or of standard input, one at a time and each of bounded length. A byte
//! order mark before the first is no part of it.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;
use observe::logs::BYTE_ORDER_MARK;

use crate::failure::Failure;

/// The name that means standard input.
pub(crate) const STANDARD_INPUT: &str = "-";
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const BUFFER_BYTES: usize = 64 * 1024;

/// One line, without its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    /// Counted from 1.
    pub(crate) number: u64,
    /// Where it begins in the unpacked text.
    pub(crate) offset: u64,
    /// At most as many as were asked for.
    pub(crate) bytes: &'a [u8],
    /// How many bytes the line had in all.
    pub(crate) length: usize,
}

impl Line<'_> {
    /// Whether the line was longer than what is kept of it.
    pub(crate) fn cut(&self) -> bool {
        self.length > self.bytes.len()
    }
}

/// The lines of one input.
pub(crate) struct Lines {
    reader: Box<dyn BufRead>,
    name: String,
    number: u64,
    offset: u64,
    kept: Vec<u8>,
    line_bytes_max: usize,
}

impl Lines {
    /// Opens a file, or standard input for `-`; gzip is told by its first two bytes, whatever the name.
    pub(crate) fn open(path: impl AsRef<Path>, line_bytes_max: usize) -> Result<Self, Failure> {
        let path = path.as_ref();
        let name = path.display().to_string();
        let unreadable = |error: io::Error| {
            Failure::Error(format!(
                "could not read {name}: {error}; give a file, or - for standard input"
            ))
        };
        let reader: Box<dyn Read> = if name == STANDARD_INPUT {
            Box::new(io::stdin())
        } else {
            Box::new(File::open(path).map_err(unreadable)?)
        };
        Self::new(reader, &name, line_bytes_max).map_err(unreadable)
    }

    fn new(reader: Box<dyn Read>, name: &str, line_bytes_max: usize) -> io::Result<Self> {
        let mut reader = BufReader::with_capacity(BUFFER_BYTES, reader);
        let mut head = Vec::with_capacity(GZIP_MAGIC.len());
        reader.by_ref().take(GZIP_MAGIC.len() as u64).read_to_end(&mut head)?;
        let zipped = head == GZIP_MAGIC;
        let whole = Cursor::new(head).chain(reader);
        let reader: Box<dyn BufRead> = if zipped {
            Box::new(BufReader::with_capacity(BUFFER_BYTES, MultiGzDecoder::new(whole)))
        } else {
            Box::new(whole)
        };
        let (name, kept) = (name.to_owned(), Vec::new());
        Ok(Lines { reader, name, number: 0, offset: 0, kept, line_bytes_max })
    }

    /// The next line; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Line<'_>>, Failure> {
        self.kept.clear();
        let (offset, mut length) = (self.offset, 0);
        let mark = if self.number == 0 { BYTE_ORDER_MARK.len() } else { 0 };
        loop {
            let buffer = match self.reader.fill_buf() {
                Ok(buffer) => buffer,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    return Err(Failure::Error(format!(
                        "could not read {} after line {}: {error}",
                        self.name, self.number
                    )));
                }
            };
            if buffer.is_empty() && length == 0 {
                return Ok(None);
            }
            let end = buffer.iter().position(|byte| *byte == b'\n');
            let part = &buffer[..end.unwrap_or(buffer.len())];
            let room = (self.line_bytes_max + mark).saturating_sub(self.kept.len());
            self.kept.extend_from_slice(&part[..part.len().min(room)]);
            length += part.len();
            let (taken, ended) = (part.len() + usize::from(end.is_some()), buffer.is_empty());
            self.reader.consume(taken);
            self.offset += taken as u64;
            if end.is_some() || ended {
                break;
            }
        }
        self.number += 1;
        if self.number == 1 && self.kept.starts_with(BYTE_ORDER_MARK) {
            self.kept.drain(..BYTE_ORDER_MARK.len());
            length -= BYTE_ORDER_MARK.len();
        }
        self.kept.truncate(self.line_bytes_max);
        if self.kept.len() == length && self.kept.last() == Some(&b'\r') {
            self.kept.pop();
            length -= 1;
        }
        Ok(Some(Line { number: self.number, offset, bytes: &self.kept, length }))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn zipped(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[track_caller]
    fn check(bytes: &[u8], expected: &[(u64, &str, usize)]) {
        let reader = Box::new(Cursor::new(bytes.to_vec()));
        let mut lines = Lines::new(reader, "the test's", 8).unwrap();
        let mut found = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            let text = String::from_utf8_lossy(line.bytes).into_owned();
            found.push((line.number, text, line.length));
        }
        let found: Vec<_> = found.iter().map(|(n, text, l)| (*n, text.as_str(), *l)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn lines_are_counted_and_what_is_too_long_is_cut() {
        check(b"", &[]);
        check(b"\x1f", &[(1, "\x1f", 1)]);
        check(b"a\r\n\nlast", &[(1, "a", 1), (2, "", 0), (3, "last", 4)]);
        check(b"0123456789\nb\n", &[(1, "01234567", 10), (2, "b", 1)]);
        let long = vec![b'x'; 3 * BUFFER_BYTES];
        check(&[&long[..], b"\nc"].concat(), &[(1, "xxxxxxxx", long.len()), (2, "c", 1)]);
    }

    #[test]
    fn a_byte_order_mark_leads_and_is_not_read() {
        check("\u{FEFF}a\n\u{FEFF}b".as_bytes(), &[(1, "a", 1), (2, "\u{FEFF}b", 4)]);
        check(&zipped("\u{FEFF}a\n".as_bytes()), &[(1, "a", 1)]);
        check("\u{FEFF}".as_bytes(), &[(1, "", 0)]);
        check("\u{FEFF}0123456789\n".as_bytes(), &[(1, "01234567", 10)]);
    }

    #[test]
    fn a_line_begins_where_the_one_before_it_ended() {
        let text = "\u{FEFF}a\r\n\n0123456789\nlast".as_bytes().to_vec();
        let mut lines = Lines::new(Box::new(Cursor::new(text)), "the test's", 8).unwrap();
        for expected in [0, 6, 7, 18] {
            assert_eq!(lines.next().unwrap().map(|line| line.offset), Some(expected));
        }
        assert!(lines.next().unwrap().is_none());
    }

    #[test]
    fn gzip_is_known_by_its_first_bytes_and_may_have_several_members() {
        let two = [zipped(b"a\nb\n"), zipped(b"c\n")].concat();
        check(&two, &[(1, "a", 1), (2, "b", 1), (3, "c", 1)]);
    }

    #[test]
    fn a_gzip_file_that_ends_early_is_an_error_that_names_the_line() {
        let whole = zipped(&b"line\n".repeat(1_000));
        let half = Box::new(Cursor::new(whole[..whole.len() - 10].to_vec()));
        let mut lines = Lines::new(half, "half.gz", 8).unwrap();
        let outcome = loop {
            match lines.next() {
                Ok(Some(_)) => {}
                Ok(None) => panic!("the file is not whole"),
                Err(failure) => break failure.to_string(),
            }
        };
        assert!(outcome.starts_with("could not read half.gz after line "), "{outcome}");
    }
}
