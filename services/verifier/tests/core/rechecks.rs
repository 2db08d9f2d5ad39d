//! A proved block is probed again by single probes: every replica is still heard, and little is sent.

use schemas::Phase;

use super::common::{ATTACKER, World, block};
use super::enforced;

/// A world in which a block of two minutes is proved, and nothing else was decided.
fn proved() -> World {
    let world = {
        let mut world = enforced(&block(ATTACKER, 1, 120_000));
        world.run_to(1_000);
        world
    };
    assert_eq!(world.effects("envoy", 3, Phase::Apply), ["Effective/0"]);
    world
}

#[test]
fn one_replica_that_lost_the_block_is_seen_though_envoy_asks_in_step_with_us() {
    // Five control probes and one of ours in 5 s: asked in turn, the same one of two replicas answers ours each time.
    for lost in ["envoy/0", "envoy/1"] {
        for passed_ms in [0, 5_000, 10_000] {
            let mut world = proved();
            world.run_to(1_000 + passed_ms);
            world.held.remove(lost);
            world.run_to(1_000 + passed_ms + 20_000);
            let effects = world.effects("envoy", 3, Phase::Apply);
            assert_eq!(effects[..2], ["Effective/0", "Ineffective/1"], "{lost}");
        }
    }
}

#[test]
fn a_minute_of_a_proved_block_takes_fewer_probes_than_one_for_each_replica_would() {
    let mut world = proved();
    world.probes_sent = 0;
    world.run_to(61_000);
    let control = 60;
    // In step with the control probes, the worst case: 1, 1 and 2 in three rounds of 5 s.
    assert!(world.probes_sent <= control + 17, "{} probes", world.probes_sent);
    assert_eq!(world.effects("envoy", 3, Phase::Apply), ["Effective/0"]);
}

#[test]
fn one_probe_a_round_is_all_where_envoy_asks_one_replica() {
    let mut world = proved();
    world.asked = vec!["envoy/0".to_owned()];
    world.tell_replicas();
    world.probes_sent = 0;
    world.run_to(61_000);
    assert!(world.probes_sent <= 60 + 13, "{} probes", world.probes_sent);
}
