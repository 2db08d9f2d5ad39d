//! The loop of the IP sets against its twin in memory.

use executor::OwnFreeze;
use executor::logic::ip_set::Family;
use executor::logic::waf::{Sight, Step, WafLoop, WriteFault};
use executor::ownership::Owned;
use executor::points::aws_waf::{MemorySets, POINT};
use schemas::{Action, Enforcement, Millis, Position, Protected, Reader, Status, Topic};

use crate::common::{EPOCH, START, World, block, operator};

const SECOND: Millis = 1_000;

struct Replica {
    waf: WafLoop,
    owned: Option<Owned>,
    said: Vec<Enforcement>,
    /// What it had to read on to, after each step.
    read_on_to: Vec<Option<Position>>,
}

impl Replica {
    fn new() -> Self {
        let waf = WafLoop::new(POINT);
        Replica { waf, owned: None, said: Vec::new(), read_on_to: Vec::new() }
    }

    fn owner(world: &World) -> Self {
        Replica { owned: Some(world.ownership.take(0)), ..Replica::new() }
    }

    /// Runs the loop for `for_ms`, jumping from wait to wait.
    fn run(&mut self, world: &World, sets: &MemorySets, for_ms: Millis) {
        let end = world.clock.now() + for_ms;
        loop {
            let now = world.clock.now();
            let term = self.owned.as_ref().and(world.ownership.term());
            let complete = world.leases.read(Reader::complete);
            let sight = world.leases.read(|reader| {
                Sight::of(reader.view(), complete, &Protected::special(), term, now)
            });
            world.leases.turned(now);
            let step = self.waf.next(&sight, |mark| world.leases.may_write(mark, now), now);
            self.read_on_to.push(self.waf.read_on_to());
            match step {
                Step::Read(family) => self.waf.read(family, sets.read(family), now, 0.5),
                Step::Write(write) => self.waf.written(write.family, sets.write(&write), now, 0.5),
                Step::Wait(until) => {
                    self.said.extend(self.waf.settle(&sight, now, usize::MAX));
                    if now >= end {
                        return;
                    }
                    world.clock.advance((until.min(end) - now).max(1));
                }
            }
        }
    }

    #[track_caller]
    fn said(&mut self, expected: &[(&str, Status)]) {
        let mut said: Vec<(String, Status)> =
            self.said.drain(..).map(|act| (act.observable.to_string(), act.status)).collect();
        said.sort_by_key(|(observable, _)| observable.clone());
        let expected: Vec<(String, Status)> = expected
            .iter()
            .map(|(observable, status)| ((*observable).to_owned(), *status))
            .collect();
        assert_eq!(said, expected);
    }
}

#[track_caller]
fn holds(sets: &MemorySets, family: Family, expected: &[&str]) {
    let expected: Vec<String> = expected.iter().map(ToString::to_string).collect();
    assert_eq!(sets.addresses(family).into_iter().collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn a_block_is_written_marked_told_and_taken_away_at_its_end() {
    let (mut world, sets) = (World::new(), MemorySets::default());
    let mut owner = Replica::owner(&world);
    world.decide(&block("81.2.69.142", START + 15 * SECOND)).await;
    world.decide(&block("2a00:1450:0:5::/64", START + 15 * SECOND)).await;
    owner.run(&world, &sets, 3 * SECOND);
    holds(&sets, Family::V4, &["81.2.69.142/32"]);
    holds(&sets, Family::V6, &["2a00:1450:0:5::/64"]);
    assert_eq!(
        sets.description(Family::V4),
        format!("perimeter epoch={EPOCH} leases=3 controls=0")
    );
    owner.said(&[("2a00:1450:0:5::/64", Status::Applied), ("81.2.69.142", Status::Applied)]);
    owner.run(&world, &sets, START + 15 * SECOND - world.clock.now() - 1);
    holds(&sets, Family::V4, &["81.2.69.142/32"]);
    owner.run(&world, &sets, 2 * SECOND);
    holds(&sets, Family::V4, &[]);
    holds(&sets, Family::V6, &[]);
    owner.said(&[("2a00:1450:0:5::/64", Status::Lifted), ("81.2.69.142", Status::Lifted)]);
}

#[tokio::test]
async fn a_storm_is_written_together_and_never_faster_than_the_pace() {
    let (mut world, sets) = (World::new(), MemorySets::default());
    let mut owner = Replica::owner(&world);
    for second in 0..10 {
        for host in 0..20 {
            let decision = block(&format!("81.2.{second}.{}", host * 2), START + 600 * SECOND);
            world.append(&decision);
        }
        world.fold().await;
        owner.run(&world, &sets, SECOND);
    }
    owner.run(&world, &sets, 2 * SECOND);
    assert_eq!(sets.addresses(Family::V4).len(), 200);
    assert!(sets.writes().len() <= 12, "{} writes in 12 s", sets.writes().len());
    for pair in sets.writes().windows(2).filter(|pair| pair[0].family == pair[1].family) {
        assert!(pair[0].addresses.iter().all(|address| pair[1].addresses.contains(address)));
    }
}

#[tokio::test]
async fn a_restart_opens_no_gap_and_adds_nothing_before_it_has_read() {
    let (mut world, sets) = (World::new(), MemorySets::default());
    let end = START + 600 * SECOND;
    world.decide(&block("81.2.69.142", end)).await;
    Replica::owner(&world).run(&world, &sets, SECOND);
    let before = sets.writes().len();

    let mut restarted = World::unread();
    restarted.log = world.log.clone();
    restarted.clock = world.clock.clone();
    let mut owner = Replica::owner(&restarted);
    owner.run(&restarted, &sets, 10 * SECOND);
    assert_eq!(sets.writes().len(), before, "not read yet: nothing is known to be due");
    restarted.follow();
    owner.run(&restarted, &sets, 3 * SECOND);
    holds(&sets, Family::V4, &["81.2.69.142/32"]);
    assert!(
        sets.writes()[before..]
            .iter()
            .all(|write| write.family == Family::V6 || write.addresses == ["81.2.69.142/32"])
    );
    assert_eq!(sets.writes().len(), before + 2, "a new owner leaves its mark once");
}

#[tokio::test]
async fn others_leave_everything_to_the_owner_but_what_stays_due() {
    let (mut world, sets) = (World::new(), MemorySets::default());
    world.decide(&block("81.2.69.142", START + 15 * SECOND)).await;
    world.decide(&block("81.2.69.144", START + 600 * SECOND)).await;
    let mut owner = Replica::owner(&world);
    owner.run(&world, &sets, 3 * SECOND);
    let mark = sets.description(Family::V4);
    drop(owner);
    let mut other = Replica::new();
    world.decide(&block("81.2.69.146", START + 600 * SECOND)).await;
    other.run(&world, &sets, START + 17 * SECOND - world.clock.now());
    holds(&sets, Family::V4, &["81.2.69.142/32", "81.2.69.144/32"]);
    other.run(&world, &sets, 2 * SECOND);
    holds(&sets, Family::V4, &["81.2.69.144/32"]);
    assert_eq!(sets.description(Family::V4), mark, "the mark stays that of the owner");
    other.said(&[]);
}

#[tokio::test]
async fn a_rivals_writes_are_met_with_a_fresh_read() {
    let (mut world, sets) = (World::new(), MemorySets::default());
    let mut owner = Replica::owner(&world);
    world.decide(&block("81.2.69.142", START + 600 * SECOND)).await;
    sets.fail_writes([WriteFault::Conflict, WriteFault::Conflict]);
    owner.run(&world, &sets, 8 * SECOND);
    holds(&sets, Family::V4, &["81.2.69.142/32"]);
    sets.edit(Family::V4, |addresses, _| {
        addresses.insert("9.9.9.9/32".to_owned());
        addresses.remove("81.2.69.142/32");
    });
    owner.run(&world, &sets, 7 * SECOND);
    holds(&sets, Family::V4, &["81.2.69.142/32"]);
}

#[tokio::test]
async fn nonsense_and_silence_remove_nothing_and_the_end_is_kept_afterwards() {
    let (mut world, sets) = (World::new(), MemorySets::default());
    let mut owner = Replica::owner(&world);
    world.decide(&block("81.2.69.142", START + 20 * SECOND)).await;
    world.decide(&block("81.2.69.144", START + 600 * SECOND)).await;
    owner.run(&world, &sets, 3 * SECOND);
    let writes = sets.writes().len();
    sets.fail_reads((0..4).map(|_| "<html>504</html>".to_owned()));
    sets.fail_writes((0..2).map(|_| WriteFault::Unavailable("time-out".to_owned())));
    owner.run(&world, &sets, 10 * SECOND);
    assert_eq!(sets.writes().len(), writes, "nothing was due");
    owner.run(&world, &sets, 20 * SECOND);
    holds(&sets, Family::V4, &["81.2.69.144/32"]);
}

#[tokio::test]
async fn reads_that_fail_now_and_then_do_not_add_up() {
    let (mut world, sets) = (World::new(), MemorySets::default());
    let mut owner = Replica::owner(&world);
    for _ in 0..12 {
        // One of each set.
        sets.fail_reads((0..2).map(|_| "504".to_owned()));
        owner.run(&world, &sets, 30 * SECOND);
    }
    sets.fail_reads((0..2).map(|_| "504".to_owned()));
    owner.run(&world, &sets, 6 * SECOND);
    world.decide(&block("81.2.69.142", world.clock.now() + 600 * SECOND)).await;
    owner.run(&world, &sets, 2 * SECOND);
    holds(&sets, Family::V4, &["81.2.69.142/32"]);
}

#[tokio::test]
async fn holding_adds_nothing_and_removes_only_what_is_due() {
    let (mut world, sets) = (World::new(), MemorySets::default());
    let mut owner = Replica::owner(&world);
    world.decide(&block("81.2.69.142", START + 20 * SECOND)).await;
    world.decide(&block("81.2.69.144", START + 600 * SECOND)).await;
    owner.run(&world, &sets, 3 * SECOND);
    let mark = sets.description(Family::V4);
    world.log.recreate(Topic::Leases);
    world.restarted(Topic::Leases);
    sets.edit(Family::V4, |addresses, _| {
        addresses.insert("9.9.9.9/32".to_owned());
    });
    owner.run(&world, &sets, 30 * SECOND);
    holds(&sets, Family::V4, &["81.2.69.144/32", "9.9.9.9/32"]);
    assert_eq!(sets.description(Family::V4), mark);
}

#[tokio::test]
async fn a_set_of_another_epoch_is_held_and_one_written_from_further_on_is_left_alone() {
    let (mut world, sets) = (World::new(), MemorySets::default());
    world.decide(&block("81.2.69.142", START + 600 * SECOND)).await;
    sets.edit(Family::V4, |addresses, description| {
        addresses.insert("9.9.9.9/32".to_owned());
        *description = format!("perimeter epoch={EPOCH} leases=900 controls=0");
    });
    let mut owner = Replica::owner(&world);
    owner.run(&world, &sets, 10 * SECOND);
    holds(&sets, Family::V4, &["9.9.9.9/32"]);
    sets.edit(Family::V4, |_, description| {
        *description = format!("perimeter epoch={} leases=9 controls=0", EPOCH - 1);
    });
    owner.run(&world, &sets, 10 * SECOND);
    holds(&sets, Family::V4, &["9.9.9.9/32"]);
    assert!(
        world.leases.read(|reader| reader.hold().is_some()),
        "another epoch stands at the provider"
    );
}

#[tokio::test]
async fn while_one_set_must_wait_that_is_seen_at_every_step_though_the_other_need_not() {
    for (waiting, other) in [(Family::V4, Family::V6), (Family::V6, Family::V4)] {
        let (mut world, sets) = (World::new(), MemorySets::default());
        let mut owner = Replica::owner(&world);
        world.decide(&block("81.2.69.142", START + 600 * SECOND)).await;
        owner.run(&world, &sets, 6 * SECOND);
        let own = sets.description(other);
        let further_on = format!("perimeter epoch={EPOCH} leases=900 controls=0");
        sets.edit(waiting, |_, description| *description = further_on);
        owner.run(&world, &sets, 6 * SECOND);
        owner.read_on_to.clear();
        owner.run(&world, &sets, 40 * SECOND);
        let to = Some(Position { leases: 900, controls: 0 });
        assert!(owner.read_on_to.iter().all(|position| *position == to), "{waiting:?}");
        sets.edit(waiting, |_, description| *description = own);
        owner.run(&world, &sets, 6 * SECOND);
        assert_eq!(owner.waf.read_on_to(), None, "{waiting:?}");
    }
}

#[tokio::test]
async fn a_log_that_lost_its_tail_is_held_and_what_is_due_goes_all_the_same() {
    let (mut world, sets) = (World::new(), MemorySets::default());
    let mut owner = Replica::owner(&world);
    world.decide(&block("81.2.69.142", START + 20 * SECOND)).await;
    world.decide(&block("81.2.69.144", START + 600 * SECOND)).await;
    owner.run(&world, &sets, 3 * SECOND);
    let further_on = format!("perimeter epoch={EPOCH} leases=900 controls=0");
    sets.edit(Family::V4, |_, description| *description = further_on.clone());
    for _ in 0..30 {
        world.follow();
        owner.run(&world, &sets, SECOND);
    }
    let hold = world.leases.read(Reader::hold).map(|hold| hold.to_string()).unwrap_or_default();
    assert!(hold.contains("below 900/0 already read"), "{hold}");
    holds(&sets, Family::V4, &["81.2.69.144/32"]);
    assert_eq!(sets.description(Family::V4), further_on, "the mark stays for whoever adopts");
}

#[tokio::test]
async fn a_lost_tail_is_not_hidden_by_what_is_decided_while_all_start_anew() {
    let (mut world, sets) = (World::new(), MemorySets::default());
    world.decide(&block("81.2.69.142", START + 600 * SECOND)).await;
    Replica::owner(&world).run(&world, &sets, 3 * SECOND);
    // The broker lost five leases; two of them stand in the set.
    sets.edit(Family::V4, |addresses, description| {
        addresses.extend(["81.2.69.144/32".to_owned(), "81.2.69.146/32".to_owned()]);
        *description = format!("perimeter epoch={EPOCH} leases=7 controls=0");
    });
    let mut restarted = World::unread();
    (restarted.log, restarted.clock) = (world.log.clone(), world.clock.clone());
    let mut owner = Replica::owner(&restarted);
    owner.run(&restarted, &sets, SECOND);
    restarted.follow();
    for host in 0..30 {
        let until = START + 600 * SECOND;
        restarted.decide(&block(&format!("81.2.70.{}", 2 * host), until)).await;
        owner.run(&restarted, &sets, SECOND);
    }
    let hold = restarted.leases.read(Reader::hold).map(|hold| hold.to_string()).unwrap_or_default();
    assert!(hold.contains("end at 2/0, below 7/0"), "{hold}");
    holds(&sets, Family::V4, &["81.2.69.142/32", "81.2.69.144/32", "81.2.69.146/32"]);
}

#[tokio::test]
async fn what_a_provider_refuses_is_told_as_failed_with_the_reason() {
    let (mut world, sets) = (World::new(), MemorySets::default());
    let mut owner = Replica::owner(&world);
    owner.run(&world, &sets, 3 * SECOND);
    sets.fail_writes([WriteFault::Refused("quota".to_owned())]);
    world.decide(&block("81.2.69.142", START + 600 * SECOND)).await;
    owner.run(&world, &sets, 4 * SECOND);
    owner.said(&[("81.2.69.142", Status::Failed), ("81.2.69.142", Status::Applied)]);
}

#[tokio::test]
async fn an_allow_is_cut_out_of_a_wide_block() {
    let (mut world, sets) = (World::new(), MemorySets::default());
    let mut owner = Replica::owner(&world);
    world.decide(&operator(Action::Block, "81.2.69.0/24", START + 600 * SECOND)).await;
    owner.run(&world, &sets, 3 * SECOND);
    world.decide(&operator(Action::Allow, "81.2.69.142", START + 600 * SECOND)).await;
    owner.run(&world, &sets, 3 * SECOND);
    let entries = sets.addresses(Family::V4);
    assert_eq!(entries.len(), 8);
    assert!(!entries.contains("81.2.69.142/32") && entries.contains("81.2.69.0/25"));
    owner.said(&[("81.2.69.0/24", Status::Applied), ("81.2.69.142", Status::Applied)]);
}

#[tokio::test]
async fn a_frozen_owner_adds_nothing_new_and_keeps_what_its_peer_wrote_until_it_is_due() {
    let (mut world, mut peer, sets) = (World::new(), World::unread(), MemorySets::default());
    (peer.log, peer.clock) = (world.log.clone(), world.clock.clone());
    world.decide(&block("81.2.69.140", START + 600 * SECOND)).await;
    let freeze = OwnFreeze::new(world.leases.clone(), None, world.clock.now());
    freeze.freeze("spiffe://perimeter/responder/eve", "a test", world.clock.now());
    world.clock.advance(SECOND);
    world.decide(&block("81.2.69.142", START + 20 * SECOND)).await;
    peer.follow();
    let mut owning_peer = Replica::owner(&peer);
    owning_peer.run(&peer, &sets, 3 * SECOND);
    drop(owning_peer);
    let mut owner = Replica::owner(&world);
    world.decide(&block("81.2.69.144", START + 600 * SECOND)).await;
    world.decide(&operator(Action::Block, "81.2.69.146", START + 600 * SECOND)).await;
    owner.run(&world, &sets, 4 * SECOND);
    holds(&sets, Family::V4, &["81.2.69.140/32", "81.2.69.142/32", "81.2.69.146/32"]);
    owner.said(&[
        ("81.2.69.140", Status::Applied),
        ("81.2.69.142", Status::Applied),
        ("81.2.69.144", Status::Failed),
        ("81.2.69.146", Status::Applied),
    ]);
    owner.run(&world, &sets, START + 23 * SECOND - world.clock.now());
    holds(&sets, Family::V4, &["81.2.69.140/32", "81.2.69.146/32"]);
    freeze.thaw("spiffe://perimeter/operator/ada", "it is over", world.clock.now());
    owner.run(&world, &sets, 3 * SECOND);
    holds(&sets, Family::V4, &["81.2.69.140/32", "81.2.69.144/32", "81.2.69.146/32"]);
    owner.said(&[("81.2.69.142", Status::Lifted), ("81.2.69.144", Status::Applied)]);
}
