//! The stage on `detections`: gather what is known, decide, push the decision.

use std::sync::{Arc, Mutex, PoisonError};

use pipeline::{Leases, Outputs, Received, Stage};
use schemas::{Action, Decision, Detection, Millis, Mode, Reason};

use crate::logic::{Past, Rules, decide, decision_id};
use crate::names;

/// How many decisions lie between two times at which the past forgets what has long ended.
const FORGET_EVERY: usize = 4_096;
/// How much longer than the strike memory an ended lease is kept: detections may come late.
const FORGET_AFTER_MS: Millis = 24 * 60 * 60 * 1000;

/// A past that the stage and the follower of `decisions` share.
pub type SharedPast = Arc<Mutex<Past>>;

/// Answers every detection of one partition with exactly one decision.
pub struct Decide {
    rules: Arc<Rules>,
    past: SharedPast,
    leases: Leases,
    since_forgot: usize,
}

impl Decide {
    /// `past` is of the same partition: detections and decisions on one observable have the same key and place.
    pub fn new(rules: Arc<Rules>, past: SharedPast, leases: Leases) -> Self {
        Decide { rules, past, leases, since_forgot: 0 }
    }

    pub fn past(&self) -> &SharedPast {
        &self.past
    }
}

impl Stage for Decide {
    type Input = Detection;

    async fn handle(&mut self, batch: &[Received<'_, Detection>], out: &mut Outputs) {
        let frozen = self.leases.read(|reader| reader.view().frozen_since()).is_some();
        let mut past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        for received in batch {
            let detection = &received.record;
            if past.answered(&detection.observable, decision_id(detection.detection_id)) {
                continue;
            }
            let known = past.known(&detection.observable);
            let decision = decide(&self.rules, detection, &known, frozen);
            count(&decision);
            out.continue_trace(received.trace);
            out.push(&decision);
            past.decided(&self.rules, decision);
            self.since_forgot += 1;
            if self.since_forgot >= FORGET_EVERY {
                self.since_forgot = 0;
                let kept = self.rules.limits.strike_memory_ms.saturating_add(FORGET_AFTER_MS);
                past.forget_ended(detection.detected_at.saturating_sub(kept));
            }
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
