//! What is proved and what is not: inputs in, effects out. No Kafka, no HTTP, no clock, no randomness.
//!
//! The verifier folds `decisions` itself, so the executor's word is only level 1 here. For every block that must
//! hold by its own fold it waits for the proofs of each level, says what is absent when they do not come, and after
//! the end waits for the proofs that nothing holds any more.

mod answers;
mod claim;
mod enforced;
mod envoy;
mod prober;
mod readback;
mod restoring;
mod schedule;
mod watched;

use std::collections::BTreeSet;
use std::net::IpAddr;

use observe::probe::Nonce;
use schemas::fold::Appended;
use schemas::{
    Action, Claim, Control, Decision, Effective, Enforcement, Folded, Limits, Millis, Outcome,
    Phase, Protected, View, effective, fold,
};
use uuid::Uuid;

pub use answers::Answer;
use claim::{Record, State, Tracked};
use enforced::Early;
pub use envoy::{IN_FLIGHT_MAX, Logged, Replicas, SendProbe};
pub use readback::{IpSet, ReadWaf, WafRead};
use restoring::Restoring;
use watched::Watched;

/// Point name of Envoy itself, at levels 2 and 3.
pub const ENVOY: &str = "envoy";
/// Point name of the WAF.
pub const AWS_WAF: &str = "aws-waf";
/// Without a proof for so long after it should hold, a block is *absent*.
pub const ABSENT_MS: Millis = 5_000;
/// A WAF is slower to take a write and to show it.
pub const WAF_ABSENT_MS: Millis = 10_000;
/// Without a proof for so long after it should be gone, a lift is late.
pub const LATE_MS: Millis = 2_000;
/// As [`WAF_ABSENT_MS`], for a lift.
pub const WAF_LATE_MS: Millis = 10_000;
/// An unproved lift is no longer watched after this.
pub const LIFT_WINDOW_MS: Millis = 10 * 60 * 1000;
/// How often a claim that is not in force by our own fold is looked at again.
const DORMANT_MS: Millis = 500;
/// Leases ended longer ago than this leave our own view.
const FORGET_MS: Millis = 60 * 60 * 1000;
/// Most enforcements kept for decisions that were not read yet.
const EARLY_MAX: usize = 4_096;

/// Something the verifier learnt.
#[derive(Debug)]
pub enum Input {
    /// The next decision of a partition, with the trace it came with.
    Decision { decision: Box<Decision>, appended: Appended, trace: Option<String> },
    /// Since when automation is frozen.
    Controls { frozen_since: Option<Millis> },
    /// What an executor says it did.
    Enforcement(Box<Enforcement>),
    /// A denial or probe in Envoy's own log.
    Logged(Logged),
    /// What the HTTP client got for a probe.
    Answered { nonce: Nonce, answer: Answer },
    /// Which replicas Envoy would ask.
    Replicas(Replicas),
    /// What the WAF's sets hold; `None` when they could not be read.
    WafRead(Option<WafRead>),
    /// Time passed.
    Tick,
}

/// What is to be done about it.
#[derive(Debug, Default)]
pub struct Effects {
    pub probes: Vec<SendProbe>,
    pub read_waf: Option<ReadWaf>,
    pub publish: Vec<Publish>,
}

impl Effects {
    /// Whether anything is to be done at all.
    pub fn any(&self) -> bool {
        !self.probes.is_empty() || self.read_waf.is_some() || !self.publish.is_empty()
    }
}

/// An outcome, with the trace of the decision it is about.
#[derive(Debug, Clone, PartialEq)]
pub struct Publish {
    pub outcome: Outcome,
    pub trace: Option<String>,
}

/// Which proofs can be had in this installation; others are not waited for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Reach {
    /// Levels 2 and 3 at Envoy, by probes.
    pub envoy: bool,
    /// Level 2 at the WAF.
    pub waf: bool,
}

/// The verifier's knowledge.
pub struct Core {
    reach: Reach,
    protected: Protected,
    limits: Limits,
    view: View,
    watched: Watched,
    prober: prober::Prober,
    waf: readback::Schedule,
    /// Points that said something at level 1 since the start, and so must say it for the next decision.
    points: BTreeSet<String>,
    early: Early,
    restoring: Restoring,
    /// What was said before this was not read back.
    told_since: Millis,
    forget_at: Millis,
    effects: Effects,
}

impl Core {
    /// `seed` makes the nonces of this run unlike those of any other.
    pub fn new(reach: Reach, protected: Protected, limits: Limits, seed: u64) -> Self {
        Core {
            reach,
            protected,
            limits,
            view: View::default(),
            watched: Watched::default(),
            prober: prober::Prober::new(seed),
            waf: readback::Schedule::default(),
            points: BTreeSet::new(),
            early: Early::default(),
            restoring: Restoring::default(),
            told_since: Millis::MIN,
            forget_at: 0,
            effects: Effects::default(),
        }
    }

    /// Takes one input in, does whatever is due at `now`, and answers what is to be done.
    pub fn apply(&mut self, input: Input, now: Millis) -> Effects {
        match input {
            Input::Decision { decision, appended, trace } => {
                self.decision(&decision, appended, trace, now);
            }
            Input::Controls { frozen_since } => self.controls(frozen_since, now),
            Input::Enforcement(enforcement) => self.enforcement(*enforcement, now),
            Input::Logged(logged) => self.logged(&logged, now),
            Input::Answered { nonce, answer } => self.answered(nonce, answer, now),
            Input::Replicas(replicas) => self.replicas(replicas, now),
            Input::WafRead(read) => self.waf_read(read.as_ref(), now),
            Input::Tick => {}
        }
        self.run_due(now);
        std::mem::take(&mut self.effects)
    }

    /// When [`Input::Tick`] is wanted at the latest.
    pub fn next_due(&self) -> Option<Millis> {
        // Without a claim nothing is due at all.
        let (claim, _) = self.watched.next_due()?;
        let control = self.reach.envoy.then(|| self.prober.control_due());
        let read = self.reach.waf.then(|| self.waf.due());
        [Some(claim), control, read].into_iter().flatten().min()
    }

    /// How many blocks are being watched, for the gauge and for how eagerly to look.
    pub fn active_claims(&self) -> usize {
        self.watched.len()
    }

    fn decision(
        &mut self,
        decision: &Decision,
        appended: Appended,
        trace: Option<String>,
        now: Millis,
    ) {
        let (changed, block) = self.take_in(decision, appended, trace, now);
        if let Some(mut tracked) = block {
            if now >= tracked.until {
                tracked.enter(State::Lifting, now);
            }
            self.watched.keep(tracked);
            self.early_enforcements(decision.decision_id, now);
        }
        if !changed {
            return;
        }
        // What holds for addresses inside or around it may have changed.
        for id in self.watched.touching(decision.observable.network()) {
            self.look(id, now);
        }
    }

    /// Folds a decision by our own means; answers whether a lease is another now, and the block that is to be watched.
    fn take_in(
        &mut self,
        decision: &Decision,
        appended: Appended,
        trace: Option<String>,
        now: Millis,
    ) -> (bool, Option<Tracked>) {
        let held = self.view.lease(&decision.observable);
        let known = held.is_some_and(|held| held.recent_decisions.contains(&decision.decision_id));
        let folded = fold(held, decision, appended, &self.protected, &self.limits);
        let Folded::Lease(lease) = folded else { return (false, None) };
        let claim = lease.claim(decision.origin).cloned();
        self.view.apply(lease);
        let Some(claim) = claim.filter(|_| !known && decision.action == Action::Block) else {
            return (true, None);
        };
        let ended_before_it_began = claim.decided_at >= claim.until;
        let watched = !ended_before_it_began && now < claim.until + LIFT_WINDOW_MS;
        (true, watched.then(|| Tracked::new(decision, &claim, trace, now)))
    }

    fn controls(&mut self, frozen_since: Option<Millis>, now: Millis) {
        if self.view.frozen_since() == frozen_since {
            return;
        }
        let control = Control {
            control_id: Uuid::nil(),
            scope: schemas::control::SCOPE_ALL.to_owned(),
            frozen: frozen_since.is_some(),
            frozen_since,
            requested_at: now,
            requested_by: String::new(),
            reason: String::new(),
            mode: None,
        };
        self.view.apply_control(&control, frozen_since.unwrap_or(now));
        for id in self.watched.ids() {
            self.look(id, now);
        }
    }

    fn run_due(&mut self, now: Millis) {
        while let Some((at, id)) = self.watched.next_due()
            && at <= now
        {
            self.look(id, now);
        }
        self.control_probe(now);
        self.probe_in_turn(now);
        self.schedule_waf(now);
        if now >= self.forget_at {
            self.forget_at = now + 60_000;
            self.view.forget_ended(now - FORGET_MS);
        }
    }

    /// Brings one claim up to `now`: what must hold, which probes are due, which deadlines passed.
    fn look(&mut self, id: Uuid, now: Millis) {
        self.with(id, now, |_, _| {});
    }

    /// Runs `change` on a claim, then brings it up to `now`; one that is over is not kept.
    fn with(&mut self, id: Uuid, now: Millis, change: impl FnOnce(&mut Core, &mut Tracked)) {
        let Some(mut tracked) = self.watched.take(id) else { return };
        change(self, &mut tracked);
        self.expect(&mut tracked, now);
        tracked.turn = None;
        let next = match tracked.state {
            State::Dormant if now >= tracked.until => return,
            State::Dormant => now + DORMANT_MS,
            State::Holding => self.hold(&mut tracked, now),
            State::Lifting => {
                let over = self.lifted(&tracked) || now >= tracked.since + LIFT_WINDOW_MS;
                match (over, now >= tracked.until) {
                    (true, true) => return,
                    // Somebody lifted it for a time: it may have to hold again, and its end is still to be seen.
                    (true, false) => {
                        tracked.enter(State::Dormant, now);
                        now + DORMANT_MS
                    }
                    (false, _) => self.lift(&mut tracked, now),
                }
            }
        };
        // Strictly later, or one pass over what is due would never end.
        tracked.due = next.max(now + 1);
        self.watched.keep(tracked);
    }

    /// Decides what must hold for the claim, by our own fold, the freeze and the precedence of claims.
    fn expect(&self, tracked: &mut Tracked, now: Millis) {
        let answers: Vec<(IpAddr, Effective<'_>)> = tracked
            .candidates
            .iter()
            .map(|address| (*address, effective(&self.view, &self.protected, *address, now)))
            .collect();
        let own = |answer: &Effective<'_>| matches!(answer, Effective::Claim { claim, .. } if claim.decision_id == tracked.decision_id);
        let held: Vec<IpAddr> =
            answers.iter().filter(|(_, answer)| own(answer)).map(|(address, _)| *address).collect();
        let open: Vec<IpAddr> = answers
            .iter()
            .filter(|(_, answer)| answer.action() != Action::Block)
            .map(|(address, _)| *address)
            .collect();
        match (tracked.state, held.is_empty(), open.is_empty()) {
            (State::Holding, false, _) => tracked.addresses = held,
            (_, false, _) => {
                tracked.enter(State::Holding, now);
                tracked.addresses = held;
            }
            (State::Holding, true, false) => {
                tracked.enter(State::Lifting, now);
                tracked.addresses = open;
            }
            (State::Lifting, true, false) => tracked.addresses = open,
            // Another decision blocks the address now: it has its own proofs, and this one's end cannot be seen.
            (State::Holding | State::Lifting, true, true) => tracked.enter(State::Dormant, now),
            (State::Dormant, true, _) => {}
        }
        self.shorten(tracked);
    }

    /// What an operator's allow ended is over for good; its lift is awaited from when it was learnt, as any other.
    fn shorten(&self, tracked: &mut Tracked) {
        let lease = self.view.lease(&tracked.observable);
        let ours = |claim: &&Claim| claim.decision_id == tracked.decision_id;
        if let Some(claim) = lease.and_then(|lease| lease.claims.iter().find(ours)) {
            tracked.until = tracked.until.min(claim.until);
        }
    }

    /// A claim that must hold; answers when to look again.
    fn hold(&mut self, tracked: &mut Tracked, now: Millis) -> Millis {
        let mut next = tracked.until;
        if self.reach.envoy {
            next = next.min(self.probe_held(tracked, now));
        }
        let deadlines =
            [tracked.since + ABSENT_MS, tracked.since + WAF_ABSENT_MS, tracked.shortfall_at];
        if now >= deadlines[0] {
            self.absent_enforcements(tracked, ENVOY, now);
            self.absent_at_envoy(tracked, now);
        }
        if now >= deadlines[1] {
            self.absent_enforcements(tracked, AWS_WAF, now);
            self.absent_in_waf(tracked, now);
        }
        deadlines.into_iter().filter(|at| *at > now).fold(next, Millis::min)
    }

    /// A claim that must not hold any more; answers when to look again.
    fn lift(&mut self, tracked: &mut Tracked, now: Millis) -> Millis {
        let mut next = tracked.since + LIFT_WINDOW_MS;
        if self.reach.envoy {
            next = next.min(Self::probe_lifted(tracked, now));
        }
        let deadlines =
            [tracked.since + LATE_MS, tracked.since + WAF_LATE_MS, tracked.shortfall_at];
        if now >= deadlines[0] {
            self.late_enforcements(tracked, ENVOY, now);
            self.late_at_envoy(tracked, now);
        }
        if now >= deadlines[1] {
            self.late_enforcements(tracked, AWS_WAF, now);
            self.late_in_waf(tracked, now);
        }
        deadlines.into_iter().filter(|at| *at > now).fold(next, Millis::min)
    }

    /// Whether every lift that can be proved is proved.
    fn lifted(&self, tracked: &Tracked) -> bool {
        (!self.reach.envoy || tracked.proved_at.is_some())
            && (!self.reach.waf || tracked.read_back_at.is_some())
            && tracked.enforcements_lifted()
    }

    /// Notes an effect; publishes it when it is another than before.
    fn record(&mut self, tracked: &mut Tracked, record: Record<'_>, now: Millis) {
        if let Some(outcome) = tracked.record(record, now) {
            self.effects.publish.push(Publish { outcome, trace: tracked.trace.clone() });
        }
    }
}

/// The phase whose proofs a state waits for.
fn phase(state: State) -> Phase {
    if state == State::Lifting { Phase::Lift } else { Phase::Apply }
}
