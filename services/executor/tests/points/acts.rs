//! What the Envoy point says about decisions.

use executor::points::envoy::{Answer, EnvoyPoint, answer};
use schemas::{Action, Enforcement, Protected, Status};

use crate::common::{START, World, block, operator};

const SECOND: i64 = 1_000;

/// Applies the point at the world's time and compares what it says.
#[track_caller]
fn check(world: &World, point: &mut EnvoyPoint, expected: &[(&str, Status)]) -> Vec<Enforcement> {
    let now = world.clock.now();
    let acts = world.leases.read(|reader| point.apply(reader.view(), now, usize::MAX));
    let mut said: Vec<(String, Status)> =
        acts.iter().map(|act| (act.observable.to_string(), act.status)).collect();
    said.sort_by_key(|(observable, status)| (observable.clone(), format!("{status:?}")));
    let expected: Vec<(String, Status)> =
        expected.iter().map(|(observable, status)| ((*observable).to_owned(), *status)).collect();
    assert_eq!(said, expected);
    acts
}

fn point() -> EnvoyPoint {
    EnvoyPoint::new(1, Protected::special())
}

#[tokio::test]
async fn a_block_is_applied_once_and_lifted_at_its_end() {
    let (mut world, mut point) = (World::new(), point());
    world.decide(&block("81.2.69.142", START + 15 * SECOND)).await;
    let acts = check(&world, &mut point, &[("81.2.69.142", Status::Applied)]);
    assert_eq!(acts[0].point, "envoy/1");
    check(&world, &mut point, &[]);
    world.clock.advance(15 * SECOND);
    check(&world, &mut point, &[("81.2.69.142", Status::Lifted)]);
    world.clock.advance(90 * SECOND);
    check(&world, &mut point, &[]);
}

#[tokio::test]
async fn a_restart_tells_again_what_is_recent_under_the_same_ids() {
    let (mut world, mut first) = (World::new(), point());
    world.decide(&block("81.2.69.142", START + 15 * SECOND)).await;
    world.decide(&block("81.2.69.143", START + 100 * SECOND)).await;
    let told = check(
        &world,
        &mut first,
        &[("81.2.69.142", Status::Applied), ("81.2.69.143", Status::Applied)],
    );
    let again = check(
        &world,
        &mut point(),
        &[("81.2.69.142", Status::Applied), ("81.2.69.143", Status::Applied)],
    );
    let ids = |acts: &[Enforcement]| {
        let mut ids: Vec<_> = acts.iter().map(|act| act.enforcement_id).collect();
        ids.sort();
        ids
    };
    assert_eq!(ids(&told), ids(&again));
    world.clock.advance(15 * SECOND + 59_999);
    check(
        &world,
        &mut point(),
        &[("81.2.69.142", Status::Lifted), ("81.2.69.143", Status::Applied)],
    );
    world.clock.advance(1);
    check(&world, &mut point(), &[("81.2.69.143", Status::Applied)]);
}

#[tokio::test]
async fn an_operators_allow_supersedes_and_gives_back_when_it_ends() {
    let (mut world, mut point) = (World::new(), point());
    world.decide(&block("81.2.69.142", START + 60 * SECOND)).await;
    check(&world, &mut point, &[("81.2.69.142", Status::Applied)]);
    world.decide(&operator(Action::Allow, "81.2.69.142", START + 30 * SECOND)).await;
    check(
        &world,
        &mut point,
        &[("81.2.69.142", Status::Applied), ("81.2.69.142", Status::Superseded)],
    );
    world.clock.advance(30 * SECOND);
    check(&world, &mut point, &[("81.2.69.142", Status::Applied), ("81.2.69.142", Status::Lifted)]);
}

#[tokio::test]
async fn a_renewal_supersedes_the_older_decision() {
    let (mut world, mut point) = (World::new(), point());
    world.decide(&block("81.2.69.142", START + 15 * SECOND)).await;
    check(&world, &mut point, &[("81.2.69.142", Status::Applied)]);
    world.decide(&block("81.2.69.142", START + 30 * SECOND)).await;
    check(
        &world,
        &mut point,
        &[("81.2.69.142", Status::Applied), ("81.2.69.142", Status::Superseded)],
    );
    check(&world, &mut point, &[]);
}

#[tokio::test]
async fn what_is_held_back_by_a_freeze_is_applied_when_thawed() {
    let (mut world, mut point) = (World::new(), point());
    world.freeze(true);
    world.decide(&block("81.2.69.142", START + 60 * SECOND)).await;
    check(&world, &mut point, &[]);
    world.clock.advance(SECOND);
    world.freeze(false);
    check(&world, &mut point, &[("81.2.69.142", Status::Applied)]);
}

#[tokio::test]
async fn what_does_not_fit_is_told_at_the_next_call() {
    let (mut world, mut point) = (World::new(), point());
    world.decide(&block("81.2.69.142", START + 60 * SECOND)).await;
    world.decide(&block("81.2.69.143", START + 60 * SECOND)).await;
    let now = world.clock.now();
    let mut told = Vec::new();
    for _ in 0..3 {
        told.extend(world.leases.read(|reader| point.apply(reader.view(), now, 1)));
    }
    assert_eq!(told.len(), 2);
}

#[tokio::test]
async fn envoy_is_answered_from_the_leases_and_the_clock() {
    let mut world = World::new();
    let decision = block("81.2.69.142", START + 15 * SECOND);
    let allow = operator(Action::Allow, "2a00:1450:0:5::1", START + 15 * SECOND);
    world.decide(&decision).await;
    world.decide(&allow).await;
    let ask = |client: &str| {
        let now = world.clock.now();
        let client = client.parse().unwrap();
        world.leases.read(|reader| answer(reader.view(), &Protected::special(), client, now))
    };
    assert_eq!(ask("81.2.69.142"), Answer::Deny(decision.decision_id));
    assert_eq!(ask("::ffff:81.2.69.142"), Answer::Deny(decision.decision_id));
    assert_eq!(ask("81.2.69.143"), Answer::Pass(None));
    assert_eq!(ask("2a00:1450:0:5::77"), Answer::Pass(Some(allow.decision_id)));
    world.clock.advance(15 * SECOND);
    assert_eq!(ask("81.2.69.142"), Answer::Pass(None));
}
