//! What a record of somebody else's topic means: documents, an event of ours, or a line of a log. Data in, data out.

use observe::documents;
use observe::logs::{Dates, Format, Parser};
use observe::{Dead, Line, Trusted};
use schemas::{Event, Millis, Provenance, Record as _};
use uuid::Uuid;

use super::documents::{Name, Sent, events};

/// Most documents of one record.
pub const DOCUMENTS_MAX: usize = 1_000;
/// Under which the ids of events are made. Never to change: ids would.
const NAMESPACE: Uuid = Uuid::from_u128(0x17c4_5e9b_a03d_5f86_8b6e_d4f2_39a1_c07d);

/// What the records of a topic are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    /// JSON lines, an array or one document, in the shapes of the HTTP intake.
    Documents,
    /// Our `Event` in Avro.
    Event,
    /// A line of a log each.
    Lines(Format),
}

/// One record where it stands.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    pub partition: i32,
    pub offset: i64,
    pub payload: &'a [u8],
    pub received_at: Millis,
}

/// A part of a record: the event that it is, or why it is none; and its bytes.
pub type Part<'a> = (Result<Event, Dead>, &'a [u8]);

/// Reads the records of one topic.
#[derive(Debug, Clone)]
pub struct Reader {
    topic: String,
    form: Form,
    /// Of the lines of a log.
    parser: Parser,
    authoritative: bool,
}

/// The name of a partition as a source.
pub fn source(topic: &str, partition: i32) -> String {
    format!("kafka/{topic}/{partition}")
}

impl Reader {
    /// `authoritative` as for [`Sent`].
    pub fn new(
        topic: String,
        form: Form,
        trusted: Trusted,
        dates: Dates,
        authoritative: bool,
    ) -> Self {
        let format = match &form {
            Form::Lines(format) => format.clone(),
            Form::Documents | Form::Event => Format::Combined,
        };
        Reader { topic, form, parser: Parser::new(format, trusted, dates), authoritative }
    }

    /// What a record says. The same record, read again, says the same under the same ids.
    pub fn read<'a>(&mut self, record: Record<'a>) -> Vec<Part<'a>> {
        // A topic that is compacted has records without a payload.
        if record.payload.is_empty() {
            return Vec::new();
        }
        let source = source(&self.topic, record.partition);
        match self.form {
            Form::Documents => self.documents(&source, record),
            Form::Event => vec![(self.event(source, record), record.payload)],
            Form::Lines(_) => match self.line(source, record) {
                Ok(Some(event)) => vec![(Ok(event), record.payload)],
                Ok(None) => Vec::new(),
                Err(dead) => vec![(Err(dead), record.payload)],
            },
        }
    }

    fn documents<'a>(&self, source: &str, record: Record<'a>) -> Vec<Part<'a>> {
        let documents = match documents::split(record.payload) {
            Ok(documents) if documents.len() <= DOCUMENTS_MAX => documents,
            Ok(documents) => {
                let reason = format!(
                    "the record has {} documents, and {DOCUMENTS_MAX} are allowed",
                    documents.len()
                );
                return vec![(Err(Dead::too_long(reason)), record.payload)];
            }
            Err(unbalanced) => {
                return vec![(Err(Dead::malformed(unbalanced.to_string())), record.payload)];
            }
        };
        let position = Some(record.offset).filter(|_| documents.len() == 1);
        let sent = Sent {
            source,
            position,
            authoritative: self.authoritative,
            received_at: record.received_at,
        };
        let mut parts = Vec::with_capacity(documents.len());
        for (index, (_, bytes)) in documents.into_iter().enumerate() {
            let made = |name: Name<'_>| {
                let name = match name {
                    Name::Part(number) => format!("{source}/{}/{index}/{number}", record.offset),
                    // In whichever partition it is told again.
                    Name::Own(own) => format!("kafka/{}/{own}", self.topic),
                };
                Uuid::new_v5(&NAMESPACE, name.as_bytes())
            };
            match documents::read(bytes) {
                Ok(document) => {
                    parts
                        .extend(events(document, sent, made).into_iter().map(|read| (read, bytes)));
                }
                Err(dead) => parts.push((Err(dead), bytes)),
            }
        }
        parts
    }

    /// An event of its publisher's own name and place, inside this source.
    fn event(&self, source: String, record: Record<'_>) -> Result<Event, Dead> {
        let decoded = Event::decode(record.payload)
            .map_err(|error| Dead { class: error.class(), reason: error.to_string() })?;
        let mut event = decoded.to_event();
        event.source = observe::observation::cut(
            &format!("{source}/{}", event.source),
            schemas::event::TEXT_BYTES_MAX,
        )
        .to_owned();
        event.received_at = Some(record.received_at);
        event.probe = false;
        if !self.authoritative {
            event.provenance = Provenance::ExternalFeed;
            event.refused_by_us = false;
        }
        Ok(event)
    }

    fn line(&mut self, source: String, record: Record<'_>) -> Result<Option<Event>, Dead> {
        let mut observation = match self.parser.line(record.payload, record.received_at)? {
            Line::Event(observation) => observation,
            Line::Nothing => return Ok(None),
        };
        if !self.authoritative {
            observation.provenance = Provenance::ExternalFeed;
            observation.refused_by_us = false;
        }
        let name = format!("{source}/{}", record.offset);
        let event_id = Uuid::new_v5(&NAMESPACE, name.as_bytes());
        Ok(Some(observation.into_event(event_id, source, Some(record.offset), record.received_at)))
    }
}
