//! Whatever comes, the memory stays bounded, and every bucket of it fits one record.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails its test by unwrapping")]

use observe::Policy;
use proptest::prelude::*;
use schemas::{Event, Observable, Provenance, Record, Snapshot, Window};
use scorer::detectors::Detectors;
use scorer::logic::repeats::{IDS_MAX, SOURCES_MAX};
use scorer::logic::windows::{BUCKETS, WINDOWS_MAX, Windows};
use scorer::logic::{Collected, Memory};
use uuid::Uuid;

const START: i64 = 1_780_000_000_000;

fn failed_login(n: u32) -> Event {
    let client = std::net::Ipv6Addr::from((0x2a00_1450_u128 << 96) | (u128::from(n) << 64) | 1);
    Event {
        event_id: Uuid::from_u128(u128::from(n)),
        method: "POST".to_owned(),
        uri: "/login".to_owned(),
        status: Some(401),
        ..Event::request(client.into(), Provenance::SocketPeer, START + i64::from(n))
    }
}

fn apply(memory: &mut Memory, event: &Event) {
    let mut bytes = Vec::new();
    event.encode(&mut bytes).unwrap();
    let view = Event::decode(&bytes).unwrap();
    memory.apply(&view, memory.next_offset(), START + 1_000_000, &mut Vec::new()).unwrap();
}

/// Every record of a round can be written and read again; answers what a takeover makes of them.
fn round_trip(policy: &Policy, memory: &mut Memory) -> Memory {
    schemas::record::limit_decoding();
    let mut collected = Collected::default();
    for snapshot in memory.snapshot() {
        let mut bytes = Vec::new();
        snapshot.encode(&mut bytes).unwrap();
        collected.add(Snapshot::decode(&bytes).unwrap());
    }
    Memory::restore(policy, &Detectors::shipped(), 0, collected, memory.next_offset())
}

#[test]
fn a_flood_of_addresses_is_forgotten_from_its_oldest_end() {
    for failures in [5, 1_000] {
        let policy =
            Policy::parse(&format!("[logins]\nroutes = [\"/login\"]\nfailures = {failures}\n"))
                .unwrap();
        let mut memory = Memory::new(&policy, &Detectors::shipped(), 0);
        let windows_max = if failures == 5 { WINDOWS_MAX } else { 48 * BUCKETS };
        let flood = windows_max as u32 + 20_000;
        for n in 0..flood {
            apply(&mut memory, &failed_login(n));
        }
        assert!(
            memory.window_count() <= windows_max && memory.window_count() > windows_max * 3 / 4
        );
        let restored = round_trip(&policy, &mut memory);
        assert_eq!(restored.export(), memory.export());
        let newest = Event { event_id: Uuid::from_u128(u128::MAX), ..failed_login(flood - 1) };
        let before = memory.window_count();
        apply(&mut memory, &newest);
        assert_eq!(memory.window_count(), before, "the newest window is still there");
    }
}

#[test]
fn many_sources_and_ids_fit_one_record() {
    let policy = Policy::default();
    for name in [36, 1_024] {
        let mut memory = Memory::new(&policy, &Detectors::shipped(), 0);
        for n in 0..(SOURCES_MAX as u32 + 5_000) {
            let source = format!("{n:0>name$}");
            let event = Event {
                source,
                position: Some(i64::MAX - 1),
                uri: "/".to_owned(),
                ..failed_login(n)
            };
            apply(&mut memory, &event);
            if (n as usize) < IDS_MAX * 2 {
                apply(&mut memory, &Event { uri: "/".to_owned(), ..failed_login(n) });
            }
        }
        let restored = round_trip(&policy, &mut memory);
        assert_eq!(restored.export(), memory.export());
    }
}

#[test]
fn a_takeover_from_an_earlier_version_goes_on_where_that_one_was() {
    let attack = Event { uri: "/x?q=1'+or+'1'='1".to_owned(), ..failed_login(1_000) };
    let observable = Observable::client(attack.client);
    let window = |rule: &str, at| Window {
        rule: rule.to_owned(),
        observable: observable.clone(),
        seen_at: vec![at],
        detected_at: Some(at),
    };
    let snapshot = Snapshot {
        partition: 0,
        bucket: Windows::bucket_of(&observable) as i32,
        bucket_count: BUCKETS as i32,
        next_offset: 1,
        windows: vec![
            window("sql_injection", START),
            window("path_traversal", START - 10_000),
            window("path_traversal/unproved", START),
            window("no_rule_of_ours", START),
        ],
        sources: Vec::new(),
        recent_ids: Vec::new(),
    };
    let mut collected = Collected::default();
    collected.add(snapshot);
    let mut memory = Memory::restore(&Policy::default(), &Detectors::shipped(), 0, collected, 1);
    assert_eq!(memory.window_count(), 2);
    let mut detections = Vec::new();
    for (offset, at) in [(1, START + 1_000), (2, START + 2_000)] {
        let event =
            Event { observed_at: at, event_id: Uuid::from_u128(at as u128), ..attack.clone() };
        let mut bytes = Vec::new();
        event.encode(&mut bytes).unwrap();
        let view = Event::decode(&bytes).unwrap();
        memory.apply(&view, offset, at, &mut detections).unwrap();
        assert_eq!(detections.len() as i64, offset - 1);
    }
}

proptest! {
    #[test]
    fn whatever_the_times_nothing_overflows(times in proptest::collection::vec((any::<i64>(), any::<Option<i64>>(), any::<i64>()), 1..40)) {
        let mut memory = Memory::new(&Policy::parse("[logins]\nroutes = [\"/login\"]\nfailures = 2\n").unwrap(), &Detectors::shipped(), 0);
        for (n, (observed_at, received_at, appended_at)) in times.into_iter().enumerate() {
            let event = Event { observed_at, received_at, event_id: Uuid::from_u128(n as u128), ..failed_login(1) };
            let mut bytes = Vec::new();
            event.encode(&mut bytes).unwrap();
            let mut detections = Vec::new();
            let _ = memory.apply(&Event::decode(&bytes).unwrap(), n as i64, appended_at, &mut detections);
            prop_assert!(detections.len() <= 1);
        }
        prop_assert!(memory.window_count() <= 1);
    }
}
