//! An operator under load: blocks and unblocks an address of our own every second, over mutual TLS, and looks when the
//! decision is in a lease.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use proto::v1::override_client::OverrideClient;
use proto::v1::{BlockRequest, DecisionReply, UnblockRequest};
use schemas::{Lease, Observable};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};
use uuid::Uuid;

use super::clock::micros;
use super::expected::{Latencies, Micros};
use super::report;
use crate::world::Operator;

const INTERVAL: Duration = Duration::from_secs(1);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const CALL_TIMEOUT: Duration = Duration::from_secs(15);
const DURATION_MS: i64 = 60_000;
const REASON: &str = "loadtest: overrides under load";

/// What came of the calls; clones share it.
#[derive(Clone, Default)]
pub struct Told(Arc<Mutex<Calls>>);

#[derive(Default)]
struct Calls {
    asked: u64,
    failed: u64,
    reply: Latencies,
    lease: Latencies,
    /// By decision, when it was asked for. A lease may show a decision before its caller hears of it.
    awaited: HashMap<Uuid, Micros>,
}

impl Told {
    fn with<T>(&self, use_it: impl FnOnce(&mut Calls) -> T) -> T {
        use_it(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A lease was read.
    pub fn lease(&self, lease: &Lease, read_at: Micros) {
        self.with(|calls| {
            for claim in &lease.claims {
                if let Some(asked_at) = calls.awaited.remove(&claim.decision_id) {
                    calls.lease.record(read_at - asked_at);
                }
            }
        });
    }

    pub fn report(&self) -> report::Overrides {
        self.with(|calls| report::Overrides {
            asked: calls.asked,
            failed: calls.failed,
            reply_ms: calls.reply.quantiles(),
            lease_ms: calls.lease.quantiles(),
            unleased: calls.awaited.len() as u64,
        })
    }

    /// Whether every call that was answered is in a lease.
    pub fn settled(&self) -> bool {
        self.with(|calls| calls.awaited.is_empty())
    }
}

/// Connects as the world's operator.
pub async fn connect(operator: &Operator) -> Result<OverrideClient<Channel>> {
    let read = |path: &std::path::Path| {
        std::fs::read_to_string(path).with_context(|| format!("could not read {}", path.display()))
    };
    let (ca, cert, key) = (read(&operator.ca)?, read(&operator.cert)?, read(&operator.key)?);
    let url = format!("https://{}", operator.api);
    let channel = Endpoint::from_shared(url.clone())
        .and_then(|endpoint| {
            endpoint
                .connect_timeout(CONNECT_TIMEOUT)
                .timeout(CALL_TIMEOUT)
                .tls_config(proto::mtls::client(&ca, &cert, &key, "localhost"))
        })
        .with_context(|| format!("could not use the operator's certificate for {url}"))?;
    let channel = channel.connect().await;
    channel
        .map(OverrideClient::new)
        .with_context(|| format!("could not reach the decider at {url}"))
}

/// Asks once a second until `stop`: block, unblock, block, … An answer that takes longer moves no question that follows.
pub async fn ask(
    client: OverrideClient<Channel>,
    observable: Observable,
    told: Told,
    stop: CancellationToken,
) {
    let mut ticks = tokio::time::interval_at(Instant::now() + INTERVAL, INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut block = true;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stop.cancelled() => return,
        }
        let call = call(client.clone(), observable.to_string(), block, told.clone());
        tokio::spawn(call);
        block = !block;
    }
}

async fn call(mut client: OverrideClient<Channel>, observable: String, block: bool, told: Told) {
    let key = Uuid::new_v4();
    let asked_at = micros();
    told.with(|calls| {
        calls.asked += 1;
        calls.awaited.insert(key, asked_at);
    });
    let (duration_ms, reason, idempotency_key) = (DURATION_MS, REASON.to_owned(), key.to_string());
    let answered = if block {
        client.block(BlockRequest { observable, duration_ms, reason, idempotency_key }).await
    } else {
        client.unblock(UnblockRequest { observable, duration_ms, reason, idempotency_key }).await
    };
    let answered_at = micros();
    let decided = answered
        .ok()
        .map(tonic::Response::into_inner)
        .and_then(|DecisionReply { decision, .. }| decision);
    told.with(|calls| match decided {
        Some(_) => calls.reply.record(answered_at - asked_at),
        None => {
            calls.failed += 1;
            calls.awaited.remove(&key);
        }
    });
}
