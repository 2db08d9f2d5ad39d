//! What `pipeline::follow` does on Kafka, on the twin in memory: records in order, ends, and topics made anew.

use std::collections::BTreeMap;

use pipeline::memory::Log;
use pipeline::{Follow, Raw, Update};
use schemas::{Millis, Topic};

/// A sink with how far it has read.
pub(crate) struct Follower<F> {
    sink: F,
    next: BTreeMap<(Topic, i32), i64>,
}

impl<F: Follow> Follower<F> {
    pub(crate) fn new(topics: &[Topic], sink: F) -> Self {
        let partitions =
            topics.iter().flat_map(|topic| (0..topic.partitions()).map(|id| (*topic, id)));
        Follower { sink, next: partitions.map(|partition| (partition, 0)).collect() }
    }

    /// Catches up with every partition; answers whether anything was read. `twice` hands every record over twice.
    pub(crate) fn follow(&mut self, log: &Log, now: Millis, twice: bool) -> bool {
        let mut moved = false;
        for (&(topic, partition), next) in &mut self.next {
            let end = log.end(topic, partition);
            if end < *next {
                self.sink.update(Update::End { topic, partition, end, now });
                if end == 0 {
                    continue;
                }
                self.sink.update(Update::Restarted { topic, partition });
                *next = 0;
            }
            let sink = &mut self.sink;
            let mut each = |raw: Raw<'_>| {
                sink.update(Update::Record(raw));
                if twice {
                    sink.update(Update::Record(raw));
                }
            };
            let before = *next;
            *next = log.poll(topic, partition, before, usize::MAX / 2, &mut each);
            moved |= *next != before;
        }
        for (&(topic, partition), next) in &self.next {
            let end = log.end(topic, partition);
            self.sink.update(Update::End { topic, partition, end, now });
            if *next >= end {
                self.sink.update(Update::Reached { topic, partition, end, now });
            }
        }
        self.sink.update(Update::Tick { now });
        moved
    }
}
