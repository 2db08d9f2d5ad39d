//! One block under watch: what is expected of it now, and every effect that was published about it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use schemas::observable::representative;
use schemas::{
    Action, Claim, Decision, Effect, Millis, Observable, Origin, Outcome, Phase, Verdict,
};
use uuid::Uuid;

use super::watched::Turn;
use super::{AWS_WAF, ENVOY};

/// What is expected of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing: frozen, outranked, or somebody else's block now.
    Dormant,
    /// It must hold.
    Holding,
    /// It must be gone.
    Lifting,
}

/// One effect as it was last published.
#[derive(Debug, Clone, Copy)]
struct Published {
    effect: Effect,
    change: i32,
    /// The other phase took effect there since: what was said of this one is to be said again.
    overtaken: bool,
}

/// One effect to be noted.
pub(super) struct Record<'a> {
    pub(super) point: &'a str,
    pub(super) level: i32,
    pub(super) phase: Phase,
    pub(super) effect: Effect,
    pub(super) reason: String,
}

#[derive(Debug)]
pub(super) struct Tracked {
    pub(super) decision_id: Uuid,
    pub(super) observable: Observable,
    pub(super) network: IpNet,
    pub(super) decided_at: Millis,
    /// The claim's end; once an operator's allow ended it, when that was decided.
    pub(super) until: Millis,
    origin: Origin,
    detected_at: Option<Millis>,
    pub(super) trace: Option<String>,
    pub(super) state: State,
    /// Since when this state is known here, where it may have begun before: deadlines run from then, for nobody could
    /// look sooner.
    pub(super) since: Millis,
    /// When it is to be looked at next.
    pub(super) due: Millis,
    /// Its place among those whose probe is due.
    pub(super) turn: Option<Turn>,
    /// Addresses that may stand for the network in a probe.
    pub(super) candidates: Vec<IpAddr>,
    /// Those of them for which this state is expected now.
    pub(super) addresses: Vec<IpAddr>,
    /// Probes sent before this prove nothing.
    pub(super) proof_since: Millis,
    pub(super) tries: u32,
    pub(super) next_probe_at: Millis,
    /// When probes were sent last.
    pub(super) probed_at: Millis,
    /// When the last answer to one came.
    pub(super) answered_at: Millis,
    /// How many probes sent since `proof_since` Envoy has not logged yet.
    pub(super) unlogged: usize,
    /// How many of them were not answered yet.
    pub(super) unanswered: usize,
    /// Which replica gave the awaited answer for which address; once proved, since all of them last did.
    pub(super) proofs: BTreeSet<(IpAddr, String)>,
    /// Which replica gave it by the word of the answer, which Envoy has not logged yet; for when to probe again.
    pub(super) heard: BTreeSet<(IpAddr, String)>,
    /// How many probes were sent at once for what an answer said.
    pub(super) eager: u32,
    /// How often it was probed again since every replica last gave the awaited answer.
    rechecks: usize,
    /// Whether a probe got the other answer since `proof_since`.
    pub(super) contrary: bool,
    /// Whether a probe was refused since `proof_since`.
    pub(super) refused: bool,
    /// When it is told next what is missing at level 3, if anything is.
    pub(super) shortfall_at: Millis,
    /// When level 3 was proved in this state.
    pub(super) proved_at: Option<Millis>,
    /// When the WAF's read-back proved this state.
    pub(super) read_back_at: Option<Millis>,
    /// Since when the WAF's read-back lacks what it had.
    pub(super) missing_since: Option<Millis>,
    published: BTreeMap<(Phase, i32, String), Published>,
}

impl Tracked {
    pub(super) fn new(
        decision: &Decision,
        claim: &Claim,
        trace: Option<String>,
        now: Millis,
    ) -> Self {
        let network = decision.observable.network();
        let candidates = candidates(network);
        Tracked {
            decision_id: decision.decision_id,
            observable: decision.observable.clone(),
            network,
            decided_at: claim.decided_at,
            until: claim.until,
            origin: decision.origin,
            detected_at: decision.detected_at,
            trace,
            state: State::Dormant,
            since: now,
            due: now,
            turn: None,
            addresses: candidates.clone(),
            candidates,
            proof_since: now,
            tries: 0,
            next_probe_at: now,
            probed_at: now,
            answered_at: now,
            unlogged: 0,
            unanswered: 0,
            proofs: BTreeSet::new(),
            heard: BTreeSet::new(),
            eager: 0,
            rechecks: 0,
            contrary: false,
            refused: false,
            shortfall_at: now,
            proved_at: None,
            read_back_at: None,
            missing_since: None,
            published: BTreeMap::new(),
        }
    }

    /// Takes an outcome of an earlier run in, in the order of the log: the change with the highest number stands.
    pub(super) fn recall(&mut self, outcome: &Outcome) {
        let key = (outcome.phase, outcome.level, outcome.point.clone());
        if self.published.get(&key).is_none_or(|held| held.change < outcome.change) {
            self.say(key, outcome.effect, outcome.change);
        }
    }

    fn say(&mut self, key: (Phase, i32, String), effect: Effect, change: i32) {
        let other = (other(key.0), key.1, key.2.clone());
        // What executors say, level 1, is read anew after every start, the old with the new.
        if key.1 > 1
            && effect == Effect::Effective
            && let Some(other) = self.published.get_mut(&other)
        {
            other.overtaken = true;
        }
        self.published.insert(key, Published { effect, change, overtaken: false });
    }

    /// Goes on where an earlier run stopped: what it proved need not be proved in a hurry again.
    pub(super) fn restore_proofs(&mut self, now: Millis) {
        if self.state == State::Dormant && !self.published.is_empty() {
            self.enter(State::Holding, now);
        }
        let phase = super::phase(self.state);
        let effective = |point: &str, level| self.effect(phase, level, point);
        let (probed, read) = (effective(ENVOY, 3), effective(AWS_WAF, 2));
        self.proved_at = (probed == Some(Effect::Effective)).then_some(now);
        self.read_back_at = (read == Some(Effect::Effective)).then_some(now);
    }

    /// Begins another state; every proof is wanted anew.
    pub(super) fn enter(&mut self, state: State, since: Millis) {
        self.state = state;
        self.since = since;
        self.read_back_at = None;
        self.missing_since = None;
        self.shortfall_at = since;
        self.prove_again(since);
    }

    /// Wants level 3 proved anew by probes sent from `since` on.
    pub(super) fn prove_again(&mut self, since: Millis) {
        self.proof_since = since;
        self.tries = 0;
        self.next_probe_at = since + super::schedule::first_after_ms(self);
        self.proofs.clear();
        self.heard.clear();
        self.eager = 0;
        self.rechecks = 0;
        self.contrary = false;
        self.refused = false;
        self.unlogged = 0;
        self.unanswered = 0;
        self.proved_at = None;
    }

    /// Whether each of `replicas` gave the awaited answer for every address.
    pub(super) fn answered_by(&self, replicas: &[String]) -> bool {
        self.addresses.iter().all(|address| {
            replicas.iter().all(|replica| self.proofs.contains(&(*address, replica.clone())))
        })
    }

    /// Whether `replica` gave the awaited answer for `address`, by Envoy's log or by its own word.
    pub(super) fn heard(&self, address: IpAddr, replica: &str) -> bool {
        let key = (address, replica.to_owned());
        self.proofs.contains(&key) || self.heard.contains(&key)
    }

    /// Whether each of `replicas` did, for every address.
    pub(super) fn heard_by(&self, replicas: &[String]) -> bool {
        self.addresses
            .iter()
            .all(|address| replicas.iter().all(|replica| self.heard(*address, replica)))
    }

    /// Whether each of `replicas` says that it holds the block.
    pub(super) fn said_by(&self, replicas: &[String]) -> bool {
        replicas
            .iter()
            .all(|replica| self.effect(Phase::Apply, 1, replica) == Some(Effect::Effective))
    }

    /// Begins another look at a block that is proved; answers how many probes each address is due.
    ///
    /// Whom Envoy asks is Envoy's choice, and it may be the same replica each time: other requests between two of ours
    /// can fall in step with them. So what single probes did not reach is looked for with one for each replica.
    pub(super) fn begin_recheck(&mut self, replicas: &[String]) -> usize {
        if self.answered_by(replicas) {
            self.proofs.clear();
            self.rechecks = 0;
        }
        self.rechecks += 1;
        if self.rechecks > replicas.len() { replicas.len() } else { 1 }
    }

    /// What was last said of it, unless the other phase overtook it.
    pub(super) fn effect(&self, phase: Phase, level: i32, point: &str) -> Option<Effect> {
        let published = self.published.get(&(phase, level, point.to_owned()))?;
        (!published.overtaken).then_some(published.effect)
    }

    /// Points at which level 1 said that the block is applied.
    pub(super) fn applied_points(&self) -> Vec<String> {
        let applied = self.published.iter().filter(|((phase, level, _), published)| {
            *phase == Phase::Apply && *level == 1 && published.effect == Effect::Effective
        });
        applied.map(|((_, _, point), _)| point.clone()).collect()
    }

    /// Whether it must hold and level 3 is still to be proved.
    pub(super) fn unproved(&self) -> bool {
        self.state == State::Holding && self.proved_at.is_none()
    }

    /// Whether the WAF's read-back has not shown yet what this state expects.
    pub(super) fn open_in_waf(&self) -> bool {
        let unsettled = self.read_back_at.is_none() || self.missing_since.is_some();
        self.state != State::Dormant && unsettled
    }

    /// Whether every point that applied the block says that it lifted it.
    pub(super) fn enforcements_lifted(&self) -> bool {
        let lifted = |point: &String| self.effect(Phase::Lift, 1, point) == Some(Effect::Effective);
        self.applied_points().iter().all(lifted)
    }

    /// The outcome to publish, if the effect is another than the last one.
    pub(super) fn record(&mut self, record: Record<'_>, now: Millis) -> Option<Outcome> {
        let key = (record.phase, record.level, record.point.to_owned());
        let last = self.published.get(&key).copied();
        if last.is_some_and(|last| last.effect == record.effect && !last.overtaken) {
            return None;
        }
        let change = last.map_or(0, |last| last.change + 1);
        self.say(key, record.effect, change);
        Some(Outcome {
            outcome_id: Outcome::id(
                self.decision_id,
                record.point,
                record.level,
                record.phase,
                record.effect,
                change,
            ),
            decision_id: self.decision_id,
            observable: self.observable.clone(),
            point: record.point.to_owned(),
            level: record.level,
            phase: record.phase,
            effect: record.effect,
            change,
            action: Action::Block,
            origin: self.origin,
            until: Some(self.until),
            detected_at: self.detected_at,
            verified_at: now,
            // Whether the detection was right is not this version's to say.
            verdict: Verdict::InsufficientData,
            reason: record.reason,
        })
    }
}

fn other(phase: Phase) -> Phase {
    if phase == Phase::Apply { Phase::Lift } else { Phase::Apply }
}

/// The addresses to probe for a network: one for a client, and one more for a wider network.
fn candidates(network: IpNet) -> Vec<IpAddr> {
    let first = representative(network);
    let second = match network {
        IpNet::V4(v4) if v4.prefix_len() < 32 => {
            Some(IpAddr::V4(Ipv4Addr::from(u32::from(v4.broadcast()) - 1)))
        }
        IpNet::V6(v6) if v6.prefix_len() < 64 => Some(IpAddr::V6(v6.broadcast())),
        IpNet::V4(_) | IpNet::V6(_) => None,
    };
    std::iter::once(first).chain(second.filter(|second| *second != first)).collect()
}
