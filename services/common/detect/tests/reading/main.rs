//! How requests are split into values, and how values are read.

mod allocations;
mod alphabets;
mod bodies;
mod decoding;
mod escapes;
mod files;
mod hiding;
mod inside;
mod lexical;
mod pairs;
mod properties;
mod rewriting;
mod scoring;
mod searching;
mod splitting;
mod views;

use detect::normalise::{Marks, Normaliser};
use detect::{Part, Place, Value};

/// One reading, owned.
#[derive(Debug, PartialEq, Eq)]
pub struct Read {
    pub text: String,
    pub sql: String,
    pub shell: String,
    pub path: String,
    pub marks: Vec<&'static str>,
    pub quiet: bool,
}

pub fn value(place: Place, raw: &[u8]) -> Value<'_> {
    Value { place, part: Part::Value, name: b"", raw }
}

pub fn read_with(normaliser: &mut Normaliser, value: &Value<'_>) -> Vec<Read> {
    let mut all = Vec::new();
    let own = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    normaliser.read(value, |reading| {
        all.push(Read {
            text: own(reading.text),
            sql: own(reading.sql),
            shell: own(reading.shell),
            path: own(reading.path),
            marks: reading.marks.names().collect(),
            quiet: reading.quiet,
        });
    });
    all
}

pub fn read(place: Place, raw: &[u8]) -> Vec<Read> {
    read_with(&mut Normaliser::default(), &value(place, raw))
}

#[test]
fn every_mark_has_a_name_of_its_own() {
    let names: std::collections::BTreeSet<_> = Marks(u32::MAX).names().collect();
    assert_eq!(names.len(), Marks::NAMES.len());
    assert_eq!(Marks::LINE_BREAK.names().collect::<Vec<_>>(), ["line_break"]);
    assert_eq!(Marks::LINE_INSIDE.0 >> (Marks::NAMES.len() - 1), 1);
}
