//! The loop that does what the core asks for: sends probes, reads the WAF, publishes outcomes, and ticks.
//!
//! It only selects and executes; nothing is decided here.

use std::time::Duration;

use anyhow::Result;
use pipeline::{Context, Leases, Message, Publisher};
use schemas::Millis;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;

use crate::kpi::{self, Figures};
use crate::logic::{Answer, Effects, Input, Publish, Reach};
use crate::points::aws_waf::Sets;
use crate::points::envoy::Admin;
use crate::probes::Prober;
use crate::verification::Verification;

const IDLE: Duration = Duration::from_secs(1);
const REPLICAS_EAGER: Duration = Duration::from_millis(200);
const PUBLISH_AGAIN: Duration = Duration::from_millis(500);
/// A first outcome goes at once; those that follow it closely go together.
const PUBLISH_INTERVAL: Duration = Duration::from_millis(40);
const PUBLISH_BATCH_MAX: usize = 1_024;

/// What the loop acts with; what is absent is not configured.
pub struct Means {
    pub prober: Option<Prober>,
    pub sets: Option<Sets>,
    pub publisher: Publisher,
    /// Which proofs can be had, and so which of them is a block's.
    pub reach: Reach,
}

/// Acts until shutdown, then waits for the last outcomes to be acknowledged.
pub async fn run(
    context: &Context,
    verification: &Verification,
    leases: &Leases,
    means: Means,
) -> Result<()> {
    // Bounded by what the core asks for: an outcome is pushed only when an effect changes, and without the broker no
    // decision comes that could change many.
    let (sender, receiver) = unbounded_channel();
    let (publisher, figures) = (means.publisher.clone(), Figures::new(means.reach));
    let publishing = tokio::spawn(publish(publisher, receiver, figures, context.clone()));
    let mut changes = leases.changes();
    while !context.shutdown.is_cancelled() {
        let (effects, due) = verification.take();
        execute(effects, context, verification, &means, &sender);
        kpi::active(verification.active_claims());
        let wait = due.map_or(IDLE, |due| until(due, context.clock.now())).min(IDLE);
        tokio::select! {
            () = context.shutdown.cancelled() => {}
            () = verification.changed() => {}
            Ok(()) = changes.changed() => verification.sync(leases, context.clock.now()),
            () = tokio::time::sleep(wait) => {
                verification.apply(Input::Tick, context.clock.now());
            }
        }
    }
    drop(sender);
    Ok(publishing.await?)
}

/// Keeps asking Envoy whom it would ask, eagerly while something is watched.
pub async fn watch_replicas(
    context: &Context,
    verification: &Verification,
    admin: Option<Admin>,
) -> Result<()> {
    let Some(admin) = admin else { return Ok(()) };
    let mut reachable = true;
    while !context.shutdown.is_cancelled() {
        match admin.replicas().await {
            Ok(replicas) => {
                reachable = true;
                verification.apply(Input::Replicas(replicas), context.clock.now());
            }
            Err(error) if reachable => {
                reachable = false;
                tracing::warn!(
                    error = format!("{error:#}"),
                    "could not ask Envoy for its replicas"
                );
            }
            Err(_) => {}
        }
        let wait = if verification.active_claims() > 0 { REPLICAS_EAGER } else { IDLE };
        tokio::select! {
            () = context.shutdown.cancelled() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
    Ok(())
}

fn execute(
    effects: Effects,
    context: &Context,
    verification: &Verification,
    means: &Means,
    publishing: &UnboundedSender<Publish>,
) {
    for outcome in effects.publish {
        if publishing.send(outcome).is_err() {
            tracing::error!(
                "the publisher ended before the loop; an outcome waits for the restart"
            );
        }
    }
    for probe in effects.probes {
        let (verification, clock) = (verification.clone(), context.clock.clone());
        let prober = means.prober.clone();
        // The core bounds how many probes are under way.
        tokio::spawn(async move {
            let answer = match prober {
                Some(prober) => prober.send(probe, clock.now()).await,
                None => Answer::Failed,
            };
            verification.apply(Input::Answered { nonce: probe.nonce, answer }, clock.now());
        });
    }
    if let (Some(asked), Some(sets)) = (effects.read_waf, means.sets.clone()) {
        let (verification, clock) = (verification.clone(), context.clock.clone());
        tokio::spawn(async move {
            let read = sets.read(asked).await;
            verification.apply(Input::WafRead(read), clock.now());
        });
    }
}

/// Publishes outcomes in order, a batch at a time, again until the broker has them.
async fn publish(
    publisher: Publisher,
    mut queue: UnboundedReceiver<Publish>,
    mut figures: Figures,
    context: Context,
) {
    let mut batch = Vec::new();
    while queue.recv_many(&mut batch, PUBLISH_BATCH_MAX).await > 0 {
        let begun = Instant::now();
        let messages: Vec<Message> = batch.iter().filter_map(message).collect();
        while let Err(error) = publisher.send_all(messages.clone()).await {
            tracing::warn!(%error, "could not publish outcomes; trying again");
            if context.shutdown.is_cancelled() {
                return;
            }
            tokio::time::sleep(PUBLISH_AGAIN).await;
        }
        let now = context.clock.now();
        for publish in batch.drain(..) {
            figures.count(&publish.outcome, now);
        }
        tokio::time::sleep_until(begun + PUBLISH_INTERVAL).await;
    }
}

fn message(publish: &Publish) -> Option<Message> {
    match Message::of(&publish.outcome) {
        Ok(mut message) => {
            if let Some(trace) = &publish.trace {
                message.continue_trace("verifier", trace);
            }
            Some(message)
        }
        Err(error) => {
            tracing::error!(%error, "could not encode an outcome; it was not published");
            None
        }
    }
}

fn until(due: Millis, now: Millis) -> Duration {
    Duration::from_millis(u64::try_from(due - now).unwrap_or(0))
}
