//! One partition's share of [`crate::run`], without any broker: bytes in, messages and a safe offset out.
//!
//! The runner on Kafka and the seeded tests in memory both drive it, so what the tests prove is what runs.

use schemas::{DecodeError, Record, Topic};

use crate::bus::Raw;
use crate::stage::{Fault, Message, Outputs, Received, Stage};

/// How much of a rejected record its dead letter shows in the log.
const DEAD_LETTER_BYTES_MAX: usize = 1024 * 1024;

/// What a batch came to.
#[derive(Debug)]
pub struct Produced {
    /// To be published, dead letters included, before the offset is committed.
    pub messages: Vec<Message>,
    /// The offset to commit once all of `messages` are acknowledged.
    pub next_offset: i64,
    /// The record on which the stage asked to hold, and why: read again from there.
    pub held: Option<(i64, anyhow::Error)>,
    pub dead_letters: usize,
}

/// A stage with its partition.
pub struct Worker<S: Stage> {
    stage: S,
    partition: i32,
}

impl<S: Stage> Worker<S> {
    pub fn new(stage: S, partition: i32) -> Self {
        Worker { stage, partition }
    }

    pub fn stage(&self) -> &S {
        &self.stage
    }

    pub fn stage_mut(&mut self) -> &mut S {
        &mut self.stage
    }

    pub fn partition(&self) -> i32 {
        self.partition
    }

    /// Decodes and handles a batch that is not empty and in offset order.
    pub async fn work(&mut self, batch: &[Raw<'_>]) -> Produced {
        let mut received = Vec::with_capacity(batch.len());
        let mut dead = Vec::new();
        for raw in batch {
            match decode::<S::Input>(raw) {
                Ok(record) => received.push(Received {
                    record,
                    partition: raw.partition,
                    offset: raw.offset,
                    timestamp: raw.timestamp,
                    trace: raw.trace,
                }),
                Err(error) => dead.push(dead_letter(raw, error.class(), &error.to_string())),
            }
        }
        let mut out = Outputs::default();
        if !received.is_empty() {
            self.stage.handle(&received, &mut out).await;
        }
        settle(batch, out, dead)
    }

    /// Tells the stage what was committed; answers what it wants published now.
    pub fn committed(&mut self, next_offset: i64) -> Vec<Message> {
        let mut out = Outputs::default();
        self.stage.committed(next_offset, &mut out);
        out.into_parts().0
    }
}

/// Decodes a record and checks that its key and partition are its own.
pub(crate) fn decode<'a, R: Record>(raw: &Raw<'a>) -> Result<R::View<'a>, DecodeError> {
    let view = R::decode(raw.payload)?;
    let expected = R::key_of(&view);
    let own_partition = match R::partition_of(&view) {
        Some(partition) => partition,
        None => schemas::topic::partition_of_key(expected.as_bytes(), R::TOPIC.partitions()),
    };
    if expected.as_bytes() != raw.key || own_partition != raw.partition {
        let found = format!("{} in partition {}", String::from_utf8_lossy(raw.key), raw.partition);
        return Err(DecodeError::WrongKey {
            found,
            expected: format!("{expected} in partition {own_partition}"),
        });
    }
    Ok(view)
}

fn settle(batch: &[Raw<'_>], out: Outputs, mut dead: Vec<Message>) -> Produced {
    let (mut messages, faults) = out.into_parts();
    let after_last = batch.last().map_or(0, |raw| raw.offset + 1);
    let mut held: Option<(i64, anyhow::Error)> = None;
    for (offset, fault) in faults {
        match fault {
            Fault::Reject(error) => {
                if let Some(raw) = batch.iter().find(|raw| raw.offset == offset) {
                    dead.push(dead_letter(raw, "rejected", &format!("{error:#}")));
                }
            }
            Fault::Retry(error) => {
                if held.as_ref().is_none_or(|(earliest, _)| offset < *earliest) {
                    held = Some((offset, error));
                }
            }
        }
    }
    let next_offset = held.as_ref().map_or(after_last, |(offset, _)| *offset);
    let dead_letters = dead.len();
    messages.append(&mut dead);
    Produced { messages, next_offset, held, dead_letters }
}

fn dead_letter(raw: &Raw<'_>, class: &'static str, reason: &str) -> Message {
    let topic: Topic = raw.topic;
    let kept = raw.payload.len().min(DEAD_LETTER_BYTES_MAX);
    let header = |text: String| text.into_bytes();
    Message {
        topic: topic.dead_letters(),
        key: raw.key.to_vec(),
        payload: raw.payload[..kept].to_vec(),
        partition: None,
        headers: vec![
            ("perimeter-topic", header(topic.name().to_owned())),
            ("perimeter-partition", header(raw.partition.to_string())),
            ("perimeter-offset", header(raw.offset.to_string())),
            ("perimeter-class", header(class.to_owned())),
            ("perimeter-reason", header(reason.to_owned())),
        ],
    }
}
