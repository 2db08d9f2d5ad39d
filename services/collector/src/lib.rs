//! Turns what the world says into events.
//!
//! Sources: Envoy's access log service ([`sources::envoy`]), log files ([`sources::files`]) and whoever sends documents
//! over HTTPS ([`sources::http`]). What an entry of Envoy's means is decided in [`logic`], what a line or a document
//! means in `observe`. Anybody else may publish events directly; nothing here is needed for that.
//!
//! An event is counted as collected once Kafka acknowledged it. Envoy's stream has no acknowledgement of its own, so
//! what it sends while nobody listens is lost, and shows as `unobserved_requests`.

pub mod config;
pub mod logic;
pub mod publish;
pub mod sources;

use std::sync::Arc;

use anyhow::{Context as _, Result};
use observe::Trusted;
use observe::probe::Forged;
use pipeline::Context;
use publish::{Outbox, Watch};
use tokio::net::TcpListener;
use uuid::Uuid;

pub use config::Config;
use logic::Mapping;
use sources::envoy::Envoy;
use sources::{files, http};

/// The parts of readiness: whether Envoy and other senders can reach us, and whether log files are read.
const ENVOY: &str = "envoy access log";
const LOGS: &str = "log files";
const INTAKE: &str = "http intake";

/// Collects until shutdown, or until every source has ended.
pub async fn start(config: Config, context: Context) -> Result<()> {
    announce();
    let parts = [
        (ENVOY, config.envoy.is_some()),
        (LOGS, config.logs.is_some()),
        (INTAKE, config.intake.is_some()),
    ];
    for (part, _) in parts.into_iter().filter(|(_, set)| *set) {
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
        collect_logs(config.logs, trusted, outbox("logs"), &context),
        collect_documents(config.intake, outbox("http"), &context),
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
    intake.serve(listener, &tls).await
}

/// Shows what alerts watch from the start: a counter that first appears above 0 has, to whoever watches it, never risen.
fn announce() {
    for source in ["envoy", "logs", "http"] {
        metrics::counter!("perimeter_collector_events_total", "source" => source).increment(0);
    }
    for class in ["future", "malformed", "no_address", "no_time", "too_long", "unsupported"] {
        metrics::counter!("perimeter_collector_dead_letters_total", "class" => class).increment(0);
    }
    for forged in Forged::ALL {
        let reason = forged.class();
        metrics::counter!("perimeter_collector_probe_forged_total", "reason" => reason)
            .increment(0);
    }
    for reason in ["encoding", "refused", "shutdown"] {
        metrics::counter!("perimeter_collector_events_lost_total", "reason" => reason).increment(0);
    }
}
