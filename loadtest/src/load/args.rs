//! What a run under load may be asked for.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;

use super::kafka::Batching;
use super::mix::Shape;
use super::schedule::{Phase, Schedule};
use super::thresholds::Thresholds;

/// Most legs of one sweep.
const LEGS_MAX: usize = 64;
const RATE_MAX: f64 = 10_000_000.0;
/// How long the base rate goes on after a step at least.
const AFTER_STEP_SECONDS_MIN: f64 = 60.0;

/// Arguments of `loadtest events`.
#[derive(Debug, Clone, Args)]
pub struct EventsArgs {
    #[command(flatten)]
    pub common: CommonArgs,
    #[command(flatten)]
    pub load: LoadArgs,
    #[command(flatten)]
    pub batching: BatchingArgs,
}

/// Arguments of `loadtest lines`.
#[derive(Debug, Clone, Args)]
pub struct LinesArgs {
    #[command(flatten)]
    pub common: CommonArgs,
    #[command(flatten)]
    pub load: LoadArgs,
    /// The file to append to; the collector must follow it
    #[arg(long)]
    pub file: PathBuf,
    /// The format of its lines
    #[arg(long, default_value = "combined", value_parser = ["combined"])]
    pub format: String,
}

/// Arguments of `loadtest backlog`.
#[derive(Debug, Clone, Args)]
pub struct BacklogArgs {
    #[command(flatten)]
    pub common: CommonArgs,
    /// How many events to prepare
    #[arg(long, default_value_t = 10_000_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    pub events: u64,
    /// How fast to prepare them at most
    #[arg(long, default_value = "400000")]
    pub prepare_rate: Rate,
    /// Leave the scorer running meanwhile; else it is stopped (SIGSTOP) until all are prepared
    #[arg(long)]
    pub keep_scoring: bool,
    #[command(flatten)]
    pub batching: BatchingArgs,
}

/// What every run needs.
#[derive(Debug, Clone, Args)]
pub struct CommonArgs {
    /// The file that says where the world is
    #[arg(long, default_value = "target/world/world.json")]
    pub world: PathBuf,
    /// Equal seeds give equal clients, requests and attacks; drawn from the clock unless given
    #[arg(long)]
    pub seed: Option<u64>,
    /// Share of the attacks among all requests
    #[arg(long, default_value = "2%")]
    pub attacks: Share,
    /// From how many addresses attacks come; each is detected every 2 s at most
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub attackers: u32,
    /// From how many addresses ordinary requests come
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=200_000))]
    pub clients: u32,
    /// Without an operator who blocks and unblocks an address every second
    #[arg(long)]
    pub no_overrides: bool,
    /// Where to write the report, as JSON
    #[arg(long)]
    pub report: Option<PathBuf>,
    #[command(flatten)]
    pub thresholds: Thresholds,
}

/// How fast, and for how long.
#[derive(Debug, Clone, Args)]
pub struct LoadArgs {
    /// Records a second: 120000, 120000/s or 120k/s
    #[arg(long, required_unless_present_any = ["sweep", "step_up"], conflicts_with_all = ["sweep", "step_up"])]
    pub rate: Option<Rate>,
    /// How long each rate holds
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(4..=86_400))]
    pub seconds: u32,
    /// From a rate to another, stopping at the first that is not held: FROM..TO
    #[arg(long, conflicts_with = "step_up")]
    pub sweep: Option<Sweep>,
    /// By which factor a sweep goes up
    #[arg(long, default_value_t = 1.25, requires = "sweep")]
    pub step: f64,
    /// A base rate, so much on top of it, and for how many seconds: BASE,OVER,SECONDS
    #[arg(long)]
    pub step_up: Option<StepUp>,
}

/// How events are handed to the broker.
#[derive(Debug, Clone, Args)]
pub struct BatchingArgs {
    /// How long an event waits for others
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(0..=1_000))]
    pub linger_ms: u32,
    /// none, lz4 or another that librdkafka knows
    #[arg(long, default_value = "lz4")]
    pub compression: String,
}

/// Records a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate(pub f64);

/// From 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share(pub f64);

/// From a rate to a rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sweep {
    pub from: f64,
    pub to: f64,
}

/// More for a while.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepUp {
    pub base: f64,
    pub over: f64,
    pub seconds: f64,
}

/// One stretch of load.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    pub rate: f64,
    pub schedule: Schedule,
    /// When the lag of the start no longer counts, in seconds.
    pub steady_from: f64,
    pub step: Option<StepUp>,
    /// When the first rate ends, in seconds.
    pub base_until: f64,
    /// Whether its rate is to be held without growing lag.
    pub hold: bool,
}

impl CommonArgs {
    pub fn shape(&self, seed: u64) -> Shape {
        Shape {
            seed,
            attacks: self.attacks.0,
            attackers: self.attackers as usize,
            clients: self.clients as usize,
        }
    }
}

impl BatchingArgs {
    pub fn batching(&self) -> Batching {
        Batching { linger_ms: self.linger_ms, compression: self.compression.clone() }
    }
}

impl BacklogArgs {
    /// Events as fast as they can be prepared; how fast they are eaten afterwards is what counts.
    pub fn plan(&self) -> Plan {
        let Rate(rate) = self.prepare_rate;
        let seconds = self.events as f64 / rate;
        let schedule = Schedule::constant(rate, seconds);
        Plan { rate, schedule, steady_from: 0.0, step: None, base_until: seconds, hold: false }
    }
}

impl LoadArgs {
    /// The legs in their order; more than one only for a sweep.
    pub fn plans(&self) -> anyhow::Result<Vec<Plan>> {
        let seconds = f64::from(self.seconds);
        if let Some(step) = self.step_up {
            return Ok(vec![stepped(step, seconds)]);
        }
        let Some(sweep) = self.sweep else {
            return Ok(self.rate.iter().map(|rate| steady(rate.0, seconds)).collect());
        };
        if !(1.01..=10.0).contains(&self.step) {
            anyhow::bail!("--step {} must lie between 1.01 and 10", self.step);
        }
        let mut plans = Vec::new();
        let mut rate = sweep.from;
        while rate <= sweep.to * 1.000_001 {
            plans.push(steady(rate, seconds));
            rate *= self.step;
        }
        if plans.len() > LEGS_MAX {
            anyhow::bail!(
                "--sweep has {} steps, more than {LEGS_MAX}; choose a larger --step",
                plans.len()
            );
        }
        Ok(plans)
    }
}

fn steady(rate: f64, seconds: f64) -> Plan {
    let schedule = Schedule::constant(rate, seconds);
    let steady_from = warm_up(seconds);
    Plan { rate, schedule, steady_from, step: None, base_until: seconds, hold: true }
}

fn stepped(step: StepUp, seconds: f64) -> Plan {
    let phase = |rate, seconds| Phase { rate, seconds };
    let schedule = Schedule::new(vec![
        phase(step.base, seconds),
        phase(step.base + step.over, step.seconds),
        phase(step.base, seconds.max(AFTER_STEP_SECONDS_MIN)),
    ]);
    let steady_from = warm_up(seconds);
    let rate = step.base;
    Plan { rate, schedule, steady_from, step: Some(step), base_until: seconds, hold: false }
}

fn warm_up(seconds: f64) -> f64 {
    (seconds / 4.0).min(10.0)
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.trim().trim_end_matches("/s");
        let (digits, unit) = match number.strip_suffix('k') {
            Some(digits) => (digits, 1_000.0),
            None => (number, 1.0),
        };
        let rate = digits.parse::<f64>().map(|rate| rate * unit).unwrap_or(0.0);
        if (1.0..=RATE_MAX).contains(&rate) {
            return Ok(Rate(rate));
        }
        Err(format!("write a number from 1 to {RATE_MAX}, for example 120000/s or 120k"))
    }
}

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let share = match text.trim().strip_suffix('%') {
            Some(percent) => percent.trim().parse::<f64>().map(|percent| percent / 100.0),
            None => text.trim().parse(),
        };
        let allowed = share.ok().filter(|share| (0.0..=1.0).contains(share));
        allowed.map(Share).ok_or_else(|| "write a share, for example 2% or 0.02".to_owned())
    }
}

impl FromStr for Sweep {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (from, to) = text.split_once("..").ok_or("write FROM..TO, for example 20k..200k")?;
        let (Rate(from), Rate(to)) = (from.parse()?, to.parse()?);
        if from > to { Err("FROM must not be above TO".to_owned()) } else { Ok(Sweep { from, to }) }
    }
}

impl FromStr for StepUp {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = "write BASE,OVER,SECONDS, for example 2000,10000,60";
        let parts: Vec<&str> = text.split(',').collect();
        let [base, over, seconds] = parts[..] else { return Err(form.to_owned()) };
        let (Rate(base), Rate(over)) = (base.parse()?, over.parse()?);
        match seconds.trim().parse::<f64>() {
            Ok(seconds) if (1.0..=86_400.0).contains(&seconds) => {
                Ok(StepUp { base, over, seconds })
            }
            _ => Err(form.to_owned()),
        }
    }
}
