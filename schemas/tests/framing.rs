//! What others write in front of a record: Confluent's framing, only with ids that a registry gave to a schema of ours,
//! and the standard's fingerprint. Behind them are the same records.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod common;

use std::fs;
use std::sync::OnceLock;

use apache_avro::Schema;
use apache_avro::rabin::Rabin;
use common::{AnyRecord, any_record, cases};
use proptest::prelude::*;
use schemas::record::{RECORD_BYTES_MAX, limit_decoding};
use schemas::{Control, DecodeError, Event, Record as _, SchemaIds, registry};
use serde_json::Value;

const HEADER_BYTES: usize = 10;
/// Ids are as a registry draws them: anything, and in no order.
const FIRST_ID: u32 = 100_001;

/// The fingerprints of the standard's canonical form, as fastavro 1.13.1 writes them, by file.
const STANDARD: [(&str, [u8; 8]); 14] = [
    ("control", *b"\xd2\x98\xe9\x60\xd7\xfb\x91\x12"),
    ("control.v1", *b"\x63\xbb\x84\x4d\xe3\x3c\x78\xa7"),
    ("decision", *b"\x78\x44\x1b\xfe\xff\xa4\xb2\x57"),
    ("decision.v1", *b"\x74\xe4\xa9\x25\x68\xfd\x6c\x21"),
    ("detection", *b"\xa3\xdb\x85\x8f\xc4\xa7\x31\x08"),
    ("detection.v1", *b"\xb5\xd0\xd8\xb2\x46\x3b\x1e\xc4"),
    ("enforcement", *b"\x73\x7d\x2b\xb2\x6c\x25\xe8\x78"),
    ("epoch", *b"\x0b\x7d\x43\xca\x16\xa3\x94\x35"),
    ("event", *b"\x1b\x63\x42\x2d\xeb\xd5\xd1\x84"),
    ("event.v1", *b"\xbf\x7a\xc1\xd8\x64\x1f\x2d\x83"),
    ("event.v2", *b"\x5f\xab\x44\x83\x06\xbf\xbd\xfe"),
    ("lease", *b"\xff\x5c\x96\x23\x61\x0e\x70\xa5"),
    ("outcome", *b"\xcd\xa3\x36\x71\xda\x74\xfc\xd1"),
    ("snapshot", *b"\x9f\xca\xee\xfe\x57\xc7\x00\xf8"),
];

/// A schema of ours.
struct Ours {
    name: String,
    avsc: String,
    /// What single-object encoding puts in front.
    header: Vec<u8>,
}

/// Every schema of ours, of today and before; their ids are accepted from the first call on.
fn avscs() -> &'static [Ours] {
    static AVSCS: OnceLock<Vec<Ours>> = OnceLock::new();
    AVSCS.get_or_init(|| {
        let folders =
            ["avro", "avro/old"].map(|name| format!("{}/{name}", env!("CARGO_MANIFEST_DIR")));
        let files = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap());
        let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
        paths.retain(|path| path.is_file());
        paths.sort();
        let read = |path: &std::path::PathBuf| {
            let avsc = fs::read_to_string(path).unwrap();
            let fingerprint = Schema::parse_str(&avsc).unwrap().fingerprint::<Rabin>();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            Ours { name, avsc, header: [&[0xC3, 0x01], &fingerprint.bytes[..]].concat() }
        };
        let avscs: Vec<_> = paths.iter().map(read).collect();
        let mut ids = SchemaIds::default();
        for (id, ours) in (FIRST_ID..).zip(&avscs) {
            assert!(ids.take(id, &ours.avsc), "{}", ours.name);
        }
        assert_eq!(ids.len(), 14);
        limit_decoding();
        registry::accept(ids);
        avscs
    })
}

/// Which schema a single-object message of ours names.
fn named(message: &[u8]) -> usize {
    avscs().iter().position(|ours| ours.header == message[..HEADER_BYTES]).unwrap()
}

/// A single-object message in Confluent's framing.
fn framed(message: &[u8]) -> Vec<u8> {
    frame(FIRST_ID + named(message) as u32, &message[HEADER_BYTES..])
}

/// A single-object message as another library writes it.
fn standard(message: &[u8]) -> Vec<u8> {
    let name = &avscs()[named(message)].name;
    let (_, fingerprint) = STANDARD.iter().find(|(known, _)| known == name).unwrap();
    [&[0xC3, 0x01], &fingerprint[..], &message[HEADER_BYTES..]].concat()
}

fn frame(id: u32, datum: &[u8]) -> Vec<u8> {
    [&[0], &id.to_be_bytes()[..], datum].concat()
}

fn class(answer: Result<AnyRecord, DecodeError>) -> Result<AnyRecord, &'static str> {
    answer.map_err(|error| error.class())
}

#[test]
fn a_schema_of_before_is_read_by_any_of_its_names() {
    let event = include_bytes!("../examples/event/v1/access.avro");
    assert!(Event::decode(event).is_ok());
    assert_eq!(Event::decode(&framed(event)), Event::decode(event));
    assert_eq!(Event::decode(&standard(event)), Event::decode(event));
    for name in ["control/v1/freeze", "control/v2/mode"] {
        let file = format!("{}/examples/{name}.avro", env!("CARGO_MANIFEST_DIR"));
        let control = fs::read(&file).unwrap();
        assert!(Control::decode(&control).is_ok(), "{name}");
        assert_eq!(Control::decode(&framed(&control)), Control::decode(&control), "{name}");
        assert_eq!(Control::decode(&standard(&control)), Control::decode(&control), "{name}");
    }
}

/// Our own library's name for the schema and the standard's, as the guide tells both to whoever writes events.
#[test]
fn the_guide_names_todays_event_by_both_of_its_fingerprints() {
    let guide = include_str!("../../docs/guides/publish-events.md");
    let (_, standard) = STANDARD.iter().find(|(name, _)| *name == "event").unwrap();
    let ours = avscs().iter().find(|ours| ours.name == "event").unwrap();
    for fingerprint in [&standard[..], &ours.header[2..]] {
        let bytes: Vec<String> = fingerprint.iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(guide.contains(&format!("`{}`", bytes.join(" "))), "{bytes:?}");
    }
}

/// What `deploy/publishers/python/publish.py` wrote with fastavro 1.13.1, when `event.avsc` was what v2 is now.
#[test]
fn what_the_guides_publisher_in_python_writes_is_an_event() {
    let written = "c3015fab448306bfbdfe4830303030303030302d303030302d303030302d303030302d303030303030303030\
                   3030370273000200063a3a31000647455400022f0290030000000000000000";
    let bytes: Vec<u8> = (0..written.len() / 2)
        .map(|byte| u8::from_str_radix(&written[2 * byte..2 * byte + 2], 16).unwrap())
        .collect();
    let event = Event::decode(&bytes).unwrap();
    assert_eq!((event.event_id.as_u128(), event.source, event.observed_at), (7, "s", 1));
    assert_eq!((event.position, event.received_at, event.status), (None, None, Some(200)));
    assert_eq!((event.method, event.uri, Event::key_of(&event)), ("GET", "/", "::/64".to_owned()));
}

#[test]
fn an_id_that_the_registry_did_not_give_to_a_schema_of_ours_is_told() {
    let event = include_bytes!("../examples/event/v2/access.avro");
    assert!(Event::decode(&framed(event)).is_ok());
    for id in [0, 1, FIRST_ID - 1, FIRST_ID + 14, u32::MAX] {
        let error = Event::decode(&frame(id, &event[HEADER_BYTES..])).unwrap_err();
        assert_eq!(
            (error.class(), &error),
            ("unknown_schema", &DecodeError::UnknownSchemaId { id })
        );
        assert!(error.to_string().contains(&format!("schema id {id} ")), "{error}");
    }
    // A schema of ours, and not this topic's.
    let error = Control::decode(&framed(event)).unwrap_err();
    assert!(matches!(error, DecodeError::UnknownSchema { .. }), "{error}");
}

/// What the registry holds is the same schema when its canonical form is: a registry may keep it without a line break,
/// and a publisher without its documentation.
#[test]
fn the_same_schema_is_known_however_it_is_written() {
    let check = |avsc: &str, ours: bool| {
        assert_eq!(SchemaIds::default().take(1, avsc), ours, "{avsc}");
    };
    for Ours { avsc, .. } in avscs() {
        let json: Value = serde_json::from_str(avsc).unwrap();
        check(&json.to_string(), true);
        let mut bare = json.clone();
        strip(&mut bare, &["doc", "default", "logicalType", "aliases"]);
        check(&bare.to_string(), true);
        bare["connect.name"] = Value::from("somebody's");
        check(&bare.to_string(), true);
        for field in ["name", "namespace"] {
            let mut other = json.clone();
            other[field] = Value::from("other");
            check(&other.to_string(), false);
        }
        let mut turned = json.clone();
        turned["fields"].as_array_mut().unwrap().reverse();
        check(&turned.to_string(), false);
        let mut shorter = json;
        shorter["fields"].as_array_mut().unwrap().remove(0);
        check(&shorter.to_string(), false);
    }
    let deep = format!("{}\"null\"{}", "{\"type\":".repeat(5_000), "}".repeat(5_000));
    let strange =
        r#"{"type":"record","name":"Event","namespace":"perimeter.v1","fields":[],"items":7}"#;
    for avsc in ["", "null", "7", "[]", "\"string\"", "syntax = \"proto3\";", &deep, strange] {
        check(avsc, false);
    }
}

fn strip(value: &mut Value, names: &[&str]) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| !names.contains(&name.as_str()));
            fields.values_mut().for_each(|value| strip(value, names));
        }
        Value::Array(values) => values.iter_mut().for_each(|value| strip(value, names)),
        _ => {}
    }
}

proptest! {
    #![proptest_config(cases(500))]

    /// Behind the header the encodings are one, for records and for anything else.
    #[test]
    fn what_follows_the_header_means_the_same_behind_any_header(
        record in any_record(),
        place in any::<prop::sample::Index>(),
        noise in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let message = record.encoded();
        prop_assert_eq!(record.decode_alike(&framed(&message)), Ok(record.clone()));
        prop_assert_eq!(record.decode_alike(&standard(&message)), Ok(record.clone()));
        let place = HEADER_BYTES + place.index(message.len() - HEADER_BYTES + 1);
        for hostile in [
            message[..place].to_vec(),
            [&message[..place], &noise[..]].concat(),
            [&message[..place], &noise[..], &message[place..]].concat(),
            [&message[..HEADER_BYTES], &noise[..]].concat(),
        ] {
            prop_assert_eq!(
                class(record.decode_alike(&framed(&hostile))),
                class(record.decode_alike(&hostile))
            );
        }
    }

    #[test]
    fn a_frame_of_anything_is_refused_or_read_and_never_panics(
        record in any_record(),
        id in prop_oneof![any::<u32>(), FIRST_ID..FIRST_ID + 15],
        noise in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        avscs();
        let whole = frame(id, &noise);
        drop(record.decode_alike(&whole));
        for bytes in 0..5 {
            prop_assert_eq!(class(record.decode_alike(&whole[..bytes])), Err("too_short"));
        }
        let mut large = whole;
        large.resize(RECORD_BYTES_MAX + 1, 0);
        prop_assert_eq!(class(record.decode_alike(&large)), Err("too_large"));
    }
}
