//! The scorer as a stage of the pipeline: one partition of `events`, in order, safe to do twice.

use anyhow::{Context as _, Result};
use observe::Policy;
use pipeline::{Assigned, Classed, Fault, From, Outputs, Received, Stage};
use schemas::{Detection, Event, Snapshot, Topic};

use crate::detectors::Detectors;
use crate::logic::{Applied, Collected, Memory, Rejected};

/// Scores one partition.
pub struct Scorer {
    memory: Memory,
    /// Taken at an offset that is not committed yet, so not published yet.
    pending: Option<(i64, Vec<Snapshot>)>,
    detections: Vec<Detection>,
}

impl Scorer {
    /// A stage that goes on from `memory`.
    pub fn new(memory: Memory) -> Self {
        Scorer { memory, pending: None, detections: Vec::new() }
    }

    pub fn memory(&self) -> &Memory {
        &self.memory
    }
}

impl Stage for Scorer {
    type Input = Event;

    async fn handle(&mut self, batch: &[Received<'_, Event>], out: &mut Outputs) {
        for received in batch {
            let applied = self.memory.apply(
                &received.record,
                received.offset,
                received.timestamp,
                &mut self.detections,
            );
            match applied {
                Ok(Applied::Repeated) => {
                    metrics::counter!("perimeter_scorer_repeats_total").increment(1)
                }
                Ok(Applied::Late) => metrics::counter!("perimeter_scorer_late_total").increment(1),
                Ok(Applied::Scored | Applied::Skipped | Applied::Probe) => {}
                Err(rejected) => out.fault(received.offset, fault(rejected)),
            }
            if !self.detections.is_empty() {
                out.continue_trace(received.headers.trace());
                for detection in self.detections.drain(..) {
                    metrics::counter!("perimeter_scorer_detections_total", "rule" => rule(&detection), "category" => detection.category.words()).increment(1);
                    out.push(&detection);
                }
            }
        }
        if self.pending.is_none() && self.memory.snapshot_due() {
            self.pending = Some((self.memory.next_offset(), self.memory.snapshot()));
        }
    }

    /// Publishes what was taken at or below the committed offset: an earlier publication would make a takeover skip
    /// records whose detections nobody has seen.
    fn committed(&mut self, next_offset: i64, out: &mut Outputs) {
        if let Some((_, snapshots)) = self.pending.take_if(|(taken_at, _)| *taken_at <= next_offset)
        {
            for snapshot in &snapshots {
                out.push(snapshot);
            }
        }
    }
}

/// The future is a class of its own, as the collector's is.
fn fault(rejected: Rejected) -> Fault {
    match rejected {
        Rejected::Future { .. } => {
            let reason = rejected.to_string();
            Fault::Reject(Classed { class: "future", reason }.into())
        }
        Rejected::Defect(_) => Fault::Reject(rejected.into()),
    }
}

/// Shows from the start what is counted beside the detections.
pub fn announce() {
    metrics::counter!("perimeter_scorer_late_total").increment(0);
    metrics::counter!("perimeter_scorer_repeats_total").increment(0);
}

fn rule(detection: &Detection) -> &'static str {
    if detection.category == schemas::Category::BruteForce { "failed_logins" } else { "content" }
}

/// Restores the memory of a partition: its newest snapshots, then a silent replay up to the committed offset.
pub fn open(policy: &Policy, detectors: &Detectors, assigned: &Assigned) -> Result<Scorer> {
    let partition = assigned.partition;
    let mut snapshots = Collected::default();
    let mut unreadable = 0;
    assigned
        .read_back
        .read(Topic::ScorerState, partition, From::Beginning, &mut |raw| {
            match raw.decode::<Snapshot>() {
                Ok(snapshot) => snapshots.add(snapshot),
                Err(_) => unreadable += 1,
            }
            Ok(())
        })
        .context("could not read the scorer's own state back")?;
    let end = assigned.read_back.read(Topic::Events, partition, From::End, &mut |_| Ok(()))?;
    // A commit beyond the end is of a log that is no more: the group will begin at the beginning of this one.
    let committed = if assigned.committed <= end { assigned.committed } else { 0 };
    let mut memory = Memory::restore(policy, detectors, partition, snapshots, committed);
    let restored_at = memory.next_offset();
    if restored_at < committed {
        replay(&mut memory, assigned, committed)?;
    }
    memory.replayed_to(committed);
    tracing::info!(partition, restored_at, committed, unreadable, "restored");
    Ok(Scorer::new(memory))
}

/// Ends a read-back early: what follows is handled by the stage itself.
#[derive(Debug, thiserror::Error)]
#[error("reached the committed offset")]
struct CaughtUp;

fn replay(memory: &mut Memory, assigned: &Assigned, committed: i64) -> Result<()> {
    let mut silenced = Vec::new();
    let from = From::Offset(memory.next_offset());
    let outcome = assigned.read_back.read(Topic::Events, assigned.partition, from, &mut |raw| {
        if raw.offset >= committed {
            return Err(CaughtUp.into());
        }
        // What cannot be decoded, or is rejected, was dead-lettered the first time and changed nothing.
        if let Ok(event) = raw.decode::<Event>() {
            let _ = memory.apply(&event, raw.offset, raw.timestamp, &mut silenced);
            silenced.clear();
        }
        Ok(())
    });
    match outcome {
        Err(error) if !error.is::<CaughtUp>() => Err(error).context("could not replay events"),
        _ => Ok(()),
    }
}
