//! Thousands of blocks at once: probes stay bounded, nobody waits for ever, and what is new comes first.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use schemas::{Decision, Millis};

use super::common::{ATTACKER, T0, World, block, told};
use super::enforced;

#[test]
fn probes_stay_bounded_when_thousands_must_hold_and_nobody_logs() {
    let mut world = World::new();
    world.log_arrives = false;
    for number in 0..2_000_u32 {
        let address = Ipv4Addr::from(0x5102_0000 + number);
        world.decide(&block(&address.to_string(), u128::from(number) + 1, 60_000));
    }
    world.probes_sent = 0;
    world.run_to(2_000);
    // Ten tries of three probes each, and one control probe a second.
    assert!(world.probes_sent <= 2_000 * 3 * 10 + 3, "{} probes", world.probes_sent);
}

/// As many blocks, decided now.
fn decided_many(count: u32) -> (World, Vec<Decision>) {
    let mut world = World::new();
    world.by_chance = true;
    let address = |number: u32| Ipv4Addr::from(0x5102_0000 + number).to_string();
    let decisions: Vec<Decision> =
        (0..count).map(|number| block(&address(number), u128::from(number) + 1, 60_000)).collect();
    for decision in &decisions {
        world.decide(decision);
    }
    (world, decisions)
}

/// How many blocks were proved.
fn proved(world: &World) -> usize {
    world.outcomes.iter().filter(|outcome| told(outcome) == "envoy/3 Apply Effective").count()
}

#[test]
fn a_thousand_that_begin_at_once_take_three_probes_each_or_a_few_more() {
    let (mut world, decisions) = decided_many(1_000);
    // No more than 256 probes are answered in 50 ms, and the executors take their time.
    world.answer_ms = 50;
    world.run_to(300);
    for decision in &decisions {
        world.enforce(decision);
    }
    world.run_to(2_500);
    assert_eq!(proved(&world), 1_000);
    // Whom Envoy asks by chance: now and then the same replica twice.
    assert!(world.probes_sent <= 3_500, "{} probes", world.probes_sent);
}

#[test]
fn in_a_crowd_a_block_is_found_in_force_although_no_executor_says_a_word() {
    let (mut world, decisions) = decided_many(600);
    for decision in &decisions {
        world.hold("envoy/0", decision);
        world.hold("envoy/1", decision);
    }
    world.run_to(2_000);
    assert_eq!(proved(&world), 600);
}

/// As many blocks, in force everywhere, that end after `until`.
fn enforced_many(count: u32, until: Millis) -> World {
    let mut world = World::new();
    for number in 0..count {
        let address = Ipv4Addr::from(0x5102_0000 + number).to_string();
        let decision = block(&address, u128::from(number) + 1, until);
        world.decide(&decision);
        world.enforce(&decision);
    }
    world
}

/// Three thousand blocks that were in force and have just ended. No more than 256 probes are answered in 50 ms.
fn ended(by_chance: bool) -> World {
    let mut world = enforced_many(3_000, 15_000);
    world.by_chance = by_chance;
    world.run_to(14_000);
    world.answer_ms = 50;
    world.run_to(15_100);
    world.held.clear();
    world.waf.clear();
    world.probes_sent = 0;
    world
}

/// When each of the lifts was proved, in order.
fn lifts_proved_at(world: &World) -> Vec<Millis> {
    let gone = world.outcomes.iter().filter(|outcome| told(outcome) == "envoy/3 Lift Effective");
    let mut proved_at: Vec<Millis> = gone.map(|outcome| outcome.verified_at - T0).collect();
    proved_at.sort_unstable();
    proved_at
}

/// When the lifts of a hundred blocks that end together were proved.
fn hundred_proved_gone(until: Millis) -> Vec<Millis> {
    let mut world = World::new();
    for number in 0..100_u32 {
        let address = Ipv4Addr::from(0x5102_0000 + number);
        // The middle of a product looks like the chance of real ids.
        let id = (u128::from(number + 1) * 0x9E37_79B9_7F4A_7C15) >> 20;
        let decision = block(&address.to_string(), id, until);
        world.decide(&decision);
        world.enforce(&decision);
    }
    world.run_to(until + 1_500);
    lifts_proved_at(&world)
}

#[test]
fn blocks_that_end_together_at_a_whole_second_are_probed_one_by_one_over_the_next() {
    let at = hundred_proved_gone(15_000);
    assert_eq!(at.len(), 100);
    let most =
        at.iter().map(|from| at.iter().filter(|one| (*from..from + 100).contains(*one)).count());
    assert!(most.max().unwrap() <= 25, "{at:?}");
    assert!(at[0] >= 15_200 && at[99] < 16_200, "{at:?}");
    // What ends at its own time waits for nobody.
    let at = hundred_proved_gone(15_123);
    assert!(at.len() == 100 && at[99] < 15_600, "{at:?}");
}

#[test]
fn thousands_that_end_at_once_are_all_proved_gone_and_a_new_block_does_not_wait_for_them() {
    let mut world = ended(false);
    let new = block(ATTACKER, 9_999, 60_000);
    world.run_to(15_400);
    world.decide(&new);
    world.enforce(&new);
    world.run_to(15_700);
    assert!(world.story(&new).contains("envoy/3 Apply Effective"), "{:?}", world.story(&new));
    world.run_to(20_000);
    assert_eq!(lifts_proved_at(&world).len(), 3_000);
}

#[test]
fn thousands_of_lifts_take_three_probes_each_or_a_few_more() {
    let mut world = ended(true);
    world.run_to(20_000);
    let proved_at = lifts_proved_at(&world);
    assert_eq!(proved_at.len(), 3_000);
    // Whom Envoy asks by chance: now and then the same replica twice.
    let (sent, last_at) = (world.probes_sent, proved_at[2_999]);
    assert!(last_at < 18_000 && sent <= 9_600, "{last_at} ms, {sent} probes");
}

#[test]
fn a_thousand_proved_blocks_are_looked_at_again_fifty_times_a_second() {
    let mut world = enforced_many(1_000, 120_000);
    // Each of them was proved by then, and probed again once in step with its proof.
    world.run_to(30_000);
    world.probes_sent = 0;
    world.run_to(90_000);
    let control = 60;
    let again = world.probes_sent - control;
    // Now and then a round takes a probe for each replica, because the first ones met the same.
    assert!((3_000..=6_000).contains(&again), "{again} probes in a minute");
}

#[test]
fn waiting_for_a_slow_waf_costs_no_time() {
    let decision = block(ATTACKER, 1, 15_000);
    let mut world = enforced(&decision);
    world.run_to(15_000);
    world.held.clear();
    world.run_to(18_000);
    world.ticks = 0;
    world.run_to(23_000);
    assert!(world.ticks < 100, "{} ticks in 5 s", world.ticks);
}

#[test]
fn who_could_not_be_probed_yet_is_told_apart_from_who_was_not_refused() {
    let mut world = enforced_many(3_000, 60_000);
    // Nothing is answered any more.
    world.answer_ms = 60_000;
    let waiting = block(ATTACKER, 9_999, 60_000);
    world.decide(&waiting);
    world.enforce(&waiting);
    for number in 0..300_u32 {
        let address = Ipv4Addr::from(0x5103_0000 + number).to_string();
        world.decide(&block(&address, 20_000 + u128::from(number), 60_000));
    }
    world.run_to(5_500);
    let reasons: BTreeSet<&str> = world
        .outcomes
        .iter()
        .filter(|outcome| told(outcome) == "envoy/3 Apply Absent")
        .map(|outcome| outcome.reason.as_str())
        .collect();
    assert!(
        reasons.iter().any(|reason| reason.starts_with("no probe was sent yet")),
        "{reasons:?}"
    );
}
