//! Publishes dead letters again: only whole records, only where today's schema reads them, only to topics in which a
//! record that comes late does no harm. What is not published again stays where it is; nothing is ever removed.

use std::ops::ControlFlow;
use std::time::Duration;

use anyhow::{Context as _, Result};
use observe::HEAD_BYTES_MAX;
use pipeline::{Bus, DeadLetter, Headers, Message, Publisher, REPLAYED, Raw};
use schemas::{Detection, Event, Millis, Topic};
use tokio::sync::mpsc;

use super::letter::{Place, Row, Selection};
use crate::commands::show::time;

/// Most letters that were read and are not published yet, and most of one batch.
const BATCH_MAX: usize = 64;
/// How long the broker may take to acknowledge a batch.
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(30);

/// A replay and who asked for it.
#[derive(Debug, Clone)]
pub struct Replay {
    pub topic: Topic,
    pub selection: Selection,
    pub by: String,
    pub reason: String,
    /// Judge, and publish nothing.
    pub dry_run: bool,
    /// When it was asked for.
    pub now: Millis,
}

/// What became of one dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The broker has its record again, or would have been given it in a dry run.
    Published,
    Refused(String),
}

/// What a replay came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replayed {
    pub published: u64,
    pub refused: u64,
    /// Offsets that were asked for and hold no dead letter.
    pub absent: Vec<i64>,
}

/// Publishes again what is selected and may be, in order; tells `each` what became of every letter once that is sure.
///
/// Stopped half-way by an error, it may be run again: a record published twice is one to its reader.
pub async fn replay(
    bus: &Bus,
    replay: &Replay,
    each: &mut dyn FnMut(&Row, &Outcome) -> Result<()>,
) -> Result<Replayed> {
    let publisher = bus.publisher()?;
    let (judged, mut waiting) = mpsc::channel(BATCH_MAX);
    let (reading, asked) = (bus.clone(), replay.clone());
    let reader = tokio::task::spawn_blocking(move || {
        asked.selection.read(&reading, asked.topic, &mut |letter| {
            let answer = judge(&letter, asked.now).map(|()| asked.message(&letter));
            // Nobody waits for more once publishing has failed.
            Ok(match judged.blocking_send((Row::of(&letter), answer)) {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            })
        })
    });
    let mut replayed = Replayed::default();
    let mut batch: Vec<(Row, Result<Message, String>)> = Vec::with_capacity(BATCH_MAX);
    while waiting.recv_many(&mut batch, BATCH_MAX).await > 0 {
        if !replay.dry_run {
            publish(&publisher, &batch).await?;
        }
        for (row, answer) in batch.drain(..) {
            let outcome = match answer {
                Ok(_) => Outcome::Published,
                Err(reason) => Outcome::Refused(reason),
            };
            match outcome {
                Outcome::Published => replayed.published += 1,
                Outcome::Refused(_) => replayed.refused += 1,
            }
            each(&row, &outcome)?;
        }
    }
    replayed.absent = reader.await??;
    Ok(replayed)
}

async fn publish(publisher: &Publisher, batch: &[(Row, Result<Message, String>)]) -> Result<()> {
    let Some((first, _)) = batch.first() else { return Ok(()) };
    let messages = batch.iter().filter_map(|(_, answer)| answer.as_ref().ok().cloned()).collect();
    let stopped = || {
        let name = first.topic.dead_letters();
        format!(
            "stopped at {name} {}; what came before is published, so go on from there",
            first.offset
        )
    };
    tokio::time::timeout(PUBLISH_TIMEOUT, publisher.send_all(messages))
        .await
        .context("the broker did not acknowledge in time")
        .with_context(stopped)?
        .with_context(stopped)
}

impl Replay {
    fn message(&self, letter: &DeadLetter<'_>) -> Message {
        let from = format!("{} {}", letter.topic.dead_letters(), letter.offset);
        let told = format!("from {from} at {} by {}: {}", time(self.now), self.by, self.reason);
        Message {
            topic: letter.topic.name().to_owned(),
            key: letter.key.to_vec(),
            payload: letter.payload.to_vec(),
            partition: None,
            headers: vec![(REPLAYED, told.into_bytes())],
        }
    }
}

/// Whether the record of a dead letter may be published again as it is; else why not.
///
/// The rules in their order:
///
/// 1. Its topic is one in which a late record does no harm.
/// 2. The letter holds all of it.
/// 3. Today's schema reads it, under the key it came with.
/// 4. For an event: the scorer would not find it in the future.
pub fn judge(letter: &DeadLetter<'_>, now: Millis) -> Result<(), String> {
    replayable(letter.topic)?;
    if let Place::Source { source, position } = Place::of(letter) {
        return Err(of_source(&source, &position, letter.payload.len()));
    }
    let raw = Raw {
        topic: letter.topic,
        partition: schemas::topic::partition_of_key(letter.key, letter.topic.partitions()),
        offset: letter.offset,
        timestamp: now,
        key: letter.key,
        payload: letter.payload,
        headers: Headers::NONE,
    };
    let unread = |error: schemas::DecodeError| error.to_string();
    if letter.topic == Topic::Detections {
        return raw.decode::<Detection>().map(drop).map_err(unread);
    }
    let event = raw.decode::<Event>().map_err(unread)?;
    scorer::logic::received_at(&event, now).map(drop).map_err(|error| error.to_string())
}

/// Whether a record of this topic may be published again by a person; else what to do in its place.
pub fn replayable(topic: Topic) -> Result<(), String> {
    let (danger, remedy) = match topic {
        // An event is evidence with a time of its own, and one that comes twice is one.
        Topic::Events => return Ok(()),
        // Decided in its own time and answered once: what would have ended meanwhile comes into force no more.
        Topic::Detections => return Ok(()),
        Topic::Decisions => (
            "the later of two decisions counts, and an old one would undo what was decided since, without anybody's \
             certificate",
            "decide anew with `perimeter block`, `unblock` or `allow`, or replay the detection",
        ),
        Topic::Leases => (
            "only the executors' fold may say what holds",
            "fold the decisions anew with `perimeter bootstrap kafka --adopt`",
        ),
        Topic::Controls => (
            "the later of two settings counts, and an old one would undo what was set since",
            "set it anew with `perimeter freeze`, `thaw` or `mode`",
        ),
        Topic::Enforcements => (
            "it says what an executor had just done, and would be taken for its latest deed",
            "the verifier sees for itself what is in force",
        ),
        Topic::Outcomes => (
            "it says what the verifier had just seen, and would be taken for what it sees now",
            "the verifier says so again when the effect changes",
        ),
        Topic::ScorerState => {
            ("it would replace a newer snapshot", "the scorer writes the next one by itself")
        }
    };
    Err(format!("a record of {} is never published again: {danger}; {remedy}", topic.name()))
}

/// Why what the collector could not read is not published: it is a line or document, and no record. Says where the whole
/// of it is to be found, by the way in that the source's name begins with.
fn of_source(source: &str, position: &str, bytes: usize) -> String {
    let whole = bytes < HEAD_BYTES_MAX;
    let why = if whole {
        "it is a line or document that the collector could not read, and no record".to_owned()
    } else {
        format!("only the first {HEAD_BYTES_MAX} bytes were kept")
    };
    let (way, rest) = source.split_once('/').unwrap_or(("", source));
    let remedy = match way {
        "http" => format!(
            "nothing else of it is kept here: let its sender, {rest}, mend the document (docs/guides/publish-events.md has \
             the shapes) and post it again"
        ),
        "kafka" => {
            let (topic, partition) = rest.rsplit_once('/').unwrap_or((rest, "?"));
            format!(
                "the original stands in topic {topic}, partition {partition}, at offset {position}: mend what writes it, \
                 and publish it there again"
            )
        }
        "syslog" => {
            let sender = rest.split('/').next().unwrap_or_default();
            format!(
                "nothing else of it is kept here: mend what {sender} sends; `perimeter parse` shows how a line would be \
                 read"
            )
        }
        _ if whole => format!(
            "the original stands in {source} at {position}: `perimeter parse` shows how it would be read"
        ),
        _ => format!(
            "the original stands in {source} at {position}: mend its format and let the collector read it again"
        ),
    };
    format!("{why}; {remedy}")
}
