//! One partition's share of [`crate::run`], without any broker: bytes in, messages and a safe offset out.
//!
//! The runner on Kafka and the seeded tests in memory both drive it, so what the tests prove is what runs.

use schemas::{DecodeError, Record, Topic};
use telemetry::trace::Handling;

use crate::bus::Raw;
use crate::letters::{Classed, REPLAYED};
use crate::stage::{Fault, Message, Outputs, Received, Stage};

/// How much of a rejected record its dead letter keeps: more than any that is read, so that what is too long stays so, and
/// less than the million bytes that clients and brokers take unless told otherwise, or its reader could never go on.
const PAYLOAD_BYTES_MAX: usize = 768 * 1024;
/// How much of its key: no key of ours is as long.
const KEY_BYTES_MAX: usize = 4 * 1024;
/// How much of each text that goes with it.
const TEXT_BYTES_MAX: usize = 4 * 1024;
/// How much of a key that is not a record's own its reason quotes.
const QUOTED_BYTES_MAX: usize = 256;

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
    traced_as: Option<&'static str>,
}

impl<S: Stage> Worker<S> {
    pub fn new(stage: S, partition: i32) -> Self {
        Worker { stage, partition, traced_as: None }
    }

    /// The stage's name in the spans of the records it answers.
    pub fn traced_as(self, name: &'static str) -> Self {
        Worker { traced_as: Some(name), ..self }
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
                    headers: raw.headers,
                }),
                Err(error) => dead.push(dead_letter(raw, error.class(), &error.to_string())),
            }
        }
        let handling = self.traced_as.and_then(|stage| {
            Handling::begin(stage, <S::Input as Record>::TOPIC.name(), self.partition)
        });
        let mut out = Outputs::of(handling);
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
    let own_key = R::key_is(&view, raw.key);
    if own_key && raw.partition == partition::<R>(&view, raw.key) {
        return Ok(view);
    }
    let expected = R::key_of(&view);
    let own_partition = partition::<R>(&view, expected.as_bytes());
    let quoted = match head(raw.key, QUOTED_BYTES_MAX) {
        b"" => "(none)".into(),
        key => String::from_utf8_lossy(key),
    };
    Err(DecodeError::WrongKey {
        found: format!("{quoted} in partition {}", raw.partition),
        expected: format!("{expected} in partition {own_partition}"),
    })
}

/// The partition that a record with this key must be in.
fn partition<R: Record>(view: &R::View<'_>, key: &[u8]) -> i32 {
    let keyed = || schemas::topic::partition_of_key(key, R::TOPIC.partitions());
    R::partition_of(view).unwrap_or_else(keyed)
}

fn settle(batch: &[Raw<'_>], out: Outputs, mut dead: Vec<Message>) -> Produced {
    let (mut messages, faults) = out.into_parts();
    let after_last = batch.last().map_or(0, |raw| raw.offset + 1);
    let mut held: Option<(i64, anyhow::Error)> = None;
    for (offset, fault) in faults {
        match fault {
            Fault::Reject(error) => {
                if let Some(raw) = batch.iter().find(|raw| raw.offset == offset) {
                    let classed = error.downcast_ref::<Classed>();
                    let class = classed.map_or("rejected", |classed| classed.class);
                    dead.push(dead_letter(raw, class, &format!("{error:#}")));
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
    let header = |text: &str| text.as_bytes()[..text.floor_char_boundary(TEXT_BYTES_MAX)].to_vec();
    let mut headers = vec![
        ("perimeter-topic", header(topic.name())),
        ("perimeter-partition", header(&raw.partition.to_string())),
        ("perimeter-offset", header(&raw.offset.to_string())),
        ("perimeter-class", header(class)),
        ("perimeter-reason", header(reason)),
    ];
    // A record that fails again after a replay shows it.
    headers.extend(raw.headers.replayed().map(|replay| (REPLAYED, header(replay))));
    Message {
        topic: topic.dead_letters(),
        key: head(raw.key, KEY_BYTES_MAX).to_vec(),
        payload: head(raw.payload, PAYLOAD_BYTES_MAX).to_vec(),
        partition: None,
        headers,
    }
}

fn head(bytes: &[u8], most: usize) -> &[u8] {
    &bytes[..bytes.len().min(most)]
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use opentelemetry_sdk::error::OTelSdkResult;
    use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
    use schemas::Control;

    use super::*;

    const FREEZE: &[u8] = include_bytes!("../../../../schemas/examples/control/v1/freeze.avro");
    const SAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    const NOT_SAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

    #[derive(Debug, Clone, Default)]
    struct Spans(Arc<Mutex<Vec<SpanData>>>);

    impl SpanExporter for Spans {
        async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
            self.0.lock().unwrap().extend(batch);
            Ok(())
        }
    }

    /// Answers a control with itself.
    struct Echo;

    impl Stage for Echo {
        type Input = Control;

        async fn handle(&mut self, batch: &[Received<'_, Control>], out: &mut Outputs) {
            for received in batch {
                out.continue_trace(received.headers.trace());
                out.push(&received.record);
            }
        }
    }

    /// The `traceparent` of what a stage answers to a record that came with `trace`.
    fn answered(worker: &mut Worker<Echo>, trace: Option<&str>) -> Option<String> {
        let message = Message::of(&Control::decode(FREEZE).unwrap()).unwrap();
        let headers = trace.map(|trace| ("traceparent", trace.as_bytes().to_vec()));
        let message = Message { headers: headers.into_iter().collect(), ..message };
        let raw = Raw::of(&message, Topic::Controls, 0, 0, 0);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let produced = runtime.block_on(worker.work(&[raw]));
        let headers = &produced.messages.first().unwrap().headers;
        headers.first().map(|(_, value)| String::from_utf8(value.clone()).unwrap())
    }

    #[test]
    fn a_record_without_a_key_is_said_to_have_none() {
        let message = Message::of(&Control::decode(FREEZE).unwrap()).unwrap();
        let message = Message { key: Vec::new(), ..message };
        let error = decode::<Control>(&Raw::of(&message, Topic::Controls, 0, 0, 0)).unwrap_err();
        assert!(error.to_string().starts_with("the key '(none) in partition 0' is not"), "{error}");
    }

    #[test]
    fn every_hop_is_the_child_of_the_one_before_and_the_sender_decides_whether_there_are_any() {
        let spans = Spans::default();
        let provider = SdkTracerProvider::builder().with_simple_exporter(spans.clone()).build();
        telemetry::trace::install(&provider);
        let worker = |name| Worker::new(Echo, 0).traced_as(name);

        assert_eq!(answered(&mut worker("first"), None), None);
        assert_eq!(answered(&mut worker("first"), Some(NOT_SAMPLED)).as_deref(), Some(NOT_SAMPLED));
        assert_eq!(answered(&mut worker("first"), Some("nonsense")).as_deref(), Some("nonsense"));
        assert!(spans.0.lock().unwrap().is_empty());

        let first = answered(&mut worker("first"), Some(SAMPLED)).unwrap();
        let second = answered(&mut worker("second"), Some(&first)).unwrap();
        let spans = spans.0.lock().unwrap();
        let mut parent = SAMPLED.to_owned();
        for (span, (name, context)) in
            spans.iter().zip([("first controls", first), ("second controls", second)])
        {
            let own = &span.span_context;
            assert_eq!(span.name, name);
            assert_eq!(parent, format!("00-{}-{}-01", own.trace_id(), span.parent_span_id));
            assert_eq!(context, format!("00-{}-{}-01", own.trace_id(), own.span_id()));
            parent = context;
        }
        assert_eq!(spans.len(), 2);
    }
}
