//! Levels 2 and 3 at Envoy: denials in its own log, and probes that every replica it would ask has answered.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use observe::probe::Nonce;
use schemas::{Action, Effect, Millis, effective};
use uuid::Uuid;

use super::claim::{Record, State, Tracked};
use super::watched::Turn;
use super::{ABSENT_MS, Core, ENVOY, answers, phase, schedule};

/// Public addresses that attack nobody (root name servers): one of them stands for a clean client.
const CLEAN_ADDRESSES: [Ipv4Addr; 3] =
    [Ipv4Addr::new(193, 0, 14, 129), Ipv4Addr::new(198, 41, 0, 4), Ipv4Addr::new(199, 7, 83, 42)];
const CONTROL_INTERVAL_MS: Millis = 1_000;
/// Around the end no probe can be held against anybody: clocks differ.
pub(super) const SKEW_MS: Millis = 1_000;
/// Most probes without an answer at one time; whoever comes after waits for a turn.
pub const IN_FLIGHT_MAX: usize = 256;
const PROBES_PER_ADDRESS_MAX: usize = 4;
/// Tries with a single probe, until one of them is refused. Envoy may have asked the same replica each time, so later
/// tries ask for all of them.
const SINGLE_TRIES_MAX: u32 = 4;

/// One request to send through Envoy as if it came from `address`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SendProbe {
    pub nonce: Nonce,
    pub address: IpAddr,
}

/// One entry of Envoy's log: a denial, a probe, or both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    /// The client as Envoy saw it.
    pub address: Option<IpAddr>,
    /// Whether ext_authz refused it.
    pub denied: bool,
    /// Which replica answered Envoy; absent when Envoy got no answer and let it pass.
    pub point: Option<String>,
    pub decision_id: Option<Uuid>,
    /// Of a probe whose signature is ours, for the very address Envoy saw.
    pub nonce: Option<Nonce>,
}

/// The replicas of the authorization service, as Envoy's admin shows them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replicas {
    /// Those Envoy would ask now.
    pub asked: Vec<String>,
    pub all: Vec<String>,
}

impl Core {
    /// Keeps a control probe for a clean address going while anything is watched.
    pub(super) fn control_probe(&mut self, now: Millis) {
        self.prober.forget_old(now);
        if !self.reach.envoy || self.watched.is_empty() || now < self.prober.control_at {
            return;
        }
        let open = |address: &Ipv4Addr| {
            let answer = effective(&self.view, &self.protected, IpAddr::V4(*address), now);
            answer.action() != Action::Block
        };
        let clean = CLEAN_ADDRESSES.into_iter().find(open).unwrap_or(CLEAN_ADDRESSES[0]);
        self.prober.control_at = now + CONTROL_INTERVAL_MS;
        let probe = self.prober.send(None, IpAddr::V4(clean), now);
        self.effects.probes.push(probe);
    }

    /// Lets a block that must hold wait for its probe's turn, when one is due; answers when to look again.
    pub(super) fn probe_held(&self, tracked: &mut Tracked, now: Millis) -> Millis {
        let last = tracked.until - SKEW_MS;
        if now >= last {
            return tracked.until;
        }
        let at = tracked.next_probe_at.max(self.held_back_until(tracked, now));
        if at <= now {
            tracked.turn = Some(Turn::of(tracked));
            return last;
        }
        at.min(last)
    }

    /// Until when a block that is not proved waits although its next probe is due: for the answers to those under way,
    /// which may say what that one would; and where many wait, for the word of the replicas, before which it is a guess.
    fn held_back_until(&self, tracked: &Tracked, now: Millis) -> Millis {
        if tracked.proved_at.is_some() {
            return Millis::MIN;
        }
        if tracked.unanswered > 0 {
            return tracked.probed_at + schedule::ANSWER_LATE_MS;
        }
        let word_wait_ms = self.word_wait_ms();
        if tracked.refused || word_wait_ms == 0 || tracked.said_by(self.prober.asked(now)) {
            return Millis::MIN;
        }
        tracked.next_probe_at + word_wait_ms
    }

    fn word_wait_ms(&self) -> Millis {
        schedule::word_wait_ms(self.watched.unproved())
    }

    /// As [`Core::probe_held`], for a block that must be gone.
    pub(super) fn probe_lifted(tracked: &mut Tracked, now: Millis) -> Millis {
        if tracked.proved_at.is_some() {
            return Millis::MAX;
        }
        if tracked.next_probe_at <= now {
            tracked.turn = Some(Turn::of(tracked));
            return Millis::MAX;
        }
        tracked.next_probe_at
    }

    /// Sends the probes that are due, in turn, as long as not too many are under way.
    pub(super) fn probe_in_turn(&mut self, now: Millis) {
        while self.prober.in_flight < IN_FLIGHT_MAX
            && let Some(id) = self.watched.next_turn()
            && let Some(mut tracked) = self.watched.take(id)
        {
            tracked.turn = None;
            self.send_probes(&mut tracked, now);
            tracked.tries += u32::from(tracked.proved_at.is_none());
            tracked.next_probe_at = schedule::again_at(&tracked, self.watched.len(), now);
            tracked.due = tracked.due.min(tracked.next_probe_at);
            self.watched.keep(tracked);
        }
    }

    /// One probe for each replica that is still to be heard, and one to spare, because Envoy chooses whom it asks. One in
    /// all where a block begins or ends, until the first answer is as awaited: before, it is too early for the others. Of
    /// a block that is proved, one in all, until that was tried as often as there are replicas and one of them is still
    /// missing: then one for each.
    fn send_probes(&mut self, tracked: &mut Tracked, now: Millis) {
        if now >= tracked.probed_at.max(tracked.answered_at) + schedule::LOG_LATE_MS {
            tracked.unlogged = 0;
            tracked.heard.clear();
        }
        let asked = self.prober.asked(now);
        let mut counts = Vec::with_capacity(tracked.addresses.len());
        let proved = tracked.proved_at.is_some();
        let single = proved || self.begins(tracked);
        let again = if proved { tracked.begin_recheck(asked) } else { 1 };
        let spare = usize::from(!self.sparing(tracked));
        for address in &tracked.addresses {
            let missing = asked.iter().filter(|replica| !tracked.heard(*address, replica));
            let count = if single { again } else { missing.count() + spare };
            counts.push((*address, count.min(PROBES_PER_ADDRESS_MAX)));
        }
        if counts.iter().all(|(_, count)| *count == 0) {
            // An address less to be answered for may have been all that was missing.
            self.prove(tracked, now);
            return;
        }
        tracked.probed_at = now;
        for (address, count) in counts {
            tracked.unlogged += count;
            tracked.unanswered += count;
            for _ in 0..count {
                let probe = self.prober.send(Some(tracked.decision_id), address, now);
                self.effects.probes.push(probe);
            }
        }
    }

    /// Whether only those are probed that are still to be heard, with none to spare. Half of those to spare are in vain,
    /// and the other half save the time of an answer. Of a lift nobody is in a hurry, and where many blocks wait, what is
    /// in vain makes all of them wait longer: so the missing ones are asked for a few times, and of a single block once.
    fn sparing(&self, tracked: &Tracked) -> bool {
        let patient = tracked.state == State::Lifting || self.word_wait_ms() > 0;
        let times = if patient { answers::EAGER_MAX } else { 2 };
        let known = !tracked.heard.is_empty() || (self.prober.named && !tracked.proofs.is_empty());
        known && tracked.eager < times
    }

    /// Whether no answer to a probe was as awaited yet, and a single one is enough to learn when they are.
    fn begins(&self, tracked: &Tracked) -> bool {
        let none = match tracked.state {
            State::Lifting => self.prober.named && tracked.heard.is_empty(),
            _ => !tracked.refused,
        };
        none && tracked.tries < SINGLE_TRIES_MAX
    }

    pub(super) fn replicas(&mut self, replicas: Replicas, now: Millis) {
        let changed = self.prober.asked(now) != replicas.asked;
        self.prober.replicas = Some((now, replicas));
        if changed {
            self.prove_all(now);
        }
    }

    /// Looks whether claims are proved by what changed for all of them: the replicas, or a clean address passing.
    pub(super) fn prove_all(&mut self, now: Millis) {
        let unproved: Vec<Uuid> = self
            .watched
            .all()
            .filter(|tracked| tracked.proved_at.is_none() && !tracked.proofs.is_empty())
            .map(|tracked| tracked.decision_id)
            .collect();
        for id in unproved {
            self.with(id, now, |core, tracked| core.prove(tracked, now));
        }
    }

    pub(super) fn logged(&mut self, logged: &Logged, now: Millis) {
        if let (true, Some(id), Some(address)) = (logged.denied, logged.decision_id, logged.address)
        {
            self.denied(id, address, logged.point.as_deref(), now);
        }
        let Some(sent) = logged.nonce.and_then(|nonce| self.prober.sent.get(&nonce)) else {
            return;
        };
        let (at, address) = (sent.at, sent.address);
        let (Some(id), Some(point)) = (sent.decision_id, logged.point.clone()) else { return };
        self.with(id, now, |core, tracked| {
            if at < tracked.proof_since {
                return;
            }
            tracked.unlogged = tracked.unlogged.saturating_sub(1);
            let own = logged.denied && logged.decision_id == Some(id);
            match (tracked.state, logged.denied) {
                (State::Holding, true) if own => {
                    tracked.proofs.insert((address, point));
                }
                (State::Lifting, false) => {
                    tracked.proofs.insert((address, point));
                }
                (State::Lifting, true) => tracked.contrary = true,
                _ => {}
            }
            core.prove(tracked, now);
            let again = tracked.state == State::Lifting || tracked.refused;
            if tracked.proved_at.is_none() && again && tracked.unlogged == 0 {
                // Whom the log does not name was not heard, whatever an answer said.
                tracked.heard.clear();
                tracked.next_probe_at = tracked.next_probe_at.min(schedule::soonest(tracked, now));
            }
        });
    }

    /// Level 2: Envoy itself wrote down that it refused the address because of this decision.
    fn denied(&mut self, id: Uuid, address: IpAddr, point: Option<&str>, now: Millis) {
        let covered = |tracked: &Tracked| {
            tracked.state == State::Holding && tracked.network.contains(&address)
        };
        if !self.watched.get(id).is_some_and(covered) {
            return;
        }
        let reason = match point {
            Some(point) => format!("Envoy logged that {address} was refused by {point}"),
            None => format!("Envoy logged that {address} was refused"),
        };
        self.with(id, now, |core, tracked| {
            core.record_at_envoy(tracked, 2, Effect::Effective, reason, now);
        });
    }

    /// Level 3: every replica Envoy would ask has given the awaited answer for every address.
    fn prove(&mut self, tracked: &mut Tracked, now: Millis) {
        let asked = self.prober.asked(now);
        if tracked.proved_at.is_some() || asked.is_empty() || !tracked.answered_by(asked) {
            return;
        }
        let names = asked.join(", ");
        let reason = match tracked.state {
            State::Dormant => return,
            State::Lifting => format!("{names} let a probe pass"),
            State::Holding if !self.prober.clean_passes(now) => return,
            State::Holding => format!("{names} refused a probe; a clean address passed"),
        };
        tracked.proved_at = Some(now);
        tracked.next_probe_at = now + schedule::RECHECK_MS;
        self.record_at_envoy(tracked, 3, Effect::Effective, reason, now);
    }

    pub(super) fn absent_at_envoy(&mut self, tracked: &mut Tracked, now: Millis) {
        if !self.reach.envoy || now >= tracked.until - SKEW_MS {
            return;
        }
        if tracked.effect(phase(tracked.state), 2, ENVOY).is_none() {
            let reason = "Envoy logged no denial of the address".to_owned();
            self.record_at_envoy(tracked, 2, Effect::Absent, reason, now);
        }
        // After a probe that passed, the effect stays what it is until every replica refuses again.
        let said = tracked.effect(phase(tracked.state), 3, ENVOY);
        if tracked.proved_at.is_none()
            && said != Some(Effect::Ineffective)
            && now >= tracked.shortfall_at
        {
            // One replica's answer comes a moment before the other's: that moment is not worth a record.
            tracked.shortfall_at = now + ABSENT_MS;
            let (effect, reason) = self.shortfall(tracked, Effect::Absent, now);
            self.record_at_envoy(tracked, 3, effect, reason, now);
        }
    }

    pub(super) fn late_at_envoy(&mut self, tracked: &mut Tracked, now: Millis) {
        if !self.reach.envoy || tracked.proved_at.is_some() || now < tracked.shortfall_at {
            return;
        }
        tracked.shortfall_at = now + ABSENT_MS;
        let none = if tracked.contrary { Effect::Ineffective } else { Effect::Absent };
        let (effect, reason) = self.shortfall(tracked, none, now);
        self.record_at_envoy(tracked, 3, effect, reason, now);
    }

    /// What is missing for level 3, in words.
    fn shortfall(&self, tracked: &Tracked, none: Effect, now: Millis) -> (Effect, String) {
        let asked = self.prober.asked(now);
        let answered: BTreeSet<&String> = tracked.proofs.iter().map(|(_, point)| point).collect();
        let missing: Vec<&str> = asked
            .iter()
            .filter(|replica| !answered.contains(replica))
            .map(String::as_str)
            .collect();
        let effect = if answered.is_empty() { none } else { Effect::Partial };
        let lifting = tracked.state == State::Lifting;
        let awaited = if lifting { "let a probe pass" } else { "refused a probe" };
        let reason = if tracked.tries == 0 {
            "no probe was sent yet: more blocks wait for one than can be probed at once".to_owned()
        } else if asked.is_empty() {
            "Envoy did not say whom it would ask; is its admin port reachable?".to_owned()
        } else if !missing.is_empty() {
            format!("{} has not {awaited}", missing.join(", "))
        } else if !lifting && !self.prober.clean_passes(now) {
            "no probe for a clean address passed: everything may be refused".to_owned()
        } else {
            format!("not every replica has {awaited} for every address of {}", tracked.observable)
        };
        (effect, reason)
    }

    pub(super) fn record_at_envoy(
        &mut self,
        tracked: &mut Tracked,
        level: i32,
        effect: Effect,
        reason: String,
        now: Millis,
    ) {
        let phase = phase(tracked.state);
        self.record(tracked, Record { point: ENVOY, level, phase, effect, reason }, now);
    }
}
