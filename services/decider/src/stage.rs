//! The stage on `detections`: gather what is known, decide, push the decision.

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use pipeline::{Leases, Outputs, Received, Stage};
use schemas::{Action, Decision, Detection, Mode, Reason};

use crate::logic::around::{Around, Networks, allowed_around};
use crate::logic::{Past, Rules};
use crate::names;

/// A past that the stage and the follower of `decisions` share.
pub type SharedPast = Arc<Mutex<Past>>;
/// What operators said of networks, which all stages and the follower of `decisions` share.
pub type SharedNetworks = Arc<RwLock<Networks>>;

/// Answers every detection of one partition with exactly one decision.
pub struct Decide {
    rules: Arc<Rules>,
    past: SharedPast,
    leases: Leases,
    networks: SharedNetworks,
}

impl Decide {
    /// `past` is of the same partition: detections and decisions on one observable have the same key and place.
    pub fn new(
        rules: Arc<Rules>,
        past: SharedPast,
        leases: Leases,
        networks: SharedNetworks,
    ) -> Self {
        Decide { rules, past, leases, networks }
    }

    pub fn past(&self) -> &SharedPast {
        &self.past
    }
}

impl Stage for Decide {
    type Input = Detection;

    async fn handle(&mut self, batch: &[Received<'_, Detection>], out: &mut Outputs) {
        let (frozen, asked, allowed) = self.leases.read(|reader| {
            let view = reader.view();
            let networks = self.networks.read().unwrap_or_else(PoisonError::into_inner);
            let allowed: Vec<Option<Around>> = batch
                .iter()
                .map(|received| {
                    let detection = &received.record;
                    let (observable, at) = (&detection.observable, detection.detected_at);
                    allowed_around(view, &networks, observable, at)
                })
                .collect();
            (view.frozen_since().is_some(), view.mode(), allowed)
        });
        let mode = self.rules.mode(asked);
        let mut past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        for (received, around) in batch.iter().zip(allowed) {
            let answer = past.answer(&self.rules, &received.record, around, mode, frozen);
            let Some(decision) = answer else { continue };
            count(&decision);
            out.continue_trace(received.headers.trace());
            out.push(&decision);
        }
    }
}

/// Shows from the start the count that alerts watch: what first appears above 0 has, to whoever watches it, never risen.
pub(crate) fn announce() {
    let (action, reason) = (names::action(Action::Block), names::reason(Reason::Policy));
    let labels = [("action", action), ("reason", reason), ("mode", names::mode(Mode::Enforced))];
    metrics::counter!("perimeter_decisions_total", &labels).increment(0);
}

fn count(decision: &Decision) {
    let labels = [
        ("action", names::action(decision.action)),
        ("reason", names::reason(decision.reason)),
        ("mode", names::mode(decision.mode)),
    ];
    metrics::counter!("perimeter_decisions_total", &labels).increment(1);
}
