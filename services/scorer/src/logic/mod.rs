//! What the scorer knows of one partition, and what it says about the next event: data in, data out.
//!
//! No Kafka, no clock, no randomness. The same events in the same order give the same memory and the same detections.

pub mod content;
pub mod files;
pub mod finding;
pub mod rate;
pub mod repeats;
pub mod rules;
pub mod snapshot;
pub mod windows;

use observe::Policy;
use schemas::{Detection, EventView, Millis, Observable};
use uuid::Uuid;

use crate::detectors::Detectors;
use repeats::Repeats;
pub use rules::{Defect, Hit, Rule, Rules, Scored};
pub use snapshot::Collected;
use windows::{BUCKETS, Key, Seen, Windows};

/// An event that came later than this is evidence, but never completes a detection.
pub const LATE_MS: Millis = 5 * 60 * 1_000;
/// An event further in the future than this is rejected.
pub const FUTURE_MS: Millis = 30 * 1_000;

/// All that is remembered of one partition.
pub struct Memory {
    pub(crate) partition: i32,
    rules: Rules,
    windows: Windows,
    repeats: Repeats,
    /// The first offset not applied yet.
    next_offset: i64,
    /// Per bucket, the first offset that is not in it: matters while a replay catches up.
    applied: Vec<i64>,
    /// Newest append time that was seen.
    appended_at: Option<Millis>,
    /// Append time at the last round of snapshots, and how many buckets it had.
    round_at: Option<Millis>,
    round_buckets: usize,
    /// The log was made anew and no snapshot says so yet.
    anew: bool,
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    Scored,
    /// Scored, but so late that it completed nothing.
    Late,
    /// Its offset was applied before.
    Skipped,
    /// Published twice by its source.
    Repeated,
    /// A probe of ours.
    Probe,
}

/// Why an event cannot be scored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    #[error(
        "the event is {ahead_ms} ms in the future, more than the {FUTURE_MS} ms that clocks may differ"
    )]
    Future { ahead_ms: Millis },
    #[error(transparent)]
    Defect(#[from] Defect),
}

/// When an event counts as received, given when the broker appended it.
///
/// Whoever publishes directly could write any time of receipt; the broker's is the other witness.
pub fn received_at(event: &EventView<'_>, appended_at: Millis) -> Result<Millis, Rejected> {
    let received_at = event.received_at.unwrap_or(appended_at);
    let ahead_ms =
        event.observed_at.saturating_sub(received_at).max(received_at.saturating_sub(appended_at));
    if ahead_ms > FUTURE_MS { Err(Rejected::Future { ahead_ms }) } else { Ok(received_at) }
}

impl Memory {
    /// A memory of nothing.
    pub fn new(policy: &Policy, detectors: &Detectors, partition: i32) -> Memory {
        let rules = Rules::new(policy, detectors);
        Memory {
            partition,
            windows: Windows::new(rules.hits_max()),
            rules,
            repeats: Repeats::default(),
            next_offset: 0,
            applied: vec![0; BUCKETS],
            appended_at: None,
            round_at: None,
            round_buckets: 0,
            anew: false,
        }
    }

    /// The first offset not applied yet.
    pub fn next_offset(&self) -> i64 {
        self.next_offset
    }

    /// Applies the event at `offset`, appended at `appended_at`; pushes the detections it completes.
    ///
    /// In this order, and the first that holds wins: an offset applied before is skipped; what lies in the future is
    /// rejected; what its source published before is a repeat; a probe of ours is not scored; all else is.
    pub fn apply(
        &mut self,
        event: &EventView<'_>,
        offset: i64,
        appended_at: Millis,
        detections: &mut Vec<Detection>,
    ) -> Result<Applied, Rejected> {
        if offset < self.next_offset {
            // A redelivered record has a time that was seen. A newer one at an old offset is of a log made anew.
            if self.appended_at.is_none_or(|newest| appended_at <= newest) {
                return Ok(Applied::Skipped);
            }
            self.begin_anew();
        }
        self.next_offset = offset + 1;
        self.appended_at = self.appended_at.max(Some(appended_at));
        let received_at = received_at(event, appended_at)?;
        if self.repeats.repeated(event) {
            return Ok(Applied::Repeated);
        }
        if event.probe {
            return Ok(Applied::Probe);
        }
        let late = received_at.saturating_sub(event.observed_at) > LATE_MS;
        self.score(event, offset, late, detections)?;
        Ok(if late { Applied::Late } else { Applied::Scored })
    }

    fn score(
        &mut self,
        event: &EventView<'_>,
        offset: i64,
        late: bool,
        detections: &mut Vec<Detection>,
    ) -> Result<(), Defect> {
        let observable = Observable::client(event.client);
        if offset < self.applied[Windows::bucket_of(&observable)] {
            return Ok(());
        }
        for rule in self.rules.hits(event)? {
            let key = Key {
                rule: rule.name(),
                proved: event.provenance.may_convict(),
                observable: observable.clone(),
            };
            let seen = Seen { at: event.observed_at, late };
            if self.windows.hit(key, seen, self.rules.threshold(rule)) {
                let hit = self.rules.hit(rule, event);
                detections.push(detection(rule.name(), hit, observable.clone(), event));
            }
        }
        Ok(())
    }

    /// How many windows are held.
    pub fn window_count(&self) -> usize {
        self.windows.len()
    }
}

/// The claim that one event completes. Its id is a function of the event and the rule.
fn detection(rule: &str, hit: Hit, observable: Observable, event: &EventView<'_>) -> Detection {
    Detection {
        detection_id: Uuid::new_v5(&event.event_id, rule.as_bytes()),
        observable,
        detected_at: event.observed_at,
        probability: hit.probability,
        severity: hit.severity,
        category: hit.category,
        provenance: event.provenance,
        evidence: hit.evidence,
    }
}
