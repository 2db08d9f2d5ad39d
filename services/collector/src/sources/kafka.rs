//! A topic of the user's own. Its offset is committed once Kafka has what a record became, so it may be read twice, and
//! is then the same events: their ids are made of topic, partition and offset.

use anyhow::Result;
use observe::Trusted;
use pipeline::{Bus, Consumer, Context, Foreign, Subscription};
use schemas::Millis;

use crate::config::kafka::Topic;
use crate::logic::records::{self, Reader, Record};
use crate::publish::{Origin, Outbox, Outgoing};

/// Reads `topic` on `bus` until shutdown. Says `ready` once the group gave us a share of it.
pub async fn run(
    topic: Topic,
    bus: &Bus,
    trusted: Trusted,
    outbox: Outbox,
    context: &Context,
    ready: impl Fn(),
) -> Result<()> {
    let Topic { name, form, group, dates, authoritative } = topic;
    let subscription = Subscription {
        topic: name.clone(),
        member: format!("{group}-{name}-{}", context.replica),
        group,
    };
    let joined = Consumer::join(bus, subscription, &context.shutdown).await?;
    let Some(mut consumer) = joined else { return Ok(()) };
    let mut reader = Reader::new(name.clone(), form, trusted, dates, authoritative);
    let mut told = false;
    while !context.shutdown.is_cancelled() {
        let records = consumer.next().await?;
        if !told && consumer.joined() {
            told = true;
            tracing::info!(topic = name, "reading a topic");
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
                Ok(event) => drop(outgoing.event(&event, now)),
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
