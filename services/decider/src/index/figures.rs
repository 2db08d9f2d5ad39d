//! What is retained, as the key figures are counted from it.

use schemas::{Action, Decision, Effect, Millis, Mode, Origin, Outcome, Phase};

use super::Index;
use super::story::{Consequence, Story};
use crate::logic::kpis::{Block, Retained, Word};

/// A proof of this level or a higher one is seen by a client: through the data plane.
const SEEN_LEVEL: i32 = 3;

impl Index {
    /// Gathers what the key figures count.
    pub fn retained(&self) -> Retained {
        let level = self.proving_level();
        let mut retained = Retained { level, ..Retained::default() };
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
                (true, false) => {
                    retained.blocks.push(block(story, decision, decided_at, until, level));
                }
            }
        }
        retained
    }

    /// At which level a block counts as proved: [`SEEN_LEVEL`] where the verifier looks there, be it in vain; else the
    /// highest at which it looks. It says what is missing, too, so what fails makes no lower level enough. 0 where it has
    /// said nothing.
    fn proving_level(&self) -> i32 {
        let said = self.stories.values().flat_map(Story::consequences);
        said.map(Consequence::level).max().unwrap_or(0).min(SEEN_LEVEL)
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

fn block(
    story: &Story,
    decision: &Decision,
    decided_at: Millis,
    until: Millis,
    level: i32,
) -> Block {
    Block {
        network: decision.observable.network(),
        detected_at: decision.detected_at,
        decided_at,
        until,
        proved_at: first_proof(story, Phase::Apply, level),
        lifted_at: first_proof(story, Phase::Lift, level),
    }
}

fn first_proof(story: &Story, phase: Phase, level: i32) -> Option<Millis> {
    let proves = |outcome: &Outcome| {
        outcome.phase == phase && outcome.level >= level && outcome.effect == Effect::Effective
    };
    story.consequences().find_map(|consequence| match consequence {
        Consequence::Proof(outcome) if proves(outcome) => Some(outcome.verified_at),
        _ => None,
    })
}
