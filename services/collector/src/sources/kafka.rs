//! A topic of the user's own. Its offset is committed once Kafka has what a record became, so it may be read twice, and
//! is then the same events: their ids are made of topic, partition and offset.

use anyhow::Result;
use observe::Trusted;
use pipeline::{Bus, Consumer, Context, Foreign, Subscription};
use schemas::{Event, Millis};

use crate::config::kafka::Topic;
use crate::logic::FUTURE_MS;
use crate::logic::records::{self, Reader, Record};
use crate::publish::{Origin, Outbox, Outgoing};

/// Reads `topic` on `bus` until shutdown. Says `ready` once the group gave us a share of it. Where the group takes our place
/// away, a new member reads on. The other sources go on meanwhile, so the process stays ready once it was.
pub async fn run(
    topic: Topic,
    bus: &Bus,
    trusted: Trusted,
    outbox: Outbox,
    context: &Context,
    ready: impl Fn(),
) -> Result<()> {
    let Topic { name, form, group, dates, authoritative } = topic;
    let part = format!("kafka topic {name}");
    context.health.expect(part.clone());
    let subscription = Subscription {
        topic: name.clone(),
        member: format!("{group}-{name}-{}", context.replica),
        group,
    };
    let member = Consumer::join(bus, subscription, &context.shutdown).await?;
    let Some(mut consumer) = member else { return Ok(()) };
    let mut reader = Reader::new(name.clone(), form, trusted, dates, authoritative);
    let (mut joined, mut told) = (false, false);
    while !context.shutdown.is_cancelled() {
        let records = consumer.next().await?;
        if joined != consumer.joined() {
            joined = !joined;
            if joined {
                context.health.set(part.clone(), true);
                tracing::info!(topic = name, "reading a topic");
            } else {
                tracing::warn!(topic = name, "not reading a topic until the group has us again");
            }
        }
        if joined && !told {
            told = true;
            ready();
        }
        let outgoing = answer(&mut reader, &name, &records, context.clock.now());
        if !outbox.send_until(outgoing, &context.shutdown).await? {
            break;
        }
        consumer.commit().await?;
    }
    consumer.leave().await
}

/// What records become.
fn answer(reader: &mut Reader, topic: &str, records: &[Foreign], now: Millis) -> Outgoing {
    let mut outgoing = Outgoing::default();
    for Foreign { partition, offset, timestamp, payload } in records {
        // It could be read since it was appended, so that our own downtime is not lateness.
        let received_at = timestamp.map_or(now, |at| at.min(now));
        let record = Record { partition: *partition, offset: *offset, payload, received_at };
        for (read, bytes) in reader.read(record) {
            match read {
                Ok(mut event) => {
                    event.received_at = event.received_at.map(|at| witnessed(at, &event, now));
                    drop(outgoing.event(&event, now));
                }
                Err(dead) => {
                    let source = &records::source(topic, *partition);
                    let position = u64::try_from(*offset).unwrap_or(0);
                    outgoing.dead(Origin { source, position }, &dead, bytes);
                }
            }
        }
    }
    outgoing
}

/// When an event could be read: at `received_at`, as its record's timestamp says, unless that lies before what the event
/// tells of. Who writes a record chooses its timestamp (a batch's, a table's), and such a one is no witness.
fn witnessed(received_at: Millis, event: &Event, now: Millis) -> Millis {
    let ahead_ms = event.observed_at.saturating_sub(received_at);
    if ahead_ms <= FUTURE_MS { received_at } else { now }
}
