//! Bytes from an enemy: whatever they are, the answer is an error or a record, soon, and in little memory.
//!
//! Three facts are behind this file (`reliability.md` §0.10): a length field can ask for gigabytes, an array of
//! nothing can be as long as it says, and a recursive schema can overflow the stack. The last two need a schema of
//! that form; a test here holds our schemas to having none.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use apache_avro::Schema;
use common::{AnyRecord, any_record, cases};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use schemas::event::{TEXT_BYTES_MAX, URI_BYTES_MAX};
use schemas::record::{RECORD_BYTES_MAX, limit_decoding};
use schemas::{DecodeError, Event, Observable, Snapshot, Window};

const HEADER_BYTES: usize = 10;
/// No single message may take longer, on a slow machine with both cores busy.
const DECODE_TIME_MAX: Duration = Duration::from_secs(1);
/// What the whole file may ever have resident; one bomb alone would take gigabytes.
const RESIDENT_KIB_MAX: u64 = 256 * 1024;

/// Numbers as lengths, block counts, union branches and enum symbols: the edges of each.
const NUMBERS: [i64; 16] = [
    -1,
    -2,
    -64,
    63,
    64,
    1 << 14,
    1 << 20,
    (1 << 20) + 1,
    1 << 31,
    (1 << 31) - 1,
    -(1 << 31),
    1 << 40,
    i64::MAX,
    i64::MAX - 1,
    i64::MIN,
    i64::MIN + 1,
];

fn zigzag(value: i64) -> Vec<u8> {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    let mut bytes = Vec::new();
    while rest >= 0x80 {
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
    bytes
}

/// A few of every record, the same in every run.
fn samples(count: usize) -> Vec<AnyRecord> {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(ProptestConfig::default(), rng);
    let mut kinds: BTreeMap<[u8; HEADER_BYTES], usize> = BTreeMap::new();
    let mut samples = Vec::new();
    while kinds.len() < 9 || kinds.values().any(|kept| *kept < count) {
        let record = any_record().new_tree(&mut runner).unwrap().current();
        let kept = kinds.entry(record.encoded()[..HEADER_BYTES].try_into().unwrap()).or_default();
        if *kept < count {
            *kept += 1;
            samples.push(record);
        }
    }
    samples
}

/// Decodes as every reader of a topic would, within the limits.
#[track_caller]
fn attack(like: &AnyRecord, bytes: &[u8]) -> Result<AnyRecord, DecodeError> {
    limit_decoding();
    let begun = Instant::now();
    let answer = like.decode_alike(bytes);
    assert!(begun.elapsed() < DECODE_TIME_MAX, "{} bytes took {:?}", bytes.len(), begun.elapsed());
    if let Err(error) = &answer {
        let text = error.to_string();
        assert!(text.len() <= 1024, "a reason of {} bytes: {}", text.len(), &text[..200]);
    }
    answer
}

#[track_caller]
fn check(like: &AnyRecord, bytes: &[u8], class: &str) {
    let answer = attack(like, bytes).map(|_| ()).map_err(|error| error.class());
    assert_eq!(answer, Err(class), "{} bytes", bytes.len());
}

fn resident_peak_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

#[test]
fn a_message_cut_anywhere_is_refused() {
    for record in samples(4) {
        let whole = record.encoded();
        for bytes in 0..whole.len() {
            let class = if bytes < HEADER_BYTES { "too_short" } else { "malformed" };
            check(&record, &whole[..bytes], class);
        }
    }
}

#[test]
fn what_follows_a_message_is_refused() {
    for record in samples(4) {
        for rest in [vec![0], vec![0xFF], record.encoded(), vec![0; 4096]] {
            check(&record, &[record.encoded(), rest].concat(), "malformed");
        }
    }
}

#[test]
fn a_header_that_is_not_ours_is_refused() {
    for record in samples(1) {
        let whole = record.encoded();
        check(&record, b"", "too_short");
        check(&record, &[b"\xC3\x02", &whole[2..]].concat(), "wrong_magic");
        check(&record, &[b"\x00\x00\x00\x00\x07", &whole[..]].concat(), "unknown_schema");
        check(&record, &[b"Obj\x01", &whole[..]].concat(), "wrong_magic");
        check(&record, br#"{"decision_id": "550e8400"}"#, "wrong_magic");
        for byte in 2..HEADER_BYTES {
            let mut changed = whole.clone();
            changed[byte] ^= 1;
            check(&record, &changed, "unknown_schema");
        }
        for other in samples(1) {
            let alike = attack(&record, &other.encoded());
            let same_topic = std::mem::discriminant(&record) == std::mem::discriminant(&other);
            assert_eq!(alike.is_ok(), same_topic, "{record:?} against {other:?}");
        }
    }
}

/// Both versions of an event are read for ever, each by its own fingerprint only.
#[test]
fn an_event_is_read_by_the_schema_it_names() {
    let like = samples(1).into_iter().find(|record| matches!(record, AnyRecord::Event(_))).unwrap();
    let first = include_bytes!("../examples/event/v1/access.avro");
    let second = include_bytes!("../examples/event/v2/access.avro");
    for whole in [&first[..], &second[..]] {
        assert!(attack(&like, whole).is_ok());
        for bytes in HEADER_BYTES..whole.len() {
            check(&like, &whole[..bytes], "malformed");
        }
        check(&like, &[whole, &[0]].concat(), "malformed");
    }
    check(&like, &[&first[..HEADER_BYTES], &second[HEADER_BYTES..]].concat(), "malformed");
    check(&like, &[&second[..HEADER_BYTES], &first[HEADER_BYTES..]].concat(), "malformed");
}

#[test]
fn an_event_over_its_limits_is_invalid() {
    type Change = fn(&mut Event, usize);
    let like = samples(1).into_iter().find(|record| matches!(record, AnyRecord::Event(_))).unwrap();
    let AnyRecord::Event(event) = &like else { unreachable!() };
    let with = |change: Change, bytes: usize| {
        let mut changed = event.clone();
        change(&mut changed, bytes);
        attack(&like, &AnyRecord::Event(changed).encoded())
            .map(|_| ())
            .map_err(|error| error.class())
    };
    let limits: [(Change, usize); 8] = [
        (|event, bytes| event.uri = "u".repeat(bytes), URI_BYTES_MAX),
        (|event, bytes| event.source = "s".repeat(bytes), TEXT_BYTES_MAX),
        (|event, bytes| event.method = "m".repeat(bytes), TEXT_BYTES_MAX),
        (|event, bytes| event.host = Some("h".repeat(bytes)), TEXT_BYTES_MAX),
        (|event, bytes| event.agent = Some("a".repeat(bytes)), TEXT_BYTES_MAX),
        (|event, bytes| event.referer = Some("r".repeat(bytes)), TEXT_BYTES_MAX),
        (|event, bytes| event.account = Some("a".repeat(bytes)), TEXT_BYTES_MAX),
        (|event, bytes| event.finding = Some("f".repeat(bytes)), TEXT_BYTES_MAX),
    ];
    for (change, most) in limits {
        assert_eq!((with(change, most), with(change, most + 1)), (Ok(()), Err("invalid")));
    }
}

#[test]
fn a_message_too_large_is_refused_before_it_is_read() {
    for record in samples(1) {
        for bytes in [RECORD_BYTES_MAX + 1, 10 * 1024 * 1024] {
            let mut large = record.encoded();
            large.resize(bytes, 0);
            check(&record, &large, "too_large");
        }
    }
}

#[test]
fn a_number_in_any_place_asks_for_nothing_it_cannot_have() {
    for record in samples(2) {
        let whole = record.encoded();
        for place in HEADER_BYTES..whole.len() {
            for number in NUMBERS {
                let lied = zigzag(number);
                // In the place of one byte, and in the place of as many as it has.
                for after in [place + 1, place + lied.len()] {
                    let rest = whole.get(after..).unwrap_or_default();
                    drop(attack(&record, &[&whole[..place], &lied, rest].concat()));
                }
            }
            // A number without an end, and one of more than 64 bits.
            drop(attack(&record, &[&whole[..place], &[0xFF; 9]].concat()));
            drop(attack(&record, &[&whole[..place], &[0x80; 4096]].concat()));
            drop(attack(&record, &[&whole[..place], &[0xFF; 11], &whole[place..]].concat()));
        }
    }
    assert!(resident_peak_kib() < RESIDENT_KIB_MAX, "{} KiB were resident", resident_peak_kib());
}

#[test]
fn the_largest_message_costs_little_whatever_fills_it() {
    for record in samples(1) {
        let header = record.encoded()[..HEADER_BYTES].to_vec();
        for fill in [0x00, 0x01, 0x02, 0x40, 0x7F, 0x80, 0xFE, 0xFF] {
            let mut large = header.clone();
            large.resize(RECORD_BYTES_MAX, fill);
            drop(attack(&record, &large));
        }
        // Blocks of one element each: as many block headers as there can be.
        for place in HEADER_BYTES..record.encoded().len() {
            let mut large = record.encoded()[..place].to_vec();
            large.extend([0x02, 0x00].repeat((RECORD_BYTES_MAX - place) / 2));
            drop(attack(&record, &large));
        }
    }
    assert!(resident_peak_kib() < RESIDENT_KIB_MAX, "{} KiB were resident", resident_peak_kib());
}

/// The limits are for enemies: a snapshot as large as a bucket may be must still be read.
#[test]
fn the_largest_honest_snapshot_is_read() {
    limit_decoding();
    let client: Observable = "81.2.69.142".parse().unwrap();
    let window = |number: usize, seen: usize| Window {
        rule: format!("rule-{number}"),
        observable: client.clone(),
        seen_at: vec![1_795_267_200_000; seen],
        detected_at: None,
    };
    let snapshot = |windows| Snapshot {
        partition: 0,
        bucket: 0,
        bucket_count: 1,
        next_offset: 0,
        windows,
        sources: Vec::new(),
        recent_ids: Vec::new(),
    };
    for (windows, seen) in [(1, 80_000), (80, 1_000), (12_000, 1), (7_000, 6)] {
        let windows = (0..windows).map(|number| window(number, seen)).collect();
        let record = AnyRecord::Snapshot(snapshot(windows));
        let bytes = record.encoded();
        assert!(bytes.len() > 300_000 && bytes.len() <= RECORD_BYTES_MAX, "{} bytes", bytes.len());
        assert!(
            attack(&record, &bytes).is_ok_and(|read| read == record),
            "{} bytes with {seen} each",
            bytes.len()
        );
    }
}

/// An array whose elements take no bytes could be of any length in a few bytes; a recursive schema of any depth.
#[test]
fn no_schema_of_ours_lets_a_few_bytes_mean_much() {
    let folders =
        ["/avro", "/avro/old"].map(|name| format!("{}{name}", env!("CARGO_MANIFEST_DIR")));
    let files = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap());
    let mut read = 0;
    for path in files.map(|file| file.unwrap().path()).filter(|path| path.is_file()) {
        let schema = Schema::parse_str(&fs::read_to_string(&path).unwrap()).unwrap();
        assert!(least_bytes(&schema) > 0, "{}", path.display());
        read += 1;
    }
    assert_eq!(read, 14);
}

/// The fewest bytes a value takes; panics where that is none inside an array, or where a name refers to another.
fn least_bytes(schema: &Schema) -> usize {
    match schema {
        Schema::Null => 0,
        Schema::Record(record) => {
            record.fields.iter().map(|field| least_bytes(&field.schema)).sum()
        }
        Schema::Array(array) => {
            assert!(least_bytes(&array.items) > 0, "an array of nothing: {array:?}");
            1
        }
        Schema::Map(_) | Schema::Ref { .. } => {
            panic!("no map and no reference is meant to be in ours: {schema:?}")
        }
        Schema::Union(union) => {
            union.variants().iter().for_each(|variant| {
                least_bytes(variant);
            });
            1
        }
        _ => 1,
    }
}

proptest! {
    #![proptest_config(cases(1_000))]

    #[test]
    fn random_bytes_are_refused_or_read_and_never_panic(
        record in any_record(),
        place in any::<prop::sample::Index>(),
        noise in prop::collection::vec(any::<u8>(), 1..40),
    ) {
        let whole = record.encoded();
        let place = HEADER_BYTES + place.index(whole.len() - HEADER_BYTES + 1);
        let header_only = [&whole[..HEADER_BYTES], &noise].concat();
        let replaced = [&whole[..place], &noise, whole.get(place + noise.len()..).unwrap_or_default()].concat();
        let inserted = [&whole[..place], &noise, &whole[place..]].concat();
        for bytes in [noise, header_only, replaced, inserted] {
            if let Ok(read) = attack(&record, &bytes) {
                // What was taken for a record is one: it can be written and read again.
                prop_assert_eq!(&attack(&record, &read.encoded()), &Ok(read));
            }
        }
    }
}
