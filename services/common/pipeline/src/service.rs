//! The frame of every service's `main`: limits and TLS provider first, then configuration, telemetry, health,
//! signals, drain, exit codes.
//!
//! Drain: signal, readiness off, stop polling, finish what is in flight, flush, commit, leave, flush telemetry, exit 0.
//! Longest `handle` < [`DRAIN_DEADLINE`] < the grace period of whoever sends the signal.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use schemas::Millis;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::bus::Bus;
use crate::config::{ConfigError, Env};
use crate::health::Health;
use crate::kafka::WrongPartitions;
use crate::registry::Registry;
use crate::tls::Tls;

/// How long a drain may take before what is left is abandoned, with a warning.
pub(crate) const DRAIN_DEADLINE: Duration = Duration::from_secs(8);
/// Exit code for a configuration that cannot be used (`EX_USAGE`).
const EXIT_CONFIGURATION: u8 = 64;

/// One service's own settings.
pub trait Config: Sized + std::fmt::Debug {
    /// Reads and validates the settings. Connects to nothing.
    fn from_env(env: &mut Env) -> Result<Self, ConfigError>;
}

/// The only source of the wall clock.
#[derive(Clone)]
pub struct Clock(Option<Arc<AtomicI64>>);

impl Clock {
    pub fn system() -> Self {
        Clock(None)
    }

    /// A clock that a test sets.
    pub fn manual(now: Millis) -> Self {
        Clock(Some(Arc::new(AtomicI64::new(now))))
    }

    /// Milliseconds since the Unix epoch.
    pub fn now(&self) -> Millis {
        match &self.0 {
            Some(manual) => manual.load(Ordering::SeqCst),
            None => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                Millis::try_from(since.as_millis()).unwrap_or(Millis::MAX)
            }
        }
    }

    /// Moves a manual clock; the system's cannot be moved.
    pub fn advance(&self, by: Millis) {
        if let Some(manual) = &self.0 {
            manual.fetch_add(by, Ordering::SeqCst);
        }
    }
}

/// What a service runs in.
#[derive(Clone)]
pub struct Context {
    pub service: &'static str,
    /// Ordinal of this replica: with the service's name it is the static group member.
    pub replica: u32,
    pub bus: Bus,
    pub clock: Clock,
    pub health: Health,
    /// Cancelled when the process must stop; every task ends by itself then.
    pub shutdown: CancellationToken,
    pub tls: Option<Tls>,
}

struct Common {
    admin: SocketAddr,
    replica: u32,
    tls: Option<Tls>,
    bus: Bus,
    /// Names that look like settings and are none.
    passed_over: Vec<String>,
}

/// Runs a service until a signal ends it. The answer is for `main`.
///
/// Exits 0 after an orderly drain, 64 when the configuration cannot be used (before anything connects), 1 otherwise.
pub fn service<C, F>(name: &'static str, start: impl FnOnce(C, Context) -> F) -> ExitCode
where
    C: Config,
    F: Future<Output = anyhow::Result<()>>,
{
    schemas::record::limit_decoding();
    // Two TLS libraries' defaults in one process panic at first use; this one is the process's.
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        eprintln!("{name}: another TLS provider was installed first");
        return ExitCode::FAILURE;
    }
    let mut env = Env::new(name, std::env::vars());
    let configured =
        configure::<C>(&mut env).and_then(|configured| env.finish().map(|()| configured));
    let (config, common, telemetry) = match configured {
        Ok((config, common)) => {
            let telemetry = telemetry::Config {
                service: name.to_owned(),
                filter: std::env::var("RUST_LOG").ok().filter(|filter| !filter.is_empty()),
                otlp_endpoint: std::env::var("OTEL_EXPORTER_OTLP_ENDPOINT")
                    .ok()
                    .filter(|url| !url.is_empty()),
            };
            (config, common, telemetry)
        }
        Err(error) => {
            eprintln!("{name}: {error}");
            return ExitCode::from(EXIT_CONFIGURATION);
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("{name}: could not start a runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(observed(name, config, common, &telemetry, start));
    runtime.shutdown_timeout(Duration::from_secs(1));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<WrongPartitions>() || error.is::<ConfigError>() => {
            ExitCode::from(EXIT_CONFIGURATION)
        }
        Err(_) => ExitCode::FAILURE,
    }
}

/// Runs the service between the opening and the flush of telemetry; a failure is told in either case.
async fn observed<C, F>(
    name: &'static str,
    config: C,
    common: Common,
    settings: &telemetry::Config,
    start: impl FnOnce(C, Context) -> F,
) -> anyhow::Result<()>
where
    C: Config,
    F: Future<Output = anyhow::Result<()>>,
{
    let telemetry = match telemetry::install(settings) {
        Ok(telemetry) => telemetry,
        Err(error) => {
            eprintln!("{name}: {error:#}");
            // It connects to nothing yet, so only its settings can be at fault.
            return Err(ConfigError::Other(format!("{error:#}")).into());
        }
    };
    let outcome = serve(name, config, common, telemetry.metrics(), start).await;
    if let Err(error) = &outcome {
        tracing::error!(error = format!("{error:#}"), "{name} stopped");
    }
    outcome
}

async fn serve<C, F>(
    name: &'static str,
    config: C,
    common: Common,
    metrics: telemetry::Metrics,
    start: impl FnOnce(C, Context) -> F,
) -> anyhow::Result<()>
where
    C: Config,
    F: Future<Output = anyhow::Result<()>>,
{
    tracing::info!(?config, replica = common.replica, "{name} starts");
    if !common.passed_over.is_empty() {
        tracing::warn!(
            names = common.passed_over.join(", "),
            "passed over names that Kubernetes or Kafka's scripts set; write enableServiceLinks: false into the pod, or \
             unset them"
        );
    }
    let health = Health::default();
    let shutdown = CancellationToken::new();
    let admin = health.serve(common.admin, metrics, shutdown.clone()).await?;
    let context = Context {
        service: name,
        replica: common.replica,
        bus: common.bus,
        clock: Clock::system(),
        health: health.clone(),
        shutdown: shutdown.clone(),
        tls: common.tls,
    };
    metrics::gauge!("perimeter_process_start_timestamp_seconds")
        .set(context.clock.now() as f64 / 1_000.0);
    let mut terminate = signal(SignalKind::terminate()).context("could not listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("could not listen for SIGINT")?;
    let mut service = std::pin::pin!(start(config, context));
    let outcome = tokio::select! {
        outcome = &mut service => Some(outcome),
        _ = terminate.recv() => None,
        _ = interrupt.recv() => None,
    };
    health.drain();
    shutdown.cancel();
    let outcome = match outcome {
        Some(outcome) => outcome,
        None => tokio::time::timeout(DRAIN_DEADLINE, service).await.unwrap_or_else(|_| {
            Err(anyhow::anyhow!(
                "could not finish within {} s; what was left is repeated",
                DRAIN_DEADLINE.as_secs()
            ))
        }),
    };
    admin.abort();
    outcome
}

fn configure<C: Config>(env: &mut Env) -> Result<(C, Common), ConfigError> {
    let admin = env
        .required("ADMIN_ADDR", "an address for health and metrics, for example 127.0.0.1:9101")?;
    let replica = env.optional("REPLICA", "this replica's ordinal, for example 0")?.unwrap_or(0);
    let tls = Tls::from_env(env)?;
    let traces = env.shared("OTEL_EXPORTER_OTLP_ENDPOINT");
    if traces.is_some_and(|endpoint| endpoint.starts_with("https://")) {
        env.check_trusted()?;
    }
    let bus = Bus::kafka(env.kafka_properties()?)
        .map_err(|error| ConfigError::Other(format!("{error:#}")))?
        .with_registry(Registry::from_env(env)?);
    let config = C::from_env(env)?;
    let passed_over = env.passed_over();
    Ok((config, Common { admin, replica, tls, bus, passed_over }))
}
