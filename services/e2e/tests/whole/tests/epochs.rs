//! X4: no epoch, another epoch, topics made anew. Unknown is not empty: nothing is added, only what is due goes.

use std::collections::BTreeSet;

use ipnet::IpNet;
use pipeline::{Bus, admin};
use schemas::{Epoch, LeaseEntry, Millis, Topic};

use crate::faults::Plan;
use crate::scenario::{ATTACKERS, Kind, LOGINS_V4, LONG, SQLI_V4, Scenario, TRAVERSAL_V4};
use crate::watch;
use crate::world::{EPOCH, SECOND, World};

/// Six attacks, the last of them at `at`.
fn five_then_one(at: i64, lasts: i64) -> Scenario {
    let mut scenario = Scenario::quiet(lasts);
    scenario.policy = LONG;
    for (index, (client, kind)) in (0..).zip(ATTACKERS).filter(|(_, (own, _))| *own != LOGINS_V4) {
        scenario.attack(500 + 100 * index, client, kind);
    }
    scenario.attack(at, LOGINS_V4, Kind::SqlInjection);
    scenario.sorted()
}

fn adopt(world: &mut World, replaces: &[Millis]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let bus = Bus::in_memory(world.log.clone());
    let adoption = admin::Adoption {
        protected: world.truth.protected.clone(),
        limits: schemas::Limits::default(),
        replaces: replaces.to_vec(),
        dry_run: false,
    };
    let adopted = runtime.block_on(admin::adopt(&bus, adoption, world.now())).unwrap();
    world.truth.adopt(adopted.epoch);
}

fn holding(world: &World) -> bool {
    world.executors.iter().all(|executor| {
        executor.leases().is_some_and(|leases| leases.read(|reader| reader.hold().is_some()))
    })
}

/// Runs to `at`, and fails if anything is added on the way.
fn run_without_additions(world: &mut World, at: i64) {
    let mut held = watch::waf(world);
    while world.at() < at {
        let next = world.at() + 100;
        world.run_to(next);
        let now: BTreeSet<IpNet> = watch::waf(world);
        assert!(now.is_subset(&held), "added while holding: {:?}", now.difference(&held));
        held = now;
        assert!(!world.refuses(LOGINS_V4), "added while holding, at Envoy");
    }
}

#[test]
fn without_an_epoch_record_nothing_is_added_until_there_is_one() {
    let mut scenario = Scenario::attacks(12 * SECOND);
    scenario.bootstrapped = false;
    let mut world = World::new(1, Plan::Nothing, scenario);
    world.watch.strict = false;
    world.run_to(4 * SECOND);
    assert!(holding(&world) && watch::waf(&world).is_empty() && !world.refuses(SQLI_V4));
    world.append(&LeaseEntry::Epoch(Epoch { epoch: EPOCH, replaces: Vec::new() }));
    world.run_to(5 * SECOND);
    assert!(!holding(&world) && world.refuses(SQLI_V4), "nothing was lost by holding");
    world.run_to(12 * SECOND);
    let now = world.now();
    world.watch.resume(now);
    world.come_to_rest();
}

#[test]
fn another_epoch_holds_until_it_is_adopted() {
    let mut world = World::new(1, Plan::Nothing, five_then_one(6 * SECOND, 40 * SECOND));
    world.run_to(5 * SECOND);
    world.append(&LeaseEntry::Epoch(Epoch { epoch: EPOCH + 5, replaces: Vec::new() }));
    world.watch.strict = false;
    run_without_additions(&mut world, 12 * SECOND);
    assert!(holding(&world) && world.refuses(SQLI_V4), "what is held stays");
    adopt(&mut world, &[]);
    world.run_to(13 * SECOND);
    assert!(!holding(&world) && world.refuses(LOGINS_V4), "what waited came into force");
    let now = world.now();
    world.watch.resume(now);
    world.run();
    world.come_to_rest();
}

/// Deletes and makes topics anew, and answers the world five seconds later.
fn recreated(topics: &[Topic], attack_at: i64) -> World {
    let mut world = World::new(1, Plan::Nothing, five_then_one(attack_at, 60 * SECOND));
    world.run_to(5 * SECOND);
    for topic in topics {
        world.log.recreate(*topic);
    }
    world.watch.strict = false;
    world.run_to(6 * SECOND);
    assert!(holding(&world));
    world
}

#[test]
fn topics_made_anew_add_nothing_and_take_nothing_away_before_its_end() {
    for topics in [vec![Topic::Decisions, Topic::Leases], vec![Topic::Leases]] {
        let mut world = recreated(&topics, 7 * SECOND);
        assert_eq!(watch::waf(&world).len(), 5);
        run_without_additions(&mut world, 15 * SECOND);
        assert!(world.refuses(SQLI_V4) && world.refuses(TRAVERSAL_V4));
        assert_eq!(watch::waf(&world).len(), 5, "nothing is due yet");
        run_without_additions(&mut world, 20 * SECOND);
        assert!(!world.refuses(SQLI_V4), "expiry goes on");
        run_without_additions(&mut world, 25 * SECOND);
        assert_eq!(watch::waf(&world).len(), 0, "what was due went");
        assert!(holding(&world));
    }
}

#[test]
fn an_adoption_ends_the_hold_and_loses_no_active_block() {
    let mut world = recreated(&[Topic::Decisions, Topic::Leases], 8 * SECOND);
    world.run_to(10 * SECOND);
    // Nothing in the new topics names the epoch that is held, so the operator does.
    adopt(&mut world, &[EPOCH]);
    world.run_to(11 * SECOND);
    assert!(!holding(&world));
    assert!(world.refuses(SQLI_V4), "what was held stays");
    assert!(world.refuses(LOGINS_V4), "what was decided meanwhile came into force");
    world.run_to(14 * SECOND);
    assert_eq!(watch::waf(&world).len(), 6);
    let now = world.now();
    world.watch.resume(now);
    world.run();
    world.come_to_rest();
}
