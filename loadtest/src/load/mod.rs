//! Load: an open loop of events straight to Kafka, or of lines into a log that the collector follows, and a report of
//! how the pipeline took it.
//!
//! [`schedule`], [`mix`], [`expected`], [`lag`], [`report`] and [`thresholds`] are pure; the rest touches the world.
//! What is not here: requests through Envoy ([`crate::traffic`]).

pub mod args;
pub mod clock;
pub mod expected;
pub mod kafka;
pub mod lag;
pub mod lines;
pub mod mix;
pub mod overrides;
pub mod progress;
pub mod report;
pub mod run;
pub mod schedule;
pub mod scrape;
pub mod sender;
pub mod stopped;
pub mod thresholds;
pub mod usage;

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use tokio_util::sync::CancellationToken;

use crate::terminal::Terminal;
use crate::world::World;
use args::{BacklogArgs, CommonArgs, EventsArgs, LinesArgs, Plan};
use kafka::Events;
use lines::LogFile;
use progress::Published;
use report::Report;
use run::Run;
use sender::Sink;

/// What may be run.
#[derive(Debug, Clone)]
pub enum Command {
    Events(EventsArgs),
    Lines(LinesArgs),
    Backlog(BacklogArgs),
}

impl Command {
    pub fn common(&self) -> &CommonArgs {
        match self {
            Command::Events(args) => &args.common,
            Command::Lines(args) => &args.common,
            Command::Backlog(args) => &args.common,
        }
    }

    /// The legs that the arguments ask for; refuses what cannot be meant.
    pub fn plans(&self) -> Result<Vec<Plan>> {
        if self.common().thresholds.max_gone_seconds.is_some() && !self.steps_up() {
            bail!(
                "--max-gone-seconds is about the end of a step, and there is none; give --step-up, or leave it out"
            );
        }
        match self {
            Command::Events(args) => args.load.plans(),
            Command::Lines(args) => args.load.plans(),
            Command::Backlog(args) => Ok(vec![args.plan()]),
        }
    }

    fn steps_up(&self) -> bool {
        match self {
            Command::Events(args) => args.load.step_up.is_some(),
            Command::Lines(args) => args.load.step_up.is_some(),
            Command::Backlog(_) => false,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Command::Events(_) => "events",
            Command::Lines(_) => "lines",
            Command::Backlog(_) => "backlog",
        }
    }

    fn sink(&self, world: &World) -> Result<(Sink, Published)> {
        let batching = match self {
            Command::Events(args) => &args.batching,
            Command::Backlog(args) => &args.batching,
            Command::Lines(args) => return lines(&args.file, world),
        };
        let events = Events::new(&world.kafka.bootstrap, &batching.batching())?;
        let published = Published::Acks(events.acks());
        Ok((Sink::Events(events), published))
    }
}

fn lines(file: &Path, world: &World) -> Result<(Sink, Published)> {
    let admin = world.services.get("collector").and_then(|collector| collector.admin.clone());
    let admin =
        admin.context("the world file does not say where the collector shows its metrics")?;
    Ok((Sink::Lines(LogFile::append(file)?), Published::Collector(admin)))
}

/// Runs what was asked for, and reports.
pub async fn run(
    command: &Command,
    plans: Vec<Plan>,
    world: &World,
    terminal: &mut Terminal,
    interrupted: CancellationToken,
) -> Result<Report> {
    let common = command.common();
    let (sink, published) = command.sink(world)?;
    let seed = common.seed.unwrap_or_else(|| clock::micros().unsigned_abs());
    let stop_scorer = matches!(command, Command::Backlog(args) if !args.keep_scoring);
    let run = Run {
        what: command.name(),
        world,
        shape: common.shape(seed),
        thresholds: common.thresholds,
        overrides: !common.no_overrides,
        stop_scorer,
        plans,
    };
    run::run(run, sink, published, terminal, interrupted).await
}
