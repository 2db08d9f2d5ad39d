//! Freeze and thaw in any order, with overrides that are asked for again under the same key.

use std::collections::BTreeMap;

use ::decider::logic::overrides::{Asked, Wish};
use proto::v1::ControlRequest;
use rand::Rng as _;
use rand::seq::IndexedRandom as _;
use rand_chacha::ChaCha8Rng;
use schemas::{Action, Millis, Origin};
use uuid::Uuid;

use super::{Repeat, attacked, rng, seeds};
use crate::faults::Plan;
use crate::records;
use crate::scenario::{ATTACKERS, Kind, SQLI_V4, Scenario};
use crate::watch::refusing;
use crate::world::{SECOND, World};

const ADA: &str = "spiffe://perimeter/operator/ada";

/// What an operator asked for, to be asked for again.
#[derive(Debug, Clone)]
struct Request {
    key: String,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    Override { wish: Wish, observable: &'static str, duration_ms: Millis },
    Control { frozen: bool },
}

/// Asks the decider as the gRPC call does. The twin acknowledges at once, so no timer ever runs.
fn ask(world: &mut World, request: &Request) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let overrides = &world.decider.overrides;
    match &request.what {
        What::Override { wish, observable, duration_ms } => {
            let asked = Asked {
                wish: *wish,
                observable,
                duration_ms: *duration_ms,
                reason: "a test",
                idempotency_key: &request.key,
                operator: ADA,
                admin: true,
            };
            runtime.block_on(overrides.decide(&asked)).unwrap();
        }
        What::Control { frozen } => {
            let asked = ControlRequest {
                reason: "a test".to_owned(),
                idempotency_key: request.key.clone(),
            };
            runtime.block_on(overrides.control(&asked, *frozen, ADA)).unwrap();
        }
    }
    world.settle();
}

fn request(rng: &mut ChaCha8Rng) -> Request {
    let (client, _) = ATTACKERS.choose(rng).expect("there are attackers");
    let duration_ms = rng.random_range(2..12) * SECOND;
    let what = match rng.random_range(0..6) {
        0 | 1 => What::Control { frozen: true },
        2 | 3 => What::Control { frozen: false },
        4 => What::Override { wish: Wish::Block, observable: client, duration_ms },
        _ => What::Override { wish: Wish::Allow, observable: client, duration_ms },
    };
    Request { key: Uuid::from_u128(rng.random()).to_string(), what }
}

/// Our own book of the freeze: since when it stands.
#[derive(Default)]
struct Book {
    frozen_since: Option<Millis>,
}

impl Book {
    fn note(&mut self, request: &Request, now: Millis) {
        if let What::Control { frozen } = request.what {
            self.frozen_since = frozen.then(|| self.frozen_since.unwrap_or(now));
        }
    }

    /// A frozen automatic claim refuses nobody; a claim of an operator does as it says.
    fn check(&self, world: &World) {
        let appended: BTreeMap<Uuid, Millis> = world
            .truth
            .view
            .leases()
            .flat_map(|lease| &lease.claims)
            .map(|claim| (claim.decision_id, claim.decided_at))
            .collect();
        for (client, _) in ATTACKERS {
            let address: std::net::IpAddr = client.parse().unwrap();
            let refused_by = refusing(world, address);
            let observable = schemas::Observable::client(address);
            let Some(lease) = world.truth.view.lease(&observable) else { continue };
            let operator = lease.claim(Origin::Operator).filter(|own| world.now() < own.until);
            match operator {
                Some(claim) if claim.action == Action::Allow => assert_eq!(refused_by, None),
                Some(claim) => assert_eq!(refused_by, Some(claim.decision_id)),
                None => {
                    let decided_at = refused_by.and_then(|id| appended.get(&id).copied());
                    let held_back = self.frozen_since.zip(decided_at);
                    let early = held_back.is_none_or(|(since, decided_at)| decided_at < since);
                    assert!(early, "{client} is refused by a frozen claim");
                }
            }
        }
    }
}

#[test]
fn freezes_thaws_and_repeated_overrides_in_any_order() {
    for seed in seeds(30, 1_000) {
        let command = "cargo test -p e2e --test whole freezes_thaws";
        let _repeat = Repeat(format!("WHOLE_SEED={seed} {command}"));
        let mut rng = rng(seed);
        let mut world = attacked(seed, &mut rng);
        world.watch.may_return = true;
        let (mut told, mut book) = (Vec::<Request>::new(), Book::default());
        while world.at() < 30 * SECOND {
            let until = world.at() + rng.random_range(1..10) * 100;
            world.run_to(until);
            book.check(&world);
            if rng.random_bool(0.4)
                && let Some(again) = told.choose(&mut rng).cloned()
            {
                ask(&mut world, &again);
                continue;
            }
            let request = request(&mut rng);
            book.note(&request, world.now());
            ask(&mut world, &request);
            told.push(request);
        }
        once_each(&world, &told);
        world.come_to_rest_frozen(book.frozen_since.is_some());
    }
}

/// Every key stands in the log once, however often it was asked for.
fn once_each(world: &World, told: &[Request]) {
    let mut expected: Vec<String> = told.iter().map(|request| request.key.clone()).collect();
    let operators = records::decisions(&world.log).into_iter();
    let operators = operators.filter(|decision| decision.origin == Origin::Operator);
    let mut found: Vec<String> =
        operators.map(|decision| decision.decision_id.to_string()).collect();
    found
        .extend(records::controls(&world.log).iter().map(|control| control.control_id.to_string()));
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
}

#[test]
fn a_freeze_keeps_what_stands_and_a_thaw_lets_in_what_waited() {
    let control = |frozen| Request {
        key: Uuid::from_u128(1 + u128::from(frozen)).to_string(),
        what: What::Control { frozen },
    };
    let mut scenario = Scenario::quiet(20 * SECOND);
    scenario.attack(500, SQLI_V4, Kind::SqlInjection);
    let waiting = ATTACKERS[2].0;
    scenario.attack(2_000, waiting, Kind::Traversal);
    let mut world = World::new(1, Plan::Nothing, scenario.sorted());
    world.watch.may_return = true;
    world.run_to(1_500);
    ask(&mut world, &control(true));
    world.run_to(4_000);
    assert!(world.refuses(SQLI_V4), "decided before the freeze");
    assert!(!world.refuses(waiting), "decided after it");
    ask(&mut world, &control(true));
    ask(&mut world, &control(false));
    world.run_to(5_000);
    assert!(world.refuses(waiting), "thawed before its end");
    world.run();
    let frozen: Vec<bool> = records::decisions(&world.log).iter().map(|own| own.frozen).collect();
    assert_eq!(frozen.iter().filter(|frozen| **frozen).count(), 1);
    world.come_to_rest();
}
