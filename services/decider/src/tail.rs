//! Follows what is appended: decisions into the pasts of the stages, everything into the index.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use pipeline::{Follow, Raw, Update};
use schemas::{Control, Decision, Detection, Enforcement, Millis, Outcome, Topic};

use crate::index;
use crate::logic::Rules;
use crate::stage::SharedPast;

/// The pasts of the partitions that this process owns, by partition.
#[derive(Clone, Default)]
pub struct Pasts(Arc<Mutex<BTreeMap<i32, SharedPast>>>);

impl Pasts {
    /// From now on `past` gets what is appended to `partition`.
    pub fn register(&self, partition: i32, past: SharedPast) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(partition, past);
    }

    fn get(&self, partition: i32) -> Option<SharedPast> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&partition).cloned()
    }
}

/// The sink of [`pipeline::follow`].
pub struct Tail {
    rules: Arc<Rules>,
    pasts: Pasts,
    index: index::Shared,
    /// Partitions that were once read to their end: what they bring now is news.
    live: HashSet<(Topic, i32)>,
    pruned_at: Millis,
}

/// How often the index drops what is older than it answers for.
const PRUNE_EVERY_MS: Millis = 60_000;

impl Tail {
    pub fn new(rules: Arc<Rules>, pasts: Pasts, index: index::Shared) -> Self {
        Tail { rules, pasts, index, live: HashSet::new(), pruned_at: 0 }
    }

    fn record(&mut self, raw: &Raw<'_>) {
        let news = self.live.contains(&(raw.topic, raw.partition));
        let at = raw.timestamp;
        let taken = match raw.topic {
            Topic::Detections => raw
                .decode::<Detection>()
                .map(|detection| self.index.detection(at, &detection, news)),
            Topic::Decisions => raw.decode::<Decision>().map(|decision| {
                if let Some(past) = self.pasts.get(raw.partition) {
                    let mut past = past.lock().unwrap_or_else(PoisonError::into_inner);
                    past.append(&self.rules, raw.offset, at, &decision);
                }
                self.index.decision(at, decision, news);
            }),
            Topic::Enforcements => {
                raw.decode::<Enforcement>().map(|act| self.index.enforcement(&act, news))
            }
            Topic::Outcomes => {
                raw.decode::<Outcome>().map(|outcome| self.index.outcome(&outcome, news))
            }
            Topic::Controls => {
                raw.decode::<Control>().map(|control| self.index.control(at, &control, news))
            }
            Topic::Events | Topic::ScorerState | Topic::Leases => Ok(()),
        };
        if let Err(error) = taken {
            tracing::warn!(%error, topic = raw.topic.name(), offset = raw.offset, "passed over a record");
        }
    }
}

impl Follow for Tail {
    fn update(&mut self, update: Update<'_>) {
        match update {
            Update::Record(raw) => self.record(&raw),
            Update::Reached { topic, partition, .. } => {
                self.live.insert((topic, partition));
            }
            Update::Restarted { topic: Topic::Decisions, partition } => {
                if let Some(past) = self.pasts.get(partition) {
                    past.lock().unwrap_or_else(PoisonError::into_inner).restart();
                }
            }
            Update::Tick { now } if now - self.pruned_at >= PRUNE_EVERY_MS => {
                self.pruned_at = now;
                self.index.prune(now - crate::RETAINED_MS);
            }
            Update::Restarted { .. } | Update::End { .. } | Update::Tick { .. } => {}
        }
    }
}
