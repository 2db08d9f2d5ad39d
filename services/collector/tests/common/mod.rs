//! What the collector's tests read from the log in memory.

use pipeline::memory::Log;
use schemas::{Event, Record as _};

/// The events on the log, in the order in which each source has them.
pub(crate) fn events(log: &Log) -> Vec<Event> {
    let mut events: Vec<Event> = log
        .messages("events")
        .iter()
        .map(|(_, _, message)| Event::decode(&message.payload).unwrap().to_event())
        .collect();
    events.sort_by_key(|event| (event.source.clone(), event.position));
    events
}
