//! The report of a run under load: its numbers as JSON, what it missed, and a table for people. Pure.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::expected::{Blocks, Found, Quantiles};
use super::lag::{Sample, Trend};
use super::usage::{OURSELVES, Process};

const MIB: f64 = 1024.0 * 1024.0;

/// A whole run. It met what it had to when `missed` is empty.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// `events`, `lines` or `backlog`.
    pub what: String,
    pub machine: Machine,
    pub seed: u64,
    /// Share of the attacks among all requests, from 0 to 1.
    pub attacks: f64,
    pub attackers: usize,
    pub clients: usize,
    pub interrupted: bool,
    pub legs: Vec<Leg>,
    /// The highest rate of a sweep that was held.
    pub held_rate: Option<f64>,
    pub missed: Vec<String>,
}

/// What it ran on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    pub cores: usize,
    pub memory_bytes: u64,
    /// Whether this program was built for measuring; the services should be of the same build.
    pub release: bool,
}

/// One stretch of load at one rate, or at a base rate with one step.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Leg {
    /// Records a second; of a step, the base rate.
    pub rate: f64,
    /// How long records were meant to leave.
    pub seconds: f64,
    pub sent: u64,
    /// In `events`, acknowledged, by the end.
    pub published: u64,
    pub dead_letters: u64,
    /// Acknowledged in `events` and committed by the scorer, over the steady part.
    pub published_per_second: f64,
    pub scored_per_second: f64,
    pub found: Found,
    /// The first detections that nothing asks for, each in words.
    #[serde(default)]
    pub unexpected: Vec<String>,
    /// In milliseconds, from when an attack was meant to leave until its detection could be read.
    pub detected_ms: Quantiles,
    /// Until the scorer handed the detection to its producer, by the pipeline's clock.
    pub published_ms: Quantiles,
    /// Until the proof of its block at Envoy, level 3, could be read, of those that led to one.
    pub proved_ms: Quantiles,
    /// How many blocks there were to prove, and how many were proved in the end.
    #[serde(default)]
    pub blocks: Blocks,
    /// Of its lag, where one rate was to be held.
    pub trend: Option<Trend>,
    pub behind_max: u64,
    /// From the last record until all were scored; absent when they were not within the wait.
    pub drained_after_seconds: Option<f64>,
    pub step: Option<Step>,
    pub overrides: Option<Overrides>,
    pub processes: Vec<Process>,
    /// The share of all cores' time that the host of a virtual machine withheld, from 0 to 1.
    #[serde(default)]
    pub stolen: Option<f64>,
    /// What the same arithmetic took before and after: what tells a slow hour.
    #[serde(default)]
    pub yardstick_ms: [f64; 2],
    pub samples: Vec<Sample>,
    /// Whether its lag was flat, every expected detection came, and no more.
    pub held: bool,
}

/// What came of more load for a while.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// On top of the base rate.
    pub over: f64,
    pub seconds: f64,
    /// From the end of the step until the lag was what it was before.
    pub gone_after_seconds: Option<f64>,
}

/// What operators' calls took meanwhile, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Overrides {
    pub asked: u64,
    pub failed: u64,
    /// Until the decider answered: its decision is in Kafka.
    pub reply_ms: Quantiles,
    /// Until a lease that holds the decision could be read.
    pub lease_ms: Quantiles,
    /// Answered, and in no lease by the end.
    pub unleased: u64,
}

impl Leg {
    /// Processor time of the whole pipeline: broker, Redis, Envoy and every service, without the sender's.
    pub fn pipeline_cpu_seconds(&self) -> f64 {
        let pipeline = self.processes.iter().filter(|process| process.name != OURSELVES);
        pipeline.map(|process| process.cpu_seconds).sum()
    }

    /// Records that one second of processor time carries from end to end.
    pub fn per_cpu_second(&self) -> f64 {
        let seconds = self.pipeline_cpu_seconds();
        if seconds > 0.0 { self.sent as f64 / seconds } else { 0.0 }
    }

    /// The largest peak of memory of any process of the pipeline.
    pub fn peak_rss_bytes(&self) -> u64 {
        let pipeline = self.processes.iter().filter(|process| process.name != OURSELVES);
        pipeline.map(|process| process.peak_rss_bytes).max().unwrap_or(0)
    }
}

/// The report as a person reads it.
pub fn text(report: &Report) -> String {
    let mut out = String::new();
    let built = if report.machine.release { "release" } else { "NOT a release build" };
    writeln!(
        out,
        "{} · {} cores, {:.0} GiB, {built} · seed {}, {:.1} % attacks of {} attackers, {} clients",
        report.what,
        report.machine.cores,
        report.machine.memory_bytes as f64 / MIB / 1024.0,
        report.seed,
        report.attacks * 100.0,
        report.attackers,
        report.clients
    )
    .expect("writing to a string cannot fail");
    let sections = report.legs.iter().map(leg);
    out.extend(sections);
    if let Some(rate) = report.held_rate {
        out.push_str(&format!("highest rate held: {rate:.0}/s\n"));
    }
    for missed in &report.missed {
        out.push_str(&format!("MISSED  {missed}\n"));
    }
    out.push_str(if report.missed.is_empty() { "met\n" } else { "missed\n" });
    out
}

fn leg(leg: &Leg) -> String {
    let found = leg.found;
    let mut lines = vec![
        format!(
            "\n{:.0}/s for {:.0} s: {} sent, {:.0}/s published, {:.0}/s scored, {}",
            leg.rate,
            leg.seconds,
            leg.sent,
            leg.published_per_second,
            leg.scored_per_second,
            if leg.held { "held" } else { "NOT held" }
        ),
        format!(
            "  behind      max {}{}; drained after {}",
            leg.behind_max,
            leg.trend.as_ref().map_or_else(String::new, trend),
            after(leg.drained_after_seconds)
        ),
        format!(
            "  detections  {} of {} expected of {} attacks, {} unexpected, {} repeated; {} dead letters",
            found.seen,
            found.expected,
            found.attacks,
            found.unexpected,
            found.repeated,
            leg.dead_letters
        ),
        format!("  detected    {} (meant to leave → readable)", quantiles(&leg.detected_ms)),
        format!("  published   {} (meant to leave → produced)", quantiles(&leg.published_ms)),
        format!(
            "  proved      {} (meant to leave → level 3); {} of {} blocks proved",
            quantiles(&leg.proved_ms),
            leg.blocks.proved,
            leg.blocks.decided
        ),
    ];
    lines.extend(leg.unexpected.iter().map(|one| format!("  unexpected  {one}")));
    if let Some(step) = leg.step {
        lines.push(format!(
            "  step        +{:.0}/s for {:.0} s; gone after {}",
            step.over,
            step.seconds,
            after(step.gone_after_seconds)
        ));
    }
    if let Some(overrides) = leg.overrides {
        lines.push(format!("  overrides   {} (asked → answered)", quantiles(&overrides.reply_ms)));
        lines.push(format!(
            "              {} (asked → lease); {} asked, {} failed, {} in no lease",
            quantiles(&overrides.lease_ms),
            overrides.asked,
            overrides.failed,
            overrides.unleased
        ));
    }
    lines.push(format!(
        "  processor   {:.2} s without the sender: {:.0} records per CPU second{}",
        leg.pipeline_cpu_seconds(),
        leg.per_cpu_second(),
        leg.stolen.map_or_else(String::new, |stolen| {
            format!("; the host withheld {:.1} % of the cores", stolen * 100.0)
        })
    ));
    let [before, after] = leg.yardstick_ms;
    lines.push(format!("  yardstick   {before:.1} ms before, {after:.1} ms after"));
    lines.extend(leg.processes.iter().map(process));
    lines.join("\n") + "\n"
}

fn process(process: &Process) -> String {
    format!(
        "    {:<12} {:>8.2} s {:>5.1} % {:>7.0} MiB peak{}",
        process.name,
        process.cpu_seconds,
        process.cpu_share * 100.0,
        process.peak_rss_bytes as f64 / MIB,
        if process.restarted { ", RESTARTED" } else { "" }
    )
}

fn trend(trend: &Trend) -> String {
    format!(
        ", median {:.0}, slope {:+.0}/s (noise {:.0}/s): {}",
        trend.behind_median,
        trend.slope_per_second,
        trend.noise_per_second,
        if trend.flat { "flat" } else { "growing" }
    )
}

fn quantiles(of: &Quantiles) -> String {
    format!(
        "p50 {:.1}, p90 {:.1}, p99 {:.1}, p99.9 {:.1}, max {:.1} ms of {}",
        of.p50, of.p90, of.p99, of.p999, of.max, of.count
    )
}

fn after(seconds: Option<f64>) -> String {
    seconds.map_or("never".to_owned(), |seconds| format!("{seconds:.1} s"))
}
