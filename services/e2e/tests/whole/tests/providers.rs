//! Providers that fail, forget or lag: nothing is lost that must hold, and all is equal once they are well (I9).

use ::executor::logic::ip_set::Family;
use ::executor::logic::waf::WriteFault;
use futures::executor::block_on;
use rand::Rng as _;

use super::{Repeat, rng, seeds};
use crate::faults::Plan;
use crate::scenario::{LONG, Scenario};
use crate::watch;
use crate::world::{SECOND, World};

#[test]
fn r1_a_blocklist_that_lost_everything_is_rebuilt_and_nobody_notices() {
    let mut world = World::new(1, Plan::Nothing, Scenario::attacks(20 * SECOND));
    world.run_to(3 * SECOND);
    block_on(world.blocklist.flush()).unwrap();
    world.watch.strict_blocklist = false;
    world.run_to(6 * SECOND);
    world.watch.strict_blocklist = true;
    world.run();
    world.come_to_rest();
}

#[test]
fn a_set_emptied_behind_our_back_is_filled_again() {
    let mut scenario = Scenario::attacks(20 * SECOND);
    scenario.policy = LONG;
    let mut world = World::new(1, Plan::Nothing, scenario);
    world.run_to(4 * SECOND);
    let before = watch::waf(&world);
    for family in [Family::V4, Family::V6] {
        world.waf.edit(family, |addresses, _| addresses.clear());
    }
    world.watch.emptied();
    world.watch.strict_waf = false;
    let after = 5_000 + 2 * 1_300;
    world.run_to(4 * SECOND + after);
    assert_eq!(watch::waf(&world), before, "a read every 5 s, then a write for each set");
    world.watch.strict_waf = true;
    world.run();
    world.come_to_rest();
}

#[test]
fn i9_after_any_faults_everything_is_equal_within_half_a_minute() {
    for seed in seeds(20, 1_000) {
        let command = "cargo test -p e2e --test whole i9";
        let _repeat = Repeat(format!("WHOLE_SEED={seed} {command}"));
        let mut rng = rng(seed);
        let plan = Plan::Any { chance: 0.01, rng: super::rng(seed + 1) };
        let mut world = World::new(seed, plan, Scenario::full());
        world.watch.strict_waf = false;
        while world.at() < 26 * SECOND {
            let until = world.at() + rng.random_range(1..20) * 100;
            world.run_to(until);
            let count = rng.random_range(0..3);
            match rng.random_range(0..4) {
                0 => world.waf.fail_reads(vec!["garbage".to_owned(); count]),
                1 => world.waf.fail_writes(vec![WriteFault::Conflict; count]),
                2 => {
                    let fault = WriteFault::Unavailable("time-out".to_owned());
                    world.waf.fail_writes(vec![fault; count]);
                }
                _ => {}
            }
        }
        world.come_to_rest();
    }
}
