//! What happened in the last 24 hours, bounded, folded from the topics. Answers Query; decides nothing.
//!
//! What is older, or fell out because there was too much, is "not retained", never "none".

mod point;
mod shared;

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use proto::v1::{Happening, PointState};
use schemas::{Control, Decision, Detection, Effect, Enforcement, Millis, Outcome, Phase, Setting};
use uuid::Uuid;

use crate::names;
use point::Point;
pub use shared::Shared;

/// Most decisions that are kept.
pub const DECISIONS_MAX: usize = 50_000;
/// Most happenings that are kept.
pub const HAPPENINGS_MAX: usize = 50_000;
/// Most requests about automation as a whole that are kept.
const CONTROLS_MAX: usize = 1_000;
/// Most points of one decision that are kept.
const POINTS_MAX: usize = 64;

/// What is known of one decision.
#[derive(Debug, Clone)]
struct Entry {
    decision: Option<Decision>,
    at: Millis,
    points: BTreeMap<String, Point>,
}

/// The index itself: pure, one writer.
#[derive(Debug, Default)]
pub struct Index {
    entries: HashMap<Uuid, Entry>,
    order: VecDeque<Uuid>,
    happenings: VecDeque<Happening>,
    controls: VecDeque<(Uuid, Option<Setting>)>,
    /// Highest level ever seen at each point: what "proved" means there.
    highest: BTreeMap<String, i32>,
    told: HashSet<Uuid>,
}

impl Index {
    /// Takes in a detection; nothing for one that is known already.
    pub fn detection(&mut self, at: Millis, detection: &Detection) -> Option<Happening> {
        if !self.tell(detection.detection_id) {
            return None;
        }
        let rules: Vec<&str> =
            detection.evidence.iter().map(|evidence| evidence.rule.as_str()).collect();
        let text = format!(
            "{} ({} severity, {:.0} %) by {}",
            names::category(detection.category),
            names::severity(detection.severity),
            detection.probability * 100.0,
            rules.join(", ")
        );
        let decision_id = crate::logic::decision_id(detection.detection_id);
        Some(self.keep(happening(
            at,
            "detection",
            detection.observable.to_string(),
            decision_id,
            text,
        )))
    }

    /// Takes in a decision; nothing for one that is known already.
    pub fn decision(&mut self, at: Millis, decision: Decision) -> Option<Happening> {
        let entry = self.entry(decision.decision_id, at);
        if entry.decision.is_some() {
            return None;
        }
        let observable = decision.observable.to_string();
        let told = happening(
            at,
            "decision",
            observable,
            decision.decision_id,
            decision.explanation.clone(),
        );
        entry.at = at;
        entry.decision = Some(decision);
        Some(self.keep(told))
    }

    /// Takes in an act at a point; nothing for one that is known already.
    pub fn enforcement(&mut self, act: &Enforcement) -> Option<Happening> {
        if !self.tell(act.enforcement_id) {
            return None;
        }
        if let Some(point) = self.point(act.decision_id, &act.point, act.enforced_at) {
            point.acted(act);
        }
        let mut text = format!("{} {}", act.point, names::status(act.status));
        if !act.reason.is_empty() {
            text.push_str(&format!(": {}", act.reason));
        }
        let observable = act.observable.to_string();
        Some(self.keep(happening(
            act.enforced_at,
            "enforcement",
            observable,
            act.decision_id,
            text,
        )))
    }

    /// Takes in a proof or its failure; nothing for one that is known already.
    pub fn outcome(&mut self, outcome: &Outcome) -> Option<Happening> {
        if !self.tell(outcome.outcome_id) {
            return None;
        }
        if outcome.effect == Effect::Effective {
            let highest = self.highest.entry(outcome.point.clone()).or_default();
            *highest = (*highest).max(outcome.level);
        }
        if let Some(point) = self.point(outcome.decision_id, &outcome.point, outcome.verified_at) {
            point.verified(outcome);
        }
        let mut text = format!(
            "{} {} level {} {}",
            names::phase(outcome.phase),
            outcome.point,
            outcome.level,
            names::effect(outcome.effect)
        );
        if let (Some(detected_at), Phase::Apply) = (outcome.detected_at, outcome.phase) {
            text.push_str(&format!(
                " after {} ms",
                outcome.verified_at.saturating_sub(detected_at)
            ));
        }
        if !outcome.reason.is_empty() {
            text.push_str(&format!(": {}", outcome.reason));
        }
        let observable = outcome.observable.to_string();
        Some(self.keep(happening(
            outcome.verified_at,
            "outcome",
            observable,
            outcome.decision_id,
            text,
        )))
    }

    /// Takes in a freeze, a thaw or a change of the mode; nothing for one that is known already.
    pub fn control(&mut self, at: Millis, control: &Control) -> Option<Happening> {
        if self.control_of(control.control_id).is_some() {
            return None;
        }
        if self.controls.len() == CONTROLS_MAX {
            self.controls.pop_front();
        }
        self.controls.push_back((control.control_id, control.setting()));
        let verb = names::setting(control.setting());
        let name = control.requested_by.rsplit('/').next().unwrap_or_default();
        let text = format!("{verb}: {name} asked for it: {}", control.reason);
        Some(self.keep(happening(at, "control", String::new(), control.control_id, text)))
    }

    /// What the control of this id asked for, if it is known; `Some(None)` is a scope of a later version.
    pub fn control_of(&self, control_id: Uuid) -> Option<Option<Setting>> {
        self.controls.iter().find(|(id, _)| *id == control_id).map(|(_, setting)| *setting)
    }

    pub fn decision_of(&self, decision_id: Uuid) -> Option<&Decision> {
        self.entries.get(&decision_id)?.decision.as_ref()
    }

    /// Where the decision stands, point by point.
    pub fn points_of(&self, decision_id: Uuid) -> Vec<PointState> {
        let Some(entry) = self.entries.get(&decision_id) else { return Vec::new() };
        entry.points.iter().map(|(name, point)| point.state(name)).collect()
    }

    /// What happened to the observables that `concerns` says, oldest first.
    pub fn history(&self, concerns: impl Fn(&str) -> bool) -> Vec<Happening> {
        self.happenings
            .iter()
            .filter(|happening| concerns(&happening.observable))
            .cloned()
            .collect()
    }

    /// The points that spoke within the last 24 hours, with the highest level each reached.
    pub fn points(&self) -> BTreeMap<String, i32> {
        let mut points = self.highest.clone();
        for name in self.entries.values().flat_map(|entry| entry.points.keys()) {
            points.entry(name.clone()).or_default();
        }
        points
    }

    /// Whether the last word of `point` on a decision is that it is in force, and how well that is proved.
    pub fn standing_at(&self, decision_id: Uuid, point: &str) -> Option<PointState> {
        let entry = self.entries.get(&decision_id)?;
        entry.points.get(point).map(|found| found.state(point))
    }

    /// When `point` last said anything.
    pub fn last_word_of(&self, point: &str) -> Millis {
        self.entries
            .values()
            .filter_map(|entry| entry.points.get(point))
            .map(Point::at)
            .max()
            .unwrap_or(0)
    }

    /// Drops what happened before `before` and is not about a claim that may still be in force.
    pub fn prune(&mut self, before: Millis) {
        while self.happenings.front().is_some_and(|happening| happening.at < before) {
            self.happenings.pop_front();
        }
        let entries = &mut self.entries;
        self.order.retain(|id| {
            let Some(entry) = entries.get(id) else { return false };
            let until =
                entry.decision.as_ref().and_then(|decision| decision.until).unwrap_or(entry.at);
            let kept = entry.at.max(until) >= before;
            if !kept {
                entries.remove(id);
            }
            kept
        });
        self.told.clear();
        self.told.extend(
            self.entries.values().flat_map(|entry| entry.points.values()).flat_map(Point::ids),
        );
    }

    fn entry(&mut self, decision_id: Uuid, at: Millis) -> &mut Entry {
        if !self.entries.contains_key(&decision_id) {
            if self.order.len() == DECISIONS_MAX
                && let Some(oldest) = self.order.pop_front()
            {
                self.entries.remove(&oldest);
            }
            self.order.push_back(decision_id);
        }
        self.entries.entry(decision_id).or_insert_with(|| Entry {
            decision: None,
            at,
            points: BTreeMap::new(),
        })
    }

    fn point(&mut self, decision_id: Uuid, point: &str, at: Millis) -> Option<&mut Point> {
        let entry = self.entry(decision_id, at);
        if !entry.points.contains_key(point) && entry.points.len() == POINTS_MAX {
            return None;
        }
        Some(entry.points.entry(point.to_owned()).or_default())
    }

    /// Whether a record is told for the first time.
    fn tell(&mut self, id: Uuid) -> bool {
        if self.told.len() >= 8 * DECISIONS_MAX {
            self.told.clear();
        }
        self.told.insert(id)
    }

    fn keep(&mut self, happening: Happening) -> Happening {
        if self.happenings.len() == HAPPENINGS_MAX {
            self.happenings.pop_front();
        }
        self.happenings.push_back(happening.clone());
        happening
    }
}

fn happening(
    at: Millis,
    kind: &str,
    observable: String,
    decision_id: Uuid,
    text: String,
) -> Happening {
    Happening { at, kind: kind.to_owned(), observable, decision_id: decision_id.to_string(), text }
}
