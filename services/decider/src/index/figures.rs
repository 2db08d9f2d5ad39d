//! What is retained, as the key figures are counted from it.

use schemas::{Action, Decision, Effect, Millis, Mode, Origin, Outcome, Phase};

use super::Index;
use super::story::{Consequence, Story};
use crate::logic::kpis::{Block, Retained, Word};

/// A proof of this level or a higher one is seen by a client: through the data plane.
const CONTAINED_LEVEL: i32 = 3;

impl Index {
    /// Gathers what the key figures count.
    pub fn retained(&self) -> Retained {
        let mut retained = Retained::default();
        for story in self.stories.values() {
            retained.detections += usize::from(story.detection().is_some());
            let Some((decided_at, decision)) = story.decision() else { continue };
            let Some(until) = decision.until else { continue };
            let enforced = decision.mode == Mode::Enforced;
            if enforced {
                retained.words.push(word(decision, decided_at, until));
            }
            if decision.action != Action::Block || decision.origin != Origin::Pipeline {
                continue;
            }
            match (enforced, decision.frozen) {
                (false, _) => retained.simulated += 1,
                (true, true) => {}
                (true, false) => retained.blocks.push(block(story, decision, decided_at, until)),
            }
        }
        retained
    }
}

fn word(decision: &Decision, at: Millis, until: Millis) -> Word {
    Word {
        network: decision.observable.network(),
        action: decision.action,
        origin: decision.origin,
        at,
        until,
    }
}

fn block(story: &Story, decision: &Decision, decided_at: Millis, until: Millis) -> Block {
    Block {
        network: decision.observable.network(),
        detected_at: decision.detected_at,
        decided_at,
        until,
        proved_at: first_proof(story, Phase::Apply),
        lifted_at: first_proof(story, Phase::Lift),
    }
}

fn first_proof(story: &Story, phase: Phase) -> Option<Millis> {
    let proves = |outcome: &Outcome| {
        outcome.phase == phase
            && outcome.level >= CONTAINED_LEVEL
            && outcome.effect == Effect::Effective
    };
    story.consequences().find_map(|consequence| match consequence {
        Consequence::Proof(outcome) if proves(outcome) => Some(outcome.verified_at),
        _ => None,
    })
}
