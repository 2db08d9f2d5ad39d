//! Two executors at different positions: one dies, one sleeps through a takeover, and nothing is lost or lowered.

use std::collections::BTreeMap;

use rand::Rng as _;
use schemas::{Action, Generation};

use super::{Repeat, rng, seeds};
use crate::faults::Plan;
use crate::records::{self, operator};
use crate::scenario::{ATTACKERS, Kind, LOGINS_V4, SQLI_V4, Scenario, TRAVERSAL_V4};
use crate::world::{SECOND, START, World};

const ALL: [i32; 6] = [0, 1, 2, 3, 4, 5];

#[test]
fn what_a_dead_replica_folded_is_taken_over_and_no_block_lapses() {
    for dead in [0, 1] {
        let mut scenario = Scenario::attacks(30 * SECOND);
        for (client, kind) in ATTACKERS {
            scenario.attack(9 * SECOND, client, kind);
        }
        let mut world = World::new(1, Plan::Nothing, scenario.sorted());
        world.run_to(3 * SECOND);
        world.executors[dead].kill();
        world.watch.strict = false;
        world.run_to(5 * SECOND);
        assert!(world.refuses(SQLI_V4) && world.refuses(TRAVERSAL_V4), "the other one answers");
        world.run_to(10 * SECOND);
        world.executors[1 - dead].give(ALL.to_vec());
        world.run_to(14 * SECOND);
        for (client, _) in ATTACKERS {
            assert!(world.refuses(client), "{client} came back and was taken over");
        }
        world.restart(dead);
        world.executors[dead].give(vec![]);
        let now = world.now();
        world.watch.resume(now);
        world.run();
        assert_eq!(world.envoy.failed_open, 0);
        world.come_to_rest();
    }
}

#[test]
fn with_both_gone_envoy_lets_pass_and_with_both_stale_it_still_refuses() {
    let mut world = World::new(1, Plan::Nothing, Scenario::attacks(20 * SECOND));
    world.run_to(4 * SECOND);
    assert!(world.refuses(SQLI_V4));
    world.executors.iter_mut().for_each(|executor| executor.kill());
    assert!(!world.refuses(SQLI_V4));
    assert_eq!(world.envoy.failed_open, 1, "and that is counted");
    (0..2).for_each(|replica| world.restart(replica));
    world.settle();
    assert!(world.refuses(SQLI_V4), "a start opens no gap once the leases are read");
    world.run();
    world.come_to_rest();
}

/// The claims at the end, as everybody holds them.
fn claims(world: &World) -> BTreeMap<String, String> {
    let leases = world.executors[0].leases().expect("it lives");
    leases.read(|reader| {
        let each = reader.view().leases();
        each.map(|lease| (lease.observable.to_string(), format!("{:?}", lease.claims))).collect()
    })
}

/// The marks that were written into each set never go down.
fn marks_never_go_down(world: &World) {
    let mut last: BTreeMap<String, (i64, i64, i64)> = BTreeMap::new();
    for write in world.waf.writes() {
        let numbers: Vec<i64> = write
            .description
            .split(|c: char| !c.is_ascii_digit())
            .filter_map(|part| part.parse().ok())
            .collect();
        let [epoch, leases, controls] = numbers[..] else { continue };
        let mark = (epoch, leases, controls);
        let before = last.insert(format!("{:?}", write.family), mark);
        assert!(before <= Some(mark), "I6: {before:?} was written over by {mark:?}");
    }
}

#[test]
fn k4_a_paused_owner_wakes_after_a_takeover_and_lowers_nothing() {
    for seed in seeds(100, 1_000) {
        let command = "cargo test -p e2e --test whole k4";
        let _repeat = Repeat(format!("WHOLE_SEED={seed} {command}"));
        let mut rng = rng(seed);
        let mut scenario = Scenario::attacks(42 * SECOND);
        let paused = rng.random_range(400..6_000);
        // While it sleeps: more attacks, and operators who change their minds about the same addresses.
        for (client, kind) in ATTACKERS {
            scenario.attack(paused + rng.random_range(8_000..20_000), client, kind);
            let mut at = paused + rng.random_range(100..8_000);
            for round in 0..3 {
                let action = if rng.random_bool(0.5) { Action::Allow } else { Action::Block };
                let until = START + at + rng.random_range(1_000..20_000);
                scenario.decide(at, operator(&format!("{round}"), action, client, until));
                at += rng.random_range(100..4_000);
            }
        }
        scenario.attack(paused + 100, LOGINS_V4, Kind::SqlInjection);
        let mut world = World::new(seed, Plan::Nothing, scenario.sorted());
        world.watch.may_return = true;
        world.run_to(paused);
        world.executors[0].paused = true;
        world.watch.strict = false;
        world.run_to(paused + 7 * SECOND);
        world.executors[1].give(ALL.to_vec());
        let asleep = rng.random_range(8..30) * SECOND;
        world.run_to(paused + asleep);
        let late = world.executors[0].wake(rng.random_range(1..4), &mut world.faults);
        if rng.random_bool(0.5) {
            world.settle();
        }
        world.executors[0].give(vec![]);
        world.settle();
        let now = world.now();
        world.watch.resume(now);
        world.run();
        let (own, truth) = (claims(&world), &world.truth.view);
        for lease in truth.leases() {
            let observable = lease.observable.to_string();
            let held = own.get(&observable);
            assert_eq!(held, Some(&format!("{:?}", lease.claims)), "{observable}, {late} late");
        }
        last_is_highest(&world);
        marks_never_go_down(&world);
        world.come_to_rest();
    }
}

/// What compaction keeps of every lease is its highest generation: late writes were published over.
fn last_is_highest(world: &World) {
    let mut leases: BTreeMap<String, (Generation, Generation)> = BTreeMap::new();
    for lease in records::leases(&world.log) {
        let highest = leases
            .get(&lease.observable.to_string())
            .map_or(lease.generation, |(_, highest)| lease.generation.max(*highest));
        leases.insert(lease.observable.to_string(), (lease.generation, highest));
    }
    for (observable, (last, highest)) in leases {
        assert_eq!(last, highest, "a late write on {observable} stands last");
    }
}
