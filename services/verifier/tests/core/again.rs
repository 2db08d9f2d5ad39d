//! What comes a second time: a block after an allow, and a process after another.

use std::collections::BTreeSet;

use schemas::{Action, Phase};

use crate::common::{ATTACKER, T0, World, block, by_operator};
use crate::enforced;
use crate::restarts::restart_since;

#[test]
fn what_holds_again_after_an_allow_around_it_has_ended_is_proved_again_and_so_is_its_real_end() {
    let decision = block(ATTACKER, 1, 60_000);
    let mut world = enforced(&decision);
    world.run_to(1_000);
    world.decide(&by_operator(Action::Allow, "81.2.69.0/24", 2, 30_000));
    world.release(&decision);
    world.run_to(30_030);
    world.enforce(&decision);
    world.run_to(59_000);
    for (point, level) in [("envoy", 3), ("aws-waf", 2)] {
        let effects = world.effects(point, level, Phase::Apply);
        assert_eq!(effects, ["Effective/0", "Effective/1"], "{point}/{level}");
    }
    world.run_to(60_000);
    world.release(&decision);
    world.run_to(63_000);
    for (point, level) in [("envoy", 3), ("aws-waf", 2)] {
        let effects = world.effects(point, level, Phase::Lift);
        assert_eq!(effects, ["Effective/0", "Effective/1"], "{point}/{level}");
    }
    assert_eq!(world.core.active_claims(), 0, "nothing is left to watch");
}

#[test]
fn what_an_allow_ended_is_not_expected_again_when_the_allow_ends() {
    let decision = block(ATTACKER, 1, 60_000);
    let mut world = enforced(&decision);
    world.run_to(1_000);
    world.decide(&by_operator(Action::Allow, ATTACKER, 2, 30_000));
    world.release(&decision);
    world.run_to(5_000);
    assert_eq!(world.core.active_claims(), 0, "nothing is left to watch");
    let until = |phase: Phase| {
        let told = world.outcomes.iter().filter(move |outcome| outcome.phase == phase);
        told.map(|outcome| outcome.until.unwrap() - T0).collect::<BTreeSet<_>>()
    };
    let untils = [BTreeSet::from([60_000]), BTreeSet::from([1_000])];
    assert_eq!([Phase::Apply, Phase::Lift].map(until), untils);
    world.run_to(61_000);
    for (point, level) in [("envoy", 3), ("aws-waf", 2)] {
        let effects = [Phase::Apply, Phase::Lift].map(|phase| world.effects(point, level, phase));
        assert_eq!(effects, [["Effective/0"], ["Effective/0"]], "{point}/{level}");
    }
}

#[test]
fn a_block_that_comes_just_after_an_allow_of_its_address_is_not_watched() {
    let mut world = World::new();
    world.decide(&by_operator(Action::Allow, ATTACKER, 2, 30_000));
    world.run_to(1_000);
    world.decide(&block(ATTACKER, 1, 60_000));
    assert_eq!(world.core.active_claims(), 0, "it never has to hold");
    world.run_to(31_000);
    assert!(world.outcomes.is_empty(), "{:?}", world.outcomes);
}

#[test]
fn after_a_restart_nobody_is_missed_for_what_was_said_before_it_was_read() {
    let decision = block(ATTACKER, 1, 300_000);
    let mut world = enforced(&decision);
    world.run_to(1_000);
    world.outcomes.clear();
    restart_since(&mut world, &decision, T0 + 1);
    world.run_to(20_000);
    for point in ["envoy/0", "envoy/1", "aws-waf"] {
        assert!(world.effects(point, 1, Phase::Apply).is_empty(), "{point}");
    }
    assert_eq!(world.effects("envoy", 3, Phase::Apply), ["Effective/0"]);
}
