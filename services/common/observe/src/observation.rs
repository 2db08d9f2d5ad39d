//! One observed activity, read from a line or a document of somebody else's: what it says, before it has a source, a
//! position and an id.

use std::net::IpAddr;

use schemas::event::{
    BODY_BYTES_MAX, Cut, HEADER_NAME_BYTES_MAX, HEADERS_MAX, Part, TEXT_BYTES_MAX, URI_BYTES_MAX,
};
use schemas::observable::canonical_address;
use schemas::{Activity, Event, Header, Millis, Provenance};
use uuid::Uuid;

/// What was observed. Texts are as they were sent, of any length; [`Observation::into_event`] cuts them.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// When it happened, if the source says so.
    pub observed_at: Option<Millis>,
    pub client: IpAddr,
    pub provenance: Provenance,
    pub activity: Activity,
    pub method: String,
    pub host: Option<String>,
    /// Path and query as sent; empty for what is no request.
    pub uri: String,
    pub status: Option<i32>,
    pub agent: Option<String>,
    pub referer: Option<String>,
    /// The account that a login was for.
    pub account: Option<String>,
    /// Whether it succeeded; absent where the source does not say.
    pub succeeded: Option<bool>,
    /// What another detector says it found: its rule and title.
    pub finding: Option<String>,
    /// Answered by a rule of ours: its status says nothing about the client.
    pub refused_by_us: bool,
    /// All headers as sent; absent where the source shows none.
    pub headers: Option<Vec<Header>>,
    /// The body as sent; absent where the source does not show it.
    pub body: Option<Vec<u8>>,
    /// What the source itself had cut.
    pub cut: Cut,
}

/// What a line or document is.
#[allow(
    clippy::large_enum_variant,
    reason = "nearly every line is an event; a box would allocate for each"
)]
#[derive(Debug, Clone, PartialEq)]
pub enum Line {
    Event(Observation),
    /// Well-formed, and says nothing about a client: a header, a comment, a daemon's note.
    Nothing,
}

/// Headers that an event has a field for.
const HOST: &str = "host";
const AGENT: &str = "user-agent";
const REFERER: &str = "referer";

/// How much of a line or document is kept where it is no event, in bytes.
pub const HEAD_BYTES_MAX: usize = 256;

/// Why a line or document is no event, though it should be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Dead {
    /// One of a closed set, as a metric label.
    pub class: &'static str,
    pub reason: String,
}

impl Observation {
    /// Something of this kind that `client` did; all else is unknown.
    pub fn new(activity: Activity, client: IpAddr, provenance: Provenance) -> Self {
        Observation {
            observed_at: None,
            client,
            provenance,
            activity,
            method: String::new(),
            host: None,
            uri: String::new(),
            status: None,
            agent: None,
            referer: None,
            account: None,
            succeeded: None,
            finding: None,
            refused_by_us: false,
            headers: None,
            body: None,
            cut: Cut::default(),
        }
    }

    /// The event. Where the source has no time, it happened when it was received. What is over the schema's limits is
    /// cut, texts between characters, and of a request it is said which part was.
    pub fn into_event(
        self,
        event_id: Uuid,
        source: String,
        position: Option<i64>,
        received_at: Millis,
    ) -> Event {
        let mut cut = self.cut;
        let own = [
            (HOST, self.host.as_deref()),
            (AGENT, self.agent.as_deref()),
            (REFERER, self.referer.as_deref()),
        ];
        let headers = self.headers.map(|headers| further(headers, own, &mut cut));
        let mut part = |text: Option<String>, bytes_max, part| {
            text.map(|text| shortened(text, bytes_max, || cut.add(part)))
        };
        let uri = part(Some(self.uri), URI_BYTES_MAX, Part::Uri).unwrap_or_default();
        let agent = part(self.agent, TEXT_BYTES_MAX, Part::Agent);
        let referer = part(self.referer, TEXT_BYTES_MAX, Part::Referer);
        let mut body = self.body;
        if let Some(body) = body.as_mut().filter(|body| body.len() > BODY_BYTES_MAX) {
            body.truncate(BODY_BYTES_MAX);
            cut.add(Part::Body);
        }
        Event {
            event_id,
            source: short(source),
            position,
            observed_at: self.observed_at.unwrap_or(received_at),
            received_at: Some(received_at),
            client: canonical_address(self.client),
            provenance: self.provenance,
            method: short(self.method),
            host: self.host.map(short),
            uri,
            status: self.status,
            agent,
            referer,
            refused_by_us: self.refused_by_us,
            probe: false,
            activity: self.activity,
            succeeded: self.succeeded,
            account: self.account.map(short),
            finding: self.finding.map(short),
            headers,
            body,
            cut,
        }
    }
}

impl Dead {
    /// It does not have the form it should have.
    pub fn malformed(reason: impl Into<String>) -> Self {
        Dead { class: "malformed", reason: reason.into() }
    }

    /// It names no client address, so nobody can be held to it.
    pub fn no_address(reason: impl Into<String>) -> Self {
        Dead { class: "no_address", reason: reason.into() }
    }

    /// Its time cannot be read.
    pub fn no_time(reason: impl Into<String>) -> Self {
        Dead { class: "no_time", reason: reason.into() }
    }

    /// It is longer, or nested deeper, than is read.
    pub fn too_long(reason: impl Into<String>) -> Self {
        Dead { class: "too_long", reason: reason.into() }
    }

    /// It is of a kind that is not read.
    pub fn unsupported(reason: impl Into<String>) -> Self {
        Dead { class: "unsupported", reason: reason.into() }
    }
}

/// `text`, no longer than `bytes_max`, cut between characters.
pub fn cut(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

fn short(text: String) -> String {
    shortened(text, TEXT_BYTES_MAX, || ())
}

fn shortened(mut text: String, bytes_max: usize, cut: impl FnOnce()) -> String {
    if text.len() > bytes_max {
        text.truncate(text.floor_char_boundary(bytes_max));
        cut();
    }
    text
}

/// The headers beside what stands in `own` fields, each with its name, within the limits of an event. A field holds one
/// header: what was sent twice, or is unlike the field, stays and is read too, but for a single host. How a body is to be read stays in any
/// case.
fn further(mut headers: Vec<Header>, own: [(&str, Option<&str>); 3], cut: &mut Cut) -> Vec<Header> {
    for (name, field) in own {
        if let Some(at) = field.and_then(|field| told(&headers, name, field)) {
            headers.remove(at);
        }
    }
    if headers.len() > HEADERS_MAX {
        headers.sort_by_key(|header| !header.name.eq_ignore_ascii_case("content-type"));
        headers.truncate(HEADERS_MAX);
        cut.add(Part::Headers);
    }
    for Header { name, value } in &mut headers {
        *name = shortened(std::mem::take(name), HEADER_NAME_BYTES_MAX, || cut.add(Part::Headers));
        *value = shortened(std::mem::take(value), TEXT_BYTES_MAX, || cut.add(Part::Headers));
    }
    headers
}

/// Where the header stands that the own field of this name tells already.
fn told(headers: &[Header], name: &str, field: &str) -> Option<usize> {
    let named = |header: &Header| header.name.eq_ignore_ascii_case(name);
    let same = headers.iter().position(|header| named(header) && header.value == field);
    if name != HOST {
        return same;
    }
    // A field may tell the host by another name than the header has: one header is one host. Suricata tells it in lower
    // case and without its port.
    let mut hosts = headers.iter().enumerate().filter(|(_, header)| named(header));
    if let (Some((only, _)), None) = (hosts.next(), hosts.next()) {
        return Some(only);
    }
    let bare =
        |header: &Header| without_port(&header.value).eq_ignore_ascii_case(without_port(field));
    same.or_else(|| headers.iter().position(|header| named(header) && bare(header)))
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}
