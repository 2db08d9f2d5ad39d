//! Where the splitters hand their values: cut into windows and counted here.

use super::window::Windows;
use super::{VALUES_MAX, WINDOW_BYTES, WINDOW_OVERLAP_BYTES, WINDOWS_MAX};
use crate::request::{Part, Place, Value};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Pass {
    /// The first window of each value.
    First,
    /// The other windows.
    Rest,
}

pub(super) struct Out<'f, F> {
    each: &'f mut F,
    pass: Pass,
    values: usize,
    /// Most values up to here.
    most: usize,
    windows: usize,
    /// Windows that were not read.
    pub(super) unread: usize,
    /// Whether a value has more than one window.
    pub(super) long: bool,
}

impl<'f, F> Out<'f, F> {
    pub(super) fn new(each: &'f mut F) -> Self {
        Self {
            each,
            pass: Pass::First,
            values: 0,
            most: VALUES_MAX,
            windows: 0,
            unread: 0,
            long: false,
        }
    }

    /// Begins the second pass: the splitters are run again, which is cheaper than to remember every value.
    pub(super) fn again(&mut self) {
        self.pass = Pass::Rest;
        self.values = 0;
    }

    /// Notes that something was not handed out.
    pub(super) fn skip(&mut self) {
        self.unread += usize::from(self.pass == Pass::First);
    }

    /// Lets no more than `most` values be handed out until this is called again.
    pub(super) fn at_most(&mut self, most: usize) {
        self.most = most;
    }

    pub(super) fn value<'a>(&mut self, place: Place, name: &'a [u8], raw: &'a [u8])
    where
        F: FnMut(Value<'a>),
    {
        self.put(place, Part::Value, name, raw);
    }

    pub(super) fn put<'a>(&mut self, place: Place, part: Part, name: &'a [u8], raw: &'a [u8])
    where
        F: FnMut(Value<'a>),
    {
        if raw.is_empty() {
            return;
        }
        let full =
            self.values >= self.most || self.values + self.most / 4 >= self.most && plain(raw);
        self.values += usize::from(!full);
        if self.pass == Pass::First {
            if full {
                self.unread += windows(raw.len());
            } else {
                let end = Windows::new(raw).next().map_or(raw.len(), |first| first.end);
                self.long |= end < raw.len();
                (self.each)(Value { place, part, name, raw: &raw[..end] });
            }
        } else if !full && raw.len() > WINDOW_BYTES {
            self.rest(Value { place, part, name, raw });
        }
    }

    fn rest<'a>(&mut self, value: Value<'a>)
    where
        F: FnMut(Value<'a>),
    {
        for window in Windows::new(value.raw).skip(1) {
            if self.windows == WINDOWS_MAX {
                self.unread += windows(value.raw.len() - window.start);
                return;
            }
            let raw = &value.raw[window];
            if padding(raw) {
                continue;
            }
            self.windows += 1;
            (self.each)(Value { raw, ..value });
        }
    }
}

/// How many windows a value of `length` bytes has.
fn windows(length: usize) -> usize {
    1 + length.saturating_sub(WINDOW_BYTES).div_ceil(WINDOW_BYTES - WINDOW_OVERLAP_BYTES)
}

/// Whether a further window holds nothing that could be more than filling: one byte, or blanks alone.
fn padding(raw: &[u8]) -> bool {
    raw.iter().all(|b| *b == raw[0])
        || raw.iter().all(|b| matches!(b, b' ' | b'\t' | b'\r' | b'\n'))
}

/// Whether `raw` is a word that no grammar gives a meaning.
pub(super) fn plain(raw: &[u8]) -> bool {
    raw.iter().all(|&b| PLAIN[usize::from(b)]) && !raw.starts_with(b"__")
}

static PLAIN: [bool; 256] = {
    let (mut plain, mut at) = ([false; 256], 0);
    while at < 256 {
        plain[at] = (at as u8).is_ascii_alphanumeric() || matches!(at as u8, b'_' | b'-');
        at += 1;
    }
    plain
};
