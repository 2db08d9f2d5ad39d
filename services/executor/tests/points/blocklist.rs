//! What is shown in Redis, against the twin in memory.

use blocklist::Blocklist;
use executor::points::blocklist::{Mirror, Sight, pass};
use schemas::{Action, Observable, Protected};

use crate::common::{START, World, block, feed, operator};

const SECOND: i64 = 1_000;

fn sight(world: &World) -> Sight {
    world.leases.read(|reader| {
        let may_add = reader.complete().then(|| reader.hold().is_none());
        Sight::of(reader.view(), may_add, &Protected::special(), world.clock.now())
    })
}

async fn turn(world: &World, mirror: &mut Mirror, blocklist: &Blocklist, writer: &str) {
    pass(mirror, &sight(world), blocklist, writer, true, world.clock.now()).await.unwrap();
}

#[track_caller]
fn shows(found: Option<blocklist::Shown>, action: Option<Action>) {
    assert_eq!(found.map(|shown| shown.action), action);
}

#[tokio::test]
async fn leases_in_force_are_shown_and_hidden_when_they_end() {
    let (mut world, redis, mut mirror) = (World::new(), Blocklist::in_memory(), Mirror::new("a"));
    let observable: Observable = "81.2.69.142".parse().unwrap();
    world.decide(&block("81.2.69.142", START + 60 * SECOND)).await;
    turn(&world, &mut mirror, &redis, "0").await;
    shows(redis.shown(&observable, world.clock.now()).await.unwrap(), Some(Action::Block));
    world.decide(&operator(Action::Allow, "81.2.69.142", START + 30 * SECOND)).await;
    turn(&world, &mut mirror, &redis, "0").await;
    shows(redis.shown(&observable, world.clock.now()).await.unwrap(), Some(Action::Allow));
    // What was decided beside an operator's claim, and is not ended by it, is shown when that ends.
    world.decide(&feed("81.2.69.142", START + 61 * SECOND)).await;
    world.clock.advance(30 * SECOND);
    turn(&world, &mut mirror, &redis, "0").await;
    shows(redis.shown(&observable, world.clock.now()).await.unwrap(), Some(Action::Block));
    world.clock.advance(31 * SECOND);
    turn(&world, &mut mirror, &redis, "0").await;
    shows(redis.shown(&observable, world.clock.now()).await.unwrap(), None);
    assert!(mirror.changes(&sight(&world), world.clock.now()).is_empty());
}

#[tokio::test]
async fn a_broken_seal_has_everything_written_again_and_a_whole_one_nothing() {
    let (mut world, redis, mut mirror) = (World::new(), Blocklist::in_memory(), Mirror::new("a"));
    for host in 0..1_200 {
        world.append(&block(&format!("81.2.{}.{}", host / 250, host % 250), START + 60 * SECOND));
    }
    world.fold().await;
    turn(&world, &mut mirror, &redis, "0").await;
    let seal = redis.seal("0").await.unwrap();
    turn(&world, &mut mirror, &redis, "0").await;
    assert_eq!(redis.seal("0").await.unwrap(), seal, "nothing to write");
    redis.flush().await.unwrap();
    turn(&world, &mut mirror, &redis, "0").await;
    let last: Observable = "81.2.4.199".parse().unwrap();
    shows(redis.shown(&last, world.clock.now()).await.unwrap(), Some(Action::Block));
    assert_ne!(redis.seal("0").await.unwrap(), seal);
}

#[tokio::test]
async fn what_was_lost_before_a_new_write_is_met_by_that_write() {
    let (mut world, redis, mut mirror) = (World::new(), Blocklist::in_memory(), Mirror::new("a"));
    world.decide(&block("81.2.69.142", START + 60 * SECOND)).await;
    turn(&world, &mut mirror, &redis, "0").await;
    redis.flush().await.unwrap();
    world.decide(&block("81.2.69.143", START + 60 * SECOND)).await;
    let now = world.clock.now();
    // Not yet time to compare seals: only the new block is on its way.
    pass(&mut mirror, &sight(&world), &redis, "0", false, now).await.unwrap();
    for address in ["81.2.69.142", "81.2.69.143"] {
        let observable: Observable = address.parse().unwrap();
        shows(redis.shown(&observable, now).await.unwrap(), Some(Action::Block));
    }
}

#[tokio::test]
async fn a_replica_that_has_not_read_or_is_behind_changes_nothing() {
    let (mut world, redis) = (World::new(), Blocklist::in_memory());
    let observable: Observable = "81.2.69.142".parse().unwrap();
    world.decide(&block("81.2.69.142", START + 20 * SECOND)).await;
    let behind = sight(&world);
    world.decide(&block("81.2.69.142", START + 60 * SECOND)).await;
    turn(&world, &mut Mirror::new("a"), &redis, "0").await;
    pass(&mut Mirror::new("b"), &behind, &redis, "1", true, world.clock.now()).await.unwrap();
    let shown = redis.shown(&observable, world.clock.now()).await.unwrap().unwrap();
    assert_eq!(shown.until, START + 60 * SECOND);
    let unread = World::unread();
    turn(&unread, &mut Mirror::new("c"), &redis, "2").await;
    assert_eq!(redis.seal("2").await.unwrap(), None);
}
