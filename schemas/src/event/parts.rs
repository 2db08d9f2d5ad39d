//! What an event carries of a request beside its line: headers, the head of a body, and what had to be cut.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{HEADER_NAME_BYTES_MAX, HEADERS_MAX, TEXT_BYTES_MAX};
use crate::record::DecodeError;
use crate::wire::{Wire, put_long, put_text};

/// One header of a request, as sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    pub name: String,
    pub value: String,
}

impl Header {
    pub(super) fn owned((name, value): (&str, &str)) -> Header {
        Header { name: name.to_owned(), value: value.to_owned() }
    }
}

/// The headers of an event, name and value, in the order in which they were sent.
#[derive(Debug, Clone)]
pub struct Headers<'a>(Source<'a>);

#[derive(Debug, Clone)]
enum Source<'a> {
    /// Blocks of an Avro array that were read once without fault, and how many items are left in the first.
    Wire {
        rest: &'a [u8],
        left: usize,
    },
    Owned(std::slice::Iter<'a, Header>),
}

impl<'a> Headers<'a> {
    /// The same, borrowed.
    pub fn of(headers: &'a [Header]) -> Self {
        Headers(Source::Owned(headers.iter()))
    }

    /// Reads past the array, and makes sure of every limit on the way.
    pub(super) fn read(wire: &mut Wire<'a>) -> Result<Self, DecodeError> {
        let rest = wire.rest();
        let mut seen = 0;
        loop {
            let count = wire.block()?;
            if count == 0 {
                return Ok(Headers(Source::Wire { rest, left: 0 }));
            }
            seen = count.saturating_add(seen);
            if seen > HEADERS_MAX {
                let reason = format!("more than {HEADERS_MAX} headers");
                return Err(DecodeError::Invalid(reason));
            }
            for _ in 0..count {
                let (name, value) = (wire.text()?, wire.text()?);
                if name.len() > HEADER_NAME_BYTES_MAX || value.len() > TEXT_BYTES_MAX {
                    let lengths = format!("{} and {} bytes", name.len(), value.len());
                    let reason = format!("name and value of a header have {lengths}");
                    return Err(DecodeError::Invalid(reason));
                }
            }
        }
    }
}

impl<'a> Iterator for Headers<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Source::Owned(headers) => {
                headers.next().map(|header| (header.name.as_str(), header.value.as_str()))
            }
            Source::Wire { rest, left } => {
                let mut wire = Wire::new(rest);
                if *left == 0 {
                    *left = wire.block().ok()?;
                }
                *left = left.checked_sub(1)?;
                let header = (wire.text().ok()?, wire.text().ok()?);
                *rest = wire.rest();
                Some(header)
            }
        }
    }
}

impl PartialEq for Headers<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.clone().eq(other.clone())
    }
}

pub(super) fn put_headers(out: &mut Vec<u8>, headers: &[Header]) {
    if !headers.is_empty() {
        put_long(out, headers.len() as i64);
        for header in headers {
            put_text(out, &header.name);
            put_text(out, &header.value);
        }
    }
    put_long(out, 0);
}

/// A part of a request that may be longer than an event carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    Uri,
    Agent,
    Referer,
    /// Too many headers, or too long a name or value of one.
    Headers,
    Body,
}

const PARTS: [Part; 5] = [Part::Uri, Part::Agent, Part::Referer, Part::Headers, Part::Body];

/// The parts that were cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cut(u8);

impl Cut {
    pub fn add(&mut self, part: Part) {
        self.0 |= 1 << part as u8;
    }

    pub fn contains(self, part: Part) -> bool {
        self.0 & 1 << part as u8 != 0
    }

    pub fn iter(self) -> impl Iterator<Item = Part> {
        PARTS.into_iter().filter(move |part| self.contains(*part))
    }

    pub(super) fn read(wire: &mut Wire<'_>) -> Result<Cut, DecodeError> {
        let (mut cut, mut seen) = (Cut::default(), 0_usize);
        loop {
            let count = wire.block()?;
            if count == 0 {
                return Ok(cut);
            }
            seen = seen.saturating_add(count);
            if seen > PARTS.len() {
                return Err(DecodeError::Invalid("cut names more parts than there are".to_owned()));
            }
            for _ in 0..count {
                cut.add(super::symbol(&PARTS, wire.long()?)?);
            }
        }
    }

    pub(super) fn put(self, out: &mut Vec<u8>) {
        if self.0 != 0 {
            put_long(out, i64::from(self.0.count_ones()));
            self.iter().for_each(|part| put_long(out, part as i64));
        }
        put_long(out, 0);
    }
}

impl FromIterator<Part> for Cut {
    fn from_iter<I: IntoIterator<Item = Part>>(parts: I) -> Self {
        let mut cut = Cut::default();
        parts.into_iter().for_each(|part| cut.add(part));
        cut
    }
}

impl Serialize for Cut {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.iter().collect::<Vec<_>>().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Cut {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Vec::<Part>::deserialize(deserializer)?.into_iter().collect())
    }
}
