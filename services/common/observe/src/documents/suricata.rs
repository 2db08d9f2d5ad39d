//! Suricata's EVE: requests (`http`) and findings (`alert`).

use schemas::Activity;
use serde_json::Value;

use super::{PROVENANCE, client, json, owned, status, time};
use crate::observation::{Dead, Observation};

/// Nothing where the event is about no request and no finding.
pub(super) fn observe(document: &Value) -> Result<Option<Observation>, Dead> {
    let activity = match json::text(document, &["event_type"]) {
        Some("http") => Activity::HttpRequest,
        Some("alert") => Activity::Finding,
        _ => return Ok(None),
    };
    let address = client(document, &[&["src_ip"]])?;
    let mut observation = Observation::new(activity, address, PROVENANCE);
    observation.observed_at = Some(time(document, &["timestamp"])?);
    let http = |name| owned(document, &["http", name]);
    observation.method = http("http_method").unwrap_or_default();
    observation.host = http("hostname");
    observation.uri = http("url").unwrap_or_default();
    observation.agent = http("http_user_agent");
    observation.referer = http("http_refer");
    observation.headers = json::at(document, &["http", "request_headers"]).and_then(json::headers);
    let body = json::at(document, &["http", "http_request_body_printable"]);
    observation.body = body.and_then(Value::as_str).map(|body| body.as_bytes().to_vec());
    observation.status = status(document, &["http", "status"]);
    if activity == Activity::Finding {
        let rule = json::number(document, &["alert", "signature_id"]);
        let title = json::text(document, &["alert", "signature"]).unwrap_or("an alert");
        observation.finding =
            Some(rule.map_or_else(|| title.to_owned(), |rule| format!("{rule}: {title}")));
    }
    Ok(Some(observation))
}
