//! Our own `Event` as JSON, with the names of `event.avsc`.

use schemas::{Activity, Provenance};
use serde_json::Value;
use uuid::Uuid;

use super::PROVENANCE;
use super::fields::{client, headers, number, owned, status, time};
use crate::observation::{Dead, Observation};

/// An event of our own form.
#[derive(Debug, Clone, PartialEq)]
pub struct Own {
    pub event_id: Option<Uuid>,
    /// Where it stands among its sender's, if the sender counts.
    pub place: Option<Place>,
    /// How the client's address was learnt, if the sender says so.
    pub provenance: Option<Provenance>,
    pub observation: Observation,
}

/// A sender's own source and position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub source: String,
    pub position: i64,
}

/// The fields of `event.avsc` that a sender may set. `received_at` and `probe` are ours to say and are passed over.
const FIELDS: [&str; 22] = [
    "event_id",
    "source",
    "position",
    "observed_at",
    "received_at",
    "client",
    "provenance",
    "method",
    "host",
    "uri",
    "status",
    "agent",
    "referer",
    "refused_by_us",
    "probe",
    "activity",
    "succeeded",
    "account",
    "finding",
    "headers",
    "body",
    "cut",
];

pub(super) fn read(document: &Value) -> Result<Own, Dead> {
    let names = document.as_object().into_iter().flat_map(|object| object.keys());
    if let Some(unknown) = names.into_iter().find(|name| !FIELDS.contains(&name.as_str())) {
        return Err(Dead::malformed(format!("an event has no field '{unknown}'")));
    }
    let activity = named(document, "activity")?.unwrap_or(Activity::HttpRequest);
    let mut observation = Observation::new(activity, client(document, &[&["client"]])?, PROVENANCE);
    observation.observed_at = Some(time(document, &["observed_at"])?);
    observation.method = owned(document, &["method"])?.unwrap_or_default();
    observation.host = owned(document, &["host"])?;
    observation.uri = owned(document, &["uri"])?.unwrap_or_default();
    observation.status = status(document, &["status"])?;
    observation.agent = owned(document, &["agent"])?;
    observation.referer = owned(document, &["referer"])?;
    observation.account = owned(document, &["account"])?;
    observation.finding = owned(document, &["finding"])?;
    observation.succeeded = named(document, "succeeded")?;
    observation.headers = headers(document, &["headers"])?;
    observation.body = named::<String>(document, "body")?.map(String::into_bytes);
    observation.cut = named(document, "cut")?.unwrap_or_default();
    observation.refused_by_us = named(document, "refused_by_us")?.unwrap_or(false);
    let event_id = named(document, "event_id")?;
    let provenance = named(document, "provenance")?;
    let place = match (owned(document, &["source"])?, number(document, &["position"])?) {
        (Some(source), Some(position)) => Some(Place { source, position }),
        (None, Some(_)) => {
            return Err(Dead::malformed("a position needs the source that counts it"));
        }
        _ => None,
    };
    Ok(Own { event_id, place, provenance, observation })
}

/// A field that is there and not null, in the form its schema has.
fn named<T: serde::de::DeserializeOwned>(document: &Value, name: &str) -> Result<Option<T>, Dead> {
    match document.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => serde_json::from_value(value.clone())
            .map(Some)
            .map_err(|error| Dead::malformed(format!("{name}: {error}"))),
    }
}
