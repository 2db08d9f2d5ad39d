//! The fold as a stage, on the log in memory.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::pin::pin;
use std::time::Duration;

use common::{EPOCH, START, World, block, operator};
use executor::Restored;
use executor::ownership::partition_of;
use executor::stage::Restoring;
use executor::view::{Repairs, epoch_due, repair, serving};
use schemas::reader::Mark;
use schemas::{
    Action, Epoch, Generation, Lease, LeaseEntry, Mode, Observable, Position, Reader, Record,
    Status, Topic,
};

const MINUTE: i64 = 60_000;

fn leases(world: &World) -> Vec<Lease> {
    let messages = world.log.messages(Topic::Leases.name());
    let entries =
        messages.iter().map(|(_, _, message)| LeaseEntry::decode(&message.payload).unwrap());
    entries
        .filter_map(|entry| match entry {
            LeaseEntry::Lease(lease) => Some(lease),
            LeaseEntry::Epoch(_) => None,
        })
        .collect()
}

#[tokio::test]
async fn a_decision_becomes_a_lease_and_is_committed() {
    let mut world = World::new();
    let (partition, offset) = world.append(&block("81.2.69.142", START + MINUTE));
    world.fold().await;
    assert!(world.blocks("81.2.69.142"));
    assert_eq!(leases(&world)[0].generation, Generation { epoch: EPOCH, offset });
    assert_eq!(world.log.committed("executor", Topic::Decisions, partition), offset + 1);
    world.clock.advance(MINUTE);
    assert!(!world.blocks("81.2.69.142"), "an ended claim is absent");
}

#[tokio::test]
async fn what_was_folded_before_a_crash_changes_nothing_when_it_comes_again() {
    let mut world = World::new();
    for seconds in 1..=20 {
        world.append(&block("81.2.69.142", START + seconds * 1_000));
    }
    world.fold().await;
    let before = leases(&world);
    assert_eq!(before.len(), 20, "later decisions of one batch see the leases of the earlier ones");
    for partition in 0..Topic::Decisions.partitions() {
        world.log.commit("executor", Topic::Decisions, partition, 0);
    }
    world.fold().await;
    assert_eq!(leases(&world), before);
}

#[tokio::test]
async fn without_an_epoch_the_fold_holds_and_publishes_nothing() {
    let mut world = World::unread();
    let (partition, _) = world.append(&block("81.2.69.142", START + MINUTE));
    let mut worker = world.worker(partition);
    assert!(world.work(&mut worker).await, "not read");
    world.follow();
    assert!(world.work(&mut worker).await, "no epoch");
    assert_eq!(leases(&world), []);
    assert_eq!(world.log.committed("executor", Topic::Decisions, partition), 0);

    world.append(&LeaseEntry::Epoch(Epoch { epoch: EPOCH, replaces: Vec::new() }));
    world.follow();
    assert!(!world.work(&mut worker).await);
    world.follow();
    assert!(world.blocks("81.2.69.142"), "nothing was lost by holding");
}

#[tokio::test]
async fn another_epoch_holds_until_it_is_adopted() {
    let mut world = World::new();
    let end = START + 10 * MINUTE;
    world.decide(&block("81.2.69.142", end)).await;
    let held = leases(&world)[0].clone();
    let (partition, _) = world.append(&block("81.2.69.143", end));
    let mut worker = world.worker(partition);

    world.append(&LeaseEntry::Epoch(Epoch { epoch: EPOCH + 5, replaces: Vec::new() }));
    world.follow();
    assert!(world.work(&mut worker).await);
    assert!(world.blocks("81.2.69.142"), "what is held stays");

    let adopted = Generation { epoch: EPOCH + 6, ..held.generation };
    world.append(&LeaseEntry::Lease(Lease { generation: adopted, ..held }));
    world.append(&LeaseEntry::Epoch(Epoch { epoch: EPOCH + 6, replaces: vec![EPOCH, EPOCH + 5] }));
    world.follow();
    assert!(!world.work(&mut worker).await);
    world.follow();
    assert!(world.blocks("81.2.69.142") && world.blocks("81.2.69.143"));
    assert_eq!(leases(&world).last().unwrap().generation.epoch, EPOCH + 6);
}

#[tokio::test]
async fn nothing_is_folded_before_what_an_ip_set_was_written_from_is_read_or_known_to_be_lost() {
    let mut world = World::new();
    let (partition, _) = world.append(&block("81.2.69.142", START + 10 * MINUTE));
    let mut worker = world.worker(partition);
    let mark = Mark { epoch: EPOCH, position: Position { leases: 4, controls: 0 } };
    world.leases.may_write(Some(mark), world.clock.now());
    for _ in 0..20 {
        assert!(world.work(&mut worker).await, "somebody had read three leases more");
        world.clock.advance(500);
        world.follow();
    }
    assert_eq!(leases(&world), []);
    let hold = world.leases.read(Reader::hold).map(|hold| hold.to_string()).unwrap_or_default();
    assert!(hold.contains("end at 1/0, below 4/0"), "it does not wait for ever unseen: {hold}");
    // The broker was cut off, and nothing was lost.
    for offset in 1..=3 {
        let observable: Observable = format!("81.2.70.{offset}").parse().unwrap();
        let generation = Generation { epoch: EPOCH, offset };
        let lease = Lease { generation, ..Lease::empty(observable, EPOCH) };
        world.append(&LeaseEntry::Lease(lease));
    }
    world.follow();
    assert!(!world.work(&mut worker).await);
    world.follow();
    assert!(world.blocks("81.2.69.142"), "nothing was lost by holding");
}

#[tokio::test]
async fn an_ip_set_that_nobody_wrote_or_from_other_topics_keeps_no_decision_waiting() {
    for mark in [
        None,
        Some(Mark { epoch: EPOCH, position: Position { leases: 1, controls: 0 } }),
        Some(Mark { epoch: EPOCH - 1, position: Position { leases: 900, controls: 0 } }),
    ] {
        let mut world = World::new();
        world.append(&LeaseEntry::Epoch(Epoch { epoch: EPOCH, replaces: vec![EPOCH - 1] }));
        world.follow();
        world.leases.may_write(mark, world.clock.now());
        world.decide(&block("81.2.69.142", START + MINUTE)).await;
        assert!(world.blocks("81.2.69.142"), "{mark:?}");
    }
}

#[tokio::test]
async fn what_may_never_be_blocked_is_refused_with_the_reason() {
    let end = START + MINUTE;
    for network in [
        "192.168.1.0/24",
        "127.0.0.1",
        "::ffff:10.0.0.1",
        "0.0.0.0/0",
        "::/0",
        "8.0.0.0/8",
        "203.0.113.42",
        "81.2.69.0/24",
    ] {
        let mut world = World::new();
        world.decide(&block(network, end)).await;
        let acts = world.enforcements();
        assert_eq!(acts.len(), 1, "{network}");
        assert_eq!((acts[0].status, acts[0].point.as_str()), (Status::Refused, "executor"));
        assert!(!acts[0].reason.is_empty());
        assert_eq!(leases(&world), [], "{network}");
    }
}

#[tokio::test]
async fn a_simulated_decision_changes_no_lease() {
    let mut world = World::new();
    world
        .decide(&schemas::Decision {
            mode: Mode::Simulated,
            ..block("81.2.69.142", START + MINUTE)
        })
        .await;
    assert_eq!((leases(&world).len(), world.enforcements().len()), (0, 0));
}

#[tokio::test]
async fn an_operators_allow_ends_a_block_at_once() {
    let mut world = World::new();
    world.decide(&block("81.2.69.142", START + MINUTE)).await;
    world.decide(&operator(Action::Allow, "81.2.69.142", START + MINUTE)).await;
    assert!(!world.blocks("81.2.69.142"));
}

#[tokio::test]
async fn an_undecodable_decision_is_a_dead_letter_and_the_rest_goes_on() {
    let mut world = World::new();
    let (partition, _) = world.append(&block("81.2.69.142", START + MINUTE));
    let mut poison = pipeline::Message::of(&block("81.2.69.142", START + MINUTE)).unwrap();
    poison.payload.truncate(20);
    world.log.append(poison);
    world.fold().await;
    assert_eq!(world.log.messages("decisions.dlq").len(), 1);
    assert_eq!(world.log.committed("executor", Topic::Decisions, partition), 2);
}

#[test]
fn a_restored_fold_knows_over_which_leases_somebody_wrote() {
    let observable: Observable = "81.2.69.142".parse().unwrap();
    let partition = partition_of(&observable);
    let at = |offset| {
        let generation = Generation { epoch: EPOCH, offset };
        LeaseEntry::Lease(Lease { generation, ..Lease::empty(observable.clone(), EPOCH) })
    };
    let restore = |partition, entries: &[LeaseEntry]| -> Restored {
        let mut restoring = Restoring::new(partition);
        restoring.take(0, LeaseEntry::Epoch(Epoch { epoch: EPOCH, replaces: Vec::new() }));
        for (offset, entry) in entries.iter().enumerate() {
            restoring.take(offset as i64 + 1, entry.clone());
        }
        restoring.done()
    };
    let restored = restore(partition, &[at(7), at(3)]);
    assert!(restored.overwritten.contains(&observable));
    assert_eq!(restored.leases[&observable].generation.offset, 7, "a late write changes nothing");
    assert!(restore(partition, &[at(7), at(3), at(7)]).overwritten.is_empty(), "repaired");
    assert!(restore(partition + 1, &[at(7), at(3)]).overwritten.is_empty(), "somebody else's");
}

#[tokio::test]
async fn a_lease_over_which_somebody_wrote_is_published_again_once_the_copy_has_come_to_the_mark() {
    let mut world = World::new();
    world.decide(&block("81.2.69.142", START + MINUTE)).await;
    let observable: Observable = "81.2.69.142".parse().unwrap();
    let _owned = world.ownership.take(partition_of(&observable));
    // Who wrote to a provider had read one record more.
    let read = world.leases.read(Reader::position);
    let position = Position { leases: read.leases + 1, ..read };
    world.leases.may_write(Some(Mark { epoch: EPOCH, position }), world.clock.now());

    let (repairs, asking) = Repairs::channel();
    repairs.ask(observable.clone());
    let (context, copy, owner) =
        (world.context(0, None), world.leases.clone(), world.ownership.clone());
    let publisher = context.bus.publisher().unwrap();
    let mut repairing = pin!(repair(&context, &copy, &owner, &publisher, asking));
    let mut repaired = async |world: &World| {
        let ended = tokio::time::timeout(Duration::from_millis(50), repairing.as_mut()).await;
        assert!(ended.is_err(), "it goes on for as long as the process");
        leases(world).iter().filter(|lease| lease.observable == observable).count() - 1
    };
    assert_eq!(repaired(&world).await, 0, "what is published now hides what the log has lost");
    let other = Lease::empty("81.2.69.143".parse().unwrap(), EPOCH);
    world.append(&LeaseEntry::Lease(other));
    world.follow();
    assert_eq!(repaired(&world).await, 1);
}

#[test]
fn ownership_ends_with_the_last_stage_and_every_takeover_is_a_new_term() {
    let ownership = executor::Ownership::default();
    let first = ownership.take(0);
    assert_eq!(ownership.term(), Some(1));
    let second = ownership.take(0);
    drop(first);
    assert_eq!(ownership.term(), Some(2), "opened anew before the old one was dropped");
    let other = ownership.take(3);
    drop(second);
    assert_eq!(ownership.term(), None);
    drop(other);
}

#[test]
fn the_epoch_is_repeated_hourly_by_who_read_it_there() {
    let world = World::new();
    let hour = 60 * MINUTE;
    let seen = (Epoch { epoch: EPOCH, replaces: vec![1] }, START);
    let due = |seen, now| world.leases.read(|reader| epoch_due(seen, reader, now));
    assert_eq!(due(Some(&seen), START + hour - 1), None);
    assert_eq!(due(Some(&seen), START + hour), Some(seen.0.clone()));
    assert_eq!(due(None, START + hour), None);
    let other = (Epoch { epoch: EPOCH + 1, replaces: Vec::new() }, START);
    assert_eq!(due(Some(&other), START + hour), None);
}

#[test]
fn a_stale_view_answers_but_asks_not_to_be_preferred() {
    assert!(!serving(false, None));
    assert!(serving(true, Some(5_000)));
    assert!(!serving(true, Some(5_001)));
}
