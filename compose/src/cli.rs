//! What `compose` may be asked for, and the doing of it.
//!
//! Bad arguments end with 64 before anything is installed or started.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, Result};
use clap::{Args, Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::paths::Paths;
use crate::terminal::{say, warn};
use crate::world::World;
use crate::{demo, install, services, verify, world};

/// Bad arguments: nothing was installed or started.
const EXIT_USAGE: u8 = 64;
/// Ended by a second Ctrl-C.
const EXIT_INTERRUPTED: i32 = 130;

/// The local world.
#[derive(Debug, Parser)]
#[command(name = "compose", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Install what is missing, start the world, and run the loop on live traffic until Ctrl-C
    Demo(DemoArgs),
    /// Install what is missing and check everything; ends with one line `N passed, N failed`
    Verify {
        /// Also what takes long: more cases, two minutes of traffic, chaos
        #[arg(long)]
        deep: bool,
    },
    /// Install what is missing and keep the world running, without traffic, until Ctrl-C
    Up(UpArgs),
}

#[derive(Debug, Args)]
struct DemoArgs {
    /// Short progress lines, no colours; 120 s unless --seconds says otherwise
    #[arg(long)]
    headless: bool,
    /// How long attacks and visitors come, after the canary; without it until Ctrl-C
    #[arg(long, value_parser = clap::value_parser!(u64).range(10..=86_400))]
    seconds: Option<u64>,
    /// Where to write the report, as JSON
    #[arg(long)]
    report: Option<PathBuf>,
    /// Kill one of our processes every 8 s in the order that this seed gives, and flush Redis once
    #[arg(long, value_name = "SEED")]
    chaos: Option<u64>,
    /// Kill Kafka and Redis once each, and stop the WAF for 10 s
    #[arg(long)]
    chaos_world: bool,
    #[command(flatten)]
    world: WorldArgs,
}

#[derive(Debug, Args)]
struct UpArgs {
    /// An access log, in the combined format, that the collector follows as well; made where there is none
    #[arg(long)]
    logs: Option<PathBuf>,
    /// Start only these services, to see or measure a part of the loop; all of them unless given
    #[arg(long, value_name = "STAGE,…", value_delimiter = ',', value_parser = services::STAGES)]
    stages: Vec<String>,
    #[command(flatten)]
    world: WorldArgs,
}

#[derive(Debug, Args)]
struct WorldArgs {
    /// Your brokers, HOST:PORT[,…], instead of Kafka started here; any KAFKA_X_Y is passed on
    #[arg(long)]
    brokers: Option<String>,
    /// Your Redis, redis://… or rediss://…
    #[arg(long)]
    redis: Option<String>,
    /// Your WAFv2 endpoint, http://… or https://…; AWS_… is passed on
    #[arg(long)]
    waf_endpoint: Option<String>,
    /// Another policy file than compose/policy.demo.toml
    #[arg(long)]
    policy: Option<PathBuf>,
}

/// Reads the arguments and does what they ask for; the answer is for `main`.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            error.print().ok();
            return ExitCode::from(exit_code(&error));
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome =
        runtime.context("could not start").and_then(|runtime| runtime.block_on(run(cli.command)));
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            warn(format!("perimeter: {error:#}"));
            ExitCode::from(if error.is::<Usage>() { EXIT_USAGE } else { 1 })
        }
    }
}

/// Who asks for help or the version asks for nothing wrong.
fn exit_code(error: &clap::Error) -> u8 {
    if error.use_stderr() { EXIT_USAGE } else { 0 }
}

/// Asked for something that cannot be.
#[derive(Debug)]
struct Usage(String);

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

async fn run(command: Command) -> Result<bool> {
    let paths = Paths::find()?;
    let interrupted = interrupted()?;
    let policy = paths.root.join("compose/policy.demo.toml");
    match command {
        Command::Demo(args) => {
            let options = demo::Options {
                headless: args.headless,
                seconds: args.seconds,
                report: args.report,
                chaos: args.chaos,
                chaos_world: args.chaos_world,
                world: options(args.world, policy)?,
            };
            options.check().map_err(usage)?;
            demo::run(&paths, &options, &interrupted).await
        }
        Command::Verify { deep } => verify::run(&paths, &policy, deep, &interrupted).await,
        Command::Up(args) => {
            // For tests run by hand, which listen for the traces.
            let stages = args.stages();
            let world = options(args.world, policy)?;
            let options = world::Options { traced: true, logs: args.logs, stages, ..world };
            up(&paths, options, &interrupted).await
        }
    }
}

async fn up(
    paths: &Paths,
    options: world::Options,
    interrupted: &CancellationToken,
) -> Result<bool> {
    options.reachable().await?;
    let parts = install::Parts {
        kafka: options.brokers.is_none(),
        redis: options.redis.is_none(),
        tests: false,
    };
    tokio::select! {
        installed = install::everything(paths, parts) => installed?,
        () = interrupted.cancelled() => return Ok(false),
    }
    let begun = Instant::now();
    let world = World::start(paths, options, interrupted).await?;
    demo::show(&world, begun.elapsed());
    say("Ctrl-C ends it.");
    interrupted.cancelled().await;
    world.stop().await;
    Ok(true)
}

impl UpArgs {
    /// The services to start.
    fn stages(&self) -> Vec<String> {
        if self.stages.is_empty() { every_stage() } else { self.stages.clone() }
    }
}

fn every_stage() -> Vec<String> {
    services::STAGES.map(str::to_owned).to_vec()
}

/// Settings that cannot be used are refused before anything is installed.
fn options(args: WorldArgs, demo_policy: PathBuf) -> Result<world::Options> {
    let options = world::Options {
        brokers: args.brokers,
        redis: args.redis,
        waf_endpoint: args.waf_endpoint,
        policy: args.policy.unwrap_or(demo_policy),
        traced: false,
        logs: None,
        stages: every_stage(),
    };
    options.check().map_err(usage)?;
    Ok(options)
}

fn usage(error: anyhow::Error) -> anyhow::Error {
    Usage(format!("{error:#}")).into()
}

/// Cancelled by the first Ctrl-C, SIGTERM or SIGHUP. The second ends us at once, and the kernel ends what we started.
fn interrupted() -> Result<CancellationToken> {
    let token = CancellationToken::new();
    for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()] {
        let mut signals = signal(kind).context("could not listen for signals")?;
        let cancelled = token.clone();
        tokio::spawn(async move {
            while signals.recv().await.is_some() {
                if cancelled.is_cancelled() {
                    std::process::exit(EXIT_INTERRUPTED);
                }
                cancelled.cancel();
            }
        });
    }
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The services that `compose up` with these arguments is to start.
    fn stages(arguments: &[&str]) -> Result<Vec<String>, clap::Error> {
        let words = ["compose", "up"].iter().chain(arguments);
        let Command::Up(up) = Cli::try_parse_from(words)?.command else {
            panic!("{arguments:?} is another command");
        };
        Ok(up.stages())
    }

    #[test]
    fn every_service_is_started_unless_some_are_named() {
        assert_eq!(stages(&[]).unwrap(), services::STAGES);
        assert_eq!(stages(&["--stages", "scorer"]).unwrap(), ["scorer"]);
        assert_eq!(stages(&["--stages", "collector,scorer"]).unwrap(), ["collector", "scorer"]);
    }

    #[test]
    fn a_service_that_is_none_is_refused_and_the_services_are_told() {
        let right = services::STAGES.join(", ");
        for wrong in ["collector,scorrer", "executor-0", "Scorer", "collector,"] {
            let refused = stages(&["--stages", wrong]).unwrap_err();
            assert_eq!(exit_code(&refused), EXIT_USAGE, "{wrong}");
            assert!(refused.to_string().contains(&right), "{refused}");
        }
        let help = Cli::try_parse_from(["compose", "up", "--help"]).unwrap_err();
        assert_eq!(exit_code(&help), 0);
    }
}
