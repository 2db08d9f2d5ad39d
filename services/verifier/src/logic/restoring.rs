//! Going on where an earlier run stopped: what stands in the log is taken in whole before anything is concluded from it.
//!
//! What is read back waits here and not under watch. Time goes on meanwhile and other partitions are live, so a block
//! would be looked at before it is known what the executors said about it, and be told as absent or lifted late.

use std::collections::{BTreeMap, HashMap};

use schemas::fold::Appended;
use schemas::{Decision, Enforcement, Millis, Outcome, Phase};
use uuid::Uuid;

use super::claim::{State, Tracked};
use super::enforced::told;
use super::{Core, Effects, Input, LIFT_WINDOW_MS};

/// What was read back of a partition so far.
#[derive(Default)]
pub(super) struct Restoring {
    outcomes: HashMap<Uuid, Vec<Outcome>>,
    blocks: BTreeMap<Uuid, Tracked>,
    /// The last that was said about each phase of a decision at each point.
    said: BTreeMap<(Uuid, String, Phase), Enforcement>,
}

impl Core {
    /// First step: an outcome of ours. Only the last change of each effect is kept.
    pub fn remember(&mut self, outcome: Outcome) {
        self.restoring.outcomes.entry(outcome.decision_id).or_default().push(outcome);
    }

    /// Second step: a decision that can still be in force, in the order of the log.
    pub fn refold(
        &mut self,
        decision: &Decision,
        appended: Appended,
        trace: Option<String>,
        now: Millis,
    ) {
        let (_, block) = self.take_in(decision, appended, trace, now);
        let Some(mut tracked) = block else { return };
        for outcome in self.restoring.outcomes.remove(&decision.decision_id).unwrap_or_default() {
            tracked.recall(&outcome);
        }
        self.restoring.blocks.insert(decision.decision_id, tracked);
    }

    /// Third step: what an executor said, in the order of the log. Only the last about each phase at each point stands;
    /// what it took back meanwhile is no news.
    pub fn recall(&mut self, enforcement: Enforcement) {
        let id = enforcement.decision_id;
        if !self.restoring.blocks.contains_key(&id) && self.watched.get(id).is_none() {
            self.early.keep(enforcement);
        } else if let Some((phase, _)) = told(&enforcement) {
            let key = (id, enforcement.point.clone(), phase);
            self.restoring.said.insert(key, enforcement);
        }
    }

    /// Last step: everything was read, and what was read is watched from now on. What was said before `told_since` was
    /// not read.
    pub fn restored(&mut self, told_since: Millis, now: Millis) -> Effects {
        self.told_since = self.told_since.max(told_since);
        let Restoring { mut blocks, said, .. } = std::mem::take(&mut self.restoring);
        for enforcement in said.into_values() {
            match blocks.get_mut(&enforcement.decision_id) {
                Some(tracked) => self.enforced(tracked, &enforcement, now),
                // It was watched here before the partition went away and came back.
                None => self.enforcement(enforcement, now),
            }
        }
        for mut tracked in blocks.into_values() {
            self.shorten(&mut tracked);
            if now >= tracked.until + LIFT_WINDOW_MS {
                continue;
            }
            if now >= tracked.until {
                tracked.enter(State::Lifting, now);
            }
            tracked.restore_proofs(now);
            let id = tracked.decision_id;
            self.watched.keep(tracked);
            self.early_enforcements(id, now);
        }
        // What was folded may have changed what holds for others as well.
        for id in self.watched.ids() {
            self.look(id, now);
        }
        self.apply(Input::Tick, now)
    }
}
