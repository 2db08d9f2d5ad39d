//! Envoy as far as the loop can tell: it asks a replica about every request, logs, and shows whom it would ask.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

use ::executor::logic::envoy::name;
use ::executor::points::envoy::Answer;
use ::verifier::logic::{Logged, Replicas};
use observe::probe::Nonce;
use schemas::Millis;
use uuid::Uuid;

use crate::executor::Process;

/// How long an entry of the log takes to the verifier.
const LOG_DELAY_MS: Millis = 20;

/// The proxy.
#[derive(Default)]
pub(crate) struct Envoy {
    log: VecDeque<(Millis, Logged)>,
    /// How often each address was seen: whom Envoy asks goes in turn, per address, so that no order of others matters.
    seen: BTreeMap<IpAddr, usize>,
    /// Requests let through because nobody could answer.
    pub(crate) failed_open: usize,
}

impl Envoy {
    /// Answers a request: the decision that refused it, or nothing where it passed; and who said so.
    pub(crate) fn request(
        &mut self,
        executors: &[Process],
        address: IpAddr,
        nonce: Option<Nonce>,
        now: Millis,
    ) -> (Option<Uuid>, Option<String>) {
        let turn = self.seen.entry(address).or_default();
        *turn += 1;
        let serving: Vec<&Process> =
            executors.iter().filter(|executor| executor.serving()).collect();
        // With none healthy, Envoy's panic routing asks them all.
        let asked = if serving.is_empty() { executors.iter().collect() } else { serving };
        let in_turn = (0..asked.len()).map(|index| asked[(*turn + index) % asked.len()]);
        let answered = in_turn
            .filter_map(|executor| Some((name(executor.replica), executor.answer(address)?)))
            .next();
        let Some((point, answer)) = answered else {
            self.failed_open += 1;
            return (None, None);
        };
        let (denied, decision_id) = match answer {
            Answer::Deny(id) => (true, Some(id)),
            Answer::Pass(id) => (false, id),
        };
        if denied || nonce.is_some() {
            let address = Some(address);
            let logged = Logged { address, denied, point: Some(point.clone()), decision_id, nonce };
            self.log.push_back((now + LOG_DELAY_MS, logged));
        }
        (decision_id.filter(|_| denied), Some(point))
    }

    /// The entries of the log that have arrived by now.
    pub(crate) fn logged(&mut self, now: Millis) -> Vec<Logged> {
        let arrived = self.log.iter().take_while(|(at, _)| *at <= now).count();
        self.log.drain(..arrived).map(|(_, logged)| logged).collect()
    }

    /// What its admin port shows of the replicas.
    pub(crate) fn replicas(executors: &[Process]) -> Replicas {
        let names = |healthy: bool| -> Vec<String> {
            let shown = executors.iter().filter(|executor| executor.serving() || !healthy);
            shown.map(|executor| name(executor.replica)).collect()
        };
        let (healthy, all) = (names(true), names(false));
        Replicas { asked: if healthy.is_empty() { all.clone() } else { healthy }, all }
    }
}
