//! The reference: `decisions` and `controls` folded in one place, by nobody's process.

use std::collections::BTreeMap;

use ipnet::IpNet;
use observe::Policy;
use pipeline::memory::Log;
use schemas::effective::blocked_networks;
use schemas::{
    Action, Appended, Control, Decision, Folded, Generation, Limits, Millis, Protected, Topic,
    View, fold,
};

/// What must hold, by the log alone.
pub(crate) struct Truth {
    pub(crate) view: View,
    pub(crate) protected: Protected,
    /// What was asked to block since the last look, though it may have been taken back at once: by the decisions that
    /// came, and, before they came, by a claim that another one's end had let through.
    pub(crate) just_blocked: Vec<IpNet>,
    limits: Limits,
    epoch: Millis,
    next: BTreeMap<i32, i64>,
    controls: i64,
}

impl Truth {
    pub(crate) fn new(policy: &Policy, epoch: Millis) -> Self {
        let (protected, limits) = (policy.protected(), policy.limits());
        let next = BTreeMap::new();
        let (view, just_blocked) = (View::default(), Vec::new());
        Truth { view, protected, just_blocked, limits, epoch, next, controls: 0 }
    }

    /// Folds in what was appended since.
    pub(crate) fn follow(&mut self, log: &Log, now: Millis) {
        self.just_blocked = blocked_networks(&self.view, &self.protected, now);
        for partition in 0..Topic::Decisions.partitions() {
            let next = self.next.entry(partition).or_default();
            let mut decisions: Vec<(i64, Millis, Decision)> = Vec::new();
            *next = log.poll(Topic::Decisions, partition, *next, usize::MAX / 2, &mut |raw| {
                // What cannot be decoded was dead-lettered by whoever read it.
                if let Ok(decision) = raw.decode::<Decision>() {
                    decisions.push((raw.offset, raw.timestamp, decision));
                }
            });
            for (offset, at, decision) in decisions {
                self.fold(offset, at, &decision);
            }
        }
        let view = &mut self.view;
        self.controls = log.poll(Topic::Controls, 0, self.controls, usize::MAX / 2, &mut |raw| {
            view.apply_control(&raw.decode::<Control>().unwrap(), raw.timestamp);
        });
    }

    fn fold(&mut self, offset: i64, at: Millis, decision: &Decision) {
        if decision.action == Action::Block {
            self.just_blocked.push(decision.observable.network());
        }
        let appended = Appended { generation: Generation { epoch: self.epoch, offset }, at };
        let lease = self.view.lease(&decision.observable);
        if let Folded::Lease(lease) = fold(lease, decision, appended, &self.protected, &self.limits)
        {
            self.view.apply(lease);
        }
    }

    /// Goes on under a new epoch, on topics that were made anew: what was held stays.
    pub(crate) fn adopt(&mut self, epoch: Millis) {
        self.epoch = epoch;
        self.next.clear();
    }
}
