//! What comes in besides Envoy's stream: log files, documents over HTTP, syslog and topics of the user's, on a log in memory.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails its test by unwrapping")]

#[path = "../../../common/pipeline/tests/authority/mod.rs"]
mod authority;
#[path = "../common/mod.rs"]
mod common;
mod config;
#[path = "../../../common/pipeline/tests/counters/mod.rs"]
mod counters;
mod fenced;
mod files;
mod frames;
mod http;
mod kafka;
mod limits;
mod lines;
mod once;
mod syslog;
mod tls;

use common::events;

const NOW: i64 = 1_780_000_000_000;

/// The classes of the dead letters.
fn dead(log: &pipeline::memory::Log) -> Vec<String> {
    let letters = log.messages("events.dlq");
    let class = letters.iter().flat_map(|(_, _, message)| &message.headers);
    class
        .filter(|(name, _)| *name == "perimeter-class")
        .map(|(_, class)| String::from_utf8(class.clone()).unwrap())
        .collect()
}
