//! What ended while nobody spoke for a point, and is told by whoever speaks for it next.

use blocklist::Blocklist;
use executor::logic::ip_set::Family;
use executor::logic::untold::Untold;
use executor::logic::waf::{Read, Sight as WafSight, WafLoop};
use executor::points::blocklist::{Mirror, Sight, pass};
use executor::points::{aws_waf, blocklist as mirror};
use executor::recall::untold;
use pipeline::Bus;
use schemas::{Action, Decision, Enforcement, Millis, Phase, Protected, Status};

use crate::acts::Looking;
use crate::common::{START, World, block, operator};

const SECOND: Millis = 1_000;
const HOUR: Millis = 3_600 * SECOND;
const ENVOY: &str = "envoy/1";
const LATE: &str = "nobody was there to tell when it ended";

/// What the log says is told in force at a point and told no end of.
fn read(world: &World, point: &str) -> Untold {
    let read_back = Bus::in_memory(world.log.clone()).read_back();
    let mut found = untold(&read_back, &[point.to_owned()], || false).unwrap();
    found.remove(point).unwrap()
}

/// Lets the point speak, and publishes what it says.
fn tell(world: &World, point: &mut Looking) -> Vec<Enforcement> {
    let acts = point.tell(world, usize::MAX);
    acts.iter().for_each(|act| {
        world.append(act);
    });
    acts
}

/// A point that begins anew, and has read what was told before.
fn begun(world: &World) -> Looking {
    let mut point = Looking::default();
    point.recall(read(world, ENVOY));
    point
}

#[track_caller]
fn check(acts: &[Enforcement], expected: &[(&Decision, Status, &str)]) {
    let mut said: Vec<_> =
        acts.iter().map(|act| (act.decision_id, act.status, act.reason.as_str())).collect();
    let mut expected: Vec<_> = expected
        .iter()
        .map(|(decision, status, reason)| (decision.decision_id, *status, *reason))
        .collect();
    said.sort_by_key(|(id, ..)| *id);
    expected.sort_by_key(|(id, ..)| *id);
    assert_eq!(said, expected);
}

#[tokio::test]
async fn what_ended_while_the_replica_was_away_is_told_once() {
    let mut world = World::new();
    let decision = block("81.2.69.142", START + 15 * SECOND);
    world.decide(&decision).await;
    check(&tell(&world, &mut Looking::default()), &[(&decision, Status::Applied, "")]);
    world.clock.advance(HOUR);
    check(&tell(&world, &mut Looking::default()), &[]);
    let mut point = begun(&world);
    let acts = tell(&world, &mut point);
    check(&acts, &[(&decision, Status::Lifted, LATE)]);
    let id = Enforcement::id(decision.decision_id, ENVOY, Phase::Lift, Status::Lifted);
    assert_eq!((acts[0].enforcement_id, acts[0].until), (id, decision.until));
    check(&tell(&world, &mut point), &[]);
    check(&tell(&world, &mut begun(&world)), &[]);
}

#[tokio::test]
async fn what_goes_on_and_what_just_ended_is_told_as_ever() {
    let mut world = World::new();
    let short = block("81.2.69.142", START + 15 * SECOND);
    let long = block("81.2.69.143", START + HOUR);
    world.decide(&short).await;
    world.decide(&long).await;
    tell(&world, &mut Looking::default());
    world.clock.advance(20 * SECOND);
    let mut point = begun(&world);
    let as_ever = [(&short, Status::Lifted, ""), (&long, Status::Applied, "")];
    check(&tell(&world, &mut point), &as_ever);
    world.clock.advance(HOUR);
    check(&tell(&world, &mut point), &[(&long, Status::Lifted, "")]);
    world.clock.advance(HOUR);
    check(&tell(&world, &mut point), &[]);
}

#[tokio::test]
async fn what_this_run_speaks_of_already_is_left_to_it() {
    let mut world = World::new();
    let decision = block("81.2.69.142", START + HOUR);
    world.decide(&decision).await;
    let mut point = Looking::default();
    tell(&world, &mut point);
    point.recall(read(&world, ENVOY));
    check(&tell(&world, &mut point), &[]);
    world.clock.advance(HOUR);
    check(&tell(&world, &mut point), &[(&decision, Status::Lifted, "")]);
}

#[tokio::test]
async fn what_was_replaced_meanwhile_is_told_to_be_superseded() {
    let mut world = World::new();
    let (old, new) = (block("81.2.69.142", START + HOUR), block("81.2.69.142", START + 2 * HOUR));
    world.decide(&old).await;
    tell(&world, &mut Looking::default());
    world.decide(&new).await;
    world.clock.advance(10 * 60 * SECOND);
    let replaced = "a newer decision took its place";
    let expected = [(&old, Status::Superseded, replaced), (&new, Status::Applied, "")];
    check(&tell(&world, &mut begun(&world)), &expected);
}

#[tokio::test]
async fn what_an_operator_ended_meanwhile_is_told_to_be_lifted() {
    let mut world = World::new();
    let decision = block("81.2.69.142", START + 2 * HOUR);
    world.decide(&decision).await;
    tell(&world, &mut Looking::default());
    world.clock.advance(SECOND);
    world.decide(&operator(Action::Allow, "81.2.69.142", START + 30 * SECOND)).await;
    world.clock.advance(HOUR);
    let acts = tell(&world, &mut begun(&world));
    check(&acts, &[(&decision, Status::Lifted, LATE)]);
    assert_eq!(acts[0].until, Some(START + SECOND), "its end is when the operator allowed it");
}

#[tokio::test]
async fn what_the_leases_do_not_know_is_not_told_before_its_own_end() {
    let mut world = World::new();
    let decision = block("81.2.69.142", START + HOUR);
    world.decide(&decision).await;
    tell(&world, &mut Looking::default());
    // A log of leases that lost its end: what another replica told of is not in it.
    let mut other = World::new();
    (other.log, other.clock) = (world.log.clone(), world.clock.clone());
    let mut point = begun(&other);
    check(&point.tell(&other, usize::MAX), &[]);
    other.clock.advance(HOUR);
    check(&point.tell(&other, usize::MAX), &[(&decision, Status::Lifted, LATE)]);
}

#[tokio::test]
async fn only_the_words_on_the_own_point_count_and_the_last_of_them() {
    let mut world = World::new();
    let decision = block("81.2.69.142", START + 15 * SECOND);
    world.decide(&decision).await;
    let acts = Looking::default().tell(&world, usize::MAX);
    world.append(&Enforcement { point: "envoy/0".to_owned(), ..acts[0].clone() });
    world.append(&Enforcement { status: Status::Refused, ..acts[0].clone() });
    world.clock.advance(HOUR);
    check(&begun(&world).tell(&world, usize::MAX), &[]);
    let failed = Enforcement { status: Status::Failed, ..acts[0].clone() };
    world.append(&failed);
    check(&begun(&world).tell(&world, usize::MAX), &[(&decision, Status::Lifted, LATE)]);
    world.append(&Enforcement { phase: Phase::Lift, status: Status::Superseded, ..failed });
    check(&begun(&world).tell(&world, usize::MAX), &[]);
}

#[tokio::test]
async fn what_did_not_fit_is_told_a_moment_later() {
    let mut world = World::new();
    for address in ["81.2.69.142", "81.2.69.143", "81.2.69.144"] {
        world.decide(&block(address, START + 15 * SECOND)).await;
    }
    tell(&world, &mut Looking::default());
    world.clock.advance(HOUR);
    let mut point = begun(&world);
    let mut told = 0;
    for expected in [1, 2, 3, 3] {
        told += point.tell(&world, 1).len();
        assert_eq!(told, expected);
        world.clock.advance(SECOND);
    }
}

#[tokio::test]
async fn a_new_owner_tells_what_ended_in_the_blocklist() {
    let (mut world, redis) = (World::new(), Blocklist::in_memory());
    let decision = block("81.2.69.142", START + 15 * SECOND);
    world.decide(&decision).await;
    let mut before = Mirror::new("before");
    let acts = settled(&world, &mut before, &redis).await;
    check(&acts, &[(&decision, Status::Applied, "")]);
    world.append(&acts[0]);
    world.clock.advance(HOUR);
    let mut owner = Mirror::new("owner");
    check(&settled(&world, &mut owner, &redis).await, &[]);
    owner.recall(read(&world, mirror::POINT));
    check(&settled(&world, &mut owner, &redis).await, &[(&decision, Status::Lifted, LATE)]);
    check(&settled(&world, &mut owner, &redis).await, &[]);
}

async fn settled(world: &World, mirror: &mut Mirror, redis: &Blocklist) -> Vec<Enforcement> {
    let now = world.clock.now();
    let sight = world.leases.read(|reader| {
        let sight = Sight::of(reader.view(), Some(true), &Protected::special(), now);
        mirror.with_missed(sight, reader.view(), now)
    });
    pass(mirror, &sight, redis, "0", true, now).await.unwrap();
    mirror.settle(&sight, now, usize::MAX)
}

#[tokio::test]
async fn what_the_waf_still_holds_is_told_to_be_lifted_once_it_does_not() {
    let mut world = World::new();
    let decision = block("81.2.69.142", START + 15 * SECOND);
    world.decide(&decision).await;
    let mut acts = Looking::default().tell(&world, usize::MAX);
    acts[0].point = aws_waf::POINT.to_owned();
    world.append(&acts[0]);
    world.clock.advance(HOUR);
    let mut waf = WafLoop::new(aws_waf::POINT);
    waf.recall(read(&world, aws_waf::POINT));
    let now = world.clock.now();
    let mut settle = |standing: &[&str]| {
        for (family, addresses) in [(Family::V4, standing), (Family::V6, &[][..])] {
            let addresses = addresses.iter().map(ToString::to_string).collect();
            let read = Read { addresses, description: String::new(), lock_token: String::new() };
            waf.read(family, Ok(read), now, 0.5);
        }
        let sight = world.leases.read(|reader| {
            let sight = WafSight::of(reader.view(), true, &Protected::special(), Some(1), now);
            waf.with_missed(sight, reader.view(), now)
        });
        waf.settle(&sight, now, usize::MAX)
    };
    check(&settle(&["81.2.69.142/32"]), &[]);
    check(&settle(&[]), &[(&decision, Status::Lifted, LATE)]);
    check(&settle(&[]), &[]);
}
