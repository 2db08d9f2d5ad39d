//! OCSF: HTTP Activity, Authentication, Detection Finding.

use schemas::Activity;
use serde_json::Value;

use super::PROVENANCE;
use super::fields::{client, headers, number, owned, status, time};
use crate::observation::{Dead, Observation};

const HTTP_ACTIVITY: i64 = 4002;
const AUTHENTICATION: i64 = 3002;
const DETECTION_FINDING: i64 = 2004;
/// `activity_id` of Authentication. Of the others one ends a session, those of Kerberos tell tickets, whose failures are
/// part of many a login that succeeds, and one is a change of account inside a session.
const LOGON: i64 = 1;
/// `status_id`.
const SUCCESS: i64 = 1;
const FAILURE: i64 = 2;

/// Nothing where it is about an account and no login.
pub(super) fn observe(document: &Value) -> Result<Option<Observation>, Dead> {
    let activity = match number(document, &["class_uid"])? {
        Some(HTTP_ACTIVITY) => Activity::HttpRequest,
        Some(AUTHENTICATION) => Activity::Login,
        Some(DETECTION_FINDING) => Activity::Finding,
        _ => {
            return Err(Dead::unsupported(
                "of OCSF, the classes 4002 (HTTP Activity), 3002 (Authentication) and 2004 (Detection Finding) are read",
            ));
        }
    };
    if activity == Activity::Login {
        match number(document, &["activity_id"])? {
            Some(LOGON) => {}
            Some(_) => return Ok(None),
            None => {
                return Err(Dead::malformed(
                    "activity_id is missing; 1 (Logon) says that it is a login",
                ));
            }
        }
    }
    let address = match activity {
        Activity::Finding => finding_client(document)?,
        _ => client(document, &[&["src_endpoint", "ip"]])?,
    };
    let mut observation = Observation::new(activity, address, PROVENANCE);
    observation.observed_at = Some(time(document, &["time"])?);
    observation.succeeded = match number(document, &["status_id"])? {
        Some(SUCCESS) => Some(true),
        Some(FAILURE) => Some(false),
        _ => None,
    };
    let request = |name| owned(document, &["http_request", name]);
    observation.method = request("http_method")?.unwrap_or_default();
    observation.agent = request("user_agent")?;
    observation.referer = request("referrer")?;
    observation.headers = headers(document, &["http_request", "http_headers"])?;
    let url = |name| owned(document, &["http_request", "url", name]);
    observation.host = url("hostname")?;
    observation.uri = match (url("path")?, url("query_string")?) {
        (Some(path), Some(query)) => format!("{path}?{query}"),
        (Some(path), None) => path,
        (None, _) => url("url_string")?.unwrap_or_default(),
    };
    observation.status = status(document, &["http_response", "code"])?;
    observation.account = owned(document, &["user", "name"])?;
    if activity == Activity::Finding {
        observation.finding = owned(document, &["finding_info", "title"])?;
    }
    Ok(Some(observation))
}

/// A finding has its addresses in its evidences.
fn finding_client(document: &Value) -> Result<std::net::IpAddr, Dead> {
    let evidences = document.get("evidences").and_then(Value::as_array);
    for evidence in evidences.into_iter().flatten() {
        if let Ok(address) = client(evidence, &[&["src_endpoint", "ip"]]) {
            return Ok(address);
        }
    }
    client(document, &[&["src_endpoint", "ip"]]).map_err(|_| {
        Dead::no_address("neither evidences[].src_endpoint.ip nor src_endpoint.ip names a client")
    })
}
