//! The fold and `effective` against the slow reference, in a world where everything that may go wrong does:
//! decisions repeated and late, freezes, folds that crash, a paused twin that writes late, compaction, and readers
//! that lag and start anew.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod reference;
mod world;

use std::net::IpAddr;

use ipnet::IpNet;
use proptest::prelude::*;
use reference::{Logged, number, range};
use schemas::effective::{blocked_by_log, blocked_networks};
use schemas::{
    Action, Effective, Epoch, Folded, Lease, LeaseEntry, Mode, Observable, Origin, Reader, View,
    effective, fold,
};
use world::{EPOCH, Kind, LIMITS, NOW, OBSERVABLES, Op, World, appended, decision, op, protected};

/// The first and last address of every network of the test, and their neighbours.
fn boundaries() -> Vec<IpAddr> {
    let own = ["81.2.70.0/28", "10.0.0.0/8"].map(|text| text.parse().unwrap());
    let networks =
        OBSERVABLES.iter().map(|text| text.parse::<Observable>().unwrap().network()).chain(own);
    let mut addresses = Vec::new();
    for network in networks {
        let (first, last) = range(network);
        for edge in [
            first.wrapping_sub(1),
            first,
            first + 1,
            last.wrapping_sub(1),
            last,
            last.wrapping_add(1),
        ] {
            addresses.push(match network {
                IpNet::V4(_) => IpAddr::V4((edge as u32).into()),
                IpNet::V6(_) => IpAddr::V6(edge.into()),
            });
        }
    }
    addresses.sort();
    addresses.dedup();
    addresses
}

/// `effective` and the list for a provider answer for every address what the reference answers.
fn check_answers(view: &View, leases: &[Lease], now: i64) {
    let protected = protected();
    let blocked = blocked_networks(view, &protected, now);
    for pair in blocked.windows(2) {
        assert!(
            pair[0] < pair[1] && IpNet::aggregate(&pair.to_vec()).len() == 2,
            "not minimal: {pair:?}"
        );
    }
    for address in boundaries() {
        let expected = reference::effective(leases, view.frozen_since(), &protected, address, now);
        let answer = effective(view, &protected, address, now);
        let found = match answer {
            Effective::Claim { network, claim } => Some((network, claim)),
            Effective::Protected => {
                assert!(protected.covers(address), "{address}");
                None
            }
            Effective::Nothing => None,
        };
        assert_eq!(found, expected, "{address} at {now}");
        let listed = blocked.iter().any(|network| network.contains(&address));
        assert_eq!(listed, answer.action() == Action::Block, "{address} at {now} on {blocked:?}");
        assert!(!(listed && protected.covers(address)), "{address} is protected");
    }
}

/// A reader that withholds by itself answers as if the log had frozen automation then, or earlier if it did.
fn check_own_freeze(
    view: &View,
    leases: &[Lease],
    decisions: &[Logged],
    from: prop::sample::Index,
    now: i64,
) {
    let (mut frozen, by_log) = (view.clone(), view.frozen_since());
    let since = if decisions.is_empty() { now } else { from.get(decisions).at };
    frozen.freeze_here(Some(since));
    assert_eq!(frozen.frozen_since(), Some(by_log.map_or(since, |by_log| by_log.min(since))));
    check_answers(&frozen, leases, now);
    let others = blocked_by_log(&frozen, &protected(), now);
    assert_eq!(others, blocked_networks(view, &protected(), now), "what others may have listed");
    frozen.freeze_here(None);
    assert_eq!(frozen.frozen_since(), by_log);
}

/// Folds everything from `start` again, on top of what is there: no lease may change.
fn check_suffix(log: &[Logged], leases: &[Lease], start: usize) {
    for (offset, logged) in log.iter().enumerate().skip(start) {
        let held = leases.iter().find(|lease| lease.observable == logged.decision.observable);
        let folded =
            fold(held, &logged.decision, appended(offset, logged.at), &protected(), &LIMITS);
        if let Folded::Lease(lease) = folded {
            panic!("decision {offset} was folded twice: {held:?} became {lease:?}");
        }
    }
}

proptest! {
    #![proptest_config(world::cases(1_500))]

    #[test]
    fn no_claim_is_lost_and_none_returns(ops in prop::collection::vec(op(), 1..120), start in any::<prop::sample::Index>()) {
        let mut world = World::new();
        for op in &ops {
            world.apply(op);
        }
        world.settle();
        let leases = world.expected();
        for reader in world.readers() {
            let mut held: Vec<Lease> = reader.view().leases().cloned().collect();
            held.sort_by(|a, b| a.observable.cmp(&b.observable));
            prop_assert_eq!(&held, &leases);
            prop_assert_eq!(reader.hold(), None);
            prop_assert_eq!(reader.view().frozen_since(), world.expected_freeze());
            for later_ms in [0, 1, 5, 50, 1_000, 40 * 86_400_000] {
                check_answers(reader.view(), &leases, world.now + later_ms);
            }
        }
        for reader in world.readers() {
            check_own_freeze(reader.view(), &leases, &world.logs.decisions, start, world.now);
        }
        check_suffix(&world.logs.decisions, &leases, start.index(world.logs.decisions.len() + 1));
    }

}

proptest! {
    #![proptest_config(world::cases(100))]

    /// `bootstrap --adopt` says every lease again under a new epoch, and last the epoch; late writes of the old one
    /// come to nothing. No answer changes at any record of it, for who was there and for who starts anew.
    #[test]
    fn adoption_changes_no_answer(ops in prop::collection::vec(op(), 1..60)) {
        let mut world = World::new();
        ops.iter().for_each(|op| world.apply(op));
        world.settle();
        let leases = world.expected();
        let new_epoch = EPOCH + 1;
        let epoch = |epoch, replaces: &[i64]| LeaseEntry::Epoch(Epoch { epoch, replaces: replaces.to_vec() });
        let old = leases.iter().cloned().map(LeaseEntry::Lease);
        let anew = leases.iter().cloned().map(|mut lease| {
            lease.generation.epoch = new_epoch;
            LeaseEntry::Lease(lease)
        });
        let adoption: Vec<LeaseEntry> = anew.chain([epoch(new_epoch, &[EPOCH])]).collect();
        let late: Vec<LeaseEntry> = old.chain([epoch(EPOCH, &[])]).collect();
        let mut there = world.readers().next().unwrap().clone();
        let mut fresh = Reader::default();
        for entry in late.iter().chain(&adoption).chain(&late) {
            let (offset, fresh_offset) = (there.position().leases, fresh.position().leases);
            there.lease(offset, entry.clone());
            fresh.lease(fresh_offset, entry.clone());
            check_answers(there.view(), &leases, world.now);
        }
        fresh.reached(fresh.position());
        for reader in [&there, &fresh] {
            prop_assert_eq!((reader.hold(), reader.epoch()), (None, Some(new_epoch)));
            for lease in &leases {
                let held = reader.view().lease(&lease.observable).unwrap();
                prop_assert_eq!((held.generation.epoch, &held.claims), (new_epoch, &lease.claims));
            }
        }
    }

    /// Row W1's twin on our side: one more block leaves the answer for every other address as it was.
    #[test]
    fn one_more_block_changes_nothing_elsewhere(addresses in prop::collection::btree_set(any::<u32>(), 2..150)) {
        let mut view = View::default();
        let mut networks: Vec<Observable> = Vec::new();
        for (offset, address) in addresses.iter().enumerate() {
            let observable = Observable::client(IpAddr::V4((address % 0x20_0000 + 0x5102_0000).into()));
            let block = decision(&observable, Origin::Pipeline, Action::Block, Some(NOW + 1_000));
            let folded = fold(view.lease(&observable), &block, appended(offset, NOW), &protected(), &LIMITS);
            let before = blocked_networks(&view, &protected(), NOW);
            if let Folded::Lease(lease) = folded {
                view.apply(lease);
                networks.push(observable.clone());
            }
            let after = blocked_networks(&view, &protected(), NOW);
            for network in before {
                prop_assert!(after.iter().any(|kept| kept.contains(&network)), "{} was lost", network);
            }
        }
        let listed = blocked_networks(&view, &protected(), NOW);
        let count: u128 = listed.iter().map(|network| range(*network)).map(|(first, last)| last - first + 1).sum();
        networks.sort();
        networks.dedup();
        prop_assert_eq!(count, networks.len() as u128);
    }
}

#[track_caller]
fn check_end(origin: Origin, until: Option<i64>, expected: &str) {
    let observable: Observable = "81.2.69.142".parse().unwrap();
    let decision = decision(&observable, origin, Action::Block, until);
    let answer = match fold(None, &decision, appended(0, NOW), &protected(), &LIMITS) {
        Folded::Lease(lease) => format!("until +{} ms", lease.claims[0].until - NOW),
        Folded::Refused(refusal) => refusal.to_string(),
        other => format!("{other:?}"),
    };
    assert_eq!(answer, expected, "{origin:?} until {until:?}");
}

/// Row TM9.
#[test]
fn a_claim_without_a_sane_end_is_refused_or_capped() {
    const YEARS_10_MS: i64 = 10 * 365 * 86_400_000;
    for origin in [Origin::Pipeline, Origin::Feed] {
        check_end(origin, Some(NOW + YEARS_10_MS), "until +86400000 ms");
        check_end(origin, Some(i64::MAX), "until +86400000 ms");
    }
    check_end(Origin::Operator, Some(NOW + YEARS_10_MS), "until +604800000 ms");
    for origin in [Origin::Operator, Origin::Pipeline, Origin::Feed] {
        check_end(
            origin,
            None,
            "the decision to Block 81.2.69.142 has no end; every claim needs one",
        );
        check_end(
            origin,
            Some(NOW),
            "the decision on 81.2.69.142 ended 0 ms before it was decided",
        );
        check_end(
            origin,
            Some(NOW - 5),
            "the decision on 81.2.69.142 ended 5 ms before it was decided",
        );
        check_end(
            origin,
            Some(i64::MIN),
            "the decision on 81.2.69.142 ended 9223372036854775807 ms before it was decided",
        );
        check_end(origin, Some(NOW + 1), "until +1 ms");
    }
}

/// Rows F1 and F2: a correctly formed decision against what is protected, by whomever.
#[test]
fn a_decision_against_something_protected_is_refused_with_its_name() {
    let forbidden = [
        "0.0.0.0/0",
        "::/0",
        "10.0.0.0/8",
        "192.168.1.0/24",
        "127.0.0.1",
        "::ffff:10.0.0.1",
        "203.0.113.42",
        "81.2.70.7",
        "81.2.70.0/24",
        "fe80::1",
        "ff02::1/128",
        "2001:db8::/64",
    ];
    for text in forbidden {
        for origin in [Origin::Operator, Origin::Pipeline, Origin::Feed] {
            let block = decision(&text.parse().unwrap(), origin, Action::Block, Some(NOW + 1));
            let refusal = match fold(None, &block, appended(0, NOW), &protected(), &LIMITS) {
                Folded::Refused(refusal) => refusal.to_string(),
                other => panic!("{text} by {origin:?}: {other:?}"),
            };
            assert!(refusal.contains("which is protected"), "{refusal}");
        }
    }
}

#[test]
fn numbers_at_their_ends_do_not_stop_the_fold() {
    let observable: Observable = "81.2.69.142".parse().unwrap();
    for number in [i64::MIN, -1, 0, i64::MAX] {
        for at in [i64::MIN, 0, NOW, i64::MAX] {
            let mut block = decision(&observable, Origin::Pipeline, Action::Block, Some(number));
            block.detected_at = Some(number.wrapping_add(1));
            block.strikes = if number < 0 { i32::MIN } else { i32::MAX };
            let folded = fold(None, &block, appended(0, at), &protected(), &LIMITS);
            if let Folded::Lease(mut lease) = folded {
                for counts in [true, false] {
                    lease.claims[0].counts = counts;
                    for now in [i64::MIN, NOW, i64::MAX] {
                        let strikes =
                            schemas::fold::strikes_at(Some(&lease), now, LIMITS.strike_memory_ms);
                        assert!(strikes >= 0, "{strikes}");
                    }
                }
            }
        }
    }
}

#[test]
fn observing_and_simulating_change_no_lease() {
    let observable: Observable = "81.2.69.142".parse().unwrap();
    let mut simulated = decision(&observable, Origin::Operator, Action::Block, Some(NOW + 1));
    simulated.mode = Mode::Simulated;
    let observed = decision(&observable, Origin::Pipeline, Action::Observe, None);
    for decision in [simulated, observed] {
        assert_eq!(fold(None, &decision, appended(0, NOW), &protected(), &LIMITS), Folded::Nothing);
    }
}

#[test]
fn an_allow_ends_for_good_what_automation_blocks_there_and_only_outranks_what_lies_inside() {
    let decide = |observable, origin, action, until_ms| {
        let (until_ms, kind) = (Some(until_ms), Kind::Plain);
        Op::Decide { observable, origin, action, until_ms, kind }
    };
    let block = |observable| decide(observable, Origin::Pipeline, Action::Block, 60);
    let allow = |observable| decide(observable, Origin::Operator, Action::Allow, 20);
    let mut world = World::new();
    for op in [block(0), block(1), Op::Advance(5), allow(0), allow(2)] {
        world.apply(&op);
    }
    world.settle();
    let [by_itself, inside] = ["81.2.69.142", "81.2.69.143"];
    for reader in world.readers() {
        let holds = |address: &str, after_ms| {
            let address = address.parse().unwrap();
            effective(reader.view(), &protected(), address, NOW + after_ms).action()
        };
        for (after_ms, expected) in [(24, [Action::Allow; 2]), (25, [Action::Allow, Action::Block])]
        {
            let found = [holds(by_itself, after_ms), holds(inside, after_ms)];
            assert_eq!(found, expected, "after {after_ms} ms");
        }
        let lease = reader.view().lease(&by_itself.parse().unwrap()).unwrap();
        let ended = lease.claim(Origin::Pipeline).unwrap();
        assert_eq!((ended.until, ended.counts), (NOW + 5, false));
    }
}

#[test]
fn what_automation_decides_while_an_operator_allows_the_very_observable_never_holds() {
    let decide = |origin, action, until_ms| {
        let (observable, until_ms, kind) = (0, Some(until_ms), Kind::Plain);
        Op::Decide { observable, origin, action, until_ms, kind }
    };
    let allow = decide(Origin::Operator, Action::Allow, 20);
    for (origin, expected) in [(Origin::Pipeline, Action::Allow), (Origin::Feed, Action::Block)] {
        let mut world = World::new();
        for op in [allow.clone(), Op::Advance(5), decide(origin, Action::Block, 60)] {
            world.apply(&op);
        }
        world.settle();
        let address: IpAddr = "81.2.69.142".parse().unwrap();
        for reader in world.readers() {
            for (after_ms, expected) in [(19, Action::Allow), (20, expected)] {
                let found = effective(reader.view(), &protected(), address, NOW + after_ms);
                assert_eq!(found.action(), expected, "by {origin:?}, after {after_ms} ms");
            }
            let lease = reader.view().lease(&Observable::client(address)).unwrap();
            let claim = lease.claim(origin).unwrap();
            assert!(!claim.counts);
            // It adds no strike to those of before.
            let before = if origin == Origin::Pipeline { claim.strikes - 1 } else { 0 };
            let strikes =
                schemas::fold::strikes_at(Some(lease), NOW + 100, LIMITS.strike_memory_ms);
            assert_eq!(strikes, before);
        }
    }
}

/// The same world, step by step: the case that the property is about, written out.
#[test]
fn a_late_write_of_a_paused_twin_brings_nothing_back() {
    let decide = |action| {
        let (origin, kind) = (Origin::Operator, Kind::Plain);
        Op::Decide { observable: 0, origin, action, until_ms: Some(50), kind }
    };
    let (block, allow) = (decide(Action::Block), decide(Action::Allow));
    let mut world = World::new();
    let (twin, read) = (Op::Twin(1), Op::Read { reader: 0, records: 9 });
    for op in
        [block, Op::Pause, allow, Op::Fold(4), Op::Compact, twin, read, Op::Fold(1), Op::Compact]
    {
        world.apply(&op);
    }
    world.settle();
    let address = "81.2.69.142".parse().unwrap();
    for reader in world.readers() {
        assert_eq!(
            effective(reader.view(), &protected(), address, world.now).action(),
            Action::Allow
        );
    }
    assert_eq!(number(address), 0xFFFF_5102_458E);
}
