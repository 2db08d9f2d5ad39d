//! Suricata's EVE: requests (`http`) and findings (`alert`).

use std::net::IpAddr;

use schemas::{Activity, Provenance};
use serde_json::Value;

use super::PROVENANCE;
use super::fields::{client, headers, number, owned, status, text, time, whole};
use crate::observation::{Dead, Observation};

/// The client, where Suricata names both ends by who began.
const BEGAN: &[&str] = &["flow", "src_ip"];
const FROM: &[&str] = &["src_ip"];
const TO: &[&str] = &["dest_ip"];

/// Nothing where the event is about no request and no finding.
pub(super) fn observe(document: &Value) -> Result<Option<Observation>, Dead> {
    let (activity, (address, provenance)) = match text(document, &["event_type"])? {
        Some("http") => (Activity::HttpRequest, (client(document, &[FROM])?, PROVENANCE)),
        Some("alert") => (Activity::Finding, alerted(document)?),
        _ => return Ok(None),
    };
    let mut observation = Observation::new(activity, address, provenance);
    observation.observed_at = Some(time(document, &["timestamp"])?);
    let http = |name| owned(document, &["http", name]);
    observation.method = http("http_method")?.unwrap_or_default();
    observation.host = http("hostname")?;
    observation.uri = http("url")?.unwrap_or_default();
    observation.agent = http("http_user_agent")?;
    observation.referer = http("http_refer")?;
    observation.headers = headers(document, &["http", "request_headers"])?;
    let body = whole(document, &["http", "http_request_body_printable"])?;
    observation.body = body.map(|body| body.as_bytes().to_vec());
    observation.status = status(document, &["http", "status"])?;
    if activity == Activity::Finding {
        let rule = number(document, &["alert", "signature_id"])?;
        let title = text(document, &["alert", "signature"])?.unwrap_or("an alert");
        observation.finding =
            Some(rule.map_or_else(|| title.to_owned(), |rule| format!("{rule}: {title}")));
    }
    Ok(Some(observation))
}

/// Whom an alert is about. Its own addresses are those of the packet that it saw, and of an answer the first of them is
/// the server. Where it does not tell which way the packet went, the address is evidence and nobody is blocked for it.
fn alerted(document: &Value) -> Result<(IpAddr, Provenance), Dead> {
    let (path, provenance) = if text(document, BEGAN)?.is_some() {
        (BEGAN, PROVENANCE)
    } else {
        match text(document, &["direction"])? {
            Some("to_client") => (TO, PROVENANCE),
            Some("to_server") => (FROM, PROVENANCE),
            _ => (FROM, Provenance::LogText),
        }
    };
    Ok((client(document, &[path])?, provenance))
}
