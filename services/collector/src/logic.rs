//! What an entry of Envoy's access log means: data in, data out. No network, no clock.

pub mod documents;
pub mod follow;
pub mod frames;
pub mod lines;
pub mod networks;
pub mod peers;
pub mod records;
pub mod senders;

use std::net::IpAddr;

use envoy_types::pb::envoy::config::core::v3::address::Address as Kind;
use envoy_types::pb::envoy::config::core::v3::{Address, RequestMethod};
use envoy_types::pb::envoy::data::accesslog::v3::{
    AccessLogCommon, AccessLogType, HttpAccessLogEntry, HttpRequestProperties,
    HttpResponseProperties,
};
use envoy_types::pb::google::protobuf::Timestamp;
use observe::probe::{Forged, Nonce, PROBE_HEADER, PublicKey, verify};
use observe::{Observation, Trusted, client_address, route};
use schemas::{Activity, Event, Header, Millis};
use uuid::Uuid;

/// An event further ahead of our clock than this goes to the dead letters: some clock is wrong.
pub const FUTURE_MS: Millis = 30 * 1_000;
/// Longest `traceparent` that is handed on.
const TRACEPARENT_BYTES_MAX: usize = 64;
/// What Envoy writes when ext_authz refused a request.
const DENIED: &str = "ext_authz_denied";
/// Headers for our own use, which say nothing about a client.
const OURS: [&str; 2] = [PROBE_HEADER, "traceparent"];

/// What the mapping is made with.
#[derive(Debug, Clone)]
pub struct Mapping {
    pub trusted: Trusted,
    pub probe_key: PublicKey,
}

/// Where an entry stands: which run of the collector, which stream of it, which entry of that.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    pub run: Uuid,
    /// `envoy/<run>/<stream>`, made once per stream.
    pub source: &'a str,
    pub position: i64,
}

/// An entry as an event. It is not marked as a probe yet: see [`Probe`].
#[derive(Debug, Clone, PartialEq)]
pub struct Mapped {
    pub event: Event,
    pub probe: Probe,
    /// W3C `traceparent` of the request, if Envoy logs it.
    pub trace: Option<String>,
    /// How far ahead of our clock it happened, if too far to be true.
    pub future_ms: Option<Millis>,
}

/// Whether a request says that it is a probe of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// It says nothing.
    None,
    /// Signed by us for this address and path; ours if nobody used the nonce before.
    Signed(Nonce),
    /// It says so, and it is not true: an ordinary event, counted.
    Forged(Forged),
}

/// Why an entry becomes no event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unusable {
    /// Written while the request goes on; its last entry is the one that counts.
    Intermediate,
    /// Without the address of the peer nobody can be held to it.
    NoPeer,
    NoRequest,
}

impl Unusable {
    /// The class, as a metric label.
    pub fn class(self) -> &'static str {
        match self {
            Unusable::Intermediate => "intermediate",
            Unusable::NoPeer => "no_peer",
            Unusable::NoRequest => "no_request",
        }
    }
}

/// The event that `entry`, received at `now`, speaks of.
pub fn event(
    mapping: &Mapping,
    entry: &HttpAccessLogEntry,
    place: Place<'_>,
    now: Millis,
) -> Result<Mapped, Unusable> {
    let common = entry.common_properties.as_ref().ok_or(Unusable::NoPeer)?;
    if !final_entry(common) {
        return Err(Unusable::Intermediate);
    }
    let request = entry.request.as_ref().ok_or(Unusable::NoRequest)?;
    let peer =
        common.downstream_direct_remote_address.as_ref().and_then(ip).ok_or(Unusable::NoPeer)?;
    let client = client_address(peer, forwarded_for(request), &mapping.trusted);
    let observed_at = common.start_time.as_ref().map_or(now, millis);
    let seen = Observation {
        observed_at: Some(observed_at),
        method: method(request),
        host: text(&request.authority),
        // Never `original_path`: where no route rewrites, that header is the client's own text, and it could hide
        // what was really asked for (Envoy does not remove it).
        uri: request.path.clone(),
        status: entry.response.as_ref().and_then(status),
        agent: text(&request.user_agent),
        referer: text(&request.referer),
        refused_by_us: refused_by_us(common, entry.response.as_ref()),
        headers: headers(request),
        ..Observation::new(Activity::HttpRequest, client.address, client.provenance)
    };
    let name = format!("{}/{}", place.source, place.position);
    let event_id = Uuid::new_v5(&place.run, name.as_bytes());
    let event = seen.into_event(event_id, place.source.to_owned(), Some(place.position), now);
    let probe = match request.request_headers.get(PROBE_HEADER) {
        None => Probe::None,
        Some(header) => {
            match verify(header, event.client, route::path(&event.uri), now, &mapping.probe_key) {
                Ok(nonce) => Probe::Signed(nonce),
                Err(forged) => Probe::Forged(forged),
            }
        }
    };
    let ahead_ms = observed_at.saturating_sub(now);
    Ok(Mapped {
        event,
        probe,
        trace: request
            .request_headers
            .get("traceparent")
            .filter(|trace| is_traceparent(trace))
            .cloned(),
        future_ms: (ahead_ms > FUTURE_MS).then_some(ahead_ms),
    })
}

fn final_entry(common: &AccessLogCommon) -> bool {
    [AccessLogType::NotSet, AccessLogType::DownstreamEnd]
        .map(i32::from)
        .contains(&common.access_log_type)
}

fn forwarded_for(request: &HttpRequestProperties) -> Option<&str> {
    Some(request.forwarded_for.as_str()).filter(|header| !header.is_empty())
}

fn ip(address: &Address) -> Option<IpAddr> {
    match address.address.as_ref()? {
        Kind::SocketAddress(socket) => socket.address.parse().ok(),
        // A socket of the file system or inside Envoy has no address to act against.
        Kind::Pipe(_) | Kind::EnvoyInternalAddress(_) => None,
    }
}

fn millis(time: &Timestamp) -> Millis {
    time.seconds.saturating_mul(1_000).saturating_add(Millis::from(time.nanos) / 1_000_000)
}

fn method(request: &HttpRequestProperties) -> String {
    match RequestMethod::try_from(request.request_method) {
        Ok(RequestMethod::MethodUnspecified) | Err(_) => "OTHER".to_owned(),
        Ok(method) => method.as_str_name().to_owned(),
    }
}

/// No status is no answer: the client went away, or Envoy wrote 0 for it.
fn status(response: &HttpResponseProperties) -> Option<i32> {
    let code = response.response_code.as_ref()?;
    i32::try_from(code.value).ok().filter(|code| *code != 0)
}

fn refused_by_us(common: &AccessLogCommon, response: Option<&HttpResponseProperties>) -> bool {
    let flagged =
        common.response_flags.as_ref().is_some_and(|flags| flags.unauthorized_details.is_some());
    flagged || response.is_some_and(|response| response.response_code_details.starts_with(DENIED))
}

fn text(value: &str) -> Option<String> {
    Some(value).filter(|value| !value.is_empty()).map(str::to_owned)
}

/// The headers that Envoy was told to log beside those of our own making; absent where it was told of none.
fn headers(request: &HttpRequestProperties) -> Option<Vec<Header>> {
    let theirs = request.request_headers.iter().filter(|(name, _)| !OURS.contains(&name.as_str()));
    let mut headers: Vec<_> =
        theirs.map(|(name, value)| Header { name: name.clone(), value: value.clone() }).collect();
    headers.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    Some(headers).filter(|headers| !headers.is_empty())
}

fn is_traceparent(text: &str) -> bool {
    text.len() <= TRACEPARENT_BYTES_MAX
        && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}
