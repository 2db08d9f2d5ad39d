//! The point `aws-waf`: one pair of IP sets in AWS WAFv2, and its twin in memory.
//!
//! The loop's decisions are in [`crate::logic::waf`]; this file carries them out. The SDK retries nothing: a retry must
//! be computed anew from the leases and the clock.

mod memory;
mod service;

pub use memory::MemorySets;
pub use service::Service;

use std::time::Duration;

use anyhow::Result;
use pipeline::{Context, Leases};
use schemas::{Millis, Position, Protected};

use super::{Outbox, missed, pause, reached, show};
use crate::logic::ip_set::{ENTRIES_MAX, Family};
use crate::logic::waf::{Read, Sight, Step, WafLoop, Write, WriteFault};
use crate::ownership::Ownership;
use crate::recall::Recalled;

/// Name of the point.
pub const POINT: &str = "aws-waf";
/// Changes of the leases that come together are written together.
const PASS_INTERVAL: Duration = Duration::from_millis(200);
/// How often it is said that a set must not be written.
const TELL_INTERVAL_MS: Millis = 30_000;

/// The service that holds the sets, or its twin in memory.
#[derive(Clone)]
pub enum Provider {
    Service(Box<Service>),
    Memory(MemorySets),
}

impl Provider {
    /// Reads one set whole. Anything but that set is an error, never an empty set.
    pub async fn read(&self, family: Family) -> Result<Read, String> {
        match self {
            Provider::Service(service) => service.read(family).await,
            Provider::Memory(sets) => sets.read(family),
        }
    }

    /// Replaces one set, if nobody wrote since it was read.
    pub async fn write(&self, write: &Write) -> Result<(), WriteFault> {
        match self {
            Provider::Service(service) => service.write(write).await,
            Provider::Memory(sets) => sets.write(write),
        }
    }
}

/// Keeps the sets equal to the leases until shutdown.
pub async fn reconcile(
    context: &Context,
    leases: &Leases,
    ownership: &Ownership,
    protected: &Protected,
    provider: &Provider,
    outbox: &Outbox,
    recalled: &Recalled,
) -> Result<()> {
    let mut waf = WafLoop::new(POINT);
    let mut behind = Behind::default();
    let mut changes = leases.changes();
    let mut terms = ownership.changes();
    loop {
        let now = context.clock.now();
        if let Some(untold) = recalled.take(POINT) {
            waf.recall(untold);
        }
        let sight = leases.read(|reader| {
            let view = reader.view();
            let sight = Sight::of(view, reader.complete(), protected, ownership.term(), now);
            waf.with_missed(sight, view, now)
        });
        let step = waf.next(&sight, |mark| leases.may_write(mark, now), now);
        if let Some(Position { leases, controls }) = behind.told(waf.read_on_to(), now) {
            tracing::warn!(
                leases,
                controls,
                "an IP set is not written, and nothing removed from it, before leases and controls are read to there"
            );
        }
        let wait = perform(&mut waf, step, provider, context, now).await;
        let now = context.clock.now();
        outbox.put(waf.settle(&sight, now, outbox.room()));
        let figures = waf.figures(&sight);
        show(POINT, figures.desired, figures.actual, figures.diff);
        metrics::gauge!("perimeter_waf_left_out").set(figures.left_out as f64);
        metrics::gauge!("perimeter_waf_fullest_set_ratio")
            .set(figures.fullest as f64 / ENTRIES_MAX as f64);
        if context.shutdown.is_cancelled() {
            return Ok(());
        }
        let Some(until) = wait else { continue };
        tokio::select! {
            () = tokio::time::sleep(pause(now, until, PASS_INTERVAL)) => {}
            changed = changes.changed() => {
                if changed.is_err() {
                    return Ok(());
                }
                tokio::time::sleep(PASS_INTERVAL).await;
            }
            changed = terms.changed() => if changed.is_err() { return Ok(()) },
            () = context.shutdown.cancelled() => return Ok(()),
        }
    }
}

/// When it is said that a set must not be written yet: not where that lasts a moment, and again from time to time.
#[derive(Default)]
struct Behind {
    tell_at: Option<Millis>,
}

impl Behind {
    fn told(&mut self, read_on_to: Option<Position>, now: Millis) -> Option<Position> {
        let Some(position) = read_on_to else {
            self.tell_at = None;
            return None;
        };
        let tell_at = self.tell_at.get_or_insert(now + TELL_INTERVAL_MS);
        if now < *tell_at {
            return None;
        }
        *tell_at = now + TELL_INTERVAL_MS;
        Some(position)
    }
}

/// Carries out one step; answers until when to wait, if there is nothing more to do at once.
async fn perform(
    waf: &mut WafLoop,
    step: Step,
    provider: &Provider,
    context: &Context,
    now: Millis,
) -> Option<Millis> {
    match step {
        Step::Wait(until) => return Some(until.max(now)),
        Step::Read(family) => {
            let answer = provider.read(family).await;
            count("get", if answer.is_ok() { "ok" } else { "unavailable" });
            match &answer {
                Ok(_) => reached(POINT, context.clock.now()),
                Err(error) => {
                    missed(POINT);
                    tracing::warn!(
                        error,
                        set = family.suffix(),
                        "could not read an IP set; it stays as it is"
                    );
                }
            }
            waf.read(family, answer, context.clock.now(), rand::random());
        }
        Step::Write(write) => {
            let drift = waf.drift();
            if !drift.is_empty() {
                tracing::warn!(
                    ?drift,
                    "entries that nobody we know asked for are taken out of an IP set of ours"
                );
            }
            let answer = provider.write(&write).await;
            count("update", code(&answer));
            match &answer {
                Ok(()) => reached(POINT, context.clock.now()),
                Err(fault) => {
                    missed(POINT);
                    tracing::warn!(
                        ?fault,
                        set = write.family.suffix(),
                        "could not write an IP set; it stays as it is"
                    );
                }
            }
            waf.written(write.family, answer, context.clock.now(), rand::random());
        }
    }
    None
}

fn code(answer: &Result<(), WriteFault>) -> &'static str {
    match answer {
        Ok(()) => "ok",
        Err(WriteFault::Conflict) => "conflict",
        Err(WriteFault::Refused(_)) => "refused",
        Err(WriteFault::Unavailable(_)) => "unavailable",
    }
}

fn count(op: &'static str, code: &'static str) {
    metrics::counter!("perimeter_waf_calls_total", "op" => op, "code" => code).increment(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_that_must_wait_is_told_of_once_it_lasts_and_again_from_time_to_time() {
        let to = Some(Position { leases: 100, controls: 0 });
        let mut behind = Behind::default();
        assert_eq!(behind.told(to, 1_000), None);
        assert_eq!(behind.told(None, 20_000), None, "it lasted a moment");
        assert_eq!(behind.told(to, 30_000), None);
        assert_eq!(behind.told(to, 59_999), None);
        assert_eq!(behind.told(to, 60_000), to);
        assert_eq!(behind.told(to, 89_999), None);
        assert_eq!(behind.told(to, 90_000), to);
    }
}
