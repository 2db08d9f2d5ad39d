//! The enforcement points: each has a loop of its own that makes it equal to the leases, and delays no other.

pub mod aws_waf;
pub mod blocklist;
pub mod envoy;

use std::time::Duration;

use anyhow::Result;
use pipeline::{Context, Publisher};
use schemas::{Enforcement, Millis};
use tokio::sync::mpsc;

/// Most enforcements that wait for Kafka; beyond, a point tells them later.
const OUTBOX_MAX: usize = 65_536;
const SEND_TOGETHER_MAX: usize = 1_000;
const SEND_AGAIN: Duration = Duration::from_millis(500);
/// How long a stopping process still tries to publish.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Takes enforcements without waiting, so that no point ever waits for Kafka.
#[derive(Clone)]
pub struct Outbox {
    sender: mpsc::Sender<Enforcement>,
}

impl Outbox {
    pub fn channel() -> (Outbox, mpsc::Receiver<Enforcement>) {
        let (sender, receiver) = mpsc::channel(OUTBOX_MAX);
        (Outbox { sender }, receiver)
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
            if let Err(error) = self.sender.try_send(enforcement) {
                tracing::error!(%error, "an enforcement was not published; the room was asked for first");
            }
        }
    }
}

/// Publishes what the points put into the outbox, in order, for as long as it takes.
pub async fn publish(
    context: &Context,
    publisher: &Publisher,
    mut receiver: mpsc::Receiver<Enforcement>,
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
            sent = publisher.publish_all(&batch) => sent,
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
    while let Ok(enforcement) = receiver.try_recv() {
        batch.push(enforcement);
    }
    // What is left is told again by the next start: every point speaks of what is recent.
    if tokio::time::timeout(LAST_WORDS, publisher.publish_all(&batch)).await.is_err() {
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
    Duration::from_millis(u64::try_from(until - now).unwrap_or(0)).max(least)
}
