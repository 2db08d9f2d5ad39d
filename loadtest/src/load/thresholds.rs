//! What a run must reach, and what it did not. Pure.

use clap::Args;

use super::expected::Blocks;
use super::report::{Leg, Report};

/// Bounds as options. What is not given is not asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Args)]
pub struct Thresholds {
    /// Records a second that must be scored and committed, over the steady part
    #[arg(long, value_name = "N")]
    pub min_rate: Option<f64>,
    /// p99 from when an attack was meant to leave until its detection can be read; without one it is not met
    #[arg(long, value_name = "MS")]
    pub max_p99_ms: Option<f64>,
    /// p99 from when an attack was meant to leave until the proof of its block at Envoy, level 3, can be read; every block must be proved
    #[arg(long, value_name = "MS")]
    pub max_proved_ms: Option<f64>,
    /// Most records behind at any time
    #[arg(long, value_name = "N")]
    pub max_lag: Option<u64>,
    /// Records per second of processor time of the whole pipeline, without the sender's
    #[arg(long, value_name = "N")]
    pub min_per_cpu_second: Option<f64>,
    /// p99 of an operator's block or unblock until it is in a lease
    #[arg(long, value_name = "MS")]
    pub max_override_ms: Option<f64>,
    /// From the end of a step (--step-up) until its lag is gone
    #[arg(long, value_name = "S")]
    pub max_gone_seconds: Option<f64>,
    /// Largest peak of memory of any process of the pipeline
    #[arg(long, value_name = "MIB")]
    pub max_rss_mib: Option<u64>,
}

impl Thresholds {
    /// What was missed, one sentence each. Of a sweep the highest rate held counts, of all else every leg.
    pub fn missed(&self, report: &Report) -> Vec<String> {
        let mut missed = Vec::new();
        if report.interrupted {
            missed.push("the run was interrupted".to_owned());
        }
        let sweep = report.legs.len() > 1;
        let counted: Vec<&Leg> = report.legs.iter().filter(|leg| leg.held || !sweep).collect();
        if counted.is_empty() {
            missed.push("no rate was held".to_owned());
        }
        if let (true, Some(rate)) = (sweep, self.min_rate)
            && report.held_rate.unwrap_or(0.0) < rate
        {
            missed.push(format!("the highest rate held is below {rate:.0}/s"));
        }
        for leg in counted {
            let each = self.missed_by(leg, sweep).into_iter();
            missed.extend(each.map(|what| format!("at {:.0}/s: {what}", leg.rate)));
        }
        missed
    }

    /// Whether a leg's rate was held: nothing failed, and p99 within its bound.
    pub fn held(&self, leg: &Leg) -> bool {
        let late = self.max_p99_ms.is_some_and(|ms| late(leg, ms));
        !late && unasked(leg).is_empty()
    }

    fn missed_by(&self, leg: &Leg, sweep: bool) -> Vec<String> {
        let mut missed = unasked(leg);
        let mut bound = |broken: bool, what: String| missed.extend(broken.then_some(what));
        if let (false, Some(rate)) = (sweep, self.min_rate) {
            let scored = leg.scored_per_second;
            bound(scored < rate, format!("{scored:.0}/s were scored, less than {rate:.0}/s"));
        }
        if let Some(ms) = self.max_p99_ms {
            let what = match (leg.detected_ms.count, leg.detected_ms.p99) {
                (0, _) => {
                    format!("no detection was timed, so none is known to come within {ms} ms")
                }
                (_, p99) => format!("p99 is {p99:.1} ms, more than {ms} ms"),
            };
            bound(late(leg, ms), what);
        }
        if let Some(ms) = self.max_proved_ms {
            let (p99, Blocks { decided, proved }) = (leg.proved_ms.p99, leg.blocks);
            bound(
                proved == 0 || proved < decided || p99 > ms,
                format!(
                    "{proved} of {decided} blocks were proved, p99 {p99:.1} ms; not all, or not within {ms} ms"
                ),
            );
        }
        if let Some(most) = self.max_lag {
            let behind = leg.behind_max;
            bound(behind > most, format!("{behind} records were behind, more than {most}"));
        }
        if let Some(least) = self.min_per_cpu_second {
            let each = leg.per_cpu_second();
            bound(each < least, format!("a CPU second carries {each:.0}, less than {least:.0}"));
        }
        if let Some(ms) = self.max_override_ms {
            let told = leg.overrides.unwrap_or_default();
            let proved = told.failed == 0 && told.unleased == 0 && told.lease_ms.count > 0;
            let p99 = told.lease_ms.p99;
            bound(
                !proved || p99 > ms,
                format!(
                    "overrides: p99 {p99:.1} ms of {} asked, {} failed, {} in no lease; not all within {ms} ms",
                    told.asked, told.failed, told.unleased
                ),
            );
        }
        if let (Some(most), Some(step)) = (self.max_gone_seconds, leg.step) {
            let gone = step.gone_after_seconds.is_some_and(|seconds| seconds <= most);
            bound(!gone, format!("the step's lag was not gone within {most} s"));
        }
        if let Some(most) = self.max_rss_mib {
            let peak = leg.peak_rss_bytes() / 1024 / 1024;
            bound(peak > most, format!("a process took {peak} MiB, more than {most}"));
        }
        missed
    }
}

/// Whether detections came later than allowed. Of none, nothing was shown.
fn late(leg: &Leg, ms: f64) -> bool {
    leg.detected_ms.count == 0 || leg.detected_ms.p99 > ms
}

/// What is a failure whatever was asked for.
fn unasked(leg: &Leg) -> Vec<String> {
    let mut missed = Vec::new();
    let found = leg.found;
    if found.seen < found.expected {
        missed.push(format!(
            "{} of {} detections did not come",
            found.expected - found.seen,
            found.expected
        ));
    }
    if found.unexpected > 0 {
        missed.push(format!("{} detections that nothing asks for", found.unexpected));
    }
    if leg.dead_letters > 0 {
        missed.push(format!("{} dead letters", leg.dead_letters));
    }
    if leg.drained_after_seconds.is_none() {
        missed.push("not everything was scored in the end".to_owned());
    }
    if let Some(trend) = leg.trend.as_ref().filter(|trend| !trend.flat) {
        missed.push(format!("the lag grows by {:.0}/s", trend.slope_per_second));
    }
    let restarted = leg.processes.iter().filter(|process| process.restarted);
    missed.extend(restarted.map(|process| format!("{} was restarted", process.name)));
    missed
}
