//! Labelled requests, one JSON object a line.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::request::{Header, Place, Request, Value};

/// What a row is known to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Label {
    Attack,
    Benign,
}

/// One labelled request.
#[derive(Debug, Clone, Deserialize)]
pub struct Row {
    pub id: String,
    /// Where the row was taken from: the unit that is left out.
    pub source: String,
    pub label: Label,
    pub category: String,
    pub tier: String,
    pub method: String,
    pub uri: String,
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    #[serde(default)]
    pub body: String,
    /// Places the payload stands in: `uri`, `body`, `header:NAME` or `headers-other`.
    #[serde(default, rename = "where")]
    pub places: Vec<String>,
}

/// Why a line is not a row.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {source}")]
pub struct RowError {
    pub line: usize,
    source: serde_json::Error,
}

/// Reads all rows of `text`; empty lines are passed over.
///
/// # Errors
///
/// The first line that is not a row.
pub fn parse(text: &str) -> Result<Vec<Row>, RowError> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(at, line)| {
            serde_json::from_str(line).map_err(|source| RowError { line: at + 1, source })
        })
        .collect()
}

impl Row {
    pub fn attack(&self) -> bool {
        self.label == Label::Attack
    }

    /// Whether an access log would show every place the payload stands in.
    pub fn log_visible(&self) -> bool {
        let shown = |place: &String| {
            ["uri", "header:user-agent", "header:referer"]
                .iter()
                .any(|known| place.eq_ignore_ascii_case(known))
        };
        !self.places.is_empty() && self.places.iter().all(shown)
    }

    /// The request of this row as an access log has it: what stands in no log's line is absent.
    pub fn logged(&self) -> Request<'_> {
        let named = |name: &str| {
            self.headers
                .iter()
                .find(|(key, _)| key.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.as_bytes())
        };
        Request {
            method: self.method.as_bytes(),
            uri: self.uri.as_bytes(),
            agent: named("user-agent"),
            referer: named("referer"),
            ..Request::default()
        }
    }

    /// Calls `each` with the request of this row. An empty body is an absent one.
    pub fn request<T>(&self, each: impl FnOnce(&Request<'_>) -> T) -> T {
        let own = |name: &str| {
            name.eq_ignore_ascii_case("user-agent") || name.eq_ignore_ascii_case("referer")
        };
        let others = self.headers.iter().filter(|(name, _)| !own(name));
        let headers: Vec<Header<'_>> = others
            .map(|(name, value)| Header { name: name.as_bytes(), value: value.as_bytes() })
            .collect();
        each(&Request {
            headers: &headers,
            body: (!self.body.is_empty()).then_some(self.body.as_bytes()),
            ..self.logged()
        })
    }

    /// Whether the payload of this row may stand in `value`.
    pub fn names(&self, value: &Value<'_>) -> bool {
        self.places.iter().any(|place| match (place.as_str(), value.place) {
            ("uri", Place::Path | Place::Segment | Place::Query) => true,
            ("body", Place::Form | Place::Json | Place::Xml | Place::Multipart | Place::Body) => {
                true
            }
            ("headers-other", Place::Header | Place::Cookie) => true,
            (place, at) => header(place).is_some_and(|name| match at {
                Place::Agent => name.eq_ignore_ascii_case("user-agent"),
                Place::Referer => name.eq_ignore_ascii_case("referer"),
                Place::Cookie => name.eq_ignore_ascii_case("cookie"),
                Place::Header => value.name.eq_ignore_ascii_case(name.as_bytes()),
                _ => false,
            }),
        })
    }
}

fn header(place: &str) -> Option<&str> {
    let (kind, name) = place.split_once(':')?;
    kind.eq_ignore_ascii_case("header").then_some(name)
}

/// Whether an access log would show a value that stands at `place`.
pub fn shown(place: Place) -> bool {
    matches!(place, Place::Path | Place::Segment | Place::Query | Place::Agent | Place::Referer)
}
