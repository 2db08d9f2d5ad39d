//! The core in a simulated world: what is proved, what is absent, what is lifted, and what nobody may conclude.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod again;
#[path = "../common/mod.rs"]
mod common;
mod crowds;
mod rechecks;
mod restarts;

use common::{ATTACKER, T0, World, block, by_operator, told};
use schemas::{Action, Millis, Mode, Phase, Status};
use verifier::logic::Input;

const APPLIED: [&str; 6] = [
    "aws-waf/1 Apply Effective",
    "aws-waf/2 Apply Effective",
    "envoy/0/1 Apply Effective",
    "envoy/1/1 Apply Effective",
    "envoy/2 Apply Effective",
    "envoy/3 Apply Effective",
];
const LIFTED: [&str; 5] = [
    "aws-waf/1 Lift Effective",
    "aws-waf/2 Lift Effective",
    "envoy/0/1 Lift Effective",
    "envoy/1/1 Lift Effective",
    "envoy/3 Lift Effective",
];

#[track_caller]
fn check(world: &World, id: u128, expected: &[&[&str]]) {
    let expected: std::collections::BTreeSet<String> =
        expected.concat().into_iter().map(str::to_owned).collect();
    let story = world.story(&block(ATTACKER, id, 0));
    assert_eq!(story, expected);
    assert_eq!(world.outcomes.len(), expected.len(), "an outcome was told twice");
}

/// A world in which `decision` was decided and enforced everywhere 30 ms later.
fn enforced(decision: &schemas::Decision) -> World {
    let mut world = World::new();
    world.decide(decision);
    world.run_to(30);
    world.enforce(decision);
    world
}

#[test]
fn a_block_is_proved_at_every_level_and_so_is_its_lift() {
    for observable in [ATTACKER, "2a00:1450:0:5::/64"] {
        let decision = block(observable, 1, 15_000);
        let mut world = enforced(&decision);
        world.run_to(300);
        check(&world, 1, &[&APPLIED]);
        world.run_to(15_000);
        world.release(&decision);
        world.run_to(18_000);
        check(&world, 1, &[&APPLIED, &LIFTED]);
        assert_eq!(world.core.active_claims(), 0, "nothing is left to watch");
    }
}

#[test]
fn the_proof_comes_with_the_log_entry_of_the_last_replica() {
    let decision = block(ATTACKER, 1, 15_000);
    let mut world = enforced(&decision);
    world.run_to(1_000);
    let proved = world.outcomes.iter().find(|outcome| told(outcome) == "envoy/3 Apply Effective");
    let took_ms = proved.unwrap().verified_at - T0;
    assert!(took_ms <= 60, "enforced after 30 ms, logged after 20 more, proved after {took_ms}");
}

/// Proves a block and its lift; `most` are the probes of each.
#[track_caller]
fn check_probes(names_points: bool, log_delay_ms: Millis, most: [usize; 2]) {
    let decision = block(ATTACKER, 1, 15_000);
    let mut world = World::new();
    world.names_points = names_points;
    world.log_delay_ms = log_delay_ms;
    world.decide(&decision);
    world.run_to(30);
    world.enforce(&decision);
    world.run_to(900);
    assert_eq!(world.effects("envoy", 3, Phase::Apply), ["Effective/0"]);
    let applied = world.attacker_probes;
    world.run_to(15_000);
    world.release(&decision);
    world.attacker_probes = 0;
    world.run_to(16_000);
    assert_eq!(world.effects("envoy", 3, Phase::Lift), ["Effective/0"]);
    let lifted = world.attacker_probes;
    assert!(applied <= most[0] && lifted <= most[1], "{applied} and {lifted} of {most:?}");
}

#[test]
fn where_answers_say_who_gave_them_only_the_others_are_probed_however_late_the_log_is() {
    // After 10 and 20 ms, too early; one when a replica says it holds it; then one for the other.
    for log_delay_ms in [20, 200, 600] {
        check_probes(true, log_delay_ms, [2 + 1 + 1, 2]);
    }
}

#[test]
fn where_they_do_not_a_slow_log_is_waited_for_and_not_answered_with_more_probes() {
    // After 10 and 20 ms; one when a replica says it holds it; then two replicas and one to spare.
    for log_delay_ms in [20, 200] {
        check_probes(false, log_delay_ms, [2 + 1 + 3, 3]);
    }
}

#[test]
fn an_answer_that_takes_long_is_waited_for_and_not_answered_with_more_probes() {
    let decision = block(ATTACKER, 1, 15_000);
    let mut world = World::new();
    world.answer_ms = 200;
    world.decide(&decision);
    world.run_to(30);
    world.enforce(&decision);
    world.run_to(700);
    assert_eq!(world.effects("envoy", 3, Phase::Apply), ["Effective/0"]);
    // One too early, and one for each replica.
    assert_eq!(world.attacker_probes, 3);
}

#[test]
fn the_word_of_an_answer_proves_nothing_that_the_log_does_not_say() {
    let decision = block(ATTACKER, 1, 15_000);
    let mut world = World::new();
    world.log_arrives = false;
    world.decide(&decision);
    world.enforce(&decision);
    world.run_to(6_000);
    assert_eq!(world.effects("envoy", 3, Phase::Apply), ["Absent/0"]);
    world.log_arrives = true;
    world.run_to(8_000);
    assert_eq!(world.effects("envoy", 3, Phase::Apply), ["Absent/0", "Effective/1"]);
}

#[test]
fn without_any_executor_everything_is_absent_and_a_later_success_is_still_told() {
    let decision = block(ATTACKER, 1, 60_000);
    let mut world = World::new();
    world.decide(&decision);
    world.run_to(4_900);
    check(&world, 1, &[]);
    world.run_to(11_000);
    let absent: Vec<String> =
        APPLIED.iter().map(|line| line.replace("Effective", "Absent")).collect();
    let absent: Vec<&str> = absent.iter().map(String::as_str).collect();
    check(&world, 1, &[&absent]);
    world.enforce(&decision);
    world.run_to(12_000);
    check(&world, 1, &[&absent, &APPLIED]);
    assert_eq!(world.effects("envoy", 3, Phase::Apply), ["Absent/0", "Effective/1"]);
}

#[test]
fn one_silent_replica_makes_it_partial_until_it_refuses_too() {
    let decision = block(ATTACKER, 1, 60_000);
    let mut world = World::new();
    world.decide(&decision);
    world.enforce_at("envoy/0", &decision);
    world.run_to(6_000);
    assert_eq!(world.effects("envoy", 3, Phase::Apply), ["Partial/0"]);
    let reason = world.outcomes.iter().find(|outcome| told(outcome) == "envoy/3 Apply Partial");
    assert_eq!(reason.unwrap().reason, "envoy/1 has not refused a probe");
    world.enforce_at("envoy/1", &decision);
    world.run_to(7_000);
    assert_eq!(world.effects("envoy", 3, Phase::Apply), ["Partial/0", "Effective/1"]);
}

#[test]
fn a_replica_that_envoy_would_not_ask_need_not_refuse() {
    let decision = block(ATTACKER, 1, 60_000);
    let mut world = World::new();
    world.asked = vec!["envoy/0".to_owned()];
    world.tell_replicas();
    world.decide(&decision);
    world.enforce_at("envoy/0", &decision);
    world.run_to(200);
    assert_eq!(world.effects("envoy", 3, Phase::Apply), ["Effective/0"]);
}

#[test]
fn refusals_prove_nothing_while_a_clean_address_is_refused_too() {
    let decision = block(ATTACKER, 1, 60_000);
    let mut world = World::new();
    world.refuse_all = true;
    world.decide(&decision);
    world.enforce(&decision);
    world.run_to(6_000);
    assert_eq!(world.effects("envoy", 3, Phase::Apply), ["Partial/0"]);
    world.refuse_all = false;
    world.run_to(8_000);
    assert_eq!(world.effects("envoy", 3, Phase::Apply), ["Partial/0", "Effective/1"]);
}

#[test]
fn a_probe_that_passes_in_mid_term_is_ineffective_until_all_refuse_again() {
    let decision = block(ATTACKER, 1, 60_000);
    let mut world = enforced(&decision);
    world.run_to(1_000);
    let held = std::mem::take(&mut world.held);
    world.run_to(8_000);
    assert_eq!(world.effects("envoy", 3, Phase::Apply), ["Effective/0", "Ineffective/1"]);
    world.held = held;
    world.run_to(9_000);
    let effects = world.effects("envoy", 3, Phase::Apply);
    assert_eq!(effects, ["Effective/0", "Ineffective/1", "Effective/2"]);
}

#[test]
fn a_lift_that_does_not_come_is_late_and_told_when_it_comes() {
    let decision = block(ATTACKER, 1, 15_000);
    let mut world = enforced(&decision);
    world.run_to(14_000);
    for held in world.held.values_mut().flatten() {
        held.2 += 60_000;
    }
    world.run_to(16_900);
    assert_eq!(world.effects("envoy", 3, Phase::Lift), Vec::<String>::new());
    world.run_to(17_500);
    assert_eq!(world.effects("envoy", 3, Phase::Lift), ["Ineffective/0"]);
    world.held.remove("envoy/0");
    world.run_to(27_000);
    assert_eq!(world.effects("envoy", 3, Phase::Lift), ["Ineffective/0", "Partial/1"]);
    assert_eq!(world.effects("aws-waf", 2, Phase::Lift), ["Partial/0"]);
    world.release(&decision);
    world.run_to(30_000);
    assert_eq!(
        world.effects("envoy", 3, Phase::Lift),
        ["Ineffective/0", "Partial/1", "Effective/2"]
    );
    assert_eq!(world.effects("aws-waf", 2, Phase::Lift), ["Partial/0", "Effective/1"]);
}

#[test]
fn an_operators_allow_is_a_lift_at_its_own_time() {
    let decision = block(ATTACKER, 1, 60_000);
    let mut world = enforced(&decision);
    world.run_to(1_000);
    world.decide(&by_operator(Action::Allow, ATTACKER, 2, 30_000));
    world.release(&decision);
    world.run_to(2_000);
    check(&world, 1, &[&APPLIED, &LIFTED]);
}

#[test]
fn a_superseded_block_expects_nothing_more_and_the_new_one_is_proved() {
    let (first, second) = (block(ATTACKER, 1, 20_000), block(ATTACKER, 2, 60_000));
    let mut world = enforced(&first);
    world.run_to(1_000);
    world.decide(&second);
    world.held.clear();
    world.enforce(&second);
    world.say("envoy/0", &first, Phase::Apply, Status::Superseded);
    world.run_to(30_000);
    let story = world.story(&first);
    assert!(story.contains("envoy/0/1 Lift Effective"), "{story:?}");
    assert!(!story.iter().any(|line| line.contains("Absent") || line.contains("Ineffective")));
    assert!(!story.contains("envoy/3 Lift Effective"), "nobody could see its end");
    assert!(world.story(&second).contains("envoy/3 Apply Effective"));
}

#[test]
fn what_is_never_in_force_expects_nothing() {
    let simulated = schemas::Decision { mode: Mode::Simulated, ..block(ATTACKER, 1, 60_000) };
    let protected = block("192.168.1.7", 2, 60_000);
    let observed =
        schemas::Decision { action: Action::Observe, until: None, ..block(ATTACKER, 3, 0) };
    let mut world = World::new();
    for decision in [&simulated, &protected, &observed] {
        world.decide(decision);
    }
    assert_eq!(world.core.active_claims(), 0);
    world.input(Input::Controls { frozen_since: Some(T0) });
    world.decide(&block("81.2.69.9", 4, 60_000));
    world.decide(&by_operator(Action::Block, "81.2.70.0/24", 5, 60_000));
    let outranked = block("81.2.70.7", 6, 60_000);
    world.decide(&outranked);
    world.run_to(12_000);
    let about: Vec<u128> =
        world.outcomes.iter().map(|outcome| outcome.decision_id.as_u128()).collect();
    assert!(about.iter().all(|id| *id == 5), "only the operator's block was to hold: {about:?}");
}

#[test]
fn a_thawed_block_must_hold_from_then_on() {
    let decision = block(ATTACKER, 1, 60_000);
    let mut world = World::new();
    world.input(Input::Controls { frozen_since: Some(T0) });
    world.decide(&decision);
    world.run_to(9_000);
    check(&world, 1, &[]);
    world.input(Input::Controls { frozen_since: None });
    world.enforce(&decision);
    world.run_to(10_000);
    check(&world, 1, &[&APPLIED]);
}

#[test]
fn an_address_that_a_waf_shows_late_or_not_at_all_is_only_absent_until_seen() {
    let decision = block(ATTACKER, 1, 300_000);
    let mut world = enforced(&decision);
    let shown = std::mem::take(&mut world.waf);
    world.run_to(180_000);
    assert_eq!(world.effects("aws-waf", 2, Phase::Apply), ["Absent/0"]);
    world.waf_readable = false;
    world.waf.clone_from(&shown);
    world.run_to(181_000);
    assert_eq!(world.effects("aws-waf", 2, Phase::Apply), ["Absent/0"]);
    world.waf_readable = true;
    world.run_to(182_000);
    assert_eq!(world.effects("aws-waf", 2, Phase::Apply), ["Absent/0", "Effective/1"]);
    // One edge that answers differently for a moment changes nothing.
    world.waf.clear();
    world.run_to(186_000);
    world.waf = shown;
    world.run_to(200_000);
    assert_eq!(world.effects("aws-waf", 2, Phase::Apply), ["Absent/0", "Effective/1"]);
}

#[test]
fn a_wide_network_is_probed_at_two_addresses_and_an_allowed_one_inside_is_left_out() {
    let wide = by_operator(Action::Block, "81.2.69.0/24", 1, 60_000);
    let mut world = World::new();
    world.decide(&wide);
    world.held.insert(
        "envoy/0".to_owned(),
        vec![("81.2.69.0/25".parse().unwrap(), wide.decision_id, T0 + 60_000)],
    );
    world.held.insert("envoy/1".to_owned(), world.held["envoy/0"].clone());
    world.run_to(6_000);
    assert_eq!(world.effects("envoy", 3, Phase::Apply), ["Partial/0"]);
    world.decide(&by_operator(Action::Allow, "81.2.69.254", 2, 60_000));
    world.run_to(8_000);
    assert_eq!(world.effects("envoy", 3, Phase::Apply), ["Partial/0", "Effective/1"]);
}
