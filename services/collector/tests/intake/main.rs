//! What comes in besides Envoy's stream: log files, documents over HTTP, syslog and topics of the user's, on a log in memory.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails its test by unwrapping")]

#[path = "../../../common/pipeline/tests/authority/mod.rs"]
mod authority;
mod config;
mod files;
mod frames;
mod http;
mod kafka;
mod limits;
mod lines;
mod once;
mod syslog;
mod tls;

use schemas::{Event, Record as _};

const NOW: i64 = 1_780_000_000_000;

/// The events on the log, in the order in which each source has them.
fn events(log: &pipeline::memory::Log) -> Vec<Event> {
    let mut events: Vec<Event> = log
        .messages("events")
        .iter()
        .map(|(_, _, message)| Event::decode(&message.payload).unwrap().to_event())
        .collect();
    events.sort_by_key(|event| (event.source.clone(), event.position));
    events
}

/// The classes of the dead letters.
fn dead(log: &pipeline::memory::Log) -> Vec<String> {
    let letters = log.messages("events.dlq");
    let class = letters.iter().flat_map(|(_, _, message)| &message.headers);
    class
        .filter(|(name, _)| *name == "perimeter-class")
        .map(|(_, class)| String::from_utf8(class.clone()).unwrap())
        .collect()
}
