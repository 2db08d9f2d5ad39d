//! `cargo demo`: the world, live traffic through it, chaos if wanted, one report.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use nix::sys::signal::Signal;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::chaos::{self, Schedule};
use crate::install::{self, Parts};
use crate::monitor::Monitor;
use crate::paths::Paths;
use crate::process;
use crate::report::{self, Facts, ProgramReport};
use crate::supervisor::Kind;
use crate::terminal::{say, warn};
use crate::world::{self, World};

/// How long a run without `--seconds` may last: a day. Ctrl-C ends it sooner.
const SECONDS_MAX: u64 = 86_400;
const SECONDS_HEADLESS: u64 = 120;
/// How long the traffic may take to tell its account after a Ctrl-C.
const ACCOUNT_DEADLINE: Duration = Duration::from_secs(10);

/// What `cargo demo` was asked for.
#[derive(Debug, Clone)]
pub struct Options {
    pub headless: bool,
    pub seconds: Option<u64>,
    pub report: Option<PathBuf>,
    pub chaos: Option<u64>,
    pub chaos_world: bool,
    pub world: world::Options,
}

impl Options {
    fn seconds(&self) -> u64 {
        self.seconds.unwrap_or(if self.headless { SECONDS_HEADLESS } else { SECONDS_MAX })
    }

    fn schedule(&self) -> Schedule {
        let services = self.chaos.map(|seed| chaos::services(seed, self.seconds()));
        let components = self.chaos_world.then(|| chaos::components(self.seconds()));
        services.into_iter().chain(components).flatten().collect()
    }

    /// Refuses what cannot be done, before anything is installed or started.
    pub fn check(&self) -> Result<()> {
        if self.chaos_world
            && (self.world.brokers.is_some()
                || self.world.redis.is_some()
                || self.world.waf_endpoint.is_some())
        {
            bail!(
                "--chaos-world kills Kafka and Redis and stops the WAF; it cannot be used with your own"
            );
        }
        if self.chaos.is_some() && self.world.redis.is_some() {
            bail!("--chaos empties Redis; it cannot be used with your own (--redis)");
        }
        Ok(())
    }
}

/// Installs, starts, runs, reports, and leaves nothing running. Answers whether the loop closed.
pub async fn run(
    paths: &Paths,
    options: &Options,
    interrupted: &CancellationToken,
) -> Result<bool> {
    options.check()?;
    let begun = Instant::now();
    say(
        "Perimeter: the whole loop on this machine: Kafka, Redis, a WAF emulator, Envoy before a small shop, our services.",
    );
    options.world.reachable().await?;
    let parts = Parts {
        kafka: options.world.brokers.is_none(),
        redis: options.world.redis.is_none(),
        tests: false,
    };
    tokio::select! {
        installed = install::everything(paths, parts) => installed?,
        () = interrupted.cancelled() => bail!("interrupted"),
    }
    run_installed(paths, options, interrupted, begun).await
}

/// The same without installing, for `cargo verify`.
pub async fn run_installed(
    paths: &Paths,
    options: &Options,
    interrupted: &CancellationToken,
    begun: Instant,
) -> Result<bool> {
    show_policy(&options.world.policy)?;
    say("Starting the world …");
    let world = World::start(paths, options.world.clone(), interrupted).await?;
    let start = begun.elapsed();
    show(&world, start);
    let outcome = traffic(paths, options, &world, start, interrupted).await;
    say("Stopping the world …");
    world.stop().await;
    let report = outcome?;
    if let Some(path) = &options.report {
        let text =
            serde_json::to_string_pretty(&report).context("could not put the report into JSON")?;
        std::fs::write(path, text + "\n")
            .with_context(|| format!("could not write {}", path.display()))?;
        say(format!("The report: {}", path.display()));
    }
    summary(&report);
    Ok(report::closed(&report))
}

async fn traffic(
    paths: &Paths,
    options: &Options,
    world: &World,
    start: Duration,
    interrupted: &CancellationToken,
) -> Result<Value> {
    let account = paths.world.join("traffic.json");
    install::remove(&account)?;
    let monitor = Monitor::default();
    let chaos = async {
        monitor.traffic().await;
        if let Err(error) = chaos::run(world, options.schedule()).await {
            warn(format!("chaos: {error:#}"));
        }
        std::future::pending::<()>().await;
    };
    let file = world.file();
    let traffic_closed = tokio::select! {
        closed = loadtest(paths, options, &file, &account, interrupted) => closed?,
        () = monitor.run(world) => bail!("the watch over the world ended"),
        () = chaos => bail!("chaos ended"),
    };
    let seen = monitor.look(world).await;
    let description = world.description();
    let mut facts = Facts {
        kafka_kind: description.kafka.kind,
        kafka_version: description.kafka.version,
        fail_open_requests: seen.fail_open_requests,
        requests_completed: seen.requests_completed,
        probe_forged: seen.probe_forged,
        chaos_seed: options.chaos,
        chaos_world: options.chaos_world,
        start_ms: u64::try_from(start.as_millis()).unwrap_or(u64::MAX),
        traffic_closed,
        ..Facts::default()
    };
    for member in world.supervisor.members() {
        let program = ProgramReport { usage: member.usage(), restarts: member.restarts() };
        let programs = match member.kind {
            Kind::Service => &mut facts.services,
            Kind::Component => &mut facts.components,
        };
        programs.insert(member.name().to_owned(), program);
    }
    let traffic =
        std::fs::read_to_string(&account).ok().and_then(|text| serde_json::from_str(&text).ok());
    Ok(report::merge(traffic, &facts))
}

/// Runs the traffic; it tells its own story on our terminal. Answers whether it says that the loop closed.
async fn loadtest(
    paths: &Paths,
    options: &Options,
    world: &Path,
    account: &Path,
    interrupted: &CancellationToken,
) -> Result<bool> {
    let mut command = process::bound_to_us(&paths.program("loadtest"));
    command.arg("traffic").arg("--world").arg(world).arg("--report").arg(account);
    command.args(["--seconds", &options.seconds().to_string()]);
    if options.headless {
        command.arg("--headless");
    }
    let mut child = command.spawn().context("could not start the traffic")?;
    let pid = child.id();
    let mut finishing = std::pin::pin!(process::finish(&mut child));
    let status = tokio::select! {
        status = &mut finishing => status,
        () = interrupted.cancelled() => {
            // It stops sending, says what it saw, and ends.
            process::kill(pid, Signal::SIGINT);
            let Ok(status) = tokio::time::timeout(ACCOUNT_DEADLINE, finishing).await else {
                bail!("the traffic did not end within {} s of the interrupt", ACCOUNT_DEADLINE.as_secs());
            };
            status
        }
    };
    Ok(status.context("could not wait for the traffic")?.success())
}

fn show_policy(policy: &Path) -> Result<()> {
    let text = std::fs::read_to_string(policy)
        .with_context(|| format!("could not read {}", policy.display()))?;
    say(format!("The policy ({}):", policy.display()));
    for line in text.lines() {
        say(format!("  │ {line}"));
    }
    Ok(())
}

/// Says where everything is.
pub fn show(world: &World, start: Duration) {
    let description = world.description();
    let version = description.kafka.version.unwrap_or_default();
    say(format!("The world is up after {:.1} s:", start.as_secs_f64()));
    say(format!(
        "  Kafka        {} ({} {version})",
        description.kafka.bootstrap, description.kafka.kind
    ));
    say(format!("  Redis        {}", description.redis.url));
    say(format!("  WAF          {}", description.waf.endpoint));
    say(format!(
        "  Envoy        http://{} (admin http://{})",
        description.envoy.listener, description.envoy.admin
    ));
    say(format!("  application  http://{} (behind Envoy)", description.application.address));
    for (name, service) in &description.services {
        let admin = service.addresses.get("admin").map(String::as_str).unwrap_or_default();
        say(format!("  {name:<12} http://{admin}/metrics"));
    }
    say(format!("  everything   {}", world.file().display()));
    say("Where to look:");
    say(
        "  cargo run -q -p cli -- watch    a live board in another terminal: lag, blocks, proofs, decisions",
    );
    say("  deploy/grafana/*.json           dashboards; import them into your Grafana");
    say("  deploy/prometheus/alerts.yml    alerts, each with its runbook under docs/runbooks");
    say(format!(
        "  http://{}/stats/prometheus      Envoy's own metrics; the services' are above",
        description.envoy.admin
    ));
}

fn summary(report: &Value) {
    let field = |name: &str| report.get(name).cloned().unwrap_or(Value::Null);
    say(format!(
        "restarts {} · requests that passed unasked {} · unobserved {} · forged probes {} · dead letters {}",
        field("restarts"),
        field("fail_open_requests"),
        field("unobserved_requests"),
        field("probe_forged"),
        field("dead_letters"),
    ));
    for failure in report.get("failures").and_then(Value::as_array).into_iter().flatten() {
        say(format!("  ✗ {}", failure.as_str().unwrap_or_default()));
    }
    say(report::ending(report));
}
