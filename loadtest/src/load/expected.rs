//! Which detections the attacks sent must lead to, when each came, and which of the blocks they led to were proved. Pure.
//!
//! The contract used: one request with an attack in it is a detection of its client at the event's time, and no other
//! detection of that client follows within [`INTERVAL_MS`] of event time.

use std::collections::{HashMap, HashSet};

use hdrhistogram::Histogram;
use schemas::{Action, Decision, Detection, Effect, Millis, Mode, Observable, Outcome, Phase};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// How long after a detection the scorer says nothing more about the same client.
pub const INTERVAL_MS: Millis = 2_000;
/// The point and level at which a block is in force for a client of Envoy's.
const PROVED_AT: (&str, i32) = ("envoy", 3);
/// Longest latency that is told apart, in microseconds.
const LATENCY_US_MAX: u64 = 3_600_000_000;

/// Most unexpected detections that are told one by one.
const TOLD_MAX: usize = 10;

/// Microseconds since the Unix epoch.
pub type Micros = i64;

/// Latencies in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Quantiles {
    pub count: u64,
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub p999: f64,
    pub max: f64,
}

/// A histogram of microseconds.
#[derive(Debug, Clone)]
pub struct Latencies(Histogram<u64>);

impl Default for Latencies {
    fn default() -> Self {
        let histogram = Histogram::new_with_bounds(1, LATENCY_US_MAX, 3);
        Latencies(histogram.expect("the bounds and three digits are allowed"))
    }
}

impl Latencies {
    pub fn record(&mut self, micros: Micros) {
        // Two clocks' rounding may put an answer a millisecond before its question.
        self.0.saturating_record(u64::try_from(micros).unwrap_or_default());
    }

    pub fn quantiles(&self) -> Quantiles {
        let at = |quantile| self.0.value_at_quantile(quantile) as f64 / 1_000.0;
        Quantiles {
            count: self.0.len(),
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: self.0.max() as f64 / 1_000.0,
        }
    }
}

/// What came of the attacks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    pub attacks: u64,
    pub expected: u64,
    pub seen: u64,
    /// Published more than once: allowed after a crash.
    pub repeated: u64,
    /// Of one of our clients, and nothing it did asks for them.
    pub unexpected: u64,
}

/// What came of the blocks that attacks of the steady part led to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blocks {
    pub decided: u64,
    /// At Envoy, at level 3.
    pub proved: u64,
}

/// One detection that must come.
#[derive(Debug)]
struct Awaited {
    /// When the event was meant to leave.
    intended_at: Micros,
    seen: bool,
    decided: bool,
}

/// The detections that must come.
#[derive(Debug, Default)]
pub struct Expected {
    /// Every client that takes part.
    clients: HashSet<Observable>,
    detected_at: HashMap<Observable, Millis>,
    /// By client and event time.
    awaited: HashMap<(Observable, Millis), Awaited>,
    /// How many of them were decided upon.
    decided: u64,
    /// Blocks of the steady part, and whether each was proved.
    blocks: HashMap<Uuid, bool>,
    /// Events meant to leave before are of the warm-up: looked for, and not in the latencies.
    steady_from: Micros,
    found: Found,
    /// The first unexpected detections, in words.
    told: Vec<String>,
    read: Latencies,
    published: Latencies,
    proved: Latencies,
}

impl Expected {
    pub fn new(clients: impl IntoIterator<Item = Observable>, steady_from: Micros) -> Self {
        Expected { clients: clients.into_iter().collect(), steady_from, ..Expected::default() }
    }

    /// An attack of `client` is about to be sent; its event says `observed_at`.
    pub fn attack(&mut self, client: &Observable, observed_at: Millis, intended_at: Micros) {
        self.found.attacks += 1;
        let last = self.detected_at.get(client);
        if last.is_some_and(|last| observed_at < last + INTERVAL_MS) {
            return;
        }
        self.detected_at.insert(client.clone(), observed_at);
        let awaited = Awaited { intended_at, seen: false, decided: false };
        self.awaited.insert((client.clone(), observed_at), awaited);
        self.found.expected += 1;
    }

    /// A detection was published at `published_at`, by the pipeline's clock, and read at `read_at`.
    pub fn detection(&mut self, detection: &Detection, published_at: Millis, read_at: Micros) {
        let key = (detection.observable.clone(), detection.detected_at);
        let Some(Awaited { intended_at, seen, .. }) = self.awaited.get_mut(&key) else {
            // Somebody else's traffic is none of our business.
            if self.clients.contains(&key.0) {
                self.found.unexpected += 1;
                self.tell(detection);
            }
            return;
        };
        if std::mem::replace(seen, true) {
            self.found.repeated += 1;
            return;
        }
        self.found.seen += 1;
        if *intended_at >= self.steady_from {
            self.read.record(read_at - *intended_at);
            self.published.record(published_at * 1_000 - *intended_at);
        }
    }

    /// Keeps what a person needs to look into an unexpected detection.
    fn tell(&mut self, detection: &Detection) {
        if self.told.len() == TOLD_MAX {
            return;
        }
        let last = match self.detected_at.get(&detection.observable) {
            Some(last) => {
                format!("its last expected one {} ms before", detection.detected_at - last)
            }
            None => "none was expected of it so far".to_owned(),
        };
        let shown = detection.evidence.iter().filter(|piece| !piece.value.is_empty());
        let heaviest = shown.max_by(|one, other| one.weight.total_cmp(&other.weight));
        let evidence = heaviest.map_or_else(
            || "no evidence".to_owned(),
            |piece| format!("{} at {}: {:?}", piece.rule, piece.place, piece.value),
        );
        self.told.push(format!(
            "{} at {} ({last}): {} by {evidence}",
            detection.observable,
            detection.detected_at,
            detection.category.words(),
        ));
    }

    /// A decision was published at `published_at`, by the pipeline's clock. Not every one is a block: a client that is
    /// blocked already is not blocked anew.
    pub fn decision(&mut self, decision: &Decision, published_at: Millis) {
        let Some(detected_at) = decision.detected_at else { return };
        let key = (decision.observable.clone(), detected_at);
        let Some(awaited) = self.awaited.get_mut(&key) else { return };
        self.decided += u64::from(!std::mem::replace(&mut awaited.decided, true));
        let enforced = decision.mode == Mode::Enforced && !decision.frozen;
        // What was over before anybody could read it is never in force, and so never proved.
        let holds = enforced && decision.until.is_some_and(|until| until > published_at);
        if decision.action == Action::Block && holds && awaited.intended_at >= self.steady_from {
            self.blocks.entry(decision.decision_id).or_default();
        }
    }

    /// An outcome was read at `read_at`. A block counts once, however late it was proved and whatever was said of it before.
    pub fn outcome(&mut self, outcome: &Outcome, read_at: Micros) {
        let holds = outcome.phase == Phase::Apply && outcome.effect == Effect::Effective;
        let proves = holds && (outcome.point.as_str(), outcome.level) == PROVED_AT;
        let Some(detected_at) = outcome.detected_at.filter(|_| proves) else { return };
        let Some(awaited) = self.awaited.get(&(outcome.observable.clone(), detected_at)) else {
            return;
        };
        if awaited.intended_at < self.steady_from {
            return;
        }
        // A proof may be read before the decision that it is about.
        if self.blocks.insert(outcome.decision_id, true) != Some(true) {
            self.proved.record(read_at - awaited.intended_at);
        }
    }

    pub fn found(&self) -> Found {
        self.found
    }

    /// How many detections came that no decision was read about yet.
    pub fn undecided(&self) -> u64 {
        self.found.seen.saturating_sub(self.decided)
    }

    pub fn blocks(&self) -> Blocks {
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let proved = self.blocks.values().filter(|proved| **proved).count();
        Blocks { decided: count(self.blocks.len()), proved: count(proved) }
    }

    /// The first [`Found::unexpected`] detections, each in words.
    pub fn unexpected(&self) -> &[String] {
        &self.told
    }

    /// From when an attack was meant to leave until its detection could be read: acknowledged by then.
    pub fn read(&self) -> Quantiles {
        self.read.quantiles()
    }

    /// From when an attack was meant to leave until the proof of its block at Envoy, level 3, could be read.
    pub fn proved(&self) -> Quantiles {
        self.proved.quantiles()
    }

    /// Until the scorer handed the detection to its producer.
    pub fn published(&self) -> Quantiles {
        self.published.quantiles()
    }
}

#[cfg(test)]
mod tests {
    use schemas::{Category, Provenance, Severity};

    use super::*;

    fn client() -> Observable {
        Observable::client("81.2.69.142".parse().unwrap())
    }

    fn detection(observable: Observable, detected_at: Millis) -> Detection {
        Detection {
            detection_id: Uuid::nil(),
            observable,
            detected_at,
            probability: 0.95,
            severity: Severity::High,
            category: Category::SqlInjection,
            provenance: Provenance::SocketPeer,
            evidence: Vec::new(),
        }
    }

    #[test]
    fn one_detection_is_expected_of_a_client_within_the_interval() {
        let mut expected = Expected::new([client()], 0);
        for at in [10_000, 10_500, 11_999, 12_000, 14_500] {
            expected.attack(&client(), at, at * 1_000);
        }
        for at in [10_000, 12_000] {
            expected.detection(&detection(client(), at), at + 3, at * 1_000 + 4_000);
        }
        let found = Found { attacks: 5, expected: 3, seen: 2, repeated: 0, unexpected: 0 };
        assert_eq!(expected.found(), found);
        assert!((expected.read().max - 4.0).abs() < 0.01, "{:?}", expected.read());
        assert!((expected.published().p50 - 3.0).abs() < 0.01);
    }

    #[test]
    fn what_comes_twice_or_unasked_is_told_apart_from_what_others_did() {
        let mut expected = Expected::new([client()], 20_000_000);
        expected.attack(&client(), 10_000, 10_000_000);
        let other = Observable::client("9.9.9.9".parse().unwrap());
        for detection in [
            detection(client(), 10_000),
            detection(client(), 10_000),
            detection(client(), 10_001),
            detection(other, 10_000),
        ] {
            expected.detection(&detection, 10_003, 10_004_000);
        }
        let found = Found { attacks: 1, expected: 1, seen: 1, repeated: 1, unexpected: 1 };
        assert_eq!(expected.found(), found);
        let [told] = expected.unexpected() else { panic!("{:?}", expected.unexpected()) };
        let words = ["81.2.69.142", "10001", "1 ms before", "SQL injection"];
        assert!(words.iter().all(|word| told.contains(word)), "{told}");
        assert_eq!(expected.read().count, 0, "the warm-up is not in the latencies");
    }
}
