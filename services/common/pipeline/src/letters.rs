//! Reads dead letters: what a topic's reader refused, with the reason that it gave.
//!
//! Writing them is the worker's and the collector's part; what of them may go back is for whoever reads them.

use std::ops::ControlFlow;

use anyhow::Result;
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use schemas::{Millis, Topic};

use crate::bus::{Bus, From};

/// The header that a record published again carries: from where, when, by whom and why, as text. Its next dead letter,
/// if there is one, carries it on.
pub const REPLAYED: &str = "perimeter-replayed";

/// Every class that a dead letter may have, whoever wrote it: the worker, the collector, or a stage by [`Classed`].
pub const CLASSES: [&str; 13] = [
    "future",
    "invalid",
    "malformed",
    "no_address",
    "no_time",
    "rejected",
    "too_large",
    "too_long",
    "too_short",
    "unknown_schema",
    "unsupported",
    "wrong_key",
    "wrong_magic",
];

/// Why a stage rejects a record, under another class than `rejected`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Classed {
    /// One of [`CLASSES`].
    pub class: &'static str,
    pub reason: String,
}

/// One dead letter, borrowed from the client's buffer.
#[derive(Debug, Clone)]
pub struct DeadLetter<'a> {
    /// The topic that the record came from or was meant for; the letter stands in that topic's dead letters.
    pub topic: Topic,
    /// Where the letter stands in the one partition of its topic.
    pub offset: i64,
    /// When it was written.
    pub timestamp: Millis,
    pub key: &'a [u8],
    pub payload: &'a [u8],
    pub headers: Vec<(&'a str, &'a [u8])>,
}

impl<'a> DeadLetter<'a> {
    /// The value of the first header of that name.
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        self.headers.iter().find(|(key, _)| *key == name).map(|(_, value)| *value)
    }
}

/// A reader of dead letters; reads by manual assignment and commits nothing.
#[derive(Clone)]
pub struct DeadLetters {
    bus: Bus,
}

impl DeadLetters {
    pub(crate) fn of(bus: Bus) -> Self {
        DeadLetters { bus }
    }

    /// Calls `each` for every dead letter of `topic` from `from` to the end as it is at the call, until it breaks off;
    /// answers that end. Blocks; holds one message at a time.
    pub fn read(
        &self,
        topic: Topic,
        from: From,
        each: &mut dyn FnMut(DeadLetter<'_>) -> Result<ControlFlow<()>>,
    ) -> Result<i64> {
        match &self.bus {
            Bus::Kafka(kafka) => {
                let name = topic.dead_letters();
                kafka.read_to_end(&name, 0, from, &mut |message| each(letter(topic, message)))
            }
            Bus::Memory(log) => log.read_letters(topic, from, each),
        }
    }
}

fn letter<'a>(topic: Topic, message: &'a BorrowedMessage<'_>) -> DeadLetter<'a> {
    let headers = message.headers().map(|headers| {
        let headers = headers.iter();
        headers.map(|header| (header.key, header.value.unwrap_or_default())).collect()
    });
    DeadLetter {
        topic,
        offset: message.offset(),
        timestamp: message.timestamp().to_millis().unwrap_or(0),
        key: message.key().unwrap_or_default(),
        payload: message.payload().unwrap_or_default(),
        headers: headers.unwrap_or_default(),
    }
}
