//! Turns what the world says into events.
//!
//! One source so far: Envoy's access log service ([`sources::envoy`]). What an entry means is decided in [`logic`]: whose
//! request it was and how that was learnt, whether a rule of ours answered it, whether it is a probe of ours.
//! Anybody else may publish events directly; nothing here is needed for that.
//!
//! An event is counted as collected once Kafka acknowledged it. Envoy's stream has no acknowledgement of its own, so
//! what it sends while nobody listens is lost, and shows as `unobserved_requests`.

pub mod config;
pub mod logic;
pub mod sources;

use std::sync::Arc;

use anyhow::{Context as _, Result};
use observe::Trusted;
use observe::probe::Forged;
use pipeline::Context;
use tokio::net::TcpListener;
use uuid::Uuid;

pub use config::Config;
use logic::Mapping;
use sources::envoy::Envoy;

/// The part of readiness that says whether Envoy can reach us.
const PART: &str = "envoy access log";

/// Collects until shutdown.
pub async fn start(config: Config, context: Context) -> Result<()> {
    announce();
    context.health.expect(PART);
    let interfaces =
        if_addrs::get_if_addrs().context("could not list this host's own addresses")?;
    let trusted =
        Trusted::new(config.policy.trusted(), interfaces.iter().map(if_addrs::Interface::ip));
    let mapping = Mapping { trusted, probe_key: config.probe_key };
    // A new name at every start: positions begin again at 0, and the scorer must not take them for repeats.
    let run = Uuid::new_v4();
    let envoy = Envoy::new(Arc::new(mapping), run, &context)?;
    let address = config.envoy_als;
    let listener = TcpListener::bind(address).await.with_context(|| {
        format!("could not listen on {address} for Envoy's access log; choose a free port with COLLECTOR_ENVOY_ALS_ADDR")
    })?;
    let tls = context
        .tls
        .clone()
        .context("COLLECTOR_TLS_CA, _CERT and _KEY are needed to serve Envoy")?;
    context.health.set(PART, true);
    tracing::info!(%address, %run, "listening for Envoy's access log");
    envoy.serve(listener, &tls).await
}

/// Shows what alerts watch from the start: a counter that first appears above 0 has, to whoever watches it, never risen.
fn announce() {
    metrics::counter!("perimeter_collector_events_total").increment(0);
    metrics::counter!("perimeter_collector_dead_letters_total", "class" => "future").increment(0);
    for forged in Forged::ALL {
        let reason = forged.class();
        metrics::counter!("perimeter_collector_probe_forged_total", "reason" => reason)
            .increment(0);
    }
    for reason in ["encoding", "refused", "shutdown"] {
        metrics::counter!("perimeter_collector_events_lost_total", "reason" => reason).increment(0);
    }
}
