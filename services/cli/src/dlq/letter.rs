//! What a dead letter says of itself: where its record stood, and why it was refused.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::ControlFlow;

use anyhow::Result;
use pipeline::{Bus, DeadLetter, From, REPLAYED};
use schemas::{Millis, Topic};

use super::text::escaped;

/// How much of a header is shown in a list, in characters.
const TEXT_CHARS_MAX: usize = 1_024;
/// How much of the record's bytes is shown in a list, in characters.
const HEAD_CHARS_MAX: usize = 48;
/// Most classes that are counted apart; ours are a closed set, and a header can say anything.
const CLASSES_MAX: usize = 64;
const OTHER_CLASSES: &str = "(others)";

/// Where a record stood before it was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In its topic.
    Record { topic: Topic, partition: i32, offset: i64 },
    /// In what the collector read, and never in a topic.
    Source { source: String, position: String },
    /// On its way from a source to its topic.
    Unsaid { topic: Topic },
}

impl Place {
    /// What the letter's headers say.
    pub fn of(letter: &DeadLetter<'_>) -> Place {
        let topic = letter.topic;
        let told = |name: &str| letter.header(name).map(|value| escaped(value, TEXT_CHARS_MAX));
        let partition = told("perimeter-partition").and_then(|text| text.parse().ok());
        let offset = told("perimeter-offset").and_then(|text| text.parse().ok());
        if let (Some(partition), Some(offset)) = (partition, offset) {
            return Place::Record { topic, partition, offset };
        }
        match (told("perimeter-source"), told("perimeter-position")) {
            (Some(source), Some(position)) => Place::Source { source, position },
            _ => Place::Unsaid { topic },
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Record { topic, partition, offset } => {
                write!(f, "{}/{partition}/{offset}", topic.name())
            }
            Place::Source { source, position } => write!(f, "{source} at {position}"),
            Place::Unsaid { topic } => write!(f, "on the way to {}", topic.name()),
        }
    }
}

/// One dead letter as a list shows it: bounded, and every text escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub topic: Topic,
    pub offset: i64,
    pub at: Millis,
    pub place: Place,
    pub class: String,
    pub reason: String,
    /// Who had published the record again, when this is not the first time that it was refused.
    pub replayed: Option<String>,
    pub bytes: usize,
    pub head: String,
}

impl Row {
    pub fn of(letter: &DeadLetter<'_>) -> Row {
        let told = |name: &str| letter.header(name).map(|value| escaped(value, TEXT_CHARS_MAX));
        Row {
            topic: letter.topic,
            offset: letter.offset,
            at: letter.timestamp,
            place: Place::of(letter),
            class: told("perimeter-class").unwrap_or_default(),
            reason: told("perimeter-reason").unwrap_or_default(),
            replayed: told(REPLAYED),
            bytes: letter.payload.len(),
            head: escaped(letter.payload, HEAD_CHARS_MAX),
        }
    }
}

/// Which dead letters of a topic are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// These and no others; empty for all that the other two leave.
    pub offsets: Vec<i64>,
    pub class: Option<String>,
    /// Written then or later.
    pub since: Option<Millis>,
}

impl Selection {
    /// Calls `each` for the letters that are meant, in order, until it breaks off; answers which offsets hold none.
    ///
    /// Blocks, and holds one letter at a time.
    pub(crate) fn read(
        &self,
        bus: &Bus,
        topic: Topic,
        each: &mut dyn FnMut(DeadLetter<'_>) -> Result<ControlFlow<()>>,
    ) -> Result<Vec<i64>> {
        let letters = bus.dead_letters();
        if self.offsets.is_empty() {
            let from = self.since.map_or(From::Beginning, From::Since);
            letters.read(topic, from, &mut |letter| {
                let class = letter.header("perimeter-class").unwrap_or_default();
                let meant = self.class.as_ref().is_none_or(|meant| meant.as_bytes() == class);
                if meant { each(letter) } else { Ok(ControlFlow::Continue(())) }
            })?;
            return Ok(Vec::new());
        }
        let mut absent = Vec::new();
        for offset in &self.offsets {
            let (mut found, mut flow) = (false, ControlFlow::Continue(()));
            letters.read(topic, From::Offset(*offset), &mut |letter| {
                if letter.offset == *offset {
                    found = true;
                    flow = each(letter)?;
                }
                Ok(ControlFlow::Break(()))
            })?;
            if !found {
                absent.push(*offset);
            }
            if flow.is_break() {
                break;
            }
        }
        Ok(absent)
    }
}

/// How many dead letters there are, by topic and class.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts(BTreeMap<(Topic, String), u64>);

impl Counts {
    pub(crate) fn add(&mut self, topic: Topic, class: &str) {
        let known = (topic, class.to_owned());
        let apart = self.0.contains_key(&known) || self.0.len() < CLASSES_MAX;
        let counted = if apart { known } else { (topic, OTHER_CLASSES.to_owned()) };
        *self.0.entry(counted).or_default() += 1;
    }

    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    pub fn iter(&self) -> impl Iterator<Item = (Topic, &str, u64)> {
        self.0.iter().map(|((topic, class), count)| (*topic, class.as_str(), *count))
    }
}
