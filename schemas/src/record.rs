//! The wire form of every record: Avro single-object encoding, and the limits on decoding it.
//!
//! A message is `C3 01`, the 8-byte fingerprint of the writer's schema, and the datum; or, from others, in Confluent's
//! framing ([`crate::registry`]). A reader knows the schemas it was compiled with and no others, so nothing is ever
//! looked up because a message asked for it.

use std::sync::LazyLock;

use apache_avro::rabin::Rabin;
use apache_avro::reader::single_object::GenericSingleObjectReader;
use apache_avro::{Schema, writer::datum::GenericDatumWriter};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::registry::{self, FRAMED};
use crate::topic::Topic;
use crate::{
    Control, Decision, Detection, Enforcement, Epoch, Lease, LeaseEntry, Observable, Outcome,
    Snapshot,
};

/// Longest message that is decoded.
pub const RECORD_BYTES_MAX: usize = 512 * 1024;
/// Most memory one length field of a message may ask for.
pub const DECODE_ALLOCATION_BYTES_MAX: usize = 1024 * 1024;
/// The Avro library quotes whole schemas in its errors.
const ERROR_CHARS_MAX: usize = 400;
pub(crate) const MAGIC: [u8; 2] = [0xC3, 0x01];
pub(crate) const HEADER_BYTES: usize = 10;

/// Why bytes are not a record. Each is a closed class, used as a metric label and in the dead letter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("the message has {bytes} bytes, more than the {RECORD_BYTES_MAX} allowed")]
    TooLarge { bytes: usize },
    #[error("the message has {bytes} bytes, too few for a header")]
    TooShort { bytes: usize },
    #[error("the message begins with {found:02x?}, not with Avro's single-object marker c3 01")]
    WrongMagic { found: [u8; 2] },
    #[error("schema fingerprint {fingerprint:016x} is not known to this version")]
    UnknownSchema { fingerprint: u64 },
    #[error(
        "schema id {id} is none that a registry (SCHEMA_REGISTRY_URL) gave to a schema of ours before this process \
         started"
    )]
    UnknownSchemaId { id: u32 },
    #[error("the message does not follow its schema: {0}")]
    Malformed(String),
    #[error("the key '{found}' is not the record's own, '{expected}'")]
    WrongKey { found: String, expected: String },
    #[error("the record breaks a rule of its schema: {0}")]
    Invalid(String),
}

impl DecodeError {
    /// The class, for metrics and the dead letter's header.
    pub fn class(&self) -> &'static str {
        match self {
            DecodeError::TooLarge { .. } => "too_large",
            DecodeError::TooShort { .. } => "too_short",
            DecodeError::WrongMagic { .. } => "wrong_magic",
            DecodeError::UnknownSchema { .. } | DecodeError::UnknownSchemaId { .. } => {
                "unknown_schema"
            }
            DecodeError::Malformed(_) => "malformed",
            DecodeError::WrongKey { .. } => "wrong_key",
            DecodeError::Invalid(_) => "invalid",
        }
    }
}

/// A record could not be written: a value its schema cannot hold.
#[derive(Debug, thiserror::Error)]
#[error("could not encode a record of {topic}: {cause}")]
pub struct EncodeError {
    topic: &'static str,
    cause: String,
}

/// A record of one topic.
pub trait Record: Sized + Send + 'static {
    const TOPIC: Topic;
    /// The decoded form: borrowed from the message where the type allows, else the record itself.
    type View<'a>;

    /// Decodes a message. Bounded in memory and time whatever the bytes are.
    fn decode(bytes: &[u8]) -> Result<Self::View<'_>, DecodeError>;

    /// Encodes the record, header included, at the end of `out`.
    fn encode(&self, out: &mut Vec<u8>) -> Result<(), EncodeError>;

    /// The message key, in canonical text.
    fn key(&self) -> String;

    /// The key that a decoded view must have come under.
    fn key_of(view: &Self::View<'_>) -> String;

    /// Whether `key` is the one that a decoded view must have come under.
    fn key_is(view: &Self::View<'_>, key: &[u8]) -> bool {
        Self::key_of(view).as_bytes() == key
    }

    /// The partition a decoded view must be in, where the record names it; else its key decides.
    fn partition_of(view: &Self::View<'_>) -> Option<i32> {
        let _ = view;
        None
    }

    /// The partition this record must go to, where it names it; else its key decides.
    fn partition(&self) -> Option<i32> {
        None
    }
}

/// Sets the process-wide limits of the Avro library. The first call counts, so every `main` begins with it.
pub fn limit_decoding() {
    apache_avro::util::max_allocation_bytes(DECODE_ALLOCATION_BYTES_MAX);
}

/// Splits a message into its schema fingerprint and datum.
pub(crate) fn header(bytes: &[u8]) -> Result<(u64, &[u8]), DecodeError> {
    if bytes.len() > RECORD_BYTES_MAX {
        return Err(DecodeError::TooLarge { bytes: bytes.len() });
    }
    if let Some((&FRAMED, rest)) = bytes.split_first() {
        let Some((id, datum)) = rest.split_first_chunk() else {
            return Err(DecodeError::TooShort { bytes: bytes.len() });
        };
        let id = u32::from_be_bytes(*id);
        let fingerprint = registry::fingerprint(id).ok_or(DecodeError::UnknownSchemaId { id })?;
        return Ok((fingerprint, datum));
    }
    let Some((head, datum)) = bytes.split_at_checked(HEADER_BYTES) else {
        return Err(DecodeError::TooShort { bytes: bytes.len() });
    };
    if head[..2] != MAGIC {
        return Err(DecodeError::WrongMagic { found: [head[0], head[1]] });
    }
    let fingerprint =
        u64::from_le_bytes(head[2..].try_into().expect("eight bytes follow the marker"));
    Ok((fingerprint, datum))
}

/// One schema with what is made from it once.
pub(crate) struct Codec {
    /// It borrows its schema, which lives as long as the process: there is one of each codec.
    writer: GenericDatumWriter<'static>,
    header: [u8; HEADER_BYTES],
    /// One for each schema it may be written with, today's first; what an older one lacks has its default.
    readers: Vec<Reader>,
}

struct Reader {
    /// As we write it: the library sees logical types in it.
    fingerprint: u64,
    /// As the standard has it, and so every other library (ADR 0013).
    standard_fingerprint: u64,
    plain: Schema,
    datum: GenericSingleObjectReader,
}

impl Codec {
    pub(crate) fn new(avsc: &str, older: &[&str]) -> Self {
        let schema: &'static Schema = Box::leak(Box::new(parsed(avsc)));
        let mut header = [0; HEADER_BYTES];
        header[..2].copy_from_slice(&MAGIC);
        header[2..].copy_from_slice(&schema.fingerprint::<Rabin>().bytes);
        let readers = [avsc].iter().chain(older).map(|avsc| Reader::of(avsc)).collect();
        let writer = GenericDatumWriter::builder(schema).human_readable(true).build();
        let writer = writer.expect("the schemas in avro/ are checked by the tests");
        Codec { writer, header, readers }
    }

    /// Whether a message with this fingerprint was written with a schema of this codec.
    pub(crate) fn reads(&self, fingerprint: u64) -> bool {
        self.readers.iter().any(|reader| reader.reads(fingerprint))
    }

    pub(crate) fn header(&self) -> &[u8; HEADER_BYTES] {
        &self.header
    }

    pub(crate) fn decode<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, DecodeError> {
        let (fingerprint, mut rest) = header(bytes)?;
        let reader = self.readers.iter().find(|reader| reader.reads(fingerprint));
        let reader = reader.ok_or(DecodeError::UnknownSchema { fingerprint })?;
        let record = reader
            .datum
            .read_deser(&mut rest)
            .map_err(|error| DecodeError::Malformed(error.to_string()))?;
        if !rest.is_empty() {
            return Err(DecodeError::Malformed(format!("{} bytes follow the record", rest.len())));
        }
        Ok(record)
    }

    pub(crate) fn encode<T: Serialize>(
        &self,
        topic: Topic,
        record: &T,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        let start = out.len();
        out.extend_from_slice(&self.header);
        self.writer.write_ser(out, record).map(|_| ()).map_err(|error| {
            out.truncate(start);
            EncodeError {
                topic: topic.name(),
                cause: error.to_string().chars().take(ERROR_CHARS_MAX).collect(),
            }
        })
    }
}

fn parsed(avsc: &str) -> Schema {
    Schema::parse_str(avsc).expect("the schemas in avro/ are checked by the tests")
}

impl Reader {
    fn of(avsc: &str) -> Self {
        let proof = "the schemas in avro/ are checked by the tests";
        let (schema, plain) = (parsed(avsc), registry::plain(avsc).expect(proof));
        let fingerprint = |schema: &Schema| fingerprint(&schema.fingerprint::<Rabin>().bytes);
        let (own, standard_fingerprint) = (fingerprint(&schema), fingerprint(&plain));
        // The header is taken off before: there are two kinds.
        let datum = GenericSingleObjectReader::builder()
            .schema(schema)
            .header(Vec::new())
            .human_readable(true)
            .build()
            .expect(proof);
        Reader { fingerprint: own, standard_fingerprint, plain, datum }
    }

    fn reads(&self, fingerprint: u64) -> bool {
        fingerprint == self.fingerprint || fingerprint == self.standard_fingerprint
    }
}

fn fingerprint(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().expect("a fingerprint has eight bytes"))
}

macro_rules! codec {
    ($name:ident, $file:literal $(, $older:literal)*) => {
        static $name: LazyLock<Codec> = LazyLock::new(|| {
            Codec::new(
                include_str!(concat!("../avro/", $file, ".avsc")),
                &[$(include_str!(concat!("../avro/old/", $older, ".avsc"))),*],
            )
        });
    };
}
codec!(DETECTION, "detection", "detection.v1");
codec!(DECISION, "decision", "decision.v1");
codec!(LEASE, "lease");
codec!(EPOCH, "epoch");
codec!(ENFORCEMENT, "enforcement");
codec!(OUTCOME, "outcome");
codec!(CONTROL, "control", "control.v1");
codec!(SNAPSHOT, "snapshot");

/// The fingerprint of the schema of ours, of today or before, that equals this plain one.
pub(crate) fn fingerprint_of(plain: &Schema) -> Option<u64> {
    let [event, event_v2, event_v1] = crate::event::codecs();
    let codecs: [&Codec; 11] = [
        event,
        event_v2,
        event_v1,
        &DETECTION,
        &DECISION,
        &LEASE,
        &EPOCH,
        &ENFORCEMENT,
        &OUTCOME,
        &CONTROL,
        &SNAPSHOT,
    ];
    let mut readers = codecs.into_iter().flat_map(|codec| &codec.readers);
    readers.find(|reader| reader.plain == *plain).map(|reader| reader.fingerprint)
}

macro_rules! owned_record {
    ($record:ty, $topic:expr, $codec:ident, $key:expr) => {
        impl Record for $record {
            const TOPIC: Topic = $topic;
            type View<'a> = $record;

            fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
                $codec.decode(bytes)
            }

            fn encode(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
                $codec.encode(Self::TOPIC, self, out)
            }

            fn key(&self) -> String {
                let key: fn(&$record) -> String = $key;
                key(self)
            }

            fn key_of(view: &Self) -> String {
                view.key()
            }
        }
    };
}
owned_record!(Detection, Topic::Detections, DETECTION, |record| text(&record.observable));
owned_record!(Decision, Topic::Decisions, DECISION, |record| text(&record.observable));
owned_record!(Enforcement, Topic::Enforcements, ENFORCEMENT, |record| text(&record.observable));
owned_record!(Outcome, Topic::Outcomes, OUTCOME, |record| text(&record.observable));
owned_record!(Control, Topic::Controls, CONTROL, |record| record.scope.clone());

impl Record for Snapshot {
    const TOPIC: Topic = Topic::ScorerState;
    type View<'a> = Snapshot;

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        SNAPSHOT.decode(bytes)
    }

    fn encode(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        SNAPSHOT.encode(Self::TOPIC, self, out)
    }

    fn key(&self) -> String {
        format!("{}/{}", self.partition, self.bucket)
    }

    fn key_of(view: &Self) -> String {
        view.key()
    }

    fn partition_of(view: &Self) -> Option<i32> {
        Some(view.partition)
    }

    fn partition(&self) -> Option<i32> {
        Some(self.partition)
    }
}

impl Record for LeaseEntry {
    const TOPIC: Topic = Topic::Leases;
    type View<'a> = LeaseEntry;

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (fingerprint, _) = header(bytes)?;
        if EPOCH.reads(fingerprint) {
            return EPOCH.decode::<Epoch>(bytes).map(LeaseEntry::Epoch);
        }
        LEASE.decode::<Lease>(bytes).map(LeaseEntry::Lease)
    }

    fn encode(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        match self {
            LeaseEntry::Lease(lease) => LEASE.encode(Self::TOPIC, lease, out),
            LeaseEntry::Epoch(epoch) => EPOCH.encode(Self::TOPIC, epoch, out),
        }
    }

    fn key(&self) -> String {
        match self {
            LeaseEntry::Lease(lease) => text(&lease.observable),
            LeaseEntry::Epoch(_) => crate::lease::EPOCH_KEY.to_owned(),
        }
    }

    fn key_of(view: &Self) -> String {
        view.key()
    }
}

fn text(observable: &Observable) -> String {
    observable.to_string()
}
