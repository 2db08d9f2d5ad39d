//! OCSF: HTTP Activity, Authentication, Detection Finding.

use schemas::Activity;
use serde_json::Value;

use super::{PROVENANCE, client, json, owned, status, time};
use crate::observation::{Dead, Observation};

const HTTP_ACTIVITY: i64 = 4002;
const AUTHENTICATION: i64 = 3002;
const DETECTION_FINDING: i64 = 2004;
/// `status_id`.
const SUCCESS: i64 = 1;
const FAILURE: i64 = 2;

pub(super) fn observe(document: &Value) -> Result<Observation, Dead> {
    let class = json::number(document, &["class_uid"]);
    let activity = match class {
        Some(HTTP_ACTIVITY) => Activity::HttpRequest,
        Some(AUTHENTICATION) => Activity::Login,
        Some(DETECTION_FINDING) => Activity::Finding,
        _ => {
            return Err(Dead::unsupported(
                "of OCSF, the classes 4002 (HTTP Activity), 3002 (Authentication) and 2004 (Detection Finding) are read",
            ));
        }
    };
    let address = match activity {
        Activity::Finding => finding_client(document)?,
        _ => client(document, &[&["src_endpoint", "ip"]])?,
    };
    let mut observation = Observation::new(activity, address, PROVENANCE);
    observation.observed_at = Some(time(document, &["time"])?);
    observation.succeeded = match json::number(document, &["status_id"]) {
        Some(SUCCESS) => Some(true),
        Some(FAILURE) => Some(false),
        _ => None,
    };
    let request = |name| owned(document, &["http_request", name]);
    observation.method = request("http_method").unwrap_or_default();
    observation.agent = request("user_agent");
    observation.referer = request("referrer");
    observation.headers =
        json::at(document, &["http_request", "http_headers"]).and_then(json::headers);
    let url = |name| owned(document, &["http_request", "url", name]);
    observation.host = url("hostname");
    observation.uri = match (url("path"), url("query_string")) {
        (Some(path), Some(query)) => format!("{path}?{query}"),
        (Some(path), None) => path,
        (None, _) => url("url_string").unwrap_or_default(),
    };
    observation.status = status(document, &["http_response", "code"]);
    observation.account = owned(document, &["user", "name"]);
    if activity == Activity::Finding {
        observation.finding = owned(document, &["finding_info", "title"]);
    }
    Ok(observation)
}

/// A finding has its addresses in its evidences.
fn finding_client(document: &Value) -> Result<std::net::IpAddr, Dead> {
    let evidences = json::at(document, &["evidences"]).and_then(Value::as_array);
    for evidence in evidences.into_iter().flatten() {
        if let Ok(address) = client(evidence, &[&["src_endpoint", "ip"]]) {
            return Ok(address);
        }
    }
    client(document, &[&["src_endpoint", "ip"]]).map_err(|_| {
        Dead::no_address("neither evidences[].src_endpoint.ip nor src_endpoint.ip names a client")
    })
}
