//! The one trait of the pipeline, and what goes in and out of it.

use schemas::{Millis, Record};
use telemetry::trace::{Handling, TRACEPARENT};

use crate::bus::Headers;

/// Room for the payload of nearly every record.
const PAYLOAD_BYTES_USUAL: usize = 512;

/// One step of the pipeline: records in, records out. One instance owns one partition.
pub trait Stage: Send + 'static {
    type Input: Record;

    /// Answers a batch of one partition, in offset order, by pushing records into `out`.
    ///
    /// The same records arrive again if the process dies before their offsets are committed, so whatever this does
    /// must be safe to do twice. A record that cannot be answered is marked with [`Outputs::fault`].
    fn handle(
        &mut self,
        batch: &[Received<'_, Self::Input>],
        out: &mut Outputs,
    ) -> impl Future<Output = ()> + Send;

    /// Learns that everything below `next_offset` is published and committed: the moment to write a snapshot.
    fn committed(&mut self, next_offset: i64, out: &mut Outputs) {
        let _ = (next_offset, out);
    }
}

/// One record as it was read.
pub struct Received<'a, R: Record> {
    pub record: R::View<'a>,
    pub partition: i32,
    pub offset: i64,
    /// The broker's append time where the topic has it, else the publisher's.
    pub timestamp: Millis,
    pub headers: Headers<'a>,
}

/// Why a stage could not answer a record.
#[derive(Debug)]
pub enum Fault {
    /// The world is at fault: hold the offset and try again.
    Retry(anyhow::Error),
    /// The record is at fault: send it to the dead-letter topic and move on. Its class is `rejected`, unless the error is a
    /// [`crate::Classed`].
    Reject(anyhow::Error),
}

/// One message to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub topic: String,
    pub key: Vec<u8>,
    pub payload: Vec<u8>,
    /// Set where the record names its own partition; else the key decides.
    pub partition: Option<i32>,
    pub headers: Vec<(&'static str, Vec<u8>)>,
}

impl Message {
    /// Encodes `record` for its own topic, without a trace.
    pub fn of<R: Record>(record: &R) -> Result<Message, schemas::EncodeError> {
        let mut payload = Vec::with_capacity(PAYLOAD_BYTES_USUAL);
        record.encode(&mut payload)?;
        Ok(Message {
            topic: R::TOPIC.name().to_owned(),
            key: record.key().into_bytes(),
            payload,
            partition: record.partition(),
            headers: Vec::new(),
        })
    }

    /// Carries the trace of whatever led to this message; sending it is a hop of `stage`.
    pub fn continue_trace(&mut self, stage: &'static str, parent: &str) {
        let sent = telemetry::trace::sent(stage, &self.topic, parent);
        self.carry(sent.as_deref().unwrap_or(parent));
    }

    fn carry(&mut self, trace: &str) {
        self.headers.push((TRACEPARENT, trace.as_bytes().to_vec()));
    }
}

/// What a stage answers with: records to publish, and faults of single records.
#[derive(Debug, Default)]
pub struct Outputs {
    messages: Vec<Message>,
    faults: Vec<(i64, Fault)>,
    trace: Option<String>,
    handling: Option<Handling>,
}

impl Outputs {
    pub(crate) fn of(handling: Option<Handling>) -> Self {
        Outputs { handling, ..Outputs::default() }
    }

    /// Publishes `record` on its own topic. Everything pushed after [`Outputs::continue_trace`] carries that trace.
    pub fn push<R: Record>(&mut self, record: &R) {
        match Message::of(record) {
            Ok(message) => self.push_message(message),
            // A record of ours that its own schema cannot hold is a defect here, never the input's fault.
            Err(error) => {
                tracing::error!(%error, "could not encode a record; it was not published")
            }
        }
    }

    /// Publishes what is no record of ours, with the trace as [`Outputs::push`] carries it.
    pub fn push_message(&mut self, mut message: Message) {
        if let Some(trace) = &self.trace {
            message.carry(trace);
        }
        self.messages.push(message);
    }

    /// Marks the record at `offset` as not answered.
    pub fn fault(&mut self, offset: i64, fault: Fault) {
        self.faults.push((offset, fault));
    }

    /// Carries the trace of the record being answered into what is pushed from now on; answering it is a hop.
    pub fn continue_trace(&mut self, trace: Option<&str>) {
        self.trace = trace.map(|parent| {
            let handled = self.handling.and_then(|handling| handling.handled(parent));
            handled.unwrap_or_else(|| parent.to_owned())
        });
    }

    /// The trace that what is pushed now carries.
    pub fn trace(&self) -> Option<&str> {
        self.trace.as_deref()
    }

    /// What was pushed so far.
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    pub(crate) fn into_parts(self) -> (Vec<Message>, Vec<(i64, Fault)>) {
        (self.messages, self.faults)
    }
}
