//! What proxies write: Envoy's default text, and the JSON of Envoy, Traefik and Caddy.

use std::borrow::Cow;

use serde_json::Value;

use super::json::{self, header, number, object, text};
use super::text::{
    address, excerpt, field, quoted, request_of, set_request, status, unescaped, word,
};
use super::time::{Dates, moment};
use super::waf;
use crate::Trusted;
use crate::observation::{Dead, Line, Observation};
use schemas::{Millis, Provenance};

/// Envoy's access log: its default text, or JSON.
pub(super) fn envoy(line: &str, dates: Dates, trusted: &Trusted) -> Result<Line, Dead> {
    if line.starts_with('[') {
        return envoy_text(line, dates, trusted).map(Line::Event);
    }
    let entry = object(line)?;
    let first = |names: &[&str]| names.iter().find_map(|name| text(&entry, &[name]));
    let peer = first(&["downstream_direct_remote_address", "downstream_remote_address"])
        .ok_or_else(|| Dead::no_address("no downstream_remote_address; add it to the format"))?;
    let forwarded_for = first(&["x_forwarded_for", "x-forwarded-for"]);
    let mut observation = request_of(address(peer)?, forwarded_for, trusted);
    observation.observed_at = time_at(&entry, &["start_time"], dates)?;
    observation.method = first(&["method", ":method"]).unwrap_or_default().to_owned();
    // Where no route rewrites, the original path is a header of the client's own, so the path itself comes first.
    let path = first(&["path", ":path", "x-envoy-original-path", "x-envoy-origin-path"]);
    observation.uri = path.unwrap_or_default().to_owned();
    observation.host = first(&["authority", ":authority", "host"]).map(str::to_owned);
    observation.status = number(&entry, &["response_code"]).and_then(valid_status);
    observation.agent = first(&["user_agent", "user-agent"]).map(str::to_owned);
    observation.referer = first(&["referer", "referrer"]).map(str::to_owned);
    let details = first(&["response_code_details"]).unwrap_or_default();
    observation.refused_by_us = details.starts_with("ext_authz_denied");
    Ok(Line::Event(observation))
}

/// `[TIME] "GET / HTTP/1.1" 200 - 0 5 1 1 "X-FORWARDED-FOR" "AGENT" "ID" "AUTHORITY" "UPSTREAM"`.
///
/// It has no peer, and Envoy escapes no quotes, so the address is what some header says.
fn envoy_text(line: &str, dates: Dates, trusted: &Trusted) -> Result<Observation, Dead> {
    let malformed = || Dead::malformed(format!("not Envoy's default: '{}'", excerpt(line)));
    let (time, rest) = line[1..].split_once("] ").ok_or_else(malformed)?;
    let (request, rest) = quoted(rest).ok_or_else(malformed)?;
    let (code, rest) = rest.strip_prefix(' ').and_then(word).ok_or_else(malformed)?;
    let (_numbers, texts) = rest.split_at(rest.find('"').ok_or_else(malformed)?);
    let mut fields = [""; 4];
    let mut rest = texts;
    for field in &mut fields {
        (*field, rest) = quoted(rest.trim_start_matches(' ')).ok_or_else(malformed)?;
    }
    let [forwarded_for, agent, _id, authority] = fields;
    let nearest = forwarded_for.rsplit(',').next().unwrap_or_default().trim();
    let mut observation = request_of(address(nearest)?, Some(forwarded_for), trusted);
    observation.provenance = Provenance::HeaderUntrusted;
    observation.observed_at = Some(readable(time, dates)?);
    set_request(&mut observation, request, unescaped);
    observation.status = status(code);
    observation.agent = field(agent);
    observation.host = field(authority);
    Ok(observation)
}

/// Traefik's access log in JSON.
pub(super) fn traefik(line: &str, dates: Dates, trusted: &Trusted) -> Result<Line, Dead> {
    let entry = object(line)?;
    let Some(peer) = text(&entry, &["ClientHost"]) else {
        // Its own log goes to the same place unless told otherwise.
        let own = text(&entry, &["level"]).is_some() && entry.get("RequestMethod").is_none();
        return if own { Ok(Line::Nothing) } else { Err(Dead::no_address("no ClientHost")) };
    };
    let forwarded_for = text(&entry, &["request_X-Forwarded-For"]);
    let mut observation = request_of(address(peer)?, forwarded_for, trusted);
    observation.observed_at = time_at(&entry, &["StartUTC", "time"], dates)?;
    let owned = |name: &str| text(&entry, &[name]).map(str::to_owned);
    observation.method = owned("RequestMethod").unwrap_or_default();
    observation.host = owned("RequestHost");
    observation.uri = owned("RequestPath").unwrap_or_default();
    observation.status = number(&entry, &["DownstreamStatus"]).and_then(valid_status);
    observation.agent = owned("request_User-Agent");
    observation.referer = owned("request_Referer");
    Ok(Line::Event(observation))
}

/// Caddy's log in JSON: requests, and what Coraza says there. All else in it is about Caddy itself.
pub(super) fn caddy(line: &str, dates: Dates, trusted: &Trusted) -> Result<Line, Dead> {
    let entry = object(line)?;
    let logger = text(&entry, &["logger"]).unwrap_or_default();
    let time = time_at(&entry, &["ts"], dates)?;
    if logger == "http.handlers.waf" {
        return waf::coraza_note(text(&entry, &["msg"]).unwrap_or_default(), time);
    }
    let Some(request) = entry.get("request").filter(|_| logger.starts_with("http.log.access"))
    else {
        return if logger.is_empty() {
            Err(Dead::malformed("no logger: not a line of Caddy's"))
        } else {
            Ok(Line::Nothing)
        };
    };
    let peer = text(request, &["remote_ip"]).or_else(|| text(request, &["remote_addr"]));
    let peer = address(peer.ok_or_else(|| Dead::no_address("no remote_ip"))?)?;
    let headers = request.get("headers").unwrap_or(&Value::Null);
    let mut observation = request_of(peer, header(headers, "X-Forwarded-For"), trusted);
    observation.observed_at = time;
    let owned = |name: &str| text(request, &[name]).map(str::to_owned);
    observation.method = owned("method").unwrap_or_default();
    observation.host = owned("host");
    observation.uri = owned("uri").unwrap_or_default();
    observation.status = number(&entry, &["status"]).and_then(valid_status);
    observation.agent = header(headers, "User-Agent").map(str::to_owned);
    observation.referer = header(headers, "Referer").map(str::to_owned);
    observation.headers = json::headers(headers);
    Ok(Line::Event(observation))
}

/// The time under the first of these names that the entry has; nothing where it has none of them. A text or a number.
fn time_at(entry: &Value, names: &[&str], dates: Dates) -> Result<Option<Millis>, Dead> {
    let Some(written) = names.iter().find_map(|name| entry.get(*name)) else { return Ok(None) };
    let text = match written {
        Value::String(text) => Cow::Borrowed(text.as_str()),
        other => Cow::Owned(other.to_string()),
    };
    readable(&text, dates).map(Some)
}

/// A time that is there and cannot be read is the line's death: whatever else it was, it was not now.
fn readable(text: &str, dates: Dates) -> Result<Millis, Dead> {
    moment(text, dates).ok_or_else(|| Dead::no_time(format!("'{}' is not a time", excerpt(text))))
}

/// Envoy writes 0 where nothing was answered.
pub(super) fn valid_status(code: i64) -> Option<i32> {
    i32::try_from(code).ok().filter(|code| (100..1_000).contains(code))
}
