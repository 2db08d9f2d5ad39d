//! Turns what the world says into events.
//!
//! Sources: Envoy's access log service ([`sources::envoy`]), log files ([`sources::files`]), whoever sends documents over
//! HTTPS ([`sources::http`]), syslog ([`sources::syslog`]) and topics of the user's own ([`sources::kafka`]). What an entry of Envoy's means is decided in [`logic`],
//! what a line or a document means in `observe`. Anybody else may publish events directly; nothing here is needed for
//! that.
//!
//! An event is counted as collected once Kafka acknowledged it. Envoy's stream and syslog have no acknowledgement of
//! their own, so what they send while nobody listens is lost; Envoy's share of it shows as `unobserved_requests`.

pub mod config;
pub mod logic;
pub mod publish;
pub mod sources;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, Result};
use futures::future::BoxFuture;
use observe::Trusted;
use observe::probe::Forged;
use pipeline::Context;
use publish::{Outbox, Watch};
use tokio::net::{TcpListener, UdpSocket};
use uuid::Uuid;

pub use config::Config;
use config::syslog::{Listener, Transport};
use config::{ENVOY, INTAKE, KAFKA, LOGS, SYSLOG};
use logic::Mapping;
use sources::envoy::Envoy;
use sources::{files, http, kafka, syslog};

/// Why something is no event: what parsers say, and what decoding says of a record.
const DEAD: [&str; 11] = [
    "future",
    "invalid",
    "malformed",
    "no_address",
    "no_time",
    "too_large",
    "too_long",
    "too_short",
    "unknown_schema",
    "unsupported",
    "wrong_magic",
];

/// Collects until shutdown, or until every source has ended.
pub async fn start(config: Config, context: Context) -> Result<()> {
    announce();
    for (part, _) in config.sources().into_iter().filter(|(_, set)| *set) {
        context.health.expect(part);
    }
    let interfaces =
        if_addrs::get_if_addrs().context("could not list this host's own addresses")?;
    let trusted =
        Trusted::new(config.policy.trusted(), interfaces.iter().map(if_addrs::Interface::ip));
    let watch = Watch::new(config.policy.protected());
    let publisher = context.bus.publisher()?;
    let outbox =
        |source| Outbox::new(source, publisher.clone(), watch.clone(), context.clock.clone());
    tokio::try_join!(
        collect_envoy(config.envoy, trusted.clone(), watch.clone(), &context),
        collect_logs(config.logs, trusted.clone(), outbox("logs"), &context),
        collect_documents(config.intake, outbox("http"), &context),
        collect_syslog(config.syslog, trusted.clone(), outbox("syslog"), &context),
        collect_topics(config.kafka, trusted, outbox("kafka"), &context),
    )?;
    Ok(())
}

async fn collect_envoy(
    config: Option<config::Envoy>,
    trusted: Trusted,
    watch: Watch,
    context: &Context,
) -> Result<()> {
    let Some(config::Envoy { address, probe_key }) = config else { return Ok(()) };
    let mapping = Mapping { trusted, probe_key };
    // A new name at every start: positions begin again at 0, and the scorer must not take them for repeats.
    let run = Uuid::new_v4();
    let envoy = Envoy::new(Arc::new(mapping), run, watch, context)?;
    let listener = TcpListener::bind(address).await.with_context(|| {
        format!("could not listen on {address} for Envoy's access log; choose a free port with COLLECTOR_ENVOY_ALS_ADDR")
    })?;
    let tls = context
        .tls
        .clone()
        .context("COLLECTOR_TLS_CA, _CERT and _KEY are needed to serve Envoy")?;
    context.health.set(ENVOY, true);
    tracing::info!(%address, %run, "listening for Envoy's access log");
    envoy.serve(listener, &tls).await
}

async fn collect_logs(
    config: Option<config::logs::Logs>,
    trusted: Trusted,
    outbox: Outbox,
    context: &Context,
) -> Result<()> {
    let Some(config) = config else { return Ok(()) };
    let follower = files::Follower::open(config, trusted)?;
    context.health.set(LOGS, true);
    files::run(follower, outbox, context).await
}

async fn collect_documents(
    config: Option<config::intake::Intake>,
    outbox: Outbox,
    context: &Context,
) -> Result<()> {
    let Some(config) = config else { return Ok(()) };
    let address = config.address;
    let listener = TcpListener::bind(address).await.with_context(|| {
        format!("could not listen on {address} for documents; choose a free port with address in COLLECTOR_INTAKE_FILE")
    })?;
    let tls = context
        .tls
        .clone()
        .context("COLLECTOR_TLS_CA, _CERT and _KEY are needed to serve the HTTP intake")?;
    context.health.set(INTAKE, true);
    tracing::info!(%address, "listening for documents over HTTPS");
    let (clock, shutdown) = (context.clock.clone(), context.shutdown.clone());
    let intake = http::Intake::new(config, outbox, clock, shutdown, http::Patience::default());
    intake.serve(listener, &tls).await;
    Ok(())
}

async fn collect_syslog(
    config: Option<config::syslog::Syslog>,
    trusted: Trusted,
    outbox: Outbox,
    context: &Context,
) -> Result<()> {
    let Some(config) = config else { return Ok(()) };
    let (clock, shutdown) = (context.clock.clone(), context.shutdown.clone());
    let (run, patience) = (Uuid::new_v4(), syslog::Patience::default());
    let syslog =
        syslog::Syslog::new(config.senders, trusted, run, outbox, clock, shutdown, patience);
    let mut serving = Vec::new();
    for listener in config.listeners {
        serving.push(listen(syslog.clone(), listener, context.tls.clone()).await?);
    }
    context.health.set(SYSLOG, true);
    futures::future::try_join_all(serving).await?;
    Ok(())
}

/// Opens a listener; the answer serves it until shutdown.
async fn listen(
    syslog: syslog::Syslog,
    Listener { transport, address }: Listener,
    tls: Option<pipeline::Tls>,
) -> Result<BoxFuture<'static, Result<()>>> {
    let busy = || {
        format!(
            "could not listen on {address} for syslog; choose a free port in COLLECTOR_SYSLOG_FILE"
        )
    };
    tracing::info!(%address, transport = transport.name(), "listening for syslog");
    if transport == Transport::Udp {
        let socket = UdpSocket::bind(address).await.with_context(busy)?;
        return Ok(Box::pin(async move {
            syslog.serve_udp(socket).await;
            Ok(())
        }));
    }
    let listener = TcpListener::bind(address).await.with_context(busy)?;
    if transport == Transport::Tcp {
        return Ok(Box::pin(async move {
            syslog.serve_tcp(listener).await;
            Ok(())
        }));
    }
    let tls =
        tls.context("COLLECTOR_TLS_CA, _CERT and _KEY are needed to serve syslog over TLS")?;
    Ok(Box::pin(async move {
        syslog.serve_tls(listener, &tls).await;
        Ok(())
    }))
}

async fn collect_topics(
    config: Option<config::kafka::Kafka>,
    trusted: Trusted,
    outbox: Outbox,
    context: &Context,
) -> Result<()> {
    let Some(config) = config else { return Ok(()) };
    let bus = config.bus;
    let missing = AtomicUsize::new(config.topics.len());
    let ready = || {
        if missing.fetch_sub(1, Ordering::Relaxed) == 1 {
            context.health.set(KAFKA, true);
        }
    };
    let reading = config
        .topics
        .into_iter()
        .map(|topic| kafka::run(topic, &bus, trusted.clone(), outbox.clone(), context, &ready));
    futures::future::try_join_all(reading).await?;
    Ok(())
}

/// Shows what alerts watch from the start: a counter that first appears above 0 has, to whoever watches it, never risen.
fn announce() {
    for source in ["envoy", "logs", "http", "syslog", "kafka"] {
        metrics::counter!("perimeter_collector_events_total", "source" => source).increment(0);
    }
    for class in DEAD {
        metrics::counter!("perimeter_collector_dead_letters_total", "class" => class).increment(0);
    }
    for forged in Forged::ALL {
        let reason = forged.class();
        metrics::counter!("perimeter_collector_probe_forged_total", "reason" => reason)
            .increment(0);
    }
    for reason in ["encoding", "kernel", "overrun", "refused", "shutdown"] {
        metrics::counter!("perimeter_collector_events_lost_total", "reason" => reason).increment(0);
    }
    metrics::counter!("perimeter_collector_one_proxy_total").increment(0);
    for transport in [Transport::Tcp, Transport::Tls, Transport::Udp] {
        let transport = transport.name();
        metrics::counter!("perimeter_collector_syslog_refused_total", "transport" => transport)
            .increment(0);
    }
}
