//! Where a signature looks.

use crate::request::{Part, Place, Value};

/// A set of places, and names of headers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Places {
    mask: u32,
    headers: Vec<String>,
}

/// The bit of names.
pub(super) const NAME: u32 = 1 << 31;
/// The bit of the names of uploaded files.
const FILE: u32 = 1 << 30;
const EVERY: u32 = (1 << NAMES.len()) - 1;
const NAMES: [(&str, Place); 12] = [
    ("path", Place::Path),
    ("segment", Place::Segment),
    ("query", Place::Query),
    ("form", Place::Form),
    ("json", Place::Json),
    ("xml", Place::Xml),
    ("multipart", Place::Multipart),
    ("cookie", Place::Cookie),
    ("header", Place::Header),
    ("agent", Place::Agent),
    ("referer", Place::Referer),
    ("body", Place::Body),
];

/// The word a pack and an explanation use for `place`.
pub fn word(place: Place) -> &'static str {
    NAMES[place as usize].0
}

/// The bit of the place of `value`, with that of names if it is one.
pub(super) fn bit(value: &Value<'_>) -> u32 {
    let part = match value.part {
        Part::Name => NAME,
        Part::File => FILE,
        Part::Value => 0,
    };
    (1 << value.place as u32) | part
}

impl Places {
    /// Reads the list of a pack; answers the first word that is none.
    pub fn parse(words: &[String]) -> Result<Self, String> {
        let mut places = Self::default();
        for word in words {
            if let Some(header) = word.strip_prefix("header:").filter(|name| !name.is_empty()) {
                places.headers.push(header.to_ascii_lowercase());
            } else if word == "value" {
                places.mask |= EVERY;
            } else if word == "name" {
                places.mask |= NAME;
            } else if word == "file" {
                places.mask |= FILE;
            } else {
                let found =
                    NAMES.iter().find(|(name, _)| name == word).ok_or_else(|| word.clone())?;
                places.mask |= 1 << found.1 as u32;
            }
        }
        Ok(places)
    }

    /// The list of a pack, in its own order.
    pub fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        if self.mask & EVERY == EVERY {
            words.push("value".to_owned());
        } else {
            let listed = NAMES.iter().filter(|(_, place)| self.mask & (1 << *place as u32) != 0);
            words.extend(listed.map(|(name, _)| (*name).to_owned()));
        }
        if self.mask & NAME != 0 {
            words.push("name".to_owned());
        }
        if self.mask & FILE != 0 {
            words.push("file".to_owned());
        }
        words.extend(self.headers.iter().map(|header| format!("header:{header}")));
        words
    }

    /// Whether `value` stands at one of them.
    pub fn contain(&self, value: &Value<'_>) -> bool {
        self.mask & bit(value) != 0 || (!self.headers.is_empty() && self.names_header(value))
    }

    /// The [bits](bit) of the values that it contains whatever they are called.
    pub(super) fn mask(&self) -> u32 {
        self.mask
    }

    /// Whether it contains headers by their names.
    pub(super) fn names_headers(&self) -> bool {
        !self.headers.is_empty()
    }

    /// The [bits](bit) of the values that it may contain.
    pub(super) fn bits(&self) -> u32 {
        let headers = [Place::Header, Place::Agent, Place::Referer, Place::Cookie];
        let named = headers.iter().fold(0, |bits, place| bits | 1 << *place as u32);
        let file = if self.mask & FILE != 0 { 1 << Place::Multipart as u32 } else { 0 };
        self.mask | file | if self.headers.is_empty() { 0 } else { named }
    }

    /// Whether it is a few headers, and nothing else: short values, worth trying a pattern on each.
    pub fn only_headers(&self) -> bool {
        self.mask == 0
    }

    fn names_header(&self, value: &Value<'_>) -> bool {
        let name: &[u8] = match value.place {
            Place::Header => value.name,
            Place::Agent => b"user-agent",
            Place::Referer => b"referer",
            Place::Cookie => b"cookie",
            _ => return false,
        };
        value.part == Part::Value
            && self.headers.iter().any(|header| name.eq_ignore_ascii_case(header.as_bytes()))
    }

    /// `raw` at each of the places, to test a signature with: only a query and a JSON field where it looks at any value.
    pub fn samples<'a>(&'a self, raw: &'a [u8]) -> Vec<Value<'a>> {
        let value =
            |place, part, name: &'static str| Value { place, part, name: name.as_bytes(), raw };
        let mut samples = Vec::new();
        if self.mask & NAME != 0 {
            samples.push(value(Place::Query, Part::Name, ""));
        }
        if self.mask & FILE != 0 {
            samples.push(value(Place::Multipart, Part::File, "filename"));
        }
        if self.mask & EVERY == EVERY {
            samples.push(value(Place::Query, Part::Value, "q"));
            samples.push(value(Place::Json, Part::Value, "q"));
        } else {
            let listed = NAMES.iter().filter(|(_, place)| self.mask & (1 << *place as u32) != 0);
            samples.extend(listed.map(|(_, place)| value(*place, Part::Value, "x")));
        }
        for header in &self.headers {
            let place = match header.as_str() {
                "user-agent" => Place::Agent,
                "referer" => Place::Referer,
                "cookie" => Place::Cookie,
                _ => Place::Header,
            };
            samples.push(Value { place, part: Part::Value, name: header.as_bytes(), raw });
        }
        samples
    }
}
