//! Another process takes over: it goes on where the one before it stopped, and concludes nothing before it has read all.

use schemas::{Action, Decision, Enforcement, Generation, Millis, Phase, Status};
use verifier::logic::Input;

use super::common::{ATTACKER, EPOCH, T0, World, block, by_operator, core};
use super::{APPLIED, LIFTED, check, enforced};

const POINTS: [&str; 3] = ["envoy/0", "envoy/1", "aws-waf"];

/// Another process takes over with our outcomes and the decision as they stand in Kafka.
fn restart(world: &mut World, decision: &Decision) {
    restart_since(world, decision, T0);
}

/// The same, where nothing of before `told_since` was read.
pub(super) fn restart_since(world: &mut World, decision: &Decision, told_since: Millis) {
    begin(world, &[decision]);
    finish(world, &[], told_since);
}

/// Another process takes over, and has read our outcomes and the decisions so far.
fn begin(world: &mut World, decisions: &[&Decision]) {
    world.core = core(8);
    for outcome in world.outcomes.clone() {
        world.core.remember(outcome);
    }
    for (offset, decision) in (1..).zip(decisions) {
        let generation = Generation { epoch: EPOCH, offset };
        let appended = schemas::fold::Appended { generation, at: T0 };
        world.core.refold(decision, appended, None, world.now);
    }
}

/// It has read what the executors said as well.
fn finish(world: &mut World, said: &[Enforcement], told_since: Millis) {
    for enforcement in said {
        world.core.recall(enforcement.clone());
    }
    let effects = world.core.restored(told_since, world.now);
    world.act(effects);
    world.tell_replicas();
}

/// What all points say.
fn said(world: &World, decision: &Decision, phase: Phase, status: Status) -> Vec<Enforcement> {
    POINTS.map(|point| world.enforcement(point, decision, phase, status)).to_vec()
}

#[test]
fn a_restart_goes_on_and_tells_nothing_twice() {
    let decision = block(ATTACKER, 1, 15_000);
    let mut world = enforced(&decision);
    world.run_to(1_000);
    check(&world, 1, &[&APPLIED]);
    restart(&mut world, &decision);
    world.run_to(14_900);
    check(&world, 1, &[&APPLIED]);
    // The end falls into the next outage.
    world.now = T0 + 15_300;
    restart(&mut world, &decision);
    world.release(&decision);
    world.run_to(18_000);
    check(&world, 1, &[&APPLIED, &LIFTED]);
    restart(&mut world, &decision);
    world.run_to(20_000);
    check(&world, 1, &[&APPLIED, &LIFTED]);
    assert_eq!(world.core.active_claims(), 0);
}

#[test]
fn a_restart_in_the_middle_of_a_proof_probes_again() {
    let decision = block(ATTACKER, 1, 15_000);
    let mut world = World::new();
    world.decide(&decision);
    world.run_to(25);
    restart(&mut world, &decision);
    world.enforce(&decision);
    world.run_to(300);
    check(&world, 1, &[&APPLIED]);
}

/// A block of 15 s that was in force everywhere and was lifted on time, a minute later: nobody has looked since a second
/// before its end. Also what the executors said.
fn lifted_unseen(decision: &Decision) -> (World, Vec<Enforcement>) {
    let mut world = enforced(decision);
    world.run_to(14_000);
    world.held.clear();
    world.waf.clear();
    world.now = T0 + 75_000;
    let [applied, lifted] = [(Phase::Apply, Status::Applied), (Phase::Lift, Status::Lifted)]
        .map(|(phase, status)| said(&world, decision, phase, status));
    (world, [applied, lifted].concat())
}

#[test]
fn a_lift_that_was_on_time_while_nobody_looked_is_proved_and_not_told_as_late() {
    let decision = block(ATTACKER, 1, 15_000);
    let (mut world, said) = lifted_unseen(&decision);
    begin(&mut world, &[&decision]);
    finish(&mut world, &said, T0);
    world.run_to(90_000);
    check(&world, 1, &[&APPLIED, &LIFTED]);
    assert_eq!(world.core.active_claims(), 0, "nothing is left to watch");
}

#[test]
fn while_a_restart_reads_time_goes_on_and_nothing_is_concluded() {
    let decision = block(ATTACKER, 1, 15_000);
    let (mut world, said) = lifted_unseen(&decision);
    begin(&mut world, &[&decision]);
    for _ in 0..30 {
        world.now += 1_000;
        world.input(Input::Tick);
        world.tell_replicas();
    }
    // The last point says it only now, to whoever reads on from where the process before stopped.
    let (late, said) = said.split_last().unwrap();
    world.input(Input::Enforcement(Box::new(late.clone())));
    check(&world, 1, &[&APPLIED]);
    finish(&mut world, said, T0);
    world.run_to(120_000);
    check(&world, 1, &[&APPLIED, &LIFTED]);
}

#[test]
fn a_block_that_still_holds_is_not_missed_however_long_a_restart_reads() {
    let decision = block(ATTACKER, 1, 120_000);
    let mut world = enforced(&decision);
    world.run_to(1_000);
    let said = said(&world, &decision, Phase::Apply, Status::Applied);
    world.outcomes.clear();
    begin(&mut world, &[&decision]);
    for _ in 0..30 {
        world.now += 1_000;
        world.input(Input::Tick);
    }
    assert!(world.outcomes.is_empty(), "{:?}", world.outcomes);
    finish(&mut world, &said, T0);
    world.run_to(50_000);
    check(&world, 1, &[&APPLIED]);
}

#[test]
fn a_lift_that_is_late_still_is_told_after_a_restart() {
    let decision = block(ATTACKER, 1, 15_000);
    let mut world = enforced(&decision);
    world.run_to(14_000);
    for held in world.held.values_mut().flatten() {
        held.2 += 600_000;
    }
    world.now = T0 + 75_000;
    let said = said(&world, &decision, Phase::Apply, Status::Applied);
    begin(&mut world, &[&decision]);
    finish(&mut world, &said, T0);
    world.run_to(76_900);
    check(&world, 1, &[&APPLIED]);
    world.run_to(77_500);
    assert_eq!(world.effects("envoy", 3, Phase::Lift), ["Ineffective/0"]);
    assert_eq!(world.effects("envoy/0", 1, Phase::Lift), ["Absent/0"]);
    world.run_to(86_000);
    assert_eq!(world.effects("aws-waf", 1, Phase::Lift), ["Absent/0"]);
    assert_eq!(world.effects("aws-waf", 2, Phase::Lift), ["Partial/0"]);
    world.release(&decision);
    world.run_to(95_000);
    let story = world.story(&decision);
    assert!(LIFTED.iter().all(|line| story.contains(*line)), "{story:?}");
}

#[test]
fn a_block_that_an_allow_ended_while_nobody_looked_is_proved_gone() {
    let decision = block(ATTACKER, 1, 60_000);
    let mut world = enforced(&decision);
    world.run_to(5_000);
    let allow = by_operator(Action::Allow, ATTACKER, 2, 30_000);
    world.held.clear();
    world.waf.clear();
    let said = said(&world, &decision, Phase::Lift, Status::Lifted);
    begin(&mut world, &[&decision, &allow]);
    finish(&mut world, &said, T0);
    world.run_to(20_000);
    check(&world, 1, &[&APPLIED, &LIFTED]);
}

#[test]
fn the_end_of_a_block_that_is_looked_at_late_is_not_told_as_late() {
    let decision = block(ATTACKER, 1, 15_000);
    let mut world = enforced(&decision);
    world.run_to(14_000);
    // The process was stopped, and the executors were not.
    world.now = T0 + 30_000;
    world.input(Input::Tick);
    world.tell_replicas();
    check(&world, 1, &[&APPLIED]);
    world.release(&decision);
    world.run_to(35_000);
    check(&world, 1, &[&APPLIED, &LIFTED]);
}
