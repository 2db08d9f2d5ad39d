//! Brings the core back to where an earlier run left it, for one partition: our own outcomes, then the decisions that
//! can still be in force, then what the executors said about them.

use std::thread::park_timeout;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use pipeline::{Clock, From, Leases, ReadBack};
use schemas::fold::Appended;
use schemas::{Decision, Enforcement, Generation, Limits, Millis, Outcome, Topic};
use tokio_util::sync::CancellationToken;

use crate::logic::Effects;
use crate::verification::Verification;

/// How far back outcomes and enforcements are read. What an older claim is told twice has the same id, and nobody is
/// expected to say again what was said before.
const OUTCOMES_MS: Millis = 24 * 60 * 60 * 1000;
const EPOCH_POLL: Duration = Duration::from_millis(50);

/// Waits until the copy of the leases says when the topics were made.
pub fn wait_for_epoch(leases: &Leases, shutdown: &CancellationToken) -> Result<Millis> {
    loop {
        let (epoch, complete) = leases.read(|reader| (reader.epoch(), reader.complete()));
        if let (Some(epoch), true) = (epoch, complete) {
            return Ok(epoch);
        }
        if shutdown.is_cancelled() {
            bail!("stopped before the epoch was read from leases");
        }
        park_timeout(EPOCH_POLL);
    }
}

/// Restores one partition. All three topics have the same key and so the same partitions.
pub fn restore(
    verification: &Verification,
    read_back: &ReadBack,
    partition: i32,
    epoch: Millis,
    limits: &Limits,
    clock: &Clock,
) -> Result<()> {
    let now = clock.now();
    let told_since = now - OUTCOMES_MS;
    let recent = From::Since(told_since);
    read_back
        .read(Topic::Outcomes, partition, recent, &mut |raw| {
            // What cannot be decoded was dead-lettered, or never ours; the same holds below.
            if let Ok(outcome) = raw.decode::<Outcome>() {
                verification.with(|core| {
                    core.remember(outcome);
                    Effects::default()
                });
            }
            Ok(())
        })
        .context("could not read our own outcomes back")?;
    // No claim lasts longer than the limits allow, so nothing older can still hold.
    let longest_ms = limits.operator_max_ms.max(limits.automatic_max_ms);
    read_back
        .read(Topic::Decisions, partition, From::Since(now - longest_ms), &mut |raw| {
            if let Ok(decision) = raw.decode::<Decision>() {
                let generation = Generation { epoch, offset: raw.offset };
                let appended = Appended { generation, at: raw.timestamp };
                let trace = raw.headers.trace().map(str::to_owned);
                verification.with(|core| {
                    core.refold(&decision, appended, trace, now);
                    Effects::default()
                });
            }
            Ok(())
        })
        .context("could not read the decisions back")?;
    read_back
        .read(Topic::Enforcements, partition, recent, &mut |raw| {
            if let Ok(enforcement) = raw.decode::<Enforcement>() {
                verification.with(|core| {
                    core.recall(enforcement);
                    Effects::default()
                });
            }
            Ok(())
        })
        .context("could not read the enforcements back")?;
    // Reading may have taken long, and what is watched is watched from now on.
    verification.with(|core| core.restored(told_since, clock.now()));
    Ok(())
}
