//! Syslog over TCP, TLS and UDP, from senders known by their network or certificate; whoever is not known is refused.
//!
//! Syslog has no acknowledgement. Over TCP a sender waits while Kafka does, because nothing more is read; over UDP what
//! comes beyond the room is lost, and counted. Each connection is a source of its own with a new name, and so is each
//! sender over UDP after every start: positions begin again at 0, and the scorer must not take them for repeats.

mod drops;
mod tcp;
mod udp;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use observe::logs::Messages;
use observe::{Dead, Line, Trusted};
use pipeline::{Clock, Tls};
use schemas::{Millis, Provenance};
use tokio::net::{TcpListener, UdpSocket};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::config::syslog::Transport;
use crate::logic::frames::MESSAGE_BYTES_MAX;
use crate::logic::lines::Piece;
use crate::logic::networks::{Sender, Senders};
use crate::publish::{Origin, Outbox, Outgoing, lost};

/// How often the log names somebody who is not known.
const REFUSED_INTERVAL_MS: Millis = 60 * 1_000;
/// Under which the ids of events are made. Never to change: ids would.
const NAMESPACE: Uuid = Uuid::from_u128(0x61f7_3a0c_92de_5b44_b0a9_c58e_1d27_fe63);

/// How long a sender may take.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    pub handshake: Duration,
    /// For a message that has begun.
    pub message: Duration,
    /// Between two messages. Whoever is disconnected may lose the next message without noticing: syslog has no answers.
    pub idle: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Patience {
            handshake: Duration::from_secs(5),
            message: Duration::from_secs(30),
            idle: Duration::from_secs(60 * 60),
        }
    }
}

/// The syslog sources.
#[derive(Clone)]
pub struct Syslog(Arc<Inner>);

struct Inner {
    senders: Senders,
    trusted: Trusted,
    run: Uuid,
    outbox: Outbox,
    clock: Clock,
    shutdown: CancellationToken,
    patience: Patience,
    next_stream: AtomicU64,
    refused_told_at: AtomicI64,
}

impl Syslog {
    /// `run` is a new name at every start.
    pub fn new(
        senders: Senders,
        trusted: Trusted,
        run: Uuid,
        outbox: Outbox,
        clock: Clock,
        shutdown: CancellationToken,
        patience: Patience,
    ) -> Self {
        Syslog(Arc::new(Inner {
            senders,
            trusted,
            run,
            outbox,
            clock,
            shutdown,
            patience,
            next_stream: AtomicU64::new(0),
            refused_told_at: AtomicI64::new(Millis::MIN / 2),
        }))
    }

    /// Serves plain TCP until shutdown.
    pub async fn serve_tcp(&self, listener: TcpListener) {
        tcp::serve(&self.0, listener, None).await;
    }

    /// Serves TLS until shutdown.
    pub async fn serve_tls(&self, listener: TcpListener, tls: &Tls) {
        tcp::serve(&self.0, listener, Some(TlsAcceptor::from(tls.serving()))).await;
    }

    /// Serves UDP until shutdown.
    pub async fn serve_udp(&self, socket: UdpSocket) {
        udp::serve(&self.0, socket).await;
    }
}

impl Inner {
    /// Counts somebody who is not known, and names one now and then.
    fn refuse(&self, transport: Transport, address: IpAddr, identity: Option<&str>) {
        metrics::counter!("perimeter_collector_syslog_refused_total", "transport" => transport.name())
            .increment(1);
        let (now, told_at) = (self.clock.now(), self.refused_told_at.load(Ordering::Relaxed));
        if now - told_at >= REFUSED_INTERVAL_MS {
            self.refused_told_at.store(now, Ordering::Relaxed);
            tracing::warn!(
                transport = transport.name(),
                %address,
                identity,
                "refused syslog of somebody who is in no [[sender]] of COLLECTOR_SYSLOG_FILE"
            );
        }
    }

    /// What one sender says through one stream.
    fn stream(&self, sender: Arc<Sender>) -> Stream {
        let number = self.next_stream.fetch_add(1, Ordering::Relaxed);
        let trusted = self.trusted.clone();
        Stream {
            source: format!("syslog/{}/{}/{number}", sender.name, self.run),
            messages: Messages::new(sender.forwarded.clone(), trusted, sender.dates),
            authoritative: sender.authoritative,
        }
    }

    /// Returns once Kafka has everything; false when shutdown came first.
    async fn send(&self, outgoing: Outgoing) -> bool {
        let count = outgoing.len();
        match self.outbox.send_until(outgoing, &self.shutdown).await {
            Ok(true) => true,
            Ok(false) => {
                lost("shutdown", count);
                false
            }
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "could not publish syslog messages");
                lost("refused", count);
                true
            }
        }
    }
}

/// An independent sequence of messages.
struct Stream {
    source: String,
    messages: Messages,
    authoritative: bool,
}

impl Stream {
    /// Makes an event or a dead letter of a message.
    fn take(&mut self, piece: Piece<'_>, now: Millis, out: &mut Outgoing) {
        if piece.too_long {
            let reason = format!("the message has more than {MESSAGE_BYTES_MAX} bytes");
            return self.bury(piece, &Dead::too_long(reason), out);
        }
        match self.messages.message(piece.bytes, now) {
            Ok(Line::Event(mut observation)) => {
                if !self.authoritative {
                    observation.provenance = Provenance::ExternalFeed;
                    // A sender that nobody vouches for may not say that its requests are not to be judged.
                    observation.refused_by_us = false;
                }
                let name = format!("{}/{}", self.source, piece.offset);
                let event_id = Uuid::new_v5(&NAMESPACE, name.as_bytes());
                let position = i64::try_from(piece.offset).ok();
                out.event(
                    &observation.into_event(event_id, self.source.clone(), position, now),
                    now,
                );
            }
            Ok(Line::Nothing) => {
                metrics::counter!("perimeter_collector_entries_ignored_total", "reason" => "syslog")
                    .increment(1);
            }
            Err(dead) => self.bury(piece, &dead, out),
        }
    }

    fn bury(&self, piece: Piece<'_>, dead: &Dead, out: &mut Outgoing) {
        out.dead(Origin { source: &self.source, position: piece.offset }, dead, piece.bytes);
    }
}
