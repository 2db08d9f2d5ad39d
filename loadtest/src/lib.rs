//! Real traffic against a running world, and an account of what the perimeter made of it; and load, past the edge,
//! with an account of how the pipeline took it ([`load`]).
//!
//! This crate knows contracts only: HTTP at the edge, records in Kafka, lines in logs, gRPC. It counts leaks and
//! refusals from its own requests and clocks, so it can be held against what the verifier says. No service's code is
//! used here. [`traffic::plan`], [`ledger`], [`report`] and [`story`] are pure; the rest touches the world.

pub mod ledger;
pub mod load;
pub mod report;
pub mod story;
pub mod terminal;
pub mod traffic;
pub mod watch;
pub mod world;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};

use load::args::{BacklogArgs, EventsArgs, LinesArgs, Plan};
use report::Report;
use terminal::Terminal;
use traffic::http::now;
use traffic::plan::SECONDS_MIN;
use world::World;

/// Bad arguments or a bad world file: nothing was started.
const EXIT_USAGE: u8 = 64;

/// Traffic against a running world.
#[derive(Debug, Parser)]
#[command(name = "loadtest", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Good visitors and attackers through Envoy; fails unless every attack is blocked, proved and lifted on time
    Traffic(TrafficArgs),
    /// Events straight to Kafka at a rate; fails if it is not held, a detection is missing or a bound is broken
    Events(EventsArgs),
    /// Lines into an access log that the collector follows; fails as `events` does
    Lines(LinesArgs),
    /// Many events at once, and how fast they are eaten
    Backlog(BacklogArgs),
}

/// Arguments of `loadtest traffic`.
#[derive(Debug, Clone, Args)]
pub struct TrafficArgs {
    /// The file that says where the world is
    #[arg(long, default_value = "target/world/world.json")]
    pub world: PathBuf,
    /// How long attacks and visitors come, after the canary; lifts are waited for beyond that
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u64).range(SECONDS_MIN..=86_400))]
    pub seconds: u64,
    /// Equal seeds give equal addresses and requests; drawn from the clock unless given
    #[arg(long)]
    pub seed: Option<u64>,
    /// Where to write the report, as JSON
    #[arg(long)]
    pub report: Option<PathBuf>,
    /// Short progress lines instead of the story
    #[arg(long)]
    pub headless: bool,
}

/// Runs the command line; the exit code is 0 when everything was met, 1 when it was not, 64 for bad arguments.
pub fn main(args: impl Iterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            error.print().ok();
            return ExitCode::from(if error.use_stderr() { EXIT_USAGE } else { 0 });
        }
    };
    schemas::record::limit_decoding();
    let command = match cli.command {
        Command::Traffic(args) => return through_envoy(&args),
        Command::Events(args) => load::Command::Events(args),
        Command::Lines(args) => load::Command::Lines(args),
        Command::Backlog(args) => load::Command::Backlog(args),
    };
    under_load(&command)
}

fn through_envoy(args: &TrafficArgs) -> ExitCode {
    let world = match World::read(&args.world) {
        Ok(world) => world,
        Err(error) => return complain(&error, EXIT_USAGE),
    };
    match run(args, &world) {
        Ok(report) if report.closed() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => complain(&error, 1),
    }
}

fn under_load(command: &load::Command) -> ExitCode {
    let prepared =
        command.plans().and_then(|plans| Ok((plans, World::read(&command.common().world)?)));
    let (plans, world) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => return complain(&error, EXIT_USAGE),
    };
    match run_load(command, plans, &world) {
        Ok(report) if report.missed.is_empty() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => complain(&error, 1),
    }
}

fn run_load(
    command: &load::Command,
    plans: Vec<Plan>,
    world: &World,
) -> anyhow::Result<load::report::Report> {
    let runtime = tokio::runtime::Runtime::new().context("could not start the runtime")?;
    let mut terminal = Terminal::stdout(true);
    let report = runtime.block_on(async {
        let interrupted = terminal::interrupted()?;
        load::run(command, plans, world, &mut terminal, interrupted).await
    });
    runtime.shutdown_background();
    let report = report?;
    if let Some(path) = &command.common().report {
        write(path, &report)?;
    }
    terminal.say(&load::report::text(&report));
    Ok(report)
}

fn run(args: &TrafficArgs, world: &World) -> anyhow::Result<Report> {
    let runtime = tokio::runtime::Runtime::new().context("could not start the runtime")?;
    let options = traffic::Options {
        bootstrap: world.kafka.bootstrap.clone(),
        listener: world.envoy.listener.clone(),
        protected: world.protected()?,
        seconds: args.seconds,
        seed: args.seed.unwrap_or_else(|| now().unsigned_abs()),
        canary_timeout: traffic::CANARY_TIMEOUT,
        headless: args.headless,
    };
    let mut terminal = Terminal::stdout(args.headless);
    let report = runtime.block_on(async {
        let interrupted = terminal::interrupted()?;
        traffic::run(options, &mut terminal, interrupted).await
    });
    // A question to a broker that is away may still be open; nobody waits for it.
    runtime.shutdown_background();
    let report = report?;
    if let Some(path) = &args.report {
        write(path, &report)?;
    }
    terminal.table(&report);
    Ok(report)
}

fn write(path: &Path, report: &impl serde::Serialize) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(report)?;
    std::fs::write(path, text)
        .with_context(|| format!("could not write the report to {}", path.display()))
}

fn complain(error: &anyhow::Error, code: u8) -> ExitCode {
    terminal::complain(&format!("loadtest: {error:#}"));
    ExitCode::from(code)
}
