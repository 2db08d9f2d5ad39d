//! The JSON documents that others send: our own `Event`, OCSF, Falco, Suricata and Alertmanager, each known by its own
//! fields. One document in; what was observed, or a true reason, out.
//!
//! What a document says about a client's address is what its sender says: whether that is believed is not decided here.

mod alertmanager;
mod event;
mod falco;
mod ocsf;
mod split;
mod suricata;

use schemas::{Millis, Provenance};
use serde_json::Value;

use crate::logs::json;
use crate::logs::text::address;
use crate::logs::time::{Dates, iso};
use crate::observation::{Dead, Observation};
pub use event::{Own, Place};
pub use split::{Unbalanced, split};

/// Longest document, in bytes.
pub const DOCUMENT_BYTES_MAX: usize = 256 * 1024;
/// Later than any clock: larger numbers are no milliseconds.
const MILLIS_MAX: i64 = 253_402_300_800_000;

/// What a document is.
#[allow(
    clippy::large_enum_variant,
    reason = "documents are read one at a time; a box would allocate for each"
)]
#[derive(Debug, Clone, PartialEq)]
pub enum Document {
    /// An event of our own form, which may have an id and a place of its own.
    Own(Own),
    /// What somebody else's says, each part by itself; none where it speaks of no client.
    Observed(Vec<Result<Observation, Dead>>),
}

/// Reads one document.
pub fn read(bytes: &[u8]) -> Result<Document, Dead> {
    if bytes.len() > DOCUMENT_BYTES_MAX {
        return Err(Dead::too_long(format!(
            "the document has {} bytes, and {DOCUMENT_BYTES_MAX} are allowed",
            bytes.len()
        )));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| Dead::malformed("not UTF-8"))?;
    let document = json::object(text)?;
    let has = |name: &str| document.get(name).is_some();
    if has("class_uid") {
        ocsf::observe(&document).map(one)
    } else if has("event_type") && has("timestamp") {
        suricata::observe(&document)
            .map(|seen| Document::Observed(seen.into_iter().map(Ok).collect()))
    } else if has("alerts") && has("receiver") {
        alertmanager::observe(&document).map(Document::Observed)
    } else if has("rule") && has("output_fields") {
        falco::observe(&document).map(one)
    } else if has("client") && has("observed_at") {
        event::read(&document).map(Document::Own)
    } else {
        Err(Dead::unsupported(
            "neither an event of ours (client, observed_at), nor OCSF (class_uid), Suricata (event_type, timestamp), \
             Falco (rule, output_fields) or Alertmanager (receiver, alerts)",
        ))
    }
}

fn one(observation: Observation) -> Document {
    Document::Observed(vec![Ok(observation)])
}

/// The first address at one of the paths.
fn client(document: &Value, paths: &[&[&str]]) -> Result<std::net::IpAddr, Dead> {
    match paths.iter().find_map(|path| json::text(document, path)) {
        Some(text) => address(text),
        None => {
            let names: Vec<String> = paths.iter().map(|path| path.join(".")).collect();
            Err(Dead::no_address(format!("none of {} names a client", names.join(", "))))
        }
    }
}

/// A time as milliseconds since the epoch, or as ISO 8601 with a zone.
fn time(document: &Value, path: &[&str]) -> Result<Millis, Dead> {
    let name = path.join(".");
    match json::at(document, path) {
        Some(Value::String(text)) => iso(text, Dates::default()).ok_or_else(|| {
            Dead::no_time(format!("{name} is no time such as 2026-01-01T00:00:00Z"))
        }),
        Some(value) => {
            value.as_i64().filter(|millis| (0..MILLIS_MAX).contains(millis)).ok_or_else(|| {
                Dead::no_time(format!("{name} is no number of milliseconds since 1970"))
            })
        }
        None => Err(Dead::no_time(format!("{name} is missing"))),
    }
}

fn owned(document: &Value, path: &[&str]) -> Option<String> {
    json::text(document, path).map(str::to_owned)
}

/// A status code of HTTP, if it is one.
fn status(document: &Value, path: &[&str]) -> Option<i32> {
    let code = json::number(document, path)?;
    i32::try_from(code).ok().filter(|code| (100..600).contains(code))
}

/// What every document's address is, until its sender is known to have seen the connection itself.
const PROVENANCE: Provenance = Provenance::ExternalFeed;
