//! The HTTP intake: documents over TLS from senders with a token or a certificate, answered once Kafka has them.
//!
//! `POST /v1/events` takes JSON lines, a JSON array or one JSON document. What is good of a body is published and what
//! is not is dead-lettered, and 202 says which was which: a sender that repeats what failed would else be held up by one
//! bad document for ever. A body sent again has the same ids. What waits for Kafka is bounded: beyond, 429.

mod connection;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Extension, FromRequest as _, Request, State};
use axum::http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, RETRY_AFTER,
    WWW_AUTHENTICATE,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Json, Response};
use axum::routing::post;
use observe::Dead;
use observe::documents::{self, Document};
use pipeline::{Clock, Tls};
use schemas::Millis;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::config::intake;
use crate::logic::documents::{Name, Sent, events as events_of};
use crate::logic::senders::{Sender, Senders};
use crate::publish::{Origin, Outbox, Outgoing};
use connection::Peer;

/// Longest body, in bytes.
pub const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Most bodies, in bytes, that are being read or wait for Kafka.
pub const OUTSTANDING_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Most documents of one body.
pub const DOCUMENTS_MAX: usize = 20_000;
/// Most dead documents that an answer names; it counts all of them.
const DEAD_SHOWN_MAX: usize = 100;
/// How long a sender may take for the body of a request, so that a slow one gives its room back.
const BODY_MAX: Duration = Duration::from_secs(30);
/// The only encoding of a body that is read: none.
const IDENTITY: &str = "identity";
/// Seconds after which a sender that came too early may try again.
const RETRY_AFTER_SECONDS: &str = "1";
/// Under which the ids of documents are made. Never to change: ids would.
const NAMESPACE: Uuid = Uuid::from_u128(0x2d0b_41f5_7c1c_5b53_8e55_7f1d_93c4_a6e1);

/// How long a sender may take.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    pub handshake: Duration,
    /// For the head of a request, and idle before one.
    pub head: Duration,
    pub body: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Patience {
            handshake: connection::HANDSHAKE_MAX,
            head: connection::HEAD_MAX,
            body: BODY_MAX,
        }
    }
}

/// The intake.
#[derive(Clone)]
pub struct Intake(Arc<Inner>);

struct Inner {
    senders: Senders,
    outbox: Outbox,
    clock: Clock,
    shutdown: CancellationToken,
    outstanding: Arc<Semaphore>,
    patience: Patience,
}

impl Intake {
    pub fn new(
        config: intake::Intake,
        outbox: Outbox,
        clock: Clock,
        shutdown: CancellationToken,
        patience: Patience,
    ) -> Self {
        let outstanding = Arc::new(Semaphore::new(OUTSTANDING_BYTES_MAX));
        let senders = config.senders;
        Intake(Arc::new(Inner { senders, outbox, clock, shutdown, outstanding, patience }))
    }

    /// Serves TLS until shutdown.
    pub async fn serve(&self, listener: TcpListener, tls: &Tls) {
        let acceptor = TlsAcceptor::from(tls.serving());
        let Inner { patience, shutdown, .. } = &*self.0;
        connection::serve(listener, Some(acceptor), self.router(), *patience, shutdown).await;
    }

    /// For tests: serves plaintext on a listener of the caller's.
    pub async fn serve_plaintext(&self, listener: TcpListener) {
        let Inner { patience, shutdown, .. } = &*self.0;
        connection::serve(listener, None, self.router(), *patience, shutdown).await;
    }

    fn router(&self) -> Router {
        Router::new()
            .route("/v1/events", post(events))
            .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
            .with_state(self.clone())
    }
}

async fn events(
    State(Intake(intake)): State<Intake>,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Response {
    let Some(sender) = sender(&intake.senders, &peer, request.headers()) else {
        let refused = "a known token (Authorization: Bearer …) or a known certificate is needed";
        return (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, "Bearer")], refused).into_response();
    };
    if let Some(encoding) = encoding(request.headers()) {
        let refused = format!("a body in the encoding {encoding:?} is not read; send it as it is");
        let head = [(ACCEPT_ENCODING, IDENTITY)];
        return (StatusCode::UNSUPPORTED_MEDIA_TYPE, head, refused).into_response();
    }
    let said_bytes = said_bytes(request.headers());
    if said_bytes.is_some_and(|bytes| bytes > BODY_BYTES_MAX) {
        return too_large();
    }
    let Some(_permit) = admitted(&intake, said_bytes.unwrap_or(BODY_BYTES_MAX)) else {
        metrics::counter!("perimeter_collector_intake_deferred_total").increment(1);
        let refused = "too much waits for Kafka; send it again";
        let head = [(RETRY_AFTER, RETRY_AFTER_SECONDS)];
        return (StatusCode::TOO_MANY_REQUESTS, head, refused).into_response();
    };
    let body = tokio::time::timeout(intake.patience.body, Bytes::from_request(request, &()));
    let body = match body.await {
        Ok(Ok(body)) => body,
        Ok(Err(rejection)) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            return too_large();
        }
        Ok(Err(rejection)) => return rejection.into_response(),
        Err(_) => {
            let refused = "the body came too slowly; send it again, or in parts";
            return (StatusCode::REQUEST_TIMEOUT, [(CONNECTION, "close")], refused).into_response();
        }
    };
    let read = match read(sender, &body, intake.clock.now()) {
        Ok(read) => read,
        Err(sentence) => return (StatusCode::BAD_REQUEST, sentence).into_response(),
    };
    let answer = read.answer();
    match intake.outbox.send_until(read.outgoing, &intake.shutdown).await {
        Ok(true) => (StatusCode::ACCEPTED, Json(answer)).into_response(),
        Ok(false) => {
            (StatusCode::SERVICE_UNAVAILABLE, "shutting down; send it again").into_response()
        }
        Err(error) => {
            tracing::error!(
                error = format!("{error:#}"),
                sender = sender.name,
                "could not publish a body"
            );
            (StatusCode::SERVICE_UNAVAILABLE, "Kafka refused it; send it again").into_response()
        }
    }
}

/// The sender by its token or, without one, by its certificate.
fn sender<'a>(senders: &'a Senders, peer: &Peer, headers: &HeaderMap) -> Option<&'a Sender> {
    match headers.get(AUTHORIZATION) {
        Some(value) => {
            let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
            let bearer = scheme.eq_ignore_ascii_case("bearer");
            bearer.then(|| senders.of_token(token.trim_start())).flatten()
        }
        None => senders.of_identity(peer.identity.as_deref()?),
    }
}

/// How the body is encoded, unless it is sent as it is.
fn encoding(headers: &HeaderMap) -> Option<&HeaderValue> {
    let mut encodings = headers.get_all(CONTENT_ENCODING).iter();
    encodings.find(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(IDENTITY.as_bytes()))
}

fn too_large() -> Response {
    let refused = format!("the body may have {BODY_BYTES_MAX} bytes; send it in parts");
    (StatusCode::PAYLOAD_TOO_LARGE, refused).into_response()
}

/// The length of the body, if it is said before it comes.
fn said_bytes(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Room for the body, before it is read; given back once Kafka has it.
fn admitted(intake: &Inner, bytes: usize) -> Option<OwnedSemaphorePermit> {
    intake.outstanding.clone().try_acquire_many_owned(u32::try_from(bytes.max(1)).ok()?).ok()
}

/// A document of a body.
#[derive(Clone, Copy)]
struct Part<'a> {
    /// How many documents stand before it.
    index: usize,
    /// The line in which it begins, from 1.
    line: usize,
    bytes: &'a [u8],
}

/// A body that was read.
#[derive(Default)]
struct Read {
    outgoing: Outgoing,
    accepted: usize,
    /// Each with the index and the line of its document.
    dead: Vec<(usize, usize, Dead)>,
}

impl Read {
    fn answer(&self) -> Value {
        let shown = self.dead.iter().take(DEAD_SHOWN_MAX);
        let named = |(index, line, dead): &(usize, usize, Dead)| {
            let Dead { class, reason } = dead;
            json!({ "index": index, "line": line, "class": class, "reason": reason })
        };
        let dead: Vec<Value> = shown.map(named).collect();
        json!({ "accepted": self.accepted, "dead": dead, "dead_total": self.dead.len() })
    }
}

/// The events of a body, and its dead letters; or why nothing of it can be told apart.
fn read(sender: &Sender, body: &[u8], now: Millis) -> Result<Read, String> {
    let documents = documents::split(body).map_err(|unbalanced| unbalanced.to_string())?;
    if documents.is_empty() {
        return Err("the body has no document".to_owned());
    }
    if documents.len() > DOCUMENTS_MAX {
        return Err(format!(
            "the body has {} documents, and {DOCUMENTS_MAX} are allowed; send it in parts",
            documents.len()
        ));
    }
    let source = format!("http/{}", sender.name);
    let mut read = Read::default();
    for (index, (line, bytes)) in documents.into_iter().enumerate() {
        let part = Part { index, line, bytes };
        match documents::read(bytes) {
            Ok(document) => read.add(sender, &source, part, document, now),
            Err(dead) => read.bury(&source, part, dead),
        }
    }
    Ok(read)
}

impl Read {
    fn bury(&mut self, source: &str, part: Part<'_>, dead: Dead) {
        self.outgoing.dead(Origin { source, position: part.line as u64 }, &dead, part.bytes);
        self.dead.push((part.index, part.line, dead));
    }

    /// The id is the sender's own where it has one, else made of what it sent: sent twice, it is the same event.
    fn add(
        &mut self,
        sender: &Sender,
        source: &str,
        part: Part<'_>,
        document: Document,
        now: Millis,
    ) {
        let made = |name: Name<'_>| {
            let name = match name {
                Name::Part(number) => {
                    [source.as_bytes(), &number.to_be_bytes(), part.bytes].concat()
                }
                Name::Own(own) => [source.as_bytes(), b"/", own.as_bytes()].concat(),
            };
            Uuid::new_v5(&NAMESPACE, &name)
        };
        let sent =
            Sent { source, position: None, authoritative: sender.authoritative, received_at: now };
        for event in events_of(document, sent, made) {
            let dead = match event {
                Ok(event) => self.outgoing.event(&event, now),
                Err(dead) => {
                    self.bury(source, part, dead);
                    continue;
                }
            };
            match dead {
                None => self.accepted += 1,
                Some(dead) => self.dead.push((part.index, part.line, dead)),
            }
        }
    }
}
