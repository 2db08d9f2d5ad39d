//! Scorer and decider over recorded events, in the events' own time: the logic of the stages, and nothing else of them.
//!
//! As on Kafka there is one memory per partition of `events` and one past per partition of `decisions`, and a decision
//! is folded in like any other, so strikes and what is in force are what they would have been. What is not here: any
//! side effect, and lateness, for each event counts as received and appended when it happened.

mod summary;

use decider::logic::{Past, Rules};
use observe::Policy;
use schemas::topic::partition_of_key;
use schemas::{Decision, Detection, Event, EventView, Record as _};
use scorer::detectors::Detectors;
use scorer::logic::{Applied, Memory, Rejected};

pub(crate) use summary::Summary;

/// A scorer and a decider with all their partitions.
pub struct Replay {
    rules: Rules,
    memories: Vec<Memory>,
    /// With the offset that the next decision will have.
    pasts: Vec<(Past, i64)>,
    detections: Vec<Detection>,
}

impl Replay {
    /// Nothing was seen or decided before.
    pub fn new(policy: Policy) -> Self {
        let detectors = Detectors::shipped();
        let memories =
            (0..Event::TOPIC.partitions()).map(|id| Memory::new(&policy, &detectors, id)).collect();
        let pasts = (0..Decision::TOPIC.partitions()).map(|_| (Past::empty(), 0)).collect();
        Replay { rules: Rules::new(policy), memories, pasts, detections: Vec::new() }
    }

    /// Takes in the next event of the log; pushes the decisions that it leads to.
    pub fn event(
        &mut self,
        event: &EventView<'_>,
        decisions: &mut Vec<Decision>,
    ) -> Result<Applied, Rejected> {
        let memory =
            &mut self.memories[partition(&Event::key_of(event), Event::TOPIC.partitions())];
        let (offset, appended_at) = (memory.next_offset(), event.observed_at);
        let applied = memory.apply(event, offset, appended_at, &mut self.detections)?;
        let mode = self.rules.mode(None);
        for detection in self.detections.drain(..) {
            let key = detection.observable.to_string();
            let (past, next) = &mut self.pasts[partition(&key, Decision::TOPIC.partitions())];
            // Nobody overrides in a replay.
            let Some(decision) = past.answer(&self.rules, &detection, None, mode, false) else {
                continue;
            };
            past.append(&self.rules, *next, detection.detected_at, &decision);
            *next += 1;
            decisions.push(decision);
        }
        Ok(applied)
    }
}

fn partition(key: &str, partitions: i32) -> usize {
    usize::try_from(partition_of_key(key.as_bytes(), partitions)).unwrap_or(0)
}
