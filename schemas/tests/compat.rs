//! What was ever written decodes for ever: the examples, the round trip, and our `Event` codec against Avro's own.
//!
//! An example is a pair, `NAME.json` and `NAME.avro`, and is never changed or removed. To add one, write the JSON
//! and run this file with `PERIMETER_WRITE_EXAMPLES=1`: it writes the message that is missing, and no other.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::writer::datum::GenericDatumWriter;
use common::{AnyRecord, any_record, cases, event};
use proptest::prelude::*;
use schemas::{Event, LeaseEntry, Record};
use serde_json::Value;

/// The records, by the name of their schema file and examples folder.
const RECORDS: [&str; 9] = [
    "event",
    "detection",
    "decision",
    "lease",
    "epoch",
    "enforcement",
    "outcome",
    "control",
    "snapshot",
];

fn from_json(record: &str, json: &str) -> AnyRecord {
    match record {
        "event" => AnyRecord::Event(serde_json::from_str(json).unwrap()),
        "detection" => AnyRecord::Detection(serde_json::from_str(json).unwrap()),
        "decision" => AnyRecord::Decision(serde_json::from_str(json).unwrap()),
        "lease" => AnyRecord::Lease(LeaseEntry::Lease(serde_json::from_str(json).unwrap())),
        "epoch" => AnyRecord::Lease(LeaseEntry::Epoch(serde_json::from_str(json).unwrap())),
        "enforcement" => AnyRecord::Enforcement(serde_json::from_str(json).unwrap()),
        "outcome" => AnyRecord::Outcome(serde_json::from_str(json).unwrap()),
        "control" => AnyRecord::Control(serde_json::from_str(json).unwrap()),
        "snapshot" => AnyRecord::Snapshot(serde_json::from_str(json).unwrap()),
        other => panic!("examples/{other} is not the name of a record"),
    }
}

fn to_json(record: &AnyRecord) -> Value {
    match record {
        AnyRecord::Event(record) => serde_json::to_value(record),
        AnyRecord::Detection(record) => serde_json::to_value(record),
        AnyRecord::Decision(record) => serde_json::to_value(record),
        AnyRecord::Lease(LeaseEntry::Lease(record)) => serde_json::to_value(record),
        AnyRecord::Lease(LeaseEntry::Epoch(record)) => serde_json::to_value(record),
        AnyRecord::Enforcement(record) => serde_json::to_value(record),
        AnyRecord::Outcome(record) => serde_json::to_value(record),
        AnyRecord::Control(record) => serde_json::to_value(record),
        AnyRecord::Snapshot(record) => serde_json::to_value(record),
    }
    .unwrap()
}

/// The newest schema of one record.
fn schema_text(record: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("avro");
    fs::read_to_string(folder.join(format!("{record}.avsc"))).unwrap()
}

/// The JSON files of one record, of every version.
fn examples(record: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(record);
    let mut files = Vec::new();
    for version in
        fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
    {
        for file in fs::read_dir(version.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "json") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

#[test]
fn every_example_of_every_version_decodes_to_its_json() {
    for record in RECORDS {
        let files = examples(record);
        assert!(!files.is_empty(), "examples/{record} is empty");
        for file in files {
            let json = fs::read_to_string(&file).unwrap();
            let like = from_json(record, &json);
            let message = file.with_extension("avro");
            if !message.exists() && std::env::var_os("PERIMETER_WRITE_EXAMPLES").is_some() {
                fs::write(&message, like.encoded()).unwrap();
            }
            let bytes = fs::read(&message).unwrap_or_else(|error| {
                panic!(
                    "{}: {error}; PERIMETER_WRITE_EXAMPLES=1 writes what is missing",
                    message.display()
                )
            });
            let decoded = like
                .decode_alike(&bytes)
                .unwrap_or_else(|error| panic!("{}: {error}", message.display()));
            let mut expected: Value = serde_json::from_str(&json).unwrap();
            add_defaults(record, &mut expected);
            assert_eq!(to_json(&decoded), expected, "{}", message.display());
        }
    }
}

/// What an older version did not say stands at its default in the newest schema.
fn add_defaults(record: &str, example: &mut Value) {
    let schema: Value = serde_json::from_str(&schema_text(record)).unwrap();
    for field in schema["fields"].as_array().unwrap() {
        let name = field["name"].as_str().unwrap();
        if example.get(name).is_none() {
            example[name] = field.get("default").unwrap_or_else(|| panic!("{name}")).clone();
        }
    }
}

#[test]
fn every_schema_has_examples_and_a_stable_fingerprint() {
    let fingerprints = RECORDS.map(|record| {
        let schema = Schema::parse_str(&schema_text(record)).unwrap();
        schema.fingerprint::<apache_avro::rabin::Rabin>().bytes
    });
    for (record, fingerprint) in RECORDS.iter().zip(fingerprints) {
        let newest = examples(record).pop().unwrap().with_extension("avro");
        assert_eq!(
            fs::read(newest).unwrap()[2..10],
            fingerprint,
            "{record} changed: add v2, keep reading v1"
        );
    }
}

fn event_schema() -> Schema {
    Schema::parse_str(include_str!("../avro/event.avsc")).unwrap()
}

/// What Avro's own writer makes of an event, header included.
fn written_by_avro(event: &Event, schema: &Schema) -> Vec<u8> {
    let mut bytes = vec![0xC3, 0x01];
    bytes.extend_from_slice(&schema.fingerprint::<apache_avro::rabin::Rabin>().bytes);
    let writer = GenericDatumWriter::builder(schema).human_readable(true).build().unwrap();
    writer.write_ser(&mut bytes, event).unwrap();
    bytes
}

proptest! {
    #![proptest_config(cases(2_000))]

    #[test]
    fn what_was_encoded_decodes_to_itself(record in any_record()) {
        let bytes = record.encoded();
        prop_assert_eq!(&record.decode_alike(&bytes).unwrap(), &record);
    }

    #[test]
    fn our_event_codec_and_avros_write_and_read_the_same(event in event()) {
        let schema = event_schema();
        let mut ours = Vec::new();
        event.encode(&mut ours).unwrap();
        prop_assert_eq!(&ours, &written_by_avro(&event, &schema));
        let reader = GenericDatumReader::builder(&schema).human_readable(true).build().unwrap();
        let theirs: Event = reader.read_deser(&mut &ours[10..]).unwrap();
        prop_assert_eq!(&theirs, &event);
        let view = Event::decode(&ours).unwrap();
        prop_assert_eq!(Event::key_of(&view), event.key());
        prop_assert_eq!(view.to_event(), event);
    }
}
