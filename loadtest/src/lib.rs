//! Real traffic against a running world, and an account of what the perimeter made of it.
//!
//! This crate knows contracts only: HTTP at the edge, records in Kafka. It counts leaks and refusals from its own
//! requests and clocks, so it can be held against what the verifier says. No service's code is used here.
//! [`traffic::plan`], [`ledger`], [`report`] and [`story`] are pure; the rest touches the world.

pub mod ledger;
pub mod report;
pub mod story;
pub mod terminal;
pub mod traffic;
pub mod watch;
pub mod world;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};

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

/// Runs the command line; the exit code is 0 when the loop closed, 1 when it did not, 64 for bad arguments.
pub fn main(args: impl Iterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            error.print().ok();
            return ExitCode::from(if error.use_stderr() { EXIT_USAGE } else { 0 });
        }
    };
    schemas::record::limit_decoding();
    let Command::Traffic(args) = cli.command;
    let world = match World::read(&args.world) {
        Ok(world) => world,
        Err(error) => return complain(&error, EXIT_USAGE),
    };
    match run(&args, &world) {
        Ok(report) if report.closed() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => complain(&error, 1),
    }
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
        let text = serde_json::to_string_pretty(&report)?;
        std::fs::write(path, text)
            .with_context(|| format!("could not write the report to {}", path.display()))?;
    }
    terminal.table(&report);
    Ok(report)
}

fn complain(error: &anyhow::Error, code: u8) -> ExitCode {
    terminal::complain(&format!("loadtest: {error:#}"));
    ExitCode::from(code)
}
