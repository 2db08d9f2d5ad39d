//! Reads back what the points were told to hold, so that the end of it is told as well.
//!
//! A point tells an end when it sees it, or soon after. Where nobody spoke for the point for longer than that, the only
//! trace is what was told before: a replica looks for it when it starts, for its own point, and whenever it becomes the
//! owner, for the points that the owner speaks for. No point waits for it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use pipeline::{Context, From, Leases, ReadBack};
use schemas::{Enforcement, Topic};

use crate::logic::envoy::name;
use crate::logic::untold::Untold;
use crate::ownership::Ownership;
use crate::points::{aws_waf, blocklist};
use crate::view;

const AGAIN: Duration = Duration::from_secs(60);

/// What was read, until the point takes it; clones share it.
#[derive(Clone, Default)]
pub struct Recalled(Arc<Mutex<BTreeMap<String, Untold>>>);

impl Recalled {
    /// What was read of `point` since it last asked.
    pub fn take(&self, point: &str) -> Option<Untold> {
        self.lock().remove(point)
    }

    fn put(&self, found: BTreeMap<String, Untold>) {
        self.lock().extend(found);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Untold>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads back at the start, and at every takeover, until shutdown.
pub async fn watch(
    context: &Context,
    leases: &Leases,
    ownership: &Ownership,
    recalled: &Recalled,
) -> Result<()> {
    // What holds now is wanted sooner than what held once.
    if !view::complete(context, leases).await {
        return Ok(());
    }
    let mut terms = ownership.changes();
    let mut points = vec![name(context.replica)];
    loop {
        let owner = terms.borrow_and_update().is_some();
        if owner {
            points.extend([aws_waf::POINT, blocklist::POINT].map(str::to_owned));
        }
        if !points.is_empty() {
            read(context, std::mem::take(&mut points), recalled).await;
        }
        tokio::select! {
            changed = terms.changed() => if changed.is_err() { return Ok(()) },
            () = context.shutdown.cancelled() => return Ok(()),
        }
    }
}

/// Reads what was told of `points`, as often as it takes.
async fn read(context: &Context, points: Vec<String>, recalled: &Recalled) {
    loop {
        let (read_back, shutdown) = (context.bus.read_back(), context.shutdown.clone());
        let asked = points.clone();
        let reading = tokio::task::spawn_blocking(move || {
            untold(&read_back, &asked, || shutdown.is_cancelled())
        });
        let read = tokio::select! {
            read = reading => read,
            () = context.shutdown.cancelled() => return,
        };
        let error = match read {
            Ok(Ok(found)) => return recalled.put(found),
            Ok(Err(error)) => error,
            Err(error) => error.into(),
        };
        tracing::warn!(
            error = format!("{error:#}"),
            "could not read back what was told; what ended while nobody was there is told later"
        );
        tokio::select! {
            () = tokio::time::sleep(AGAIN) => {}
            () = context.shutdown.cancelled() => return,
        }
    }
}

/// What was told last to be in force at each of `points`, of all that the topic keeps: that is as long as the longest
/// claim lasts.
pub fn untold(
    read_back: &ReadBack,
    points: &[String],
    stopped: impl Fn() -> bool,
) -> Result<BTreeMap<String, Untold>> {
    let mut found: BTreeMap<String, Untold> =
        points.iter().map(|point| (point.clone(), Untold::default())).collect();
    for partition in 0..Topic::Enforcements.partitions() {
        read_back
            .read(Topic::Enforcements, partition, From::Beginning, &mut |raw| {
                ensure!(!stopped(), "stopped while reading");
                // What cannot be decoded was dead-lettered, or never ours.
                if let Ok(told) = raw.decode::<Enforcement>()
                    && let Some(untold) = found.get_mut(&told.point)
                {
                    untold.take(told);
                }
                Ok(())
            })
            .context("could not read the enforcements back")?;
    }
    Ok(found)
}
