//! A flood of a million records: the newest are kept, and memory stays in its bound.

use decider::index::{BYTES_MAX, Bounds, Index, RECORDS_MAX};
use schemas::{Detection, Evidence, Outcome};
use uuid::Uuid;

use super::common::detection;
use super::{IP, NOW, proved};

const FLOOD: u64 = 1_000_000;
/// What the allocator keeps for itself, and what the other tests of this process take meanwhile.
const BESIDE_BYTES: usize = 24 * 1024 * 1024;

/// What this process has in memory.
fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

/// Numbers below [`FLOOD`], each once, in no order.
fn scrambled() -> impl Iterator<Item = u64> {
    // A factor without a common divisor with the modulus goes through all of them.
    (0..FLOOD).map(|count| count * 611_953 % FLOOD)
}

#[track_caller]
fn check(index: &Index, before: usize) {
    let (records, bytes) = index.size();
    assert!(records <= RECORDS_MAX && bytes <= BYTES_MAX, "{records} records, {bytes} bytes");
    let grown = resident_bytes().saturating_sub(before);
    assert!(grown <= BYTES_MAX + BESIDE_BYTES, "{grown} bytes for the {bytes} that were counted");
}

#[test]
fn a_million_records_leave_the_newest_in_bounded_memory() {
    let before = resident_bytes();
    let template = proved(&common_decision(), "envoy", 3);
    let outcome = |number: u64, decision: u64| Outcome {
        outcome_id: Uuid::from_u128(u128::from(number) + 1),
        decision_id: Uuid::from_u128(u128::from(decision) + 1),
        verified_at: NOW + number as i64,
        ..template.clone()
    };

    // Many decisions, out of order.
    let index = flooded(scrambled().map(|number| outcome(number, number / 20)));
    check(&index, before);
    let (kept, _) = index.size();
    assert_eq!(index.retained_since(), NOW + FLOOD as i64 - kept as i64);
    let newest = index.story(Uuid::from_u128(u128::from(FLOOD / 20))).unwrap();
    assert_eq!(newest.consequences().count(), 20);
    drop(index);

    // Every record a story of its own, then one story that never comes to rest.
    check(&flooded((0..FLOOD).map(|number| outcome(number, number))), before);
    check(&flooded((0..FLOOD).map(|number| outcome(number, 0))), before);
}

fn flooded(outcomes: impl Iterator<Item = Outcome>) -> Index {
    let mut index = Index::default();
    for outcome in outcomes {
        index.take(NOW, outcome);
    }
    index
}

#[test]
fn few_records_that_are_large_are_bounded_as_well() {
    let piece = detection(IP, NOW).evidence.remove(0);
    let large = Evidence { value: "v".repeat(160), explanation: "e".repeat(200), ..piece };
    let bounds = Bounds { bytes_max: 8 * 1024 * 1024, ..Bounds::default() };
    let mut index = Index::bounded(bounds);
    for number in 0..20_000_u128 {
        let detection = Detection {
            detection_id: Uuid::from_u128(number),
            evidence: vec![large.clone(); 16],
            ..detection(IP, NOW)
        };
        index.take(NOW + number as i64, detection);
    }
    let (records, bytes) = index.size();
    assert!((500..2_000).contains(&records) && bytes <= bounds.bytes_max, "{records}, {bytes}");
    assert_eq!(index.retained_since(), NOW + 20_000 - records as i64);
}

fn common_decision() -> schemas::Decision {
    let known = decider::logic::Known::default();
    decider::logic::decide(&super::common::enforced(), &detection(IP, NOW), &known, false)
}
