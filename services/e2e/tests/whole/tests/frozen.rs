//! Replicas that are frozen by themselves, one or both, through deaths and takeovers: nothing comes and nothing goes
//! before its end.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ::executor::points::envoy::Answer;
use futures::executor::block_on;
use ipnet::IpNet;
use rand::Rng as _;
use schemas::{Millis, Observable};
use uuid::Uuid;

use super::{Repeat, attacked, rng, seeds};
use crate::faults::Plan;
use crate::scenario::{ATTACKERS, Kind, LONG, SQLI_V4, Scenario};
use crate::watch::{refusing, waf};
use crate::world::{SECOND, TICK_MS, World};

/// How far clocks may differ: after a restart a replica lets in what was decided so long after its file was placed.
const CLOCKS_MS: Millis = 5_000;
const ALL: [i32; 6] = [0, 1, 2, 3, 4, 5];

/// Whom each replica refused when it was last looked at, and by which decision.
#[derive(Default)]
struct Book(BTreeMap<(usize, IpAddr), Uuid>);

impl Book {
    fn check(&mut self, world: &World) {
        let claims = world.truth.view.leases().flat_map(|lease| &lease.claims);
        let decided: BTreeMap<Uuid, Millis> =
            claims.map(|claim| (claim.decision_id, claim.decided_at)).collect();
        for (replica, executor) in world.executors.iter().enumerate() {
            for (client, _) in ATTACKERS {
                let address: IpAddr = client.parse().unwrap();
                let Some(answer) = executor.answer(address) else { continue };
                let found = match answer {
                    Answer::Deny(id) => Some(id),
                    Answer::Pass(_) => None,
                };
                let before = self.0.remove(&(replica, address));
                self.0.extend(found.map(|id| ((replica, address), id)));
                if before.is_some() && before == refusing(world, address) {
                    assert_eq!(found, before, "{client} was let in by envoy/{replica}");
                }
                if let (Some(id), Some(frozen_at)) = (found, executor.frozen_at()) {
                    let early = decided.get(&id).is_none_or(|at| *at < frozen_at + CLOCKS_MS);
                    assert!(early, "{client} came at envoy/{replica}");
                }
            }
        }
    }
}

#[test]
fn frozen_and_thawed_in_any_order_a_replica_takes_nothing_and_brings_nothing_new() {
    for seed in seeds(20, 500) {
        let command = "cargo test -p e2e --test whole frozen_and_thawed";
        let _repeat = Repeat(format!("WHOLE_SEED={seed} {command}"));
        let mut rng = rng(seed);
        let mut world = attacked(seed, &mut rng);
        (world.watch.may_return, world.watch.strict) = (true, false);
        let mut book = Book::default();
        while world.at() < 30 * SECOND {
            let until = world.at() + rng.random_range(1..10) * TICK_MS;
            while world.at() < until {
                world.run_to(world.at() + TICK_MS);
                book.check(&world);
            }
            let replica = rng.random_range(0..2);
            match rng.random_range(0..6) {
                0 | 1 => world.executors[replica].freeze(true),
                2 => world.executors[replica].freeze(false),
                3 => world.restart(replica),
                _ => {}
            }
        }
        world.executors.iter_mut().for_each(|executor| executor.freeze(false));
        let now = world.now();
        world.watch.resume(now);
        world.come_to_rest();
    }
}

#[test]
fn of_two_replicas_one_is_frozen_and_keeps_what_the_other_adds() {
    let mut scenario = Scenario::quiet(25 * SECOND);
    scenario.policy = LONG;
    let (waiting, kind) = (ATTACKERS[2].0, Kind::Traversal);
    scenario.attack(500, SQLI_V4, Kind::SqlInjection);
    scenario.attack(2_000, waiting, kind);
    let mut world = World::new(1, Plan::Nothing, scenario.sorted());
    (world.watch.may_return, world.watch.strict) = (true, false);
    world.run_to(1_500);
    world.executors[0].freeze(true);
    world.run_to(6_000);
    assert_eq!(at_envoy(&world, SQLI_V4), [true, true], "decided before");
    assert_eq!(at_envoy(&world, waiting), [false, true], "decided after");
    assert!(!in_waf(&world, waiting), "the frozen one writes to the WAF");
    assert!(in_blocklist(&world, waiting), "both write to the blocklist");
    world.executors[0].give(vec![]);
    world.executors[1].give(ALL.to_vec());
    world.run_to(9_000);
    assert!(in_waf(&world, waiting), "the other one writes");
    world.executors[1].give(vec![]);
    world.executors[0].give(ALL.to_vec());
    world.run_to(12_000);
    assert!(in_waf(&world, waiting) && in_waf(&world, SQLI_V4), "the frozen one keeps it");
    world.restart(0);
    world.run_to(14_000);
    assert!(in_waf(&world, waiting) && in_blocklist(&world, waiting), "so it does, begun anew");
    assert_eq!(at_envoy(&world, SQLI_V4), [true, true]);
    world.executors[0].freeze(false);
    world.run_to(14_500);
    assert_eq!(at_envoy(&world, waiting), [true, true]);
    let now = world.now();
    world.watch.resume(now);
    world.run();
    world.come_to_rest();
}

fn at_envoy(world: &World, client: &str) -> [bool; 2] {
    [0, 1].map(|replica| {
        let answer = world.executors[replica].answer(client.parse().unwrap());
        matches!(answer, Some(Answer::Deny(_)))
    })
}

fn in_waf(world: &World, client: &str) -> bool {
    let network = client.parse::<Observable>().unwrap().network();
    waf(world).iter().any(|entry: &IpNet| entry.contains(&network))
}

fn in_blocklist(world: &World, client: &str) -> bool {
    let observable = client.parse().unwrap();
    block_on(world.blocklist.shown(&observable, world.now())).unwrap().is_some()
}
