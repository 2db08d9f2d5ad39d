//! A value as the attacked program would see it.

use crate::request::Value;

/// Steps that were needed to read a value: each is weak evidence.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Marks(pub u32);

impl Marks {
    /// Identifier of each bit, in order: never reused for another.
    pub const NAMES: &'static [&'static str] = &[];
}

/// One way to read a value. Views that are equal are the same slice.
#[derive(Debug, Clone, Copy)]
pub struct Reading<'a> {
    /// Decoded fully and in lower case, blanks folded into one space.
    pub text: &'a [u8],
    /// `text` without SQL comments, with concatenated strings joined.
    pub sql: &'a [u8],
    /// `text` without what a shell removes: quotes inside words, backslashes, `$IFS`, `${x}`.
    pub shell: &'a [u8],
    /// `text` as a path: slashes of one kind, `.` and doubled slashes removed; `..` stays.
    pub path: &'a [u8],
    pub marks: Marks,
    /// Nothing but letters, digits and the punctuation that is ordinary at its place: no structure to look for.
    pub quiet: bool,
}

/// Reads values, one at a time, into buffers that are reused.
#[derive(Debug, Default)]
pub struct Normaliser {
    _buffers: Vec<u8>,
}

impl Normaliser {
    /// Calls `each` with the value itself and then with what was found encoded inside it (base64, hex), at most
    /// four readings.
    pub fn read(&mut self, value: &Value<'_>, mut each: impl FnMut(&Reading<'_>)) {
        let _ = (value, &mut each);
    }
}
