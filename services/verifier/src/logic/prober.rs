//! The book of probes: which are under way, what Envoy said about its replicas, whether a clean address passes.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use observe::probe::Nonce;
use schemas::Millis;
use uuid::Uuid;

use super::envoy::{Replicas, SendProbe};

/// A clean address must have passed no longer ago than this, else refusals prove nothing about an address.
const CONTROL_FRESH_MS: Millis = 3_000;
/// What Envoy said about its replicas counts for so long.
const REPLICAS_FRESH_MS: Millis = 5_000;
/// A probe's log entry that comes later than this is not waited for.
const LOG_WAIT_MS: Millis = 10_000;

pub(super) struct Sent {
    /// `None` for a control probe.
    pub(super) decision_id: Option<Uuid>,
    pub(super) address: IpAddr,
    pub(super) at: Millis,
    pub(super) answered: bool,
}

pub(super) struct Prober {
    seed: u64,
    count: u64,
    pub(super) sent: HashMap<Nonce, Sent>,
    in_order: VecDeque<(Millis, Nonce)>,
    pub(super) in_flight: usize,
    pub(super) replicas: Option<(Millis, Replicas)>,
    /// Whether an answer ever named the replica that gave it.
    pub(super) named: bool,
    pub(super) control_at: Millis,
    pub(super) clean_passed_at: Option<Millis>,
}

impl Prober {
    pub(super) fn new(seed: u64) -> Self {
        Prober {
            seed,
            count: 0,
            sent: HashMap::new(),
            in_order: VecDeque::new(),
            in_flight: 0,
            replicas: None,
            named: false,
            control_at: Millis::MIN,
            clean_passed_at: None,
        }
    }

    pub(super) fn replicas(&self) -> Option<&Replicas> {
        self.replicas.as_ref().map(|(_, replicas)| replicas)
    }

    pub(super) fn control_due(&self) -> Millis {
        self.control_at
    }

    /// The replicas Envoy would ask, if that was said lately.
    pub(super) fn asked(&self, now: Millis) -> &[String] {
        match &self.replicas {
            Some((at, replicas)) if now - at <= REPLICAS_FRESH_MS => &replicas.asked,
            _ => &[],
        }
    }

    pub(super) fn clean_passes(&self, now: Millis) -> bool {
        self.clean_passed_at.is_some_and(|at| now - at <= CONTROL_FRESH_MS)
    }

    pub(super) fn send(
        &mut self,
        decision_id: Option<Uuid>,
        address: IpAddr,
        now: Millis,
    ) -> SendProbe {
        self.count += 1;
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&self.seed.to_be_bytes());
        nonce[8..].copy_from_slice(&self.count.to_be_bytes());
        let nonce = Nonce(nonce);
        self.sent.insert(nonce, Sent { decision_id, address, at: now, answered: false });
        self.in_order.push_back((now, nonce));
        self.in_flight += 1;
        SendProbe { nonce, address }
    }

    pub(super) fn forget_old(&mut self, now: Millis) {
        while let Some((at, nonce)) = self.in_order.front().copied()
            && at + LOG_WAIT_MS < now
        {
            self.in_order.pop_front();
            if self.sent.remove(&nonce).is_some_and(|sent| !sent.answered) {
                self.in_flight -= 1;
            }
        }
    }
}
