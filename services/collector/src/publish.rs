//! What every source hands to Kafka: events and dead letters, counted once they are there.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use observe::Dead;
use pipeline::{Clock, Message, PublishError, Publisher};
use schemas::{Event, Millis, Protected, Topic};
use tokio_util::sync::CancellationToken;

use crate::logic::FUTURE_MS;
use crate::logic::lines::HEAD_BYTES_MAX;
use crate::logic::peers::Peers;

/// How long a batch waits for Kafka once the process must end. Less than the drain's deadline.
const DRAIN_MAX: Duration = Duration::from_secs(5);

/// Where something stands that is no event.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    pub source: &'a str,
    pub position: u64,
}

/// Events and dead letters on their way.
#[derive(Debug, Default)]
pub struct Outgoing {
    messages: Vec<Message>,
    bytes: usize,
    clients: Vec<IpAddr>,
    dead: Vec<&'static str>,
}

impl Outgoing {
    /// Adds an event. One whose clock is wrong goes to the dead letters: then the answer says why.
    pub fn event(&mut self, event: &Event, now: Millis) -> Option<Dead> {
        let mut message = match Message::of::<Event>(event) {
            Ok(message) => message,
            // An event that its own schema cannot hold is a defect here, never the source's fault.
            Err(error) => {
                tracing::error!(%error, "could not encode an event");
                lost("encoding", 1);
                return Some(Dead { class: "encoding", reason: error.to_string() });
            }
        };
        let ahead_ms = event.observed_at.saturating_sub(now);
        if ahead_ms <= FUTURE_MS {
            self.clients.push(event.client);
            self.push(message);
            return None;
        }
        let source = &event.source;
        let reason = format!(
            "the event is {ahead_ms} ms in the future; are the clock of {source}, the zone of its dates and our clock right?"
        );
        let dead = Dead { class: "future", reason };
        message.topic = Topic::Events.dead_letters();
        message.headers = headers(&dead);
        self.dead.push(dead.class);
        self.push(message);
        Some(dead)
    }

    /// Adds what could not become an event: its first [`HEAD_BYTES_MAX`] bytes, where it stands, and why.
    pub fn dead(&mut self, origin: Origin<'_>, dead: &Dead, bytes: &[u8]) {
        let mut headers = headers(dead);
        headers.push(("perimeter-source", origin.source.as_bytes().to_vec()));
        headers.push(("perimeter-position", origin.position.to_string().into_bytes()));
        self.dead.push(dead.class);
        self.push(Message {
            topic: Topic::Events.dead_letters(),
            key: Vec::new(),
            payload: bytes[..bytes.len().min(HEAD_BYTES_MAX)].to_vec(),
            partition: None,
            headers,
        });
    }

    /// How many bytes of payload wait.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn len(&self) -> usize {
        self.messages.len()
    }

    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    fn push(&mut self, message: Message) {
        self.bytes += message.payload.len();
        self.messages.push(message);
    }
}

/// Events that reached us and will not reach Kafka.
pub(crate) fn lost(reason: &'static str, count: usize) {
    metrics::counter!("perimeter_collector_events_lost_total", "reason" => reason)
        .increment(count as u64);
}

fn headers(dead: &Dead) -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("perimeter-topic", Topic::Events.name().into()),
        ("perimeter-class", dead.class.into()),
        ("perimeter-reason", dead.reason.clone().into_bytes()),
    ]
}

/// Hands to Kafka what the sources have; clones share one producer.
#[derive(Clone)]
pub struct Outbox {
    /// Which way in, as metrics tell it.
    source: &'static str,
    publisher: Publisher,
    watch: Watch,
    clock: Clock,
}

impl Outbox {
    pub fn new(source: &'static str, publisher: Publisher, watch: Watch, clock: Clock) -> Self {
        Outbox { source, publisher, watch, clock }
    }

    /// Sends everything, in order; returns once Kafka has all of it.
    pub async fn send(&self, outgoing: Outgoing) -> Result<(), PublishError> {
        self.watch.count(&outgoing.clients, self.clock.now());
        self.publisher.send_all(outgoing.messages).await?;
        metrics::counter!("perimeter_collector_events_total", "source" => self.source)
            .increment(outgoing.clients.len() as u64);
        for class in outgoing.dead {
            metrics::counter!("perimeter_collector_dead_letters_total", "class" => class)
                .increment(1);
        }
        Ok(())
    }

    /// As [`Outbox::send`], until shutdown and a little longer. False when Kafka did not have all of it by then.
    pub async fn send_until(
        &self,
        outgoing: Outgoing,
        shutdown: &CancellationToken,
    ) -> Result<bool> {
        if outgoing.is_empty() {
            return Ok(true);
        }
        let ended = async {
            shutdown.cancelled().await;
            tokio::time::sleep(DRAIN_MAX).await;
        };
        tokio::select! {
            biased;
            sent = self.send(outgoing) => {
                sent.context("Kafka refused an event; what it does not have is read again")?;
                Ok(true)
            }
            () = ended => Ok(false),
        }
    }
}

/// Notices when all traffic seems to come from one proxy; clones share the count.
#[derive(Clone)]
pub struct Watch(Arc<Mutex<Peers>>);

impl Watch {
    pub fn new(protected: Protected) -> Self {
        Watch(Arc::new(Mutex::new(Peers::new(protected))))
    }

    /// Counts the clients of events.
    pub fn count(&self, clients: &[IpAddr], now: Millis) {
        let mut peers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for one in clients.iter().filter_map(|client| peers.count(*client, now)) {
            metrics::counter!("perimeter_collector_one_proxy_total").increment(1);
            tracing::warn!(
                address = %one.address,
                events = one.events,
                of = one.of,
                "nearly all events name one proxy or private address as their client, and nobody can be blocked for \
                 them; name it under trusted in the policy's [proxies], and let it send X-Forwarded-For"
            );
        }
    }
}
