//! TM4: extend, shorten, cancel and add again around expiry, in any order and on networks inside each other.

use rand::Rng as _;
use rand::seq::IndexedRandom as _;
use schemas::Action;

use super::{Repeat, rng, seeds};
use crate::faults::Plan;
use crate::records::{block, operator};
use crate::scenario::{Kind, Scenario};
use crate::world::{SECOND, START, World};

const OBSERVABLES: [&str; 4] = ["77.1.2.0/24", "77.1.2.3", "77.1.2.9", "2a00:1450:0:5::/64"];
const LOOKED_AT: [&str; 5] = ["77.1.2.3", "77.1.2.9", "77.1.2.77", "77.1.3.3", "2a00:1450:0:5::9"];

/// Whatever order claims come in, everybody holds what the last of each origin says: checked at every tick.
#[test]
fn tm4_claims_that_change_around_their_end_hold_as_the_last_one_says() {
    for seed in seeds(30, 1_000) {
        let command = "cargo test -p e2e --test whole tm4";
        let _repeat = Repeat(format!("WHOLE_SEED={seed} {command}"));
        let mut rng = rng(seed);
        let mut scenario = Scenario::quiet(30 * SECOND);
        for address in LOOKED_AT {
            scenario.visit(0, address, Kind::Plain);
        }
        for index in 0..24 {
            let at = rng.random_range(0..200) * 100;
            let observable = OBSERVABLES.choose(&mut rng).expect("there are some");
            // Ends lie close together, so that claims change just before, at and just after an end.
            let until = START + at + rng.random_range(-10..60) * 100;
            let name = format!("{seed}/{index}");
            let decision = match rng.random_range(0..4) {
                0 => operator(&name, Action::Allow, observable, until),
                1 => operator(&name, Action::Block, observable, until),
                _ => block(&name, observable, Some(until)),
            };
            scenario.decide(at, decision.clone());
            if rng.random_bool(0.3) {
                // The same decision once more, late: it must change nothing.
                scenario.decide(at + rng.random_range(100..8_000), decision);
            }
        }
        let plan = Plan::Any { chance: 0.002, rng: super::rng(seed + 1) };
        let mut world = World::new(seed, plan, scenario.sorted());
        world.watch.may_return = true;
        world.run();
        world.come_to_rest();
    }
}
