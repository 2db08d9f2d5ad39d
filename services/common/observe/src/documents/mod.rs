//! The JSON documents that others send: our own `Event`, OCSF, Falco, Suricata and Alertmanager, each known by its own
//! fields. One document in; what was observed, or a true reason, out.
//!
//! What a document says about a client's address is what its sender says: whether that is believed is not decided here.

mod alertmanager;
mod event;
mod falco;
mod fields;
mod ocsf;
mod split;
mod suricata;

use schemas::Provenance;

use crate::logs::json;
use crate::observation::{Dead, Observation};
pub use event::{Own, Place};
pub use split::{Unbalanced, split};

/// Longest document, in bytes.
pub const DOCUMENT_BYTES_MAX: usize = 256 * 1024;

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
    Observed(Vec<Result<Seen, Dead>>),
}

/// A part of what somebody else's document says.
///
/// Its provenance is [`Provenance::ExternalFeed`] until its sender is known; with any other its sender does not know
/// itself whose the address is.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// What tells it from all else that its sender tells, where the document has such a name: told again in another
    /// document, it has the same.
    pub name: Option<String>,
    pub observation: Observation,
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
        ocsf::observe(&document).map(observed)
    } else if has("event_type") && has("timestamp") {
        suricata::observe(&document).map(observed)
    } else if has("alerts") && has("receiver") {
        alertmanager::observe(&document).map(Document::Observed)
    } else if has("rule") && has("output_fields") {
        falco::observe(&document).map(|seen| observed(Some(seen)))
    } else if has("client") && has("observed_at") {
        event::read(&document).map(Document::Own)
    } else {
        Err(Dead::unsupported(
            "neither an event of ours (client, observed_at), nor OCSF (class_uid), Suricata (event_type, timestamp), \
             Falco (rule, output_fields) or Alertmanager (receiver, alerts)",
        ))
    }
}

/// Of what has no name of its own, at most one.
fn observed(observation: Option<Observation>) -> Document {
    let seen = observation.into_iter().map(|observation| Ok(Seen { name: None, observation }));
    Document::Observed(seen.collect())
}

/// What every document's address is, until its sender is known to have seen the connection itself.
const PROVENANCE: Provenance = Provenance::ExternalFeed;
