//! What one enforcement point, and the verifier about it, last said of one decision.

use std::collections::BTreeMap;

use proto::v1::PointState;
use schemas::{Effect, Enforcement, Millis, Outcome, Phase};

use super::story::Consequence;
use crate::names;

/// What is known of one decision at one point.
#[derive(Debug, Default)]
pub(super) struct Point<'a> {
    act: Option<&'a Enforcement>,
    /// What was proved of the latest phase, by level.
    proofs: BTreeMap<i32, &'a Outcome>,
}

impl<'a> Point<'a> {
    /// Takes in what came next.
    pub(super) fn take(&mut self, consequence: Consequence<'a>) {
        match consequence {
            Consequence::Act(act) => self.act = Some(act),
            Consequence::Proof(proof) => self.verified(proof),
        }
    }

    fn verified(&mut self, outcome: &'a Outcome) {
        match self.proved_phase() {
            Some(phase) if phase > outcome.phase => return,
            Some(phase) if phase < outcome.phase => self.proofs.clear(),
            _ => {}
        }
        let seen = self.proofs.get(&outcome.level);
        if seen.is_none_or(|seen| seen.change <= outcome.change) {
            self.proofs.insert(outcome.level, outcome);
        }
    }

    fn proved_phase(&self) -> Option<Phase> {
        self.proofs.values().next().map(|proof| proof.phase)
    }

    /// When the last word was spoken.
    fn at(&self) -> Millis {
        let proofs = self.proofs.values().map(|proof| proof.verified_at);
        self.act.map(|act| act.enforced_at).into_iter().chain(proofs).max().unwrap_or(0)
    }

    pub(super) fn state(&self, name: &str) -> PointState {
        let acted = self.act.map(|act| act.phase);
        let phase = acted.max(self.proved_phase()).unwrap_or(Phase::Apply);
        // What was proved of the phase before says nothing of the present one.
        let act = self.act.filter(|act| act.phase == phase);
        let proofs = || self.proofs.values().filter(|proof| proof.phase == phase);
        let effective = proofs().filter(|proof| proof.effect == Effect::Effective);
        let level = effective.map(|proof| proof.level).max();
        let last = proofs().next_back();
        let reason = act.map(|act| &act.reason).filter(|reason| !reason.is_empty());
        let reason = reason.or(last.map(|proof| &proof.reason));
        PointState {
            point: name.to_owned(),
            level: level.unwrap_or(0),
            phase: names::phase(phase).to_owned(),
            status: act.map_or_else(String::new, |act| names::status(act.status).to_owned()),
            effect: last.map_or_else(String::new, |proof| names::effect(proof.effect).to_owned()),
            at: self.at(),
            reason: reason.cloned().unwrap_or_default(),
        }
    }
}
