//! Restores the past of one partition from the log, when its stage is opened.
//!
//! The leases are a fold of `decisions` up to some offset, published in order, so the highest generation among them
//! says from where on the fold must be continued here. Which detections were answered is read from decisions appended
//! since a minute before the first detection that this stage will be given. Whichever of the two lies further back is
//! where reading begins.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use pipeline::{Assigned, From, Raw};
use schemas::{Decision, LeaseEntry, Millis, Record as _, Topic};

use crate::logic::{Past, Rules};
use crate::stage::SharedPast;
use crate::tail::Pasts;

/// How far the clocks of scorer and broker may lie apart.
const SKEW_MS: Millis = 60_000;
/// Answers at least this recent are remembered, so that a scorer's replay is recognised.
const ANSWERED_MS: Millis = 10 * 60_000;

/// Restores the past of the assigned partition. From the first moment on it also gets what is appended meanwhile.
pub fn restore(
    assigned: &Assigned,
    rules: &Rules,
    pasts: &Pasts,
    now: Millis,
) -> Result<SharedPast> {
    let past: SharedPast = Arc::new(Mutex::new(Past::restoring()));
    pasts.register(assigned.partition, &past);
    let unanswered_since = first_unanswered(assigned)?.map_or(now, |since| since.min(now));
    read_leases(assigned, &past)?;
    let since = From::Since(unanswered_since.saturating_sub(SKEW_MS).min(now - ANSWERED_MS));
    let unfolded_from = lock(&past).unfolded_from();
    let end = read_decisions(assigned, rules, &past, since, unfolded_from)?;
    let mut held = lock(&past);
    held.restored(rules, end);
    tracing::info!(
        partition = assigned.partition,
        leases = held.len(),
        end,
        "the past is restored"
    );
    drop(held);
    Ok(past)
}

/// When the first detection was published that is not known to be answered.
fn first_unanswered(assigned: &Assigned) -> Result<Option<Millis>> {
    let mut first: Option<Millis> = None;
    let from = From::Offset(assigned.committed);
    assigned.read_back.read(Topic::Detections, assigned.partition, from, &mut |raw| {
        first = Some(first.map_or(raw.timestamp, |first| first.min(raw.timestamp)));
        Ok(())
    })?;
    Ok(first)
}

fn read_leases(assigned: &Assigned, past: &SharedPast) -> Result<()> {
    let partitions = Decision::TOPIC.partitions();
    assigned.read_back.read(Topic::Leases, 0, From::Beginning, &mut |raw| {
        match raw.decode::<LeaseEntry>() {
            Ok(LeaseEntry::Epoch(epoch)) => lock(past).take_epoch(epoch.epoch),
            Ok(LeaseEntry::Lease(lease)) => {
                let key = lease.observable.to_string();
                if schemas::topic::partition_of_key(key.as_bytes(), partitions)
                    == assigned.partition
                {
                    lock(past).take_lease(lease);
                }
            }
            Err(error) => tracing::warn!(%error, offset = raw.offset, "passed over a lease"),
        }
        Ok(())
    })?;
    Ok(())
}

/// A read-back began behind what no lease has folded in.
#[derive(Debug, thiserror::Error)]
#[error("what no lease has folded in lies before what was read first")]
struct BeganLate;

/// Folds `decisions` from `since` or from the offset `unfolded_from`, whichever lies further back. A record is folded in
/// as it is read: the topic keeps more of them than fit in memory.
fn read_decisions(
    assigned: &Assigned,
    rules: &Rules,
    past: &SharedPast,
    since: From,
    unfolded_from: i64,
) -> Result<i64> {
    let mut begun = false;
    let read = read_from(assigned, since, &mut |raw| {
        if !begun && unfolded_from < raw.offset {
            return Err(BeganLate.into());
        }
        begun = true;
        fold(rules, past, raw);
        Ok(())
    });
    match read {
        Ok(end) if begun || end <= unfolded_from => Ok(end),
        Err(error) if !error.is::<BeganLate>() => Err(error),
        _ => read_from(assigned, From::Offset(unfolded_from), &mut |raw| {
            fold(rules, past, raw);
            Ok(())
        }),
    }
}

fn read_from(
    assigned: &Assigned,
    from: From,
    each: &mut dyn FnMut(&Raw<'_>) -> Result<()>,
) -> Result<i64> {
    let (topic, partition) = (Topic::Decisions, assigned.partition);
    assigned.read_back.read(topic, partition, from, &mut |raw: Raw<'_>| each(&raw))
}

fn fold(rules: &Rules, past: &SharedPast, raw: &Raw<'_>) {
    match raw.decode::<Decision>() {
        Ok(decision) => lock(past).restore(rules, raw.offset, raw.timestamp, &decision),
        Err(error) => tracing::warn!(%error, offset = raw.offset, "passed over a decision"),
    }
}

fn lock(past: &SharedPast) -> std::sync::MutexGuard<'_, Past> {
    past.lock().unwrap_or_else(PoisonError::into_inner)
}
