//! Envoy's access log service: a stream of entries over mutual TLS, each published as an event.
//!
//! Entries are handed to Kafka in the order of their stream and acknowledged in any; reading goes on meanwhile, up to
//! a bound. With Kafka away the bound is reached, reading stops, and HTTP/2's flow control tells Envoy to wait.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use envoy_types::pb::envoy::data::accesslog::v3::HttpAccessLogEntry;
use envoy_types::pb::envoy::service::accesslog::v3::access_log_service_server::{
    AccessLogService, AccessLogServiceServer,
};
use envoy_types::pb::envoy::service::accesslog::v3::stream_access_logs_message::LogEntries;
use envoy_types::pb::envoy::service::accesslog::v3::{
    StreamAccessLogsMessage, StreamAccessLogsResponse,
};
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt as _};
use observe::probe::SeenNonces;
use pipeline::{Clock, Message, PublishError, Publisher, Tls};
use schemas::{Event, Millis, Protected, Topic};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::transport::Server;
use tonic::transport::server::Router;
use tonic::{Request, Response, Status, Streaming};
use uuid::Uuid;

use crate::logic::{self, Mapped, Mapping, Place, Probe};
use crate::publish::{Watch, lost};

/// Most streams at a time. Envoy opens one per worker thread.
const STREAMS_MAX: usize = 64;
/// Most events of one stream that Kafka has not acknowledged. With [`STREAMS_MAX`] it stays below the client's own
/// queue, so that the client never refuses a record and never reorders any.
const OUTSTANDING_EVENTS_MAX: usize = 1_024;
const OUTSTANDING_BYTES_MAX: usize = 4 * 1024 * 1024;
const MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How long a stream waits at shutdown for what Kafka has not acknowledged. Less than the drain's deadline.
const DRAIN_MAX: Duration = Duration::from_secs(5);
const KEEPALIVE: Duration = Duration::from_secs(10);

/// The access log service.
#[derive(Clone)]
pub struct Envoy(Arc<Inner>);

struct Inner {
    mapping: Arc<Mapping>,
    run: Uuid,
    publisher: Publisher,
    watch: Watch,
    clock: Clock,
    shutdown: CancellationToken,
    nonces: Mutex<SeenNonces>,
    next_stream: AtomicU64,
    open_streams: Arc<AtomicUsize>,
    /// A stream's task outlives its connection: it still waits for Kafka.
    tasks: TaskTracker,
    /// Plaintext on a test's own listener has no certificate to ask for.
    identities: bool,
}

impl Envoy {
    pub fn new(
        mapping: Arc<Mapping>,
        run: Uuid,
        watch: Watch,
        context: &pipeline::Context,
    ) -> Result<Self> {
        Ok(Self::with(
            mapping,
            run,
            context.bus.publisher()?,
            watch,
            context.clock.clone(),
            context.shutdown.clone(),
            true,
        ))
    }

    /// For tests: serves plaintext on a listener of the caller's, and asks nobody for a certificate.
    pub fn plaintext(
        mapping: Mapping,
        run: Uuid,
        publisher: Publisher,
        clock: Clock,
        shutdown: CancellationToken,
    ) -> Self {
        let watch = Watch::new(Protected::special());
        Self::with(Arc::new(mapping), run, publisher, watch, clock, shutdown, false)
    }

    fn with(
        mapping: Arc<Mapping>,
        run: Uuid,
        publisher: Publisher,
        watch: Watch,
        clock: Clock,
        shutdown: CancellationToken,
        identities: bool,
    ) -> Self {
        Envoy(Arc::new(Inner {
            mapping,
            run,
            publisher,
            watch,
            clock,
            shutdown,
            nonces: Mutex::default(),
            next_stream: AtomicU64::new(0),
            open_streams: Arc::default(),
            tasks: TaskTracker::new(),
            identities,
        }))
    }

    /// Serves mutual TLS until shutdown.
    pub async fn serve(&self, listener: TcpListener, tls: &Tls) -> Result<()> {
        let settings = proto::mtls::server(tls.ca(), tls.certificate(), tls.key());
        let server = Server::builder()
            .tls_config(settings)
            .context("could not use COLLECTOR_TLS_CA, _CERT and _KEY")?;
        self.accept(server, listener).await
    }

    /// Serves plaintext until shutdown. Only for what [`Envoy::plaintext`] made.
    pub async fn serve_plaintext(&self, listener: TcpListener) -> Result<()> {
        anyhow::ensure!(!self.0.identities, "identities need TLS");
        self.accept(Server::builder(), listener).await
    }

    async fn accept(&self, server: Server, listener: TcpListener) -> Result<()> {
        let service =
            AccessLogServiceServer::new(self.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX);
        let router: Router =
            server.http2_keepalive_interval(Some(KEEPALIVE)).tcp_nodelay(true).add_service(service);
        let shutdown = self.0.shutdown.clone();
        router
            .serve_with_incoming_shutdown(
                TcpListenerStream::new(listener),
                shutdown.cancelled_owned(),
            )
            .await
            .context("could not go on serving Envoy's access log")?;
        self.0.tasks.close();
        self.0.tasks.wait().await;
        Ok(())
    }
}

#[tonic::async_trait]
impl AccessLogService for Envoy {
    async fn stream_access_logs(
        &self,
        request: Request<Streaming<StreamAccessLogsMessage>>,
    ) -> Result<Response<StreamAccessLogsResponse>, Status> {
        if self.0.identities {
            let identity = proto::mtls::identity(&request)?;
            if !identity.starts_with(proto::mtls::SERVICE) {
                let refusal = format!(
                    "{identity} is not a service; only {}NAME may send logs",
                    proto::mtls::SERVICE
                );
                return Err(Status::permission_denied(refusal));
            }
        }
        let open = Open::enter(&self.0.open_streams)?;
        let number = self.0.next_stream.fetch_add(1, Ordering::Relaxed);
        let sender = Sender::new(self.0.clone(), number, open);
        let task = self.0.tasks.spawn(sender.run(request.into_inner()));
        task.await
            .map_err(|error| Status::internal(format!("the stream's task ended early: {error}")))?;
        Ok(Response::new(StreamAccessLogsResponse {}))
    }
}

/// Counts a stream while it is open.
struct Open(Arc<AtomicUsize>);

impl Open {
    fn enter(count: &Arc<AtomicUsize>) -> Result<Self, Status> {
        let open = Open(count.clone());
        if open.0.fetch_add(1, Ordering::Relaxed) >= STREAMS_MAX {
            return Err(Status::resource_exhausted(format!(
                "{STREAMS_MAX} streams are open already"
            )));
        }
        Ok(open)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A record on its way: its size, and what the broker said.
type Sending = BoxFuture<'static, (usize, Result<(), PublishError>)>;

/// Publishes the entries of one stream.
struct Sender {
    inner: Arc<Inner>,
    source: String,
    position: i64,
    /// Sent and not acknowledged.
    outstanding: FuturesUnordered<Sending>,
    outstanding_bytes: usize,
    _open: Open,
}

impl Sender {
    fn new(inner: Arc<Inner>, number: u64, open: Open) -> Self {
        Sender {
            source: format!("envoy/{}/{number}", inner.run),
            inner,
            position: 0,
            outstanding: FuturesUnordered::new(),
            outstanding_bytes: 0,
            _open: open,
        }
    }

    async fn run(mut self, mut stream: Streaming<StreamAccessLogsMessage>) {
        tracing::info!(source = self.source, "a stream of Envoy's access log opened");
        loop {
            tokio::select! {
                biased;
                () = self.inner.shutdown.cancelled() => break,
                Some(settled) = self.outstanding.next() => self.settle(settled),
                message = stream.message() => match message {
                    Ok(Some(message)) => {
                        if !self.take(message).await {
                            break;
                        }
                    }
                    Ok(None) => break,
                    Err(status) => {
                        tracing::info!(source = self.source, %status, "a stream of Envoy's access log broke");
                        break;
                    }
                },
            }
        }
        self.drain().await;
    }

    /// Sends the entries of one message. False when shutdown came in between.
    async fn take(&mut self, message: StreamAccessLogsMessage) -> bool {
        let now = self.inner.clock.now();
        let entries = match message.log_entries {
            Some(LogEntries::HttpLogs(entries)) => entries.log_entry,
            Some(LogEntries::TcpLogs(entries)) => {
                ignored("tcp", entries.log_entry.len());
                return true;
            }
            None => return true,
        };
        for (taken, entry) in entries.iter().enumerate() {
            while self.full() {
                tokio::select! {
                    biased;
                    () = self.inner.shutdown.cancelled() => {
                        lost("shutdown", entries.len() - taken);
                        return false;
                    }
                    Some(settled) = self.outstanding.next() => self.settle(settled),
                }
            }
            self.send(entry, now).await;
        }
        true
    }

    fn full(&self) -> bool {
        self.outstanding.len() >= OUTSTANDING_EVENTS_MAX
            || self.outstanding_bytes >= OUTSTANDING_BYTES_MAX
    }

    async fn send(&mut self, entry: &HttpAccessLogEntry, now: Millis) {
        let place = Place { run: self.inner.run, source: &self.source, position: self.position };
        self.position += 1;
        let mapped = match logic::event(&self.inner.mapping, entry, place, now) {
            Ok(mapped) => self.recognise(mapped, now),
            Err(unusable) => return ignored(unusable.class(), 1),
        };
        self.inner.watch.count(&[mapped.event.client], now);
        let message = match message(&mapped) {
            Ok(message) => message,
            Err(error) => {
                tracing::error!(%error, "could not encode an event");
                return lost("encoding", 1);
            }
        };
        let bytes = message.payload.len();
        let publisher = self.inner.publisher.clone();
        let mut sending: Sending = Box::pin(async move { (bytes, publisher.send(message).await) });
        // The first poll hands the record to the client: in the order of the stream, whatever is acknowledged first.
        match futures::poll!(&mut sending) {
            std::task::Poll::Ready((_, outcome)) => self.count(outcome),
            std::task::Poll::Pending => {
                self.outstanding_bytes += bytes;
                self.outstanding.push(sending);
            }
        }
    }

    fn recognise(&self, mut mapped: Mapped, now: Millis) -> Mapped {
        let outcome = match mapped.probe {
            Probe::None => return mapped,
            Probe::Signed(nonce) => {
                self.inner.nonces.lock().unwrap_or_else(PoisonError::into_inner).insert(nonce, now)
            }
            Probe::Forged(forged) => Err(forged),
        };
        match outcome {
            Ok(()) => mapped.event.probe = true,
            Err(forged) => {
                metrics::counter!("perimeter_collector_probe_forged_total", "reason" => forged.class()).increment(1);
            }
        }
        mapped
    }

    fn settle(&mut self, (bytes, outcome): (usize, Result<(), PublishError>)) {
        self.outstanding_bytes -= bytes;
        self.count(outcome);
    }

    fn count(&self, outcome: Result<(), PublishError>) {
        match outcome {
            Ok(()) => events().increment(1),
            Err(error) => {
                tracing::error!(%error, "Kafka refused an event");
                lost("refused", 1);
            }
        }
    }

    /// Waits for Kafka: as long as it takes, or, once the process must end, a little.
    async fn drain(mut self) {
        let inner = self.inner.clone();
        let deadline = async {
            inner.shutdown.cancelled().await;
            tokio::time::sleep(DRAIN_MAX).await;
        };
        tokio::pin!(deadline);
        loop {
            tokio::select! {
                biased;
                settled = self.outstanding.next() => match settled {
                    Some(settled) => self.settle(settled),
                    None => return,
                },
                () = &mut deadline => break,
            }
        }
        tracing::warn!(
            source = self.source,
            events = self.outstanding.len(),
            "not acknowledged before the end"
        );
        lost("shutdown", self.outstanding.len());
    }
}

/// The event for its topic, or for the dead letters when its clock is wrong.
fn message(mapped: &Mapped) -> Result<Message, schemas::EncodeError> {
    let mut message = Message::of::<Event>(&mapped.event)?;
    if let Some(ahead_ms) = mapped.future_ms {
        let reason =
            format!("the event is {ahead_ms} ms in the future; is Envoy's clock, or ours, right?");
        message.topic = Topic::Events.dead_letters();
        message.headers.push(("perimeter-topic", Topic::Events.name().into()));
        message.headers.push(("perimeter-class", b"future".to_vec()));
        message.headers.push(("perimeter-reason", reason.into_bytes()));
        metrics::counter!("perimeter_collector_dead_letters_total", "class" => "future")
            .increment(1);
    }
    if let Some(trace) = &mapped.trace {
        message.continue_trace("collector", trace);
    }
    Ok(message)
}

fn events() -> metrics::Counter {
    metrics::counter!("perimeter_collector_events_total", "source" => "envoy")
}

/// Entries that are no events.
fn ignored(reason: &'static str, count: usize) {
    metrics::counter!("perimeter_collector_entries_ignored_total", "reason" => reason)
        .increment(count as u64);
}
