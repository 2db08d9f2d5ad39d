//! What was decided before: the fold of one partition of `decisions`, and which detections were answered.
//!
//! The fold is the one of the leases, over the same records in the same order, so a replay gives the same answer.
//! What this process decided counts at once; the record that comes back from the log then takes its place.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use schemas::fold::strikes_at;
use schemas::{
    Appended, Claim, Decision, Detection, Folded, Generation, Lease, Millis, Mode, Observable,
    Origin, fold,
};
use uuid::Uuid;

use super::around::Around;
use super::{Rules, decide_in, decision_id};

/// How many answered detections are remembered beside those that the leases remember.
pub const ANSWERED_MAX: usize = 65_536;
/// Most records kept aside while the past is restored; what is dropped is read back then.
const AHEAD_MAX: usize = 65_536;

/// How many answers lie between two times at which what has long ended is forgotten.
const FORGET_EVERY: usize = 4_096;
/// How much longer than the strike memory an ended lease is kept: detections may come late.
const FORGET_AFTER_MS: Millis = 24 * 60 * 60 * 1000;

/// What is known of one observable.
#[derive(Debug, Clone, Default)]
pub struct Known {
    lease: Option<Lease>,
    around: Option<Around>,
}

impl Known {
    pub fn new(lease: Option<Lease>) -> Self {
        Known { lease, around: None }
    }

    /// The same, with what an operator allows around the observable: that is another observable's lease.
    pub fn within(self, around: Option<Around>) -> Self {
        Known { around, ..self }
    }

    /// The operator's claim, if it is in force at `at`. A freeze does not touch it.
    pub fn operator_in_force_at(&self, at: Millis) -> Option<&Claim> {
        let claim = self.lease.as_ref()?.claim(Origin::Operator)?;
        (at < claim.until).then_some(claim)
    }

    /// The operator's allow of a network around it, if it is in force at `at`.
    pub fn allowed_around_at(&self, at: Millis) -> Option<&Around> {
        self.around.as_ref().filter(|around| at < around.claim.until)
    }

    /// Until when our own last claim holds or held.
    pub fn pipeline_until(&self) -> Option<Millis> {
        Some(self.lease.as_ref()?.claim(Origin::Pipeline)?.until)
    }

    pub fn strikes_at(&self, at: Millis, strike_memory_ms: Millis) -> i32 {
        strikes_at(self.lease.as_ref(), at, strike_memory_ms)
    }
}

/// The fold of one partition of `decisions`.
#[derive(Debug, Default)]
pub struct Past {
    epoch: Millis,
    /// The next offset to be folded.
    next: i64,
    restored: bool,
    leases: HashMap<Observable, Lease>,
    /// What this process decided and the log has not shown yet, and the leases with it.
    pending: HashMap<Observable, Vec<Decision>>,
    expected: HashMap<Observable, Lease>,
    /// Records that came while the past was being restored, by offset.
    ahead: BTreeMap<i64, (Millis, Decision)>,
    answered: HashSet<Uuid>,
    answered_order: VecDeque<Uuid>,
    since_forgot: usize,
}

impl Past {
    /// A past that is still being restored: what is appended meanwhile is kept aside.
    pub fn restoring() -> Self {
        Past::default()
    }

    /// A past with nothing in it, ready at once.
    pub fn empty() -> Self {
        Past { restored: true, ..Past::default() }
    }

    /// Takes in a lease as `leases` has it.
    pub fn take_lease(&mut self, lease: Lease) {
        self.epoch = self.epoch.max(lease.generation.epoch);
        let held = self.leases.get(&lease.observable);
        if held.is_none_or(|held| held.generation <= lease.generation) {
            self.leases.insert(lease.observable.clone(), lease);
        }
    }

    pub fn take_epoch(&mut self, epoch: Millis) {
        self.epoch = self.epoch.max(epoch);
    }

    /// The lowest offset that no lease of this epoch has folded in: the fold goes in order, so what is below the
    /// highest generation is in the leases.
    pub fn unfolded_from(&self) -> i64 {
        let of_epoch = self.leases.values().filter(|lease| lease.generation.epoch == self.epoch);
        of_epoch.map(|lease| lease.generation.offset + 1).max().unwrap_or(0)
    }

    /// Folds a decision in while restoring.
    pub fn restore(&mut self, rules: &Rules, offset: i64, at: Millis, decision: &Decision) {
        self.fold(rules, offset, at, decision);
        self.remember(decision.decision_id);
    }

    /// Ends the restoration, which read everything below `end`.
    pub fn restored(&mut self, rules: &Rules, end: i64) {
        self.next = self.next.max(end);
        self.restored = true;
        for (offset, (at, decision)) in std::mem::take(&mut self.ahead) {
            self.append(rules, offset, at, &decision);
        }
    }

    /// Takes in a decision as the log has it; one that was taken in already changes nothing.
    pub fn append(&mut self, rules: &Rules, offset: i64, at: Millis, decision: &Decision) {
        if !self.restored {
            if self.ahead.len() == AHEAD_MAX {
                self.ahead.pop_first();
            }
            self.ahead.insert(offset, (at, decision.clone()));
            return;
        }
        if offset < self.next {
            return;
        }
        self.fold(rules, offset, at, decision);
        self.remember(decision.decision_id);
        if let Some(pending) = self.pending.get_mut(&decision.observable) {
            pending.retain(|pending| pending.decision_id != decision.decision_id);
            if pending.is_empty() {
                self.pending.remove(&decision.observable);
            }
        }
        self.expect(rules, &decision.observable);
    }

    /// Answers a detection, if its answer is not in the log already, and takes the answer in. `around` is what an
    /// operator allows around it.
    pub fn answer(
        &mut self,
        rules: &Rules,
        detection: &Detection,
        around: Option<Around>,
        mode: Mode,
        frozen: bool,
    ) -> Option<Decision> {
        if self.answered(&detection.observable, decision_id(detection.detection_id)) {
            return None;
        }
        let known = self.known(&detection.observable).within(around);
        let decision = decide_in(rules, detection, &known, mode, frozen);
        self.decided(rules, decision.clone());
        self.since_forgot += 1;
        if self.since_forgot >= FORGET_EVERY {
            self.since_forgot = 0;
            let kept = rules.limits.strike_memory_ms.saturating_add(FORGET_AFTER_MS);
            self.forget_ended(detection.detected_at.saturating_sub(kept));
        }
        Some(decision)
    }

    /// Takes in what this process just decided, before the log shows it.
    pub fn decided(&mut self, rules: &Rules, decision: Decision) {
        self.remember(decision.decision_id);
        if decision.until.is_none() {
            return;
        }
        let observable = decision.observable.clone();
        self.pending.entry(observable.clone()).or_default().push(decision);
        self.expect(rules, &observable);
    }

    /// Learns that `decisions` was made anew: what is held stays, offsets begin again.
    pub fn restart(&mut self) {
        self.epoch += 1;
        self.next = 0;
    }

    pub fn known(&self, observable: &Observable) -> Known {
        Known::new(self.expected.get(observable).or_else(|| self.leases.get(observable)).cloned())
    }

    /// Whether the answer of this id is in the log already.
    pub fn answered(&self, observable: &Observable, decision_id: Uuid) -> bool {
        let in_lease = |lease: &Lease| lease.recent_decisions.contains(&decision_id);
        self.answered.contains(&decision_id) || self.leases.get(observable).is_some_and(in_lease)
    }

    /// Drops what can change no answer any more: leases all of whose claims ended before `ended_before`.
    pub fn forget_ended(&mut self, ended_before: Millis) {
        let ended = |lease: &Lease| lease.claims.iter().all(|claim| claim.until < ended_before);
        self.leases.retain(|_, lease| !ended(lease));
        self.expected.retain(|_, lease| !ended(lease));
        let expected = &self.expected;
        self.pending.retain(|observable, _| expected.contains_key(observable));
    }

    pub fn len(&self) -> usize {
        self.leases.len()
    }

    pub fn is_empty(&self) -> bool {
        self.leases.is_empty()
    }

    fn fold(&mut self, rules: &Rules, offset: i64, at: Millis, decision: &Decision) {
        self.next = offset + 1;
        let appended = Appended { generation: Generation { epoch: self.epoch, offset }, at };
        let lease = self.leases.get(&decision.observable);
        if let Folded::Lease(lease) =
            fold(lease, decision, appended, &rules.protected, &rules.limits)
        {
            self.leases.insert(lease.observable.clone(), lease);
        }
    }

    /// Works out the lease of `observable` with what is pending on top. The append time is not known yet, so the
    /// detection's time stands for it.
    fn expect(&mut self, rules: &Rules, observable: &Observable) {
        let Some(pending) = self.pending.get(observable) else {
            self.expected.remove(observable);
            return;
        };
        let mut lease = self.leases.get(observable).cloned();
        for (index, decision) in (0_i64..).zip(pending) {
            let offset = i64::MAX / 2 + index;
            let at = decision.detected_at.unwrap_or(0);
            let appended = Appended { generation: Generation { epoch: self.epoch, offset }, at };
            if let Folded::Lease(next) =
                fold(lease.as_ref(), decision, appended, &rules.protected, &rules.limits)
            {
                lease = Some(next);
            }
        }
        if let Some(lease) = lease {
            self.expected.insert(observable.clone(), lease);
        }
    }

    fn remember(&mut self, decision_id: Uuid) {
        if !self.answered.insert(decision_id) {
            return;
        }
        self.answered_order.push_back(decision_id);
        if self.answered_order.len() > ANSWERED_MAX
            && let Some(oldest) = self.answered_order.pop_front()
        {
            self.answered.remove(&oldest);
        }
    }
}
