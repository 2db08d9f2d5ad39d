//! What one enforcement point, and the verifier about it, last said of one decision.

use std::collections::BTreeMap;

use proto::v1::PointState;
use schemas::{Effect, Enforcement, Millis, Outcome, Phase, Status};
use uuid::Uuid;

use crate::names;

/// What is known of one decision at one point.
#[derive(Debug, Clone, Default)]
pub(crate) struct Point {
    act: Option<(Phase, Status, Millis, String, Uuid)>,
    proof: Option<Proof>,
}

#[derive(Debug, Clone)]
struct Proof {
    phase: Phase,
    /// By level: the last effect, when, why, and how often it had changed.
    levels: BTreeMap<i32, (Effect, Millis, String, i32, Uuid)>,
}

impl Point {
    pub(crate) fn acted(&mut self, act: &Enforcement) {
        if self.act.as_ref().is_none_or(|(_, _, at, _, _)| *at <= act.enforced_at) {
            self.act = Some((
                act.phase,
                act.status,
                act.enforced_at,
                act.reason.clone(),
                act.enforcement_id,
            ));
        }
    }

    pub(crate) fn verified(&mut self, outcome: &Outcome) {
        if self.proof.as_ref().is_none_or(|proof| proof.phase < outcome.phase) {
            self.proof = Some(Proof { phase: outcome.phase, levels: BTreeMap::new() });
        }
        let Some(proof) = self.proof.as_mut().filter(|proof| proof.phase == outcome.phase) else {
            return;
        };
        let seen = proof.levels.get(&outcome.level);
        if seen.is_none_or(|(_, _, _, change, _)| *change <= outcome.change) {
            let told = (
                outcome.effect,
                outcome.verified_at,
                outcome.reason.clone(),
                outcome.change,
                outcome.outcome_id,
            );
            proof.levels.insert(outcome.level, told);
        }
    }

    /// When the last word was spoken.
    pub(crate) fn at(&self) -> Millis {
        let acted = self.act.as_ref().map_or(0, |(_, _, at, _, _)| *at);
        let levels = self.proof.iter().flat_map(|proof| proof.levels.values());
        levels.map(|(_, at, _, _, _)| *at).fold(acted, Millis::max)
    }

    /// The ids of the records that the last words came with.
    pub(crate) fn ids(&self) -> impl Iterator<Item = Uuid> {
        let levels = self.proof.iter().flat_map(|proof| proof.levels.values());
        self.act.iter().map(|(_, _, _, _, id)| *id).chain(levels.map(|(_, _, _, _, id)| *id))
    }

    pub(crate) fn state(&self, name: &str) -> PointState {
        let acted = self.act.as_ref().map(|(phase, _, _, _, _)| *phase);
        let verified = self.proof.as_ref().map(|proof| proof.phase);
        let phase = acted.max(verified).unwrap_or(Phase::Apply);
        // What was proved of the phase before says nothing of the present one.
        let act = self.act.as_ref().filter(|(of, _, _, _, _)| *of == phase);
        let proof = self.proof.as_ref().filter(|proof| proof.phase == phase);
        let levels = || proof.iter().flat_map(|proof| proof.levels.iter());
        let level =
            levels().filter(|(_, told)| told.0 == Effect::Effective).map(|(level, _)| *level).max();
        let last = levels().last().map(|(_, told)| told);
        let reason = match (act, last) {
            (Some((_, _, _, reason, _)), _) if !reason.is_empty() => reason.clone(),
            (_, Some((_, _, reason, _, _))) => reason.clone(),
            _ => String::new(),
        };
        PointState {
            point: name.to_owned(),
            level: level.unwrap_or(0),
            phase: names::phase(phase).to_owned(),
            status: act
                .map_or_else(String::new, |(_, status, _, _, _)| names::status(*status).to_owned()),
            effect: last
                .map_or_else(String::new, |(effect, _, _, _, _)| names::effect(*effect).to_owned()),
            at: self.at(),
            reason,
        }
    }
}
