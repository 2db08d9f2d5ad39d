//! The bus: Kafka, or its twin in memory, behind the same types.

use anyhow::Result;
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use schemas::{DecodeError, Millis, Record, Topic};
use telemetry::trace::TRACEPARENT;

use crate::kafka::Kafka;
use crate::letters::{DeadLetters, REPLAYED};
use crate::memory::Log;
use crate::publisher::Publisher;
use crate::registry::Registry;
use crate::stage::Message;

/// Longest `traceparent` that goes on: W3C's is 55 bytes (Trace Context, §3.2), and a later version may be longer.
const TRACE_BYTES_MAX: usize = 256;

/// One record as bytes, borrowed from the client's buffer.
#[derive(Debug, Clone, Copy)]
pub struct Raw<'a> {
    pub topic: Topic,
    pub partition: i32,
    pub offset: i64,
    pub timestamp: Millis,
    pub key: &'a [u8],
    pub payload: &'a [u8],
    pub headers: Headers<'a>,
}

impl<'a> Raw<'a> {
    /// `message` as it is handed to a reader who finds it there.
    pub fn of(
        message: &'a Message,
        topic: Topic,
        partition: i32,
        offset: i64,
        timestamp: Millis,
    ) -> Raw<'a> {
        Raw {
            topic,
            partition,
            offset,
            timestamp,
            key: &message.key,
            payload: &message.payload,
            headers: Headers::of(&message.headers),
        }
    }

    /// Decodes the record and checks that its key and partition are its own.
    pub fn decode<R: Record>(&self) -> Result<R::View<'a>, DecodeError> {
        crate::worker::decode::<R>(self)
    }
}

/// What came beside a record. Nothing is looked for until it is asked for: the client takes a while to find out that there
/// is nothing, and most records are answered with nothing.
#[derive(Debug, Clone, Copy)]
pub struct Headers<'a>(Carried<'a>);

#[derive(Debug, Clone, Copy)]
enum Carried<'a> {
    ByKafka(&'a BorrowedMessage<'a>),
    Here(&'a [(&'static str, Vec<u8>)]),
}

impl<'a> Headers<'a> {
    /// There are none.
    pub const NONE: Headers<'static> = Headers(Carried::Here(&[]));

    /// These.
    pub fn of(headers: &'a [(&'static str, Vec<u8>)]) -> Self {
        Headers(Carried::Here(headers))
    }

    pub(crate) fn of_message(message: &'a BorrowedMessage<'a>) -> Self {
        Headers(Carried::ByKafka(message))
    }

    /// W3C `traceparent`, if the record came with one.
    pub fn trace(self) -> Option<&'a str> {
        self.text(TRACEPARENT).filter(|trace| trace.len() <= TRACE_BYTES_MAX)
    }

    /// Who published the record again, if it was a dead letter before ([`crate::REPLAYED`]).
    pub fn replayed(self) -> Option<&'a str> {
        self.text(REPLAYED)
    }

    /// The text of the first header of that name.
    fn text(self, name: &str) -> Option<&'a str> {
        let value = match self.0 {
            Carried::ByKafka(message) => {
                message.headers()?.iter().find(|header| header.key == name)?.value?
            }
            Carried::Here(headers) => &headers.iter().find(|(key, _)| *key == name)?.1,
        };
        std::str::from_utf8(value).ok()
    }
}

/// Where to begin reading a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    Beginning,
    /// The end as it is now.
    End,
    Offset(i64),
    /// The first record of that time or later.
    Since(Millis),
}

/// Kafka, or its twin in memory.
#[derive(Clone)]
pub enum Bus {
    Kafka(Kafka),
    Memory(Log),
}

impl Bus {
    /// A bus over `properties` (librdkafka's names). Checks the properties; connects to nothing yet.
    pub fn kafka(properties: Vec<(String, String)>) -> Result<Bus> {
        Kafka::new(properties).map(Bus::Kafka)
    }

    /// A stage on this bus reads nothing before `registry` has said which schema ids stand for schemas of ours.
    pub fn with_registry(self, registry: Option<Registry>) -> Bus {
        match self {
            Bus::Kafka(kafka) => Bus::Kafka(kafka.with_registry(registry)),
            Bus::Memory(log) => Bus::Memory(log),
        }
    }

    /// The same bus for what nobody waits for: records are gathered for some tenths of a second on their way in and out,
    /// so that the broker answers a few requests a second and not one for each record.
    #[must_use]
    pub fn in_bulk(self) -> Bus {
        match self {
            Bus::Kafka(kafka) => Bus::Kafka(kafka.in_bulk()),
            Bus::Memory(log) => Bus::Memory(log),
        }
    }

    /// The twin in memory; clones share the log.
    pub fn in_memory(log: Log) -> Bus {
        Bus::Memory(log)
    }

    /// Sends single records and waits for the broker's acknowledgement.
    pub fn publisher(&self) -> Result<Publisher> {
        match self {
            Bus::Kafka(kafka) => Publisher::kafka(kafka),
            Bus::Memory(log) => Ok(Publisher::memory(log.clone())),
        }
    }

    /// Reads what was refused.
    pub fn dead_letters(&self) -> DeadLetters {
        DeadLetters::of(self.clone())
    }

    /// Reads partitions from a place to their end, for restoring a state.
    pub fn read_back(&self) -> ReadBack {
        ReadBack { bus: self.clone() }
    }
}

/// Reads back what was published, to its end as it is at the call. Blocks: for use while a stage is being opened.
#[derive(Clone)]
pub struct ReadBack {
    bus: Bus,
}

impl ReadBack {
    /// Calls `each` for every record of the partition from `from` to the end; answers the end.
    pub fn read(
        &self,
        topic: Topic,
        partition: i32,
        from: From,
        each: &mut dyn FnMut(Raw<'_>) -> Result<()>,
    ) -> Result<i64> {
        match &self.bus {
            Bus::Kafka(kafka) => kafka.read_back(topic, partition, from, each),
            Bus::Memory(log) => log.read_back(topic, partition, from, each),
        }
    }
}
