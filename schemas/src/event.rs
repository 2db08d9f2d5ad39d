//! One observed request, login or finding, normalised. The only record on the hot path, so the only one decoded in place.

use std::net::IpAddr;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::observable::shard_network;
use crate::record::{Codec, DecodeError, EncodeError, header};
use crate::text::ShortText;
use crate::topic::Topic;
use crate::wire::{Wire, put_bytes, put_long, put_optional, put_text};
use crate::{Millis, Provenance, Record};

mod parts;

pub use parts::{Cut, Header, Headers, Part};

/// Longest uri an event carries, in bytes; the collector cuts what is longer.
pub const URI_BYTES_MAX: usize = 8 * 1024;
/// Longest of every other text an event carries, in bytes.
pub const TEXT_BYTES_MAX: usize = 1024;
/// Longest head of a body that an event carries, in bytes.
pub const BODY_BYTES_MAX: usize = 32 * 1024;
/// Most headers that an event carries beside the one Host, User-Agent and Referer that have fields of their own.
pub const HEADERS_MAX: usize = 32;
/// Longest name of a header that an event carries, in bytes.
pub const HEADER_NAME_BYTES_MAX: usize = 256;

/// One observed activity. See [`EventView`] for the meaning of the fields.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    pub event_id: Uuid,
    pub source: String,
    pub position: Option<i64>,
    pub observed_at: Millis,
    pub received_at: Option<Millis>,
    pub client: IpAddr,
    pub provenance: Provenance,
    pub method: String,
    pub host: Option<String>,
    pub uri: String,
    pub status: Option<i32>,
    pub agent: Option<String>,
    pub referer: Option<String>,
    pub refused_by_us: bool,
    pub probe: bool,
    #[serde(default)]
    pub activity: Activity,
    #[serde(default)]
    pub succeeded: Option<bool>,
    #[serde(default)]
    pub account: Option<String>,
    #[serde(default)]
    pub finding: Option<String>,
    #[serde(default)]
    pub headers: Option<Vec<Header>>,
    #[serde(default, with = "serde_bytes")]
    pub body: Option<Vec<u8>>,
    #[serde(default)]
    pub cut: Cut,
}

/// What kind of activity was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activity {
    /// A request, as a server or proxy logs it.
    #[default]
    HttpRequest,
    /// A login, as the service that was asked reports it.
    Login,
    /// What another detector says it found.
    Finding,
}

/// An event, borrowed from the message it came in. Absent is not empty.
#[derive(Debug, Clone, PartialEq)]
pub struct EventView<'a> {
    /// A function of the source and its own position, so that a line shipped twice is one event.
    pub event_id: Uuid,
    /// Who saw it, one name per independent sequence of positions.
    pub source: &'a str,
    /// Where it stands in its source; absent where the publisher has no positions.
    pub position: Option<i64>,
    /// When it happened, by the source's clock.
    pub observed_at: Millis,
    /// When the collector first could read it; absent when published directly.
    pub received_at: Option<Millis>,
    /// The client, canonical.
    pub client: IpAddr,
    /// How `client` was learnt.
    pub provenance: Provenance,
    pub method: &'a str,
    pub host: Option<&'a str>,
    /// Path and query as sent, at most [`URI_BYTES_MAX`].
    pub uri: &'a str,
    pub status: Option<i32>,
    pub agent: Option<&'a str>,
    pub referer: Option<&'a str>,
    /// Answered by a rule of ours: its status says nothing about the client.
    pub refused_by_us: bool,
    /// A verified probe of ours: never scored.
    pub probe: bool,
    pub activity: Activity,
    /// Whether it succeeded, as the source says; absent when unknown.
    pub succeeded: Option<bool>,
    /// The account a login was for.
    pub account: Option<&'a str>,
    /// What another detector says it found: its rule and title.
    pub finding: Option<&'a str>,
    /// Further headers, at most [`HEADERS_MAX`]; absent where the source shows none.
    pub headers: Option<Headers<'a>>,
    /// The head of the body, at most [`BODY_BYTES_MAX`]; absent where the source does not show it.
    pub body: Option<&'a [u8]>,
    /// What was longer than is carried here.
    pub cut: Cut,
}

static EVENT: LazyLock<Codec> =
    LazyLock::new(|| Codec::new(include_str!("../avro/event.avsc"), &[]));
/// What was written before `headers` and all that follows it.
static EVENT_V2: LazyLock<Codec> =
    LazyLock::new(|| Codec::new(include_str!("../avro/old/event.v2.avsc"), &[]));
/// What was written before `activity` and all that follows it.
static EVENT_V1: LazyLock<Codec> =
    LazyLock::new(|| Codec::new(include_str!("../avro/old/event.v1.avsc"), &[]));

/// The codecs of today's events and of those before, for whoever lists every schema.
pub(crate) fn codecs() -> [&'static Codec; 3] {
    [&EVENT, &EVENT_V2, &EVENT_V1]
}

/// The version whose schema has this fingerprint.
fn version(fingerprint: u64) -> Result<u8, DecodeError> {
    let newest_first = [(3, &EVENT), (2, &EVENT_V2), (1, &EVENT_V1)];
    let found = newest_first.into_iter().find(|(_, codec)| codec.reads(fingerprint));
    found.map(|(version, _)| version).ok_or(DecodeError::UnknownSchema { fingerprint })
}

const PROVENANCES: [Provenance; 5] = [
    Provenance::SocketPeer,
    Provenance::ProxyAsserted,
    Provenance::HeaderUntrusted,
    Provenance::LogText,
    Provenance::ExternalFeed,
];
const ACTIVITIES: [Activity; 3] = [Activity::HttpRequest, Activity::Login, Activity::Finding];

impl Record for Event {
    const TOPIC: Topic = Topic::Events;
    type View<'a> = EventView<'a>;

    fn decode(bytes: &[u8]) -> Result<EventView<'_>, DecodeError> {
        let (fingerprint, datum) = header(bytes)?;
        let version = version(fingerprint)?;
        let mut wire = Wire::new(datum);
        let mut view = EventView {
            event_id: id(wire.text()?)?,
            source: wire.text()?,
            position: wire.optional(Wire::long)?,
            observed_at: wire.long()?,
            received_at: wire.optional(Wire::long)?,
            client: address(wire.text()?)?,
            provenance: symbol(&PROVENANCES, wire.long()?)?,
            method: wire.text()?,
            host: wire.optional(Wire::text)?,
            uri: wire.text()?,
            status: wire.optional(Wire::int)?,
            agent: wire.optional(Wire::text)?,
            referer: wire.optional(Wire::text)?,
            refused_by_us: wire.boolean()?,
            probe: wire.boolean()?,
            activity: Activity::default(),
            succeeded: None,
            account: None,
            finding: None,
            headers: None,
            body: None,
            cut: Cut::default(),
        };
        if version >= 2 {
            view.activity = symbol(&ACTIVITIES, wire.long()?)?;
            view.succeeded = wire.optional(Wire::boolean)?;
            view.account = wire.optional(Wire::text)?;
            view.finding = wire.optional(Wire::text)?;
        }
        if version >= 3 {
            view.headers = wire.optional(Headers::read)?;
            view.body = wire.optional(Wire::bytes)?;
            view.cut = Cut::read(&mut wire)?;
        }
        wire.end()?;
        view.within_limits()?;
        Ok(view)
    }

    fn encode(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        out.extend_from_slice(EVENT.header());
        put_text(out, self.event_id.hyphenated().encode_lower(&mut Uuid::encode_buffer()));
        put_text(out, &self.source);
        put_optional(out, self.position, put_long);
        put_long(out, self.observed_at);
        put_optional(out, self.received_at, put_long);
        put_text(out, ShortText::address(self.client).as_str());
        put_symbol(out, &PROVENANCES, self.provenance);
        put_text(out, &self.method);
        put_optional(out, self.host.as_deref(), put_text);
        put_text(out, &self.uri);
        put_optional(out, self.status, |out, status| put_long(out, i64::from(status)));
        put_optional(out, self.agent.as_deref(), put_text);
        put_optional(out, self.referer.as_deref(), put_text);
        out.push(u8::from(self.refused_by_us));
        out.push(u8::from(self.probe));
        put_symbol(out, &ACTIVITIES, self.activity);
        put_optional(out, self.succeeded, |out, succeeded| out.push(u8::from(succeeded)));
        put_optional(out, self.account.as_deref(), put_text);
        put_optional(out, self.finding.as_deref(), put_text);
        put_optional(out, self.headers.as_deref(), parts::put_headers);
        put_optional(out, self.body.as_deref(), put_bytes);
        self.cut.put(out);
        Ok(())
    }

    fn key(&self) -> String {
        ShortText::network(shard_network(self.client)).as_str().to_owned()
    }

    fn key_of(view: &EventView<'_>) -> String {
        shard_network(view.client).to_string()
    }

    fn key_is(view: &EventView<'_>, key: &[u8]) -> bool {
        ShortText::network(shard_network(view.client)).as_bytes() == key
    }
}

impl Event {
    /// A request for `/` of which no more is known, for the caller to complete: it has no id and no source yet.
    pub fn request(client: IpAddr, provenance: Provenance, observed_at: Millis) -> Event {
        Event {
            event_id: Uuid::nil(),
            source: String::new(),
            position: None,
            observed_at,
            received_at: None,
            client,
            provenance,
            method: "GET".to_owned(),
            host: None,
            uri: "/".to_owned(),
            status: None,
            agent: None,
            referer: None,
            refused_by_us: false,
            probe: false,
            activity: Activity::HttpRequest,
            succeeded: None,
            account: None,
            finding: None,
            headers: None,
            body: None,
            cut: Cut::default(),
        }
    }

    /// The same, borrowed.
    pub fn view(&self) -> EventView<'_> {
        EventView {
            event_id: self.event_id,
            source: &self.source,
            position: self.position,
            observed_at: self.observed_at,
            received_at: self.received_at,
            client: self.client,
            provenance: self.provenance,
            method: &self.method,
            host: self.host.as_deref(),
            uri: &self.uri,
            status: self.status,
            agent: self.agent.as_deref(),
            referer: self.referer.as_deref(),
            refused_by_us: self.refused_by_us,
            probe: self.probe,
            activity: self.activity,
            succeeded: self.succeeded,
            account: self.account.as_deref(),
            finding: self.finding.as_deref(),
            headers: self.headers.as_deref().map(Headers::of),
            body: self.body.as_deref(),
            cut: self.cut,
        }
    }
}

impl EventView<'_> {
    /// An owned copy.
    pub fn to_event(&self) -> Event {
        Event {
            event_id: self.event_id,
            source: self.source.to_owned(),
            position: self.position,
            observed_at: self.observed_at,
            received_at: self.received_at,
            client: self.client,
            provenance: self.provenance,
            method: self.method.to_owned(),
            host: self.host.map(str::to_owned),
            uri: self.uri.to_owned(),
            status: self.status,
            agent: self.agent.map(str::to_owned),
            referer: self.referer.map(str::to_owned),
            refused_by_us: self.refused_by_us,
            probe: self.probe,
            activity: self.activity,
            succeeded: self.succeeded,
            account: self.account.map(str::to_owned),
            finding: self.finding.map(str::to_owned),
            headers: self.headers.clone().map(|headers| headers.map(Header::owned).collect()),
            body: self.body.map(<[u8]>::to_vec),
            cut: self.cut,
        }
    }

    fn within_limits(&self) -> Result<(), DecodeError> {
        if self.uri.len() > URI_BYTES_MAX {
            return Err(DecodeError::Invalid(format!("uri has {} bytes", self.uri.len())));
        }
        if let Some(body) = self.body.filter(|body| body.len() > BODY_BYTES_MAX) {
            return Err(DecodeError::Invalid(format!("body has {} bytes", body.len())));
        }
        let texts = [
            Some(self.source),
            Some(self.method),
            self.host,
            self.agent,
            self.referer,
            self.account,
            self.finding,
        ];
        match texts.into_iter().flatten().find(|text| text.len() > TEXT_BYTES_MAX) {
            Some(text) => Err(DecodeError::Invalid(format!("a text has {} bytes", text.len()))),
            None => Ok(()),
        }
    }
}

fn id(text: &str) -> Result<Uuid, DecodeError> {
    Uuid::try_parse(text).map_err(|_| DecodeError::Invalid("event_id is not a UUID".to_owned()))
}

fn address(text: &str) -> Result<IpAddr, DecodeError> {
    let address: IpAddr =
        text.parse().map_err(|_| DecodeError::Invalid("client is not an IP address".to_owned()))?;
    Ok(address.to_canonical())
}

/// The symbols of an enum stand in its schema in the order of `symbols`.
fn symbol<T: Copy>(symbols: &[T], index: i64) -> Result<T, DecodeError> {
    usize::try_from(index)
        .ok()
        .and_then(|index| symbols.get(index).copied())
        .ok_or_else(|| DecodeError::Malformed("an enum has no such symbol".to_owned()))
}

fn put_symbol<T: PartialEq>(out: &mut Vec<u8>, symbols: &[T], symbol: T) {
    let index = symbols.iter().position(|known| *known == symbol);
    put_long(out, index.expect("the table holds every symbol") as i64);
}
