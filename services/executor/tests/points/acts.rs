//! What the Envoy point says about decisions.

use executor::logic::envoy::EnvoyPoint;
use executor::logic::untold::Untold;
use executor::points::envoy::{Answer, answer};
use pipeline::Seen;
use proptest::prelude::*;
use schemas::{Action, Enforcement, Protected, Status};

use crate::common::{START, World, block, operator};

const SECOND: i64 = 1_000;

/// A point that looks at what changed, as the service's does.
pub(crate) struct Looking {
    point: EnvoyPoint,
    seen: Seen,
}

impl Default for Looking {
    fn default() -> Self {
        Looking { point: EnvoyPoint::new(1, Protected::special()), seen: Seen::default() }
    }
}

impl Looking {
    pub(crate) fn recall(&mut self, untold: Untold) {
        self.point.recall(untold);
    }

    /// What the point says at the world's time.
    pub(crate) fn tell(&mut self, world: &World, room: usize) -> Vec<Enforcement> {
        let now = world.clock.now();
        let pass = world.leases.read_since(&mut self.seen, |reader, changed| {
            self.point.look(reader.view(), changed, now)
        });
        self.point.settle(&pass, now, room)
    }
}

/// Lets the point speak and compares what it says.
#[track_caller]
fn check(world: &World, point: &mut Looking, expected: &[(&str, Status)]) -> Vec<Enforcement> {
    let acts = point.tell(world, usize::MAX);
    let mut said: Vec<(String, Status)> =
        acts.iter().map(|act| (act.observable.to_string(), act.status)).collect();
    said.sort_by_key(|(observable, status)| (observable.clone(), format!("{status:?}")));
    let expected: Vec<(String, Status)> =
        expected.iter().map(|(observable, status)| ((*observable).to_owned(), *status)).collect();
    assert_eq!(said, expected);
    acts
}

fn point() -> Looking {
    Looking::default()
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
async fn an_allow_around_a_block_supersedes_it_and_gives_back_when_it_ends() {
    let (mut world, mut point) = (World::new(), point());
    world.decide(&block("81.2.69.142", START + 60 * SECOND)).await;
    check(&world, &mut point, &[("81.2.69.142", Status::Applied)]);
    world.decide(&operator(Action::Allow, "81.2.69.0/24", START + 30 * SECOND)).await;
    check(
        &world,
        &mut point,
        &[("81.2.69.0/24", Status::Applied), ("81.2.69.142", Status::Superseded)],
    );
    world.clock.advance(30 * SECOND);
    check(
        &world,
        &mut point,
        &[("81.2.69.0/24", Status::Lifted), ("81.2.69.142", Status::Applied)],
    );
}

#[tokio::test]
async fn an_allow_of_the_very_address_lifts_its_block_for_good() {
    let (mut world, mut point) = (World::new(), point());
    world.decide(&block("81.2.69.142", START + 60 * SECOND)).await;
    check(&world, &mut point, &[("81.2.69.142", Status::Applied)]);
    world.clock.advance(SECOND);
    world.decide(&operator(Action::Allow, "81.2.69.142", START + 30 * SECOND)).await;
    check(&world, &mut point, &[("81.2.69.142", Status::Applied), ("81.2.69.142", Status::Lifted)]);
    world.clock.advance(29 * SECOND);
    check(&world, &mut point, &[("81.2.69.142", Status::Lifted)]);
    assert!(!world.blocks("81.2.69.142"));
}

#[tokio::test]
async fn a_block_that_comes_just_after_an_allow_of_its_address_is_never_put_in_force() {
    let (mut world, mut point) = (World::new(), point());
    world.decide(&operator(Action::Allow, "81.2.69.142", START + 30 * SECOND)).await;
    world.clock.advance(SECOND);
    world.decide(&block("81.2.69.142", START + 60 * SECOND)).await;
    check(&world, &mut point, &[("81.2.69.142", Status::Applied), ("81.2.69.142", Status::Lifted)]);
    world.clock.advance(29 * SECOND);
    check(&world, &mut point, &[("81.2.69.142", Status::Lifted)]);
    assert!(!world.blocks("81.2.69.142"));
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
async fn what_does_not_fit_is_told_a_moment_later() {
    let (mut world, mut point) = (World::new(), point());
    world.decide(&block("81.2.69.142", START + 60 * SECOND)).await;
    world.decide(&block("81.2.69.143", START + 60 * SECOND)).await;
    let mut told = Vec::new();
    for _ in 0..3 {
        told.extend(point.tell(&world, 1));
        world.clock.advance(SECOND / 10);
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

/// What happens between two looks.
#[derive(Debug, Clone)]
enum Step {
    Block(&'static str, i64),
    Operator(Action, &'static str, i64),
    Freeze(bool),
    Wait(i64),
}

fn step() -> impl Strategy<Value = Step> {
    let observable = || {
        prop::sample::select(vec![
            "81.2.69.142",
            "81.2.69.143",
            "81.2.69.0/24",
            "2a00:1450:0:5::/64",
            "2a00:1450:0:5::7/128",
        ])
    };
    let ends = 1..20_i64;
    prop_oneof![
        4 => (observable(), ends.clone()).prop_map(|(observable, ends)| Step::Block(observable, ends)),
        2 => (observable(), ends, any::<bool>()).prop_map(|(observable, ends, allow)| {
            Step::Operator(if allow { Action::Allow } else { Action::Block }, observable, ends)
        }),
        1 => any::<bool>().prop_map(Step::Freeze),
        4 => (1..3_000_i64).prop_map(Step::Wait),
    ]
}

async fn take(world: &mut World, step: Step) {
    let now = world.clock.now();
    match step {
        Step::Block(observable, ends) => {
            world.decide(&block(observable, now + ends * SECOND)).await
        }
        Step::Operator(action, observable, ends) => {
            world.decide(&operator(action, observable, now + ends * SECOND)).await;
        }
        Step::Freeze(frozen) => world.freeze(frozen),
        Step::Wait(ms) => world.clock.advance(ms),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn looking_at_what_changed_tells_what_looking_at_everything_does(
        steps in prop::collection::vec(step(), 1..40),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (mut world, mut point) = (World::new(), point());
        let mut whole = EnvoyPoint::new(1, Protected::special());
        for step in steps {
            runtime.block_on(take(&mut world, step.clone()));
            let now = world.clock.now();
            let pass = world.leases.read(|reader| whole.look(reader.view(), None, now));
            let sorted = |mut acts: Vec<Enforcement>| {
                acts.sort_by_key(|act| act.enforcement_id);
                acts
            };
            let expected = sorted(whole.settle(&pass, now, usize::MAX));
            prop_assert_eq!(sorted(point.tell(&world, usize::MAX)), expected, "after {:?}", step);
        }
    }
}
