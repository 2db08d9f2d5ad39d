//! Follows what is appended: decisions into the pasts of the stages and into what operators said of networks, everything
//! into the index.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError, RwLockWriteGuard, Weak};

use pipeline::{Follow, Raw, Update};
use schemas::{Control, Decision, DecodeError, Detection, Enforcement, Millis, Outcome, Topic};

use crate::index::{self, Told};
use crate::logic::around::Networks;
use crate::logic::{Past, Rules};
use crate::stage::{SharedNetworks, SharedPast};

/// The pasts of the partitions that this process owns, by partition. A past is its stage's: where the partition was
/// taken away there is nobody to keep it for.
#[derive(Clone, Default)]
pub struct Pasts(Arc<Mutex<BTreeMap<i32, WeakPast>>>);

type WeakPast = Weak<Mutex<Past>>;

impl Pasts {
    /// From now on `past` gets what is appended to `partition`, for as long as its stage lives.
    pub fn register(&self, partition: i32, past: &SharedPast) {
        let mut pasts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pasts.insert(partition, Arc::downgrade(past));
    }

    fn get(&self, partition: i32) -> Option<SharedPast> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&partition)?.upgrade()
    }
}

/// A sink of [`pipeline::follow`]: of any of [`index::TOPICS`], each of which only one follows.
pub struct Tail {
    rules: Arc<Rules>,
    pasts: Pasts,
    networks: SharedNetworks,
    index: index::Shared,
    /// Partitions that were once read to their end: what they bring now is news.
    live: HashSet<(Topic, i32)>,
    forgot_at: Millis,
}

/// How often what is older than the index answers for is dropped.
const FORGET_EVERY_MS: Millis = 60_000;

impl Tail {
    pub fn new(
        rules: Arc<Rules>,
        pasts: Pasts,
        networks: SharedNetworks,
        index: index::Shared,
    ) -> Self {
        Tail { rules, pasts, networks, index, live: HashSet::new(), forgot_at: 0 }
    }

    fn record(&mut self, raw: &Raw<'_>) {
        match self.told(raw) {
            Ok(Some(told)) => {
                let news = self.live.contains(&(raw.topic, raw.partition));
                self.index.take(raw.timestamp, told, news);
            }
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(%error, topic = raw.topic.name(), offset = raw.offset, "passed over a record");
            }
        }
    }

    /// Decodes what the index is told; a decision becomes a past, and perhaps a word on a network, on its way.
    fn told(&self, raw: &Raw<'_>) -> Result<Option<Told>, DecodeError> {
        let told = match raw.topic {
            Topic::Detections => raw.decode::<Detection>()?.into(),
            Topic::Decisions => {
                let decision = raw.decode::<Decision>()?;
                if let Some(past) = self.pasts.get(raw.partition) {
                    let mut past = past.lock().unwrap_or_else(PoisonError::into_inner);
                    past.append(&self.rules, raw.offset, raw.timestamp, &decision);
                }
                self.networks().take(&self.rules, raw.offset, raw.timestamp, &decision);
                decision.into()
            }
            Topic::Enforcements => raw.decode::<Enforcement>()?.into(),
            Topic::Outcomes => raw.decode::<Outcome>()?.into(),
            Topic::Controls => raw.decode::<Control>()?.into(),
            Topic::Events | Topic::ScorerState | Topic::Leases => return Ok(None),
        };
        Ok(Some(told))
    }

    fn networks(&self) -> RwLockWriteGuard<'_, Networks> {
        self.networks.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// A partition was read to its end; its topic is once all of them were.
    fn reached(&mut self, topic: Topic, partition: i32) {
        if !self.live.insert((topic, partition)) {
            return;
        }
        if (0..topic.partitions()).all(|partition| self.live.contains(&(topic, partition))) {
            self.index.completed(topic);
        }
    }
}

impl Follow for Tail {
    fn update(&mut self, update: Update<'_>) {
        match update {
            Update::Record(raw) => self.record(&raw),
            Update::Reached { topic, partition, .. } => self.reached(topic, partition),
            Update::Restarted { topic: Topic::Decisions, partition } => {
                if let Some(past) = self.pasts.get(partition) {
                    past.lock().unwrap_or_else(PoisonError::into_inner).restart();
                }
                self.networks().restart();
            }
            Update::Tick { now } if now - self.forgot_at >= FORGET_EVERY_MS => {
                self.forgot_at = now;
                self.index.forget(now - crate::RETAINED_MS);
                // A detection may come late, but not so late.
                self.networks().forget_ended(now - crate::RETAINED_MS);
            }
            Update::Restarted { .. } | Update::End { .. } | Update::Tick { .. } => {}
        }
    }
}
