//! Level 1: what the executors say they did, and what they failed to say in time.

use std::collections::{HashMap, VecDeque};

use schemas::{Effect, Enforcement, Millis, Phase, Status};
use uuid::Uuid;

use super::claim::{Record, Tracked};
use super::{AWS_WAF, Core, EARLY_MAX, ENVOY, schedule};

/// What was said about decisions that were not read yet: the newest [`EARLY_MAX`] of it.
#[derive(Default)]
pub(super) struct Early {
    said: HashMap<Uuid, VecDeque<Enforcement>>,
    order: VecDeque<Uuid>,
}

impl Early {
    pub(super) fn keep(&mut self, enforcement: Enforcement) {
        if self.order.len() == EARLY_MAX
            && let Some(oldest) = self.order.pop_front()
            && let Some(said) = self.said.get_mut(&oldest)
        {
            said.pop_front();
            if said.is_empty() {
                self.said.remove(&oldest);
            }
        }
        self.order.push_back(enforcement.decision_id);
        self.said.entry(enforcement.decision_id).or_default().push_back(enforcement);
    }

    /// What is taken is still counted until its place comes up.
    fn take(&mut self, decision_id: Uuid) -> VecDeque<Enforcement> {
        self.said.remove(&decision_id).unwrap_or_default()
    }
}

impl Core {
    pub(super) fn enforcement(&mut self, enforcement: Enforcement, now: Millis) {
        if self.watched.get(enforcement.decision_id).is_some() {
            self.with(enforcement.decision_id, now, |core, tracked| {
                core.enforced(tracked, &enforcement, now);
            });
            return;
        }
        self.early.keep(enforcement);
    }

    /// What was said about a decision before we had read it ourselves.
    pub(super) fn early_enforcements(&mut self, decision_id: Uuid, now: Millis) {
        for enforcement in self.early.take(decision_id) {
            self.enforcement(enforcement, now);
        }
    }

    pub(super) fn enforced(
        &mut self,
        tracked: &mut Tracked,
        enforcement: &Enforcement,
        now: Millis,
    ) {
        let Some((phase, effect)) = told(enforcement) else { return };
        let point = enforcement.point.as_str();
        if effect == Effect::Effective {
            self.points.insert(point.to_owned());
        }
        let said = match enforcement.status {
            Status::Applied => "the point says it holds it",
            Status::Lifted => "the point says it no longer holds it",
            Status::Superseded => "another decision took its place",
            _ => "the point could not",
        };
        let reason = if enforcement.reason.is_empty() {
            said.to_owned()
        } else {
            format!("{said}: {}", enforcement.reason)
        };
        self.record(tracked, Record { point, level: 1, phase, effect, reason }, now);
        // A replica that just took the block in will refuse the next probe: no need to wait for the schedule. One that was
        // heard to refuse has nothing more to say.
        let waiting = tracked.unproved() && phase == Phase::Apply && point.starts_with("envoy/");
        if waiting && !tracked.heard_by(std::slice::from_ref(&enforcement.point)) {
            tracked.next_probe_at = tracked.next_probe_at.min(schedule::taken_in(tracked, now));
        }
    }

    /// The points of `family` that should have said "applied" by now, if what they said can be known.
    pub(super) fn absent_enforcements(&mut self, tracked: &mut Tracked, family: &str, now: Millis) {
        if tracked.decided_at < self.told_since {
            return;
        }
        let reason = "the executor has not said that the point holds it";
        for point in self.expected_points(family) {
            if tracked.effect(Phase::Apply, 1, &point).is_none() {
                let record = Record {
                    point: &point,
                    level: 1,
                    phase: Phase::Apply,
                    effect: Effect::Absent,
                    reason: reason.to_owned(),
                };
                self.record(tracked, record, now);
            }
        }
    }

    /// The points of `family` that said "applied" and should have said "lifted" by now.
    pub(super) fn late_enforcements(&mut self, tracked: &mut Tracked, family: &str, now: Millis) {
        for point in tracked.applied_points() {
            if of_family(&point, family) && tracked.effect(Phase::Lift, 1, &point).is_none() {
                let record = Record {
                    point: &point,
                    level: 1,
                    phase: Phase::Lift,
                    effect: Effect::Absent,
                    reason: "the executor has not said that the point lifted it".to_owned(),
                };
                self.record(tracked, record, now);
            }
        }
    }

    fn expected_points(&self, family: &str) -> Vec<String> {
        let learnt = self.points.iter().cloned();
        let configured = match family {
            AWS_WAF if self.reach.waf => vec![AWS_WAF.to_owned()],
            AWS_WAF => Vec::new(),
            _ => self.prober.replicas().map_or_else(Vec::new, |replicas| replicas.all.clone()),
        };
        let mut points: Vec<String> =
            learnt.chain(configured).filter(|point| of_family(point, family)).collect();
        points.sort();
        points.dedup();
        points
    }
}

/// What an enforcement says took effect, or did not.
pub(super) fn told(enforcement: &Enforcement) -> Option<(Phase, Effect)> {
    match (enforcement.phase, enforcement.status) {
        (_, Status::Lifted | Status::Superseded) => Some((Phase::Lift, Effect::Effective)),
        (phase, Status::Applied) => Some((phase, Effect::Effective)),
        (phase, Status::Failed | Status::Refused) => Some((phase, Effect::Ineffective)),
        (_, Status::Other) => None,
    }
}

/// The WAF has its own, longer deadlines; all other points share Envoy's.
fn of_family(point: &str, family: &str) -> bool {
    debug_assert!(family == AWS_WAF || family == ENVOY);
    (point == AWS_WAF) == (family == AWS_WAF)
}
