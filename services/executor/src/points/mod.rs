//! The enforcement points: each has a loop of its own that makes it equal to the leases, and delays no other.

pub mod aws_waf;
pub mod blocklist;
pub mod envoy;

use std::time::Duration;

use anyhow::Result;
use pipeline::{Context, Message, Publisher};
use schemas::{Enforcement, Millis};
use tokio::sync::mpsc;

use crate::traces::Traces;

/// Most enforcements that wait for Kafka; beyond, a point tells them later.
const OUTBOX_MAX: usize = 65_536;
const SEND_TOGETHER_MAX: usize = 1_000;
const SEND_AGAIN: Duration = Duration::from_millis(500);
/// How long a stopping process still tries to publish.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Takes enforcements without waiting, so that no point ever waits for Kafka.
#[derive(Clone)]
pub struct Outbox {
    sender: mpsc::Sender<Message>,
    traces: Traces,
}

impl Outbox {
    /// `traces` says which trace an enforcement continues.
    pub fn channel(traces: Traces) -> (Outbox, mpsc::Receiver<Message>) {
        let (sender, receiver) = mpsc::channel(OUTBOX_MAX);
        (Outbox { sender, traces }, receiver)
    }

    /// How many enforcements of one point fit; others may be adding theirs.
    pub fn room(&self) -> usize {
        self.sender.capacity() / 4
    }

    pub fn put(&self, enforcements: Vec<Enforcement>) {
        for enforcement in enforcements {
            let labels = [
                ("point", enforcement.point.clone()),
                ("status", format!("{:?}", enforcement.status).to_lowercase()),
            ];
            metrics::counter!("perimeter_enforcements_total", &labels).increment(1);
            let message = match self.message(&enforcement) {
                Ok(message) => message,
                Err(error) => {
                    tracing::error!(%error, "could not encode an enforcement; it was not published");
                    continue;
                }
            };
            if let Err(error) = self.sender.try_send(message) {
                tracing::error!(%error, "an enforcement was not published; the room was asked for first");
            }
        }
    }

    fn message(&self, enforcement: &Enforcement) -> Result<Message, schemas::EncodeError> {
        let mut message = Message::of(enforcement)?;
        if let Some(trace) = self.traces.of(enforcement.decision_id) {
            message.continue_trace("executor", &trace);
        }
        Ok(message)
    }
}

/// Publishes what the points put into the outbox, in order, for as long as it takes.
pub async fn publish(
    context: &Context,
    publisher: &Publisher,
    mut receiver: mpsc::Receiver<Message>,
) -> Result<()> {
    let mut batch = Vec::new();
    loop {
        if batch.is_empty() {
            tokio::select! {
                received = receiver.recv_many(&mut batch, SEND_TOGETHER_MAX) => if received == 0 { return Ok(()) },
                () = context.shutdown.cancelled() => break,
            }
        }
        let sent = tokio::select! {
            sent = publisher.send_all(batch.clone()) => sent,
            () = context.shutdown.cancelled() => break,
        };
        match sent {
            Ok(()) => batch.clear(),
            Err(error) => {
                tracing::warn!(%error, "could not publish enforcements; trying again");
                tokio::time::sleep(SEND_AGAIN).await;
            }
        }
    }
    while let Ok(message) = receiver.try_recv() {
        batch.push(message);
    }
    // What is left is told by the next start: every point speaks of what is recent, and of an end that nobody told.
    let sent = tokio::time::timeout(LAST_WORDS, publisher.send_all(batch.clone())).await;
    if !matches!(sent, Ok(Ok(()))) {
        tracing::warn!(count = batch.len(), "stopped before all enforcements were published");
    }
    Ok(())
}

/// What a point holds, for metrics.
pub(crate) fn show(point: &str, desired: usize, actual: usize, diff: usize) {
    let labels = [("point", point.to_owned())];
    metrics::gauge!("perimeter_point_desired", &labels).set(desired as f64);
    metrics::gauge!("perimeter_point_actual", &labels).set(actual as f64);
    metrics::gauge!("perimeter_point_diff", &labels).set(diff as f64);
    metrics::counter!("perimeter_point_failures_total", &labels).increment(0);
}

/// A point was reached just now.
pub(crate) fn reached(point: &str, now: Millis) {
    let labels = [("point", point.to_owned())];
    metrics::gauge!("perimeter_point_last_success_timestamp_seconds", &labels)
        .set(now as f64 / 1_000.0);
}

/// A point could not be reached.
pub(crate) fn missed(point: &str) {
    metrics::counter!("perimeter_point_failures_total", "point" => point.to_owned()).increment(1);
}

/// The time from `now` to `until`, at least `least`.
pub(crate) fn pause(now: Millis, until: Millis, least: Duration) -> Duration {
    Duration::from_millis(u64::try_from(until.saturating_sub(now)).unwrap_or(0)).max(least)
}

#[cfg(test)]
mod tests {
    use schemas::Record as _;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_pause_is_never_shorter_than_the_least_however_long_ago_it_was_due() {
        let least = Duration::from_millis(20);
        for (until, expected_ms) in [(Millis::MIN, 20), (0, 20), (1_019, 20), (1_300, 300)] {
            assert_eq!(pause(1_000, until, least), Duration::from_millis(expected_ms), "{until}");
        }
    }

    const APPLIED: &[u8] =
        include_bytes!("../../../../schemas/examples/enforcement/v1/applied.avro");
    const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn an_enforcement_continues_the_trace_of_its_decision() {
        let traces = Traces::default();
        traces.note(Uuid::from_u128(1), TRACE);
        let (outbox, mut outgoing) = Outbox::channel(traces);
        for (decision, expected) in [(1, Some(TRACE)), (2, None)] {
            let decision_id = Uuid::from_u128(decision);
            outbox.put(vec![Enforcement { decision_id, ..Enforcement::decode(APPLIED).unwrap() }]);
            let headers = outgoing.try_recv().unwrap().headers;
            let trace = headers.first().map(|(_, value)| value.as_slice());
            assert_eq!(trace, expected.map(str::as_bytes));
        }
    }
}
