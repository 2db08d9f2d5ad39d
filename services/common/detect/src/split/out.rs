//! Where the splitters hand their values: cut into windows and counted here.

use super::window::Windows;
use super::{VALUES_MAX, WINDOW_BYTES, WINDOW_OVERLAP_BYTES, WINDOWS_MAX};
use crate::request::{Part, Place, Value};

/// The splitters are run again for each, which is cheaper than to remember every value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Pass {
    /// The first window of each value that has room at its place.
    First,
    /// That of the others, as long as there is room that no other place took.
    Left,
    /// The other windows of all these.
    Rest,
}

pub(super) struct Out<'f, F> {
    each: &'f mut F,
    pass: Pass,
    /// Values that have room at their place, up to here.
    values: usize,
    /// Most of them up to here.
    most: usize,
    /// All of them, once the first pass is over.
    first: usize,
    /// Values read besides, up to here.
    left: usize,
    windows: usize,
    /// Windows that were not read.
    pub(super) unread: usize,
    /// Whether a value had no room at its place.
    pub(super) full: bool,
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
            first: 0,
            left: 0,
            windows: 0,
            unread: 0,
            full: false,
            long: false,
        }
    }

    /// Begins another pass.
    pub(super) fn again(&mut self, pass: Pass) {
        if self.pass == Pass::First {
            self.first = self.values;
        }
        (self.pass, self.values, self.left) = (pass, 0, 0);
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
        let first = room(self.values, self.most, raw);
        self.values += usize::from(first);
        let left =
            !first && self.pass != Pass::First && room(self.first + self.left, VALUES_MAX, raw);
        self.left += usize::from(left);
        let value = Value { place, part, name, raw };
        match self.pass {
            Pass::First if first => self.begin(value),
            Pass::First => self.full = true,
            Pass::Left if left => self.begin(value),
            Pass::Left if !first => self.unread += windows(raw.len()),
            Pass::Rest if first || left => self.rest(value),
            Pass::Left | Pass::Rest => {}
        }
    }

    /// Hands out the first window.
    fn begin<'a>(&mut self, value: Value<'a>)
    where
        F: FnMut(Value<'a>),
    {
        let end = Windows::new(value.raw).next().map_or(value.raw.len(), |window| window.end);
        self.long |= end < value.raw.len();
        (self.each)(Value { raw: &value.raw[..end], ..value });
    }

    /// Hands out the others.
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

/// Whether there is room for one more value beside `values` of at most `most`.
fn room(values: usize, most: usize, raw: &[u8]) -> bool {
    values < most && (values + most / 4 < most || !plain(raw))
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
