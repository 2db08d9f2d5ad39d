//! Looks at the pipeline beside the sender: how far it is, and what it detects.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use rdkafka::message::Message as _;
use schemas::{Decision, Detection, LeaseEntry, Outcome, Record as _, Topic};

use super::clock::micros;
use super::kafka::{Acks, Follower, Offsets, Totals};
use super::lag::Sample;
use super::overrides::Told;
use super::scrape;
use super::sender::Leg;

/// How often the pipeline is asked how far it is. The scorer commits every 250 ms: asked as often, the lag drifted through
/// one saw tooth in some ten seconds, which looked like growth.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(170);
const POLL: Duration = Duration::from_millis(50);
/// What the collector counts once Kafka has it.
const COLLECTED: &str = "perimeter_collector_events_total{source=\"logs\"}";

/// Who knows how many of our records are in `events`.
#[derive(Clone)]
pub enum Published {
    /// The producer that published them.
    Acks(Acks),
    /// The collector, at its admin address.
    Collector(String),
}

impl Published {
    pub fn count(&self) -> Result<u64> {
        match self {
            Published::Acks(acks) => Ok(acks.acknowledged()),
            Published::Collector(address) => scrape::counter(address, COLLECTED),
        }
    }
}

/// Where everything stood before a leg.
#[derive(Debug, Clone, Copy, Default)]
pub struct Before {
    pub totals: Totals,
    pub published: u64,
}

/// What was seen of one leg; clones share it.
#[derive(Clone, Default)]
pub struct Seen(Arc<Mutex<Vec<Sample>>>);

impl Seen {
    pub fn samples(&self) -> Vec<Sample> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn last(&self) -> Option<Sample> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).last().copied()
    }
}

/// Asks the pipeline how far it is until the leg stops. A broker or a collector that is away leaves a gap. Blocks.
pub fn sample(offsets: &Offsets, published: &Published, before: Before, leg: &Leg, seen: &Seen) {
    while !leg.stop.is_cancelled() {
        if let (Ok(count), Ok(totals)) = (published.count(), offsets.totals()) {
            let elapsed = leg.elapsed();
            let dead = totals.dead_letters - before.totals.dead_letters;
            let sample = Sample {
                seconds: elapsed.as_secs_f64(),
                due: leg.schedule.due(elapsed),
                published: count - before.published + dead,
                lag: totals.lag(),
            };
            seen.0.lock().unwrap_or_else(PoisonError::into_inner).push(sample);
        }
        std::thread::park_timeout(SAMPLE_INTERVAL);
    }
}

/// Takes in detections, decisions, leases and outcomes until the leg stops. Blocks.
pub fn follow(follower: &Follower, leg: &Leg, told: &Told) {
    while !leg.stop.is_cancelled() {
        let Some(message) = follower.next(POLL) else { continue };
        let (read_at, payload) = (micros(), message.payload().unwrap_or_default());
        let published_at = message.timestamp().to_millis().unwrap_or_default();
        if message.topic() == Topic::Leases.name() {
            if let Ok(LeaseEntry::Lease(lease)) = LeaseEntry::decode(payload) {
                told.lease(&lease, read_at);
            }
        } else if message.topic() == Topic::Outcomes.name() {
            if let Ok(outcome) = Outcome::decode(payload) {
                leg.with_expected(|expected| expected.outcome(&outcome, read_at));
            }
        } else if message.topic() == Topic::Decisions.name() {
            if let Ok(decision) = Decision::decode(payload) {
                leg.with_expected(|expected| expected.decision(&decision, published_at));
            }
        } else if let Ok(detection) = Detection::decode(payload) {
            leg.with_expected(|expected| expected.detection(&detection, published_at, read_at));
        }
    }
}
