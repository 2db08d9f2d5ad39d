//! The view: this replica's copy of all leases and controls, how fresh it is, and what the fold owes to the log.
//!
//! The copy is followed by manual assignment and shares no fate with the fold: with Kafka away it answers on.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use pipeline::{Context, Follow, Leases, LeasesSink, Publisher, Raw, Update};
use schemas::lease::EPOCH_KEY;
use schemas::{Epoch, Lease, LeaseEntry, Millis, Observable, Reader, Topic};
use tokio::sync::mpsc;

use crate::ownership::Ownership;
use crate::traces::Traces;

/// From this age on a replica says that a fresher one should be asked, and answers all the same.
pub const STALE_MS: Millis = 5_000;
/// How often the epoch record is written again, so that the topic's retention never takes it.
const EPOCH_INTERVAL_MS: Millis = 60 * 60 * 1_000;
const EPOCH_CHECK: Duration = Duration::from_secs(60);
const METRICS_INTERVAL: Duration = Duration::from_secs(1);
/// Most observables that wait to be published again.
const REPAIRS_MAX: usize = 65_536;

/// The epoch record as it was last read, with its append time.
pub type SeenEpoch = Arc<Mutex<Option<(Epoch, Millis)>>>;

/// Feeds the copy, and notes the epoch record and the traces as they pass.
pub struct ViewSink {
    inner: LeasesSink,
    epoch: SeenEpoch,
    traces: Traces,
}

impl ViewSink {
    pub fn new(inner: LeasesSink, epoch: SeenEpoch, traces: Traces) -> Self {
        ViewSink { inner, epoch, traces }
    }

    /// Remembers which trace the decision came with that was folded in last.
    fn note_trace(&self, raw: &Raw<'_>) {
        if let Some(trace) = raw.headers.trace()
            && let Ok(LeaseEntry::Lease(lease)) = raw.decode::<LeaseEntry>()
            && let Some(decision_id) = lease.recent_decisions.last()
        {
            self.traces.note(*decision_id, trace);
        }
    }
}

impl Follow for ViewSink {
    fn update(&mut self, update: Update<'_>) {
        if let Update::Record(raw) = &update
            && raw.topic == Topic::Leases
            && raw.key == EPOCH_KEY.as_bytes()
            && let Ok(LeaseEntry::Epoch(epoch)) = raw.decode::<LeaseEntry>()
        {
            *self.epoch.lock().unwrap_or_else(PoisonError::into_inner) =
                Some((epoch, raw.timestamp));
        }
        if let Update::Record(raw) = &update
            && raw.topic == Topic::Leases
        {
            self.note_trace(raw);
        }
        self.inner.update(update);
    }
}

/// Whether a fresher replica need not be preferred to this one.
pub fn serving(complete: bool, age_ms: Option<Millis>) -> bool {
    complete && age_ms.is_some_and(|age_ms| age_ms <= STALE_MS)
}

/// The epoch record to publish again, if its hour is over and this reader read it itself and has no reason to hold.
pub fn epoch_due(seen: Option<&(Epoch, Millis)>, reader: &Reader, now: Millis) -> Option<Epoch> {
    let (epoch, written_at) = seen?;
    let due = now - written_at >= EPOCH_INTERVAL_MS;
    (due && reader.hold().is_none() && reader.epoch() == Some(epoch.epoch)).then(|| epoch.clone())
}

/// Asks for leases to be published again over which somebody who was behind wrote.
#[derive(Clone)]
pub struct Repairs {
    asked: mpsc::Sender<Observable>,
}

impl Repairs {
    pub fn channel() -> (Repairs, mpsc::Receiver<Observable>) {
        let (asked, asking) = mpsc::channel(REPAIRS_MAX);
        (Repairs { asked }, asking)
    }

    /// Asks without waiting. What does not fit is found again when the partition is opened the next time.
    pub fn ask(&self, observable: Observable) {
        if self.asked.try_send(observable).is_err() {
            tracing::warn!("too many late writes at once; one waits for the next restart");
        }
    }
}

/// What to do about a late write that the view meets: ask for a repair where this replica folds the observable.
pub fn late_writes(repairs: &Repairs, ownership: &Ownership) -> impl FnMut(Lease) + Send + 'static {
    let (repairs, ownership) = (repairs.clone(), ownership.clone());
    move |held| {
        if ownership.owns(&held.observable) {
            repairs.ask(held.observable);
        }
    }
}

/// Whether nobody is known to have read further than this copy. A record that is appended to a log that lost its tail
/// hides the loss.
fn not_behind(leases: &Leases) -> bool {
    leases.read_on_to().is_none()
}

/// Publishes again what this replica folds and somebody wrote over.
pub async fn repair(
    context: &Context,
    leases: &Leases,
    ownership: &Ownership,
    publisher: &Publisher,
    mut asking: mpsc::Receiver<Observable>,
) -> Result<()> {
    loop {
        let observable = tokio::select! {
            asked = asking.recv() => match asked {
                Some(observable) => observable,
                None => return Ok(()),
            },
            () = context.shutdown.cancelled() => return Ok(()),
        };
        // Kept until then: the view meets a late write once.
        let lease = loop {
            if !until(context, leases, whole).await {
                return Ok(());
            }
            // Others may have folded on since it was asked for: the lease is looked up now, not then.
            let lease = leases.read(|reader| match reader.hold() {
                Some(_) => None,
                None => Some(reader.view().lease(&observable).cloned()),
            });
            if let Some(lease) = lease.filter(|_| not_behind(leases)) {
                break lease.filter(|_| ownership.owns(&observable));
            }
        };
        let Some(lease) = lease else { continue };
        metrics::counter!("perimeter_leases_repaired_total").increment(1);
        tracing::warn!(%observable, generation = %lease.generation, "a late write of a lower generation; publishing again");
        let entry = LeaseEntry::Lease(lease);
        tokio::select! {
            sent = publisher.publish(&entry) => {
                if let Err(error) = sent {
                    tracing::warn!(%error, "could not publish a lease again");
                }
            }
            () = context.shutdown.cancelled() => return Ok(()),
        }
    }
}

/// Publishes the epoch record again every hour, where this replica owns partition 0.
pub async fn repeat_epoch(
    context: &Context,
    leases: &Leases,
    ownership: &Ownership,
    publisher: &Publisher,
    seen: &SeenEpoch,
) -> Result<()> {
    loop {
        let seen = seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let due = leases.read(|reader| epoch_due(seen.as_ref(), reader, context.clock.now()));
        if let Some(epoch) = due.filter(|_| not_behind(leases) && ownership.term().is_some()) {
            let entry = LeaseEntry::Epoch(epoch);
            tokio::select! {
                sent = publisher.publish(&entry) => {
                    if let Err(error) = sent {
                        tracing::warn!(%error, "could not publish the epoch record again");
                    }
                }
                () = context.shutdown.cancelled() => return Ok(()),
            }
        }
        tokio::select! {
            () = tokio::time::sleep(EPOCH_CHECK) => {}
            () = context.shutdown.cancelled() => return Ok(()),
        }
    }
}

/// Whether the copy is what the log says now.
fn whole(leases: &Leases) -> bool {
    not_behind(leases) && leases.read(|reader| reader.hold().is_none())
}

/// Waits until both topics were once read to their ends. Answers false when the process must stop first.
pub async fn complete(context: &Context, leases: &Leases) -> bool {
    until(context, leases, |leases| leases.read(Reader::complete)).await
}

/// Waits until the copy is as `wanted`. Answers false when the process must stop first.
async fn until(context: &Context, leases: &Leases, wanted: impl Fn(&Leases) -> bool) -> bool {
    let mut changes = leases.changes();
    while !wanted(leases) {
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return false },
            () = context.shutdown.cancelled() => return false,
        }
    }
    true
}

/// Says on the admin port and in metrics how the copy is.
pub async fn watch(context: &Context, leases: &Leases, ownership: &Ownership) -> Result<()> {
    const PART: &str = "view of the leases";
    context.health.expect(PART);
    let mut held = None;
    loop {
        let (complete, hold, count, frozen) = leases.read(|reader| {
            let view = reader.view();
            // What this replica alone withholds is no freeze of all; it has a gauge of its own.
            (reader.complete(), reader.hold(), view.len(), view.frozen_by_log().is_some())
        });
        context.health.set(PART, complete);
        if hold != held {
            match &hold {
                Some(hold) if complete => {
                    tracing::error!(%hold, "holding: nothing is added, only what is due is removed")
                }
                Some(hold) => tracing::info!(%hold, "reading"),
                None => tracing::info!(leases = count, "the copy of the leases is whole"),
            }
            held = hold;
        }
        metrics::gauge!("perimeter_mode", "mode" => "hold")
            .set(f64::from(u8::from(held.is_some())));
        metrics::gauge!("perimeter_mode", "mode" => "frozen").set(f64::from(u8::from(frozen)));
        metrics::gauge!("perimeter_leases").set(count as f64);
        metrics::gauge!("perimeter_owner").set(f64::from(u8::from(ownership.term().is_some())));
        if let Some(age_ms) = leases.age_ms(context.clock.now()) {
            metrics::gauge!("perimeter_view_age_seconds").set(age_ms as f64 / 1_000.0);
        }
        tokio::select! {
            () = tokio::time::sleep(METRICS_INTERVAL) => {}
            () = context.shutdown.cancelled() => return Ok(()),
        }
    }
}
