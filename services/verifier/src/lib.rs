//! Verifier: looks at the world by its own means and says what is proved.
//!
//! Two stages feed one core ([`logic`]): decisions, which it folds itself, and what the executors say they did. Envoy's
//! log ([`sources::envoy`]), the answers to probes ([`probes`]), Envoy's admin port and the WAF's read-back
//! ([`points`]) feed it, too. The loop ([`act`]) does what the core asks for and publishes outcomes. A dead executor
//! shows here as effect *absent*. Beside all that, and in nobody's way, detections and outcomes are told to others as OCSF
//! ([`ocsf`]) where that is asked for.

pub mod act;
mod config;
mod http;
pub mod kpi;
pub mod logic;
pub mod ocsf;
pub mod points;
pub mod probes;
pub mod restore;
pub mod sources;
pub mod stage;
mod verification;

use std::sync::Arc;

use anyhow::{Context as _, Result};
use pipeline::{Context, Group, LEASE_TOPICS, Leases, follow, run};
use tokio::net::TcpListener;
use uuid::Uuid;

use act::Means;
pub use config::{Config, Probe, Scope, Switch, Waf};
use logic::{Core, Reach};
use points::aws_waf::Sets;
use points::envoy::Admin;
use probes::{Prober, SentProbes};
use sources::envoy::Log;
use stage::{Decisions, Enforcements};
pub use verification::Verification;

/// Runs the verifier until shutdown.
pub async fn start(config: Config, context: Context) -> Result<()> {
    kpi::announce();
    let reach = reach(&config);
    let (protected, limits) = (config.policy.protected(), config.policy.limits());
    // The run's own number keeps nonces apart from those of every other run.
    let (seed, _) = Uuid::new_v4().as_u64_pair();
    let verification = Verification::new(Core::new(reach, protected, limits, seed));
    let leases = Leases::default();
    let (url, key) = match config.probe {
        Some(Probe { url, key }) => (Some(url), Some(Arc::new(key))),
        None => (None, None),
    };
    let sent = SentProbes::default();
    let log = listen(config.envoy_als, &verification, sent.clone(), &context).await?;
    let prober = url.zip(key).filter(|_| reach.envoy).map(|(url, key)| Prober::new(url, key, sent));
    let sets = match config.waf {
        Some(waf) => Some(Sets::connect(waf).await),
        None => None,
    };
    let means = Means { prober, sets, publisher: context.bus.publisher()?, reach };
    let admin = config.envoy_admin.map(|url| Admin::new(url, config.envoy_cluster));
    tokio::try_join!(
        decisions(&context, &verification, &leases, limits),
        enforcements(&context, &verification),
        follow(&context, &LEASE_TOPICS, leases.sink()),
        act::run(&context, &verification, &leases, means),
        act::watch_replicas(&context, &verification, admin),
        log,
        ocsf::export(&context, config.ocsf),
    )?;
    Ok(())
}

/// Which proofs this installation can give; says what is missing for the others.
fn reach(config: &Config) -> Reach {
    let needed = [
        ("VERIFIER_PROBE_URL and VERIFIER_PROBE_PRIVATE_KEY", config.probe.is_some()),
        ("VERIFIER_ENVOY_ALS_ADDR", config.envoy_als.is_some()),
        ("VERIFIER_ENVOY_ADMIN_URL", config.envoy_admin.is_some()),
        ("a trusted proxy in the policy's [proxies]", !config.policy.trusted().is_empty()),
    ];
    let missing: Vec<&str> =
        needed.iter().filter(|(_, given)| !given).map(|(name, _)| *name).collect();
    if !missing.is_empty() {
        let missing = missing.join(", ");
        tracing::warn!(missing, "no block is probed at Envoy: level 3 is off");
    }
    if config.waf.is_none() {
        tracing::warn!("the WAF is not read back; set VERIFIER_WAF_SCOPE to read it");
    }
    Reach { envoy: missing.is_empty(), waf: config.waf.is_some() }
}

async fn decisions(
    context: &Context,
    verification: &Verification,
    leases: &Leases,
    limits: schemas::Limits,
) -> Result<()> {
    let (verification, leases) = (verification.clone(), leases.clone());
    let (clock, shutdown) = (context.clock.clone(), context.shutdown.clone());
    run(context, Group("verifier"), move |assigned| {
        let epoch = restore::wait_for_epoch(&leases, &shutdown)?;
        verification.sync(&leases, clock.now());
        let (read_back, partition) = (&assigned.read_back, assigned.partition);
        restore::restore(&verification, read_back, partition, epoch, &limits, &clock)?;
        Ok(Decisions::new(verification.clone(), leases.clone(), clock.clone()))
    })
    .await
}

async fn enforcements(context: &Context, verification: &Verification) -> Result<()> {
    let (verification, clock) = (verification.clone(), context.clock.clone());
    run(context, Group("verifier-enforcements"), move |_| {
        Ok(Enforcements::new(verification.clone(), clock.clone()))
    })
    .await
}

/// Binds Envoy's log now, so that a busy port is an error at start; the future serves it.
async fn listen(
    address: Option<std::net::SocketAddr>,
    verification: &Verification,
    sent: SentProbes,
    context: &Context,
) -> Result<impl Future<Output = Result<()>> + use<>> {
    let log = Log::new(verification.clone(), context.clock.clone(), sent);
    let (tls, shutdown) = (context.tls.clone(), context.shutdown.clone());
    let listener = match address {
        Some(address) => Some(TcpListener::bind(address).await.with_context(|| {
            format!("could not listen on {address} for Envoy's log; choose a free port with VERIFIER_ENVOY_ALS_ADDR")
        })?),
        None => None,
    };
    Ok(async move {
        match (listener, tls) {
            (Some(listener), Some(tls)) => log.serve(listener, &tls, shutdown).await,
            _ => Ok(()),
        }
    })
}
