//! The report of a run: its numbers, and what is missing from each incident in words.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use schemas::{Category, Millis};
use serde::Serialize;

use crate::ledger::{Incident, Ledger, Steps, histogram};
use crate::traffic::plan::Family;
use crate::watch::Growth;

/// Most sentences about incidents that one report carries.
const FAILURES_MAX: usize = 200;

/// Median, 99th percentile and maximum, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Quantiles {
    pub p50: u64,
    pub p99: u64,
    pub max: u64,
}

/// Medians of what each stage took, over the incidents of which every step is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Stages {
    /// From the request that completed the detection until the detection was published.
    pub detected: u64,
    pub decided: u64,
    pub leased: u64,
    /// Until the last replica had it.
    pub applied: u64,
    pub proved: u64,
}

/// The incidents of one kind of attack.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Kind {
    pub attack: &'static str,
    pub family: &'static str,
    pub incidents: usize,
    pub proved: usize,
    pub waf_read_back: usize,
    pub expired: usize,
    pub lift_proved: usize,
    pub leaked: usize,
    pub kept: usize,
    pub strikes_max: i32,
    pub time_to_proof_ms: Quantiles,
}

/// One incident, in numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    pub id: usize,
    pub attack: &'static str,
    pub address: String,
    pub strikes: i32,
    pub begun_at: Millis,
    pub until: Option<Millis>,
    pub time_to_proof_ms: Option<Millis>,
    pub waf_read_back_ms: Option<Millis>,
    pub freed_after_ms: Option<Millis>,
    pub lift_proved_after_ms: Option<Millis>,
}

/// A run, as written to the file. The loop closed when `failures` is empty.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    pub seed: u64,
    pub seconds: u64,
    /// Ended by a signal: what had not ended by then is no failure, but is not counted as proved either. Where nobody
    /// watches, or where nothing had ended, the signal itself is a failure.
    pub interrupted: bool,
    pub incidents: usize,
    pub proved: usize,
    pub waf_read_back: usize,
    pub expired: usize,
    pub lift_proved: usize,
    pub leaked: usize,
    pub kept: usize,
    pub good_requests: u64,
    pub good_refused: u64,
    pub time_to_proof_ms: Quantiles,
    /// From `until` to the proof of the lift.
    pub lift_proved_ms: Quantiles,
    pub good_ms: Quantiles,
    pub stages_ms: Stages,
    pub canary_time_to_proof_ms: Option<Millis>,
    /// Absent when Kafka could not be asked at the end.
    pub events_observed: Option<i64>,
    pub dead_letters: Option<i64>,
    pub requests_completed: u64,
    pub kinds: Vec<Kind>,
    pub incident_list: Vec<Row>,
    pub failures: Vec<String>,
}

/// What the ledger does not know.
#[derive(Debug, Clone, Copy)]
pub struct Context {
    pub seed: u64,
    pub seconds: u64,
    pub canary: usize,
    pub interrupted: bool,
    /// Nobody watches, so a signal is not how it is meant to end.
    pub headless: bool,
    /// Whether the canary was proved and lifted, so that traffic began.
    pub begun: bool,
    pub growth: Option<Growth>,
}

/// The words for a category.
pub fn attack_name(category: Category) -> &'static str {
    match category {
        Category::BruteForce => "login brute force",
        category => category.words(),
    }
}

impl Report {
    pub fn new(ledger: &Ledger, context: &Context) -> Self {
        let incidents: Vec<&Incident> = ledger.incidents(context.canary).collect();
        let all = kind_of(("all", ""), &incidents);
        let lifts = incidents.iter().filter_map(|incident| {
            incident.lift_proved_at().zip(incident.proof).map(|(at, proof)| at - proof.until)
        });
        let canary = ledger.incident(context.canary);
        Report {
            seed: context.seed,
            seconds: context.seconds,
            interrupted: context.interrupted,
            incidents: all.incidents,
            proved: all.proved,
            waf_read_back: all.waf_read_back,
            expired: all.expired,
            lift_proved: all.lift_proved,
            leaked: all.leaked,
            kept: all.kept,
            good_requests: ledger.good.requests,
            good_refused: ledger.good.refused,
            time_to_proof_ms: all.time_to_proof_ms,
            lift_proved_ms: quantiles(lifts),
            good_ms: quantiles_of(&ledger.good.latency_ms),
            stages_ms: stages(incidents.iter().filter_map(|incident| incident.steps())),
            canary_time_to_proof_ms: canary
                .and_then(|canary| canary.proof)
                .map(|proof| proof.time_ms()),
            events_observed: context.growth.map(|growth| growth.events),
            dead_letters: context.growth.map(|growth| growth.dead_letters),
            requests_completed: ledger.requests_completed,
            kinds: kinds(&incidents),
            incident_list: incidents.iter().map(|incident| row(incident)).collect(),
            failures: failures(ledger, context),
        }
    }

    /// Whether every attack was blocked, proved and lifted, and nobody else was harmed.
    pub fn closed(&self) -> bool {
        self.failures.is_empty()
    }
}

fn failures(ledger: &Ledger, context: &Context) -> Vec<String> {
    let mut failures = Vec::new();
    if !context.begun && !context.interrupted {
        let missing = ledger.incident(context.canary).map(Incident::missing).unwrap_or_default();
        let missing =
            if missing.is_empty() { "it did not begin".to_owned() } else { missing.join("; ") };
        failures.push(format!(
            "no traffic was sent, because the canary's attack came to nothing: {missing}"
        ));
    }
    let (mut count, mut complete) = (0, 0);
    for incident in ledger.incidents(context.canary) {
        count += 1;
        complete += usize::from(incident.complete());
        // Cut short by a signal, an incident is unfinished; one that ended must still be right.
        if context.interrupted && !incident.complete() {
            continue;
        }
        let plan = &incident.plan;
        let name =
            format!("incident {} ({} from {})", plan.id, attack_name(plan.category), plan.address);
        failures
            .extend(incident.failures().into_iter().map(|failure| format!("{name}: {failure}")));
    }
    if let Some(canary) = ledger.incident(context.canary).filter(|_| context.begun) {
        failures
            .extend(canary.failures().into_iter().map(|failure| format!("the canary: {failure}")));
    }
    if context.interrupted && context.headless {
        failures.push("the run was interrupted".to_owned());
    } else if context.interrupted && complete == 0 {
        failures.push("the run was interrupted before any incident was over".to_owned());
    }
    if count == 0 && context.begun && !context.interrupted {
        failures.push("there was no incident at all".to_owned());
    }
    if let Some(first) = &ledger.good.first_refusal {
        failures.push(format!(
            "{} requests of good visitors were refused, the first: {first}",
            ledger.good.refused
        ));
    }
    if let Some(first) = ledger.unreadable.first() {
        failures.push(format!(
            "{} records could not be read, the first: {first}",
            ledger.unreadable.len()
        ));
    }
    failures.truncate(FAILURES_MAX);
    failures
}

fn kinds(incidents: &[&Incident]) -> Vec<Kind> {
    let mut groups: BTreeMap<(&'static str, &'static str), Vec<&Incident>> = BTreeMap::new();
    for incident in incidents {
        let family = match incident.plan.family {
            Family::V4 => "IPv4",
            Family::V6 => "IPv6",
        };
        groups.entry((attack_name(incident.plan.category), family)).or_default().push(incident);
    }
    groups.into_iter().map(|(name, group)| kind_of(name, &group)).collect()
}

fn kind_of((attack, family): (&'static str, &'static str), incidents: &[&Incident]) -> Kind {
    let count =
        |met: fn(&Incident) -> bool| incidents.iter().filter(|incident| met(incident)).count();
    let strikes = incidents
        .iter()
        .filter_map(|incident| incident.decided.last())
        .map(|decided| decided.strikes);
    Kind {
        attack,
        family,
        incidents: incidents.len(),
        proved: count(|incident| incident.proof.is_some()),
        waf_read_back: count(|incident| incident.waf_read_back_at().is_some()),
        expired: count(Incident::expired),
        lift_proved: count(|incident| incident.lift_proved_at().is_some()),
        leaked: incidents.iter().map(|incident| incident.leaked()).sum(),
        kept: incidents.iter().map(|incident| incident.kept()).sum(),
        strikes_max: strikes.max().unwrap_or_default(),
        time_to_proof_ms: quantiles(
            incidents.iter().filter_map(|incident| incident.proof).map(|p| p.time_ms()),
        ),
    }
}

fn row(incident: &Incident) -> Row {
    let proof = incident.proof;
    let since_detected = |at: Millis| proof.map(|proof| at - proof.detected_at);
    let since_until = |at: Millis| proof.map(|proof| at - proof.until);
    Row {
        id: incident.plan.id,
        attack: attack_name(incident.plan.category),
        address: incident.plan.address.to_string(),
        strikes: incident.decided.last().map_or(0, |decided| decided.strikes),
        begun_at: incident.begun_at,
        until: proof.map(|proof| proof.until),
        time_to_proof_ms: proof.map(|proof| proof.time_ms()),
        waf_read_back_ms: incident.waf_read_back_at().and_then(since_detected),
        freed_after_ms: incident.freed_at.and_then(since_until),
        lift_proved_after_ms: incident.lift_proved_at().and_then(since_until),
    }
}

fn stages(steps: impl Iterator<Item = Steps>) -> Stages {
    let mut taken = [const { Vec::new() }; 5];
    for step in steps {
        let times = [
            step.detected_at,
            step.detection_published_at,
            step.decided_at,
            step.leased_at,
            step.applied_at,
            step.proved_at,
        ];
        for (stage, pair) in taken.iter_mut().zip(times.windows(2)) {
            stage.push(pair[1] - pair[0]);
        }
    }
    let [detected, decided, leased, applied, proved] =
        taken.map(|times| quantiles(times.into_iter()).p50);
    Stages { detected, decided, leased, applied, proved }
}

fn quantiles(times: impl Iterator<Item = Millis>) -> Quantiles {
    let mut histogram = histogram();
    for time in times {
        // Two clocks' rounding may put a step a millisecond before the one it follows.
        histogram.saturating_record(u64::try_from(time).unwrap_or_default());
    }
    quantiles_of(&histogram)
}

fn quantiles_of(histogram: &Histogram<u64>) -> Quantiles {
    Quantiles {
        p50: histogram.value_at_quantile(0.5),
        p99: histogram.value_at_quantile(0.99),
        max: histogram.max(),
    }
}
