//! A small world around the core: replicas that refuse or not, Envoy's log with its delay, a WAF that shows late.

#![allow(dead_code, reason = "each test file uses its own part of the world")]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;

use ipnet::IpNet;
use schemas::fold::Appended;
use schemas::{
    Action, Decision, Enforcement, Generation, Limits, Millis, Origin, Outcome, Phase, Protected,
    Provenance, Reason, Status,
};
use uuid::Uuid;
use verifier::logic::{
    Answer, Core, Effects, Input, Logged, Reach, ReadWaf, Replicas, SendProbe, WafRead,
};

pub(crate) const T0: Millis = 1_800_000_000_000;
pub(crate) const EPOCH: Millis = 1_700_000_000_000;
pub(crate) const ATTACKER: &str = "81.2.69.142";
const LOG_DELAY_MS: Millis = 20;

pub(crate) struct World {
    pub(crate) core: Core,
    pub(crate) now: Millis,
    pub(crate) outcomes: Vec<Outcome>,
    /// Which decision each replica enforces for which network, with its end.
    pub(crate) held: BTreeMap<String, Vec<(IpNet, Uuid, Millis)>>,
    /// Replicas Envoy asks, in turn.
    pub(crate) asked: Vec<String>,
    /// Whether Envoy's log arrives, and how late.
    pub(crate) log_arrives: bool,
    pub(crate) log_delay_ms: Millis,
    /// Whether everybody is refused.
    pub(crate) refuse_all: bool,
    /// Whom Envoy asks is a matter of chance (seeded), and not of turns.
    pub(crate) by_chance: bool,
    /// Whether an answer says which executor gave it.
    pub(crate) names_points: bool,
    pub(crate) waf: Vec<IpNet>,
    pub(crate) waf_readable: bool,
    pub(crate) probes_sent: usize,
    /// Of those, how many were for [`ATTACKER`].
    pub(crate) attacker_probes: usize,
    /// How long an answer to a probe takes.
    pub(crate) answer_ms: Millis,
    pub(crate) ticks: usize,
    pub(crate) reads: Vec<ReadWaf>,
    turn: usize,
    offset: i64,
    log: VecDeque<(Millis, Logged)>,
    answers: VecDeque<(Millis, Input)>,
}

pub(crate) fn core(seed: u64) -> Core {
    let reach = Reach { envoy: true, waf: true };
    Core::new(reach, Protected::special(), Limits::default(), seed)
}

impl World {
    pub(crate) fn new() -> Self {
        let asked: Vec<String> = ["envoy/0", "envoy/1"].map(str::to_owned).to_vec();
        let mut world = World {
            core: core(7),
            now: T0,
            outcomes: Vec::new(),
            held: BTreeMap::new(),
            asked,
            log_arrives: true,
            log_delay_ms: LOG_DELAY_MS,
            refuse_all: false,
            by_chance: false,
            names_points: true,
            waf: Vec::new(),
            waf_readable: true,
            probes_sent: 0,
            attacker_probes: 0,
            answer_ms: 0,
            ticks: 0,
            reads: Vec::new(),
            turn: 0,
            offset: 0,
            log: VecDeque::new(),
            answers: VecDeque::new(),
        };
        world.tell_replicas();
        world
    }

    pub(crate) fn tell_replicas(&mut self) {
        let all = ["envoy/0", "envoy/1"].map(str::to_owned).to_vec();
        self.input(Input::Replicas(Replicas { asked: self.asked.clone(), all }));
    }

    pub(crate) fn input(&mut self, input: Input) {
        let effects = self.core.apply(input, self.now);
        self.act(effects);
    }

    /// Every replica and the WAF put the block in force now, and the executors say so.
    pub(crate) fn enforce(&mut self, decision: &Decision) {
        for point in ["envoy/0", "envoy/1"] {
            self.enforce_at(point, decision);
        }
        self.waf.push(decision.observable.network());
        self.say("aws-waf", decision, Phase::Apply, Status::Applied);
    }

    pub(crate) fn enforce_at(&mut self, point: &str, decision: &Decision) {
        self.hold(point, decision);
        self.say(point, decision, Phase::Apply, Status::Applied);
    }

    /// A replica puts the block in force now, and nobody says so.
    pub(crate) fn hold(&mut self, point: &str, decision: &Decision) {
        let held = (decision.observable.network(), decision.decision_id, decision.until.unwrap());
        self.held.entry(point.to_owned()).or_default().push(held);
    }

    pub(crate) fn say(&mut self, point: &str, decision: &Decision, phase: Phase, status: Status) {
        let enforcement = self.enforcement(point, decision, phase, status);
        self.input(Input::Enforcement(Box::new(enforcement)));
    }

    /// What the executor of a point says now.
    pub(crate) fn enforcement(
        &self,
        point: &str,
        decision: &Decision,
        phase: Phase,
        status: Status,
    ) -> Enforcement {
        let generation = Generation { epoch: EPOCH, offset: 0 };
        Enforcement::of(decision, point, phase, status, generation, self.now)
    }

    /// All points let go, and say so.
    pub(crate) fn release(&mut self, decision: &Decision) {
        self.held.clear();
        self.waf.clear();
        for point in ["envoy/0", "envoy/1", "aws-waf"] {
            self.say(point, decision, Phase::Lift, Status::Lifted);
        }
    }

    pub(crate) fn decide(&mut self, decision: &Decision) {
        self.offset += 1;
        let generation = Generation { epoch: EPOCH, offset: self.offset };
        let appended = Appended { generation, at: self.now };
        let decision = Box::new(decision.clone());
        self.input(Input::Decision { decision, appended, trace: Some("trace".to_owned()) });
    }

    /// Lets time pass until `T0 + at`, doing everything that falls due.
    pub(crate) fn run_to(&mut self, at: Millis) {
        let end = T0 + at;
        let mut told_at = self.now;
        loop {
            let log = self.log.front().map(|(at, _)| *at);
            let answer = self.answers.front().map(|(at, _)| *at);
            let next = [self.core.next_due(), log, answer, Some(told_at + 200)];
            let next = next.into_iter().flatten().min().unwrap_or(end).max(self.now);
            if next > end {
                break;
            }
            self.now = next;
            if answer.is_some_and(|at| at <= next) {
                let (_, answer) = self.answers.pop_front().unwrap();
                self.input(answer);
            } else if log.is_some_and(|at| at <= next) {
                let (_, logged) = self.log.pop_front().unwrap();
                self.input(Input::Logged(logged));
            } else if next >= told_at + 200 {
                told_at = next;
                self.tell_replicas();
            } else {
                self.ticks += 1;
                self.input(Input::Tick);
            }
        }
        self.now = end;
    }

    pub(crate) fn act(&mut self, effects: Effects) {
        self.outcomes.extend(effects.publish.into_iter().map(|publish| publish.outcome));
        for probe in effects.probes {
            self.probes_sent += 1;
            self.attacker_probes += usize::from(probe.address.to_string() == ATTACKER);
            self.answer(probe);
        }
        if let Some(asked) = effects.read_waf {
            self.reads.push(asked);
            let of = |v4: bool| {
                let networks = self.waf.iter().copied();
                networks.filter(|network| matches!(network, IpNet::V4(_)) == v4).collect()
            };
            let read = WafRead {
                v4: asked.v4.then(|| of(true)),
                v6: asked.v6.then(|| of(false)),
                asked_at: asked.asked_at,
            };
            self.input(Input::WafRead(self.waf_readable.then_some(read)));
        }
    }

    fn answer(&mut self, probe: SendProbe) {
        self.turn += 1;
        let point = match self.asked.is_empty() {
            true => None,
            false => Some(self.asked[self.choice() % self.asked.len()].clone()),
        };
        let refusal = point.as_ref().and_then(|point| self.refusal(point, probe.address));
        let denied = refusal.is_some() || self.refuse_all;
        let named = point.clone().filter(|_| self.names_points);
        let logged = Logged {
            address: Some(probe.address),
            denied,
            point,
            decision_id: refusal,
            nonce: Some(probe.nonce),
        };
        if self.log_arrives {
            self.log.push_back((self.now + self.answer_ms + self.log_delay_ms, logged));
        }
        let answer = if denied { Answer::Refused(named) } else { Answer::Passed(named) };
        let answered = Input::Answered { nonce: probe.nonce, answer };
        self.answers.push_back((self.now + self.answer_ms, answered));
    }

    fn choice(&self) -> usize {
        match self.by_chance {
            // The middle of a product looks like chance and is the same in every run.
            true => (self.turn * self.turn).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40,
            false => self.turn,
        }
    }

    fn refusal(&self, point: &str, address: IpAddr) -> Option<Uuid> {
        let held = self.held.get(point)?;
        held.iter()
            .find(|(network, _, until)| network.contains(&address) && self.now < *until)
            .map(|(_, id, _)| *id)
    }

    /// Everything published so far about one decision, as `point/level phase effect at`, sorted by text.
    pub(crate) fn story(&self, decision: &Decision) -> BTreeSet<String> {
        self.outcomes
            .iter()
            .filter(|outcome| outcome.decision_id == decision.decision_id)
            .map(told)
            .collect()
    }

    /// The effects at one place, in order.
    pub(crate) fn effects(&self, point: &str, level: i32, phase: Phase) -> Vec<String> {
        let here = |outcome: &&Outcome| {
            outcome.point == point && outcome.level == level && outcome.phase == phase
        };
        let effect = |outcome: &Outcome| format!("{:?}/{}", outcome.effect, outcome.change);
        self.outcomes.iter().filter(here).map(effect).collect()
    }
}

pub(crate) fn told(outcome: &Outcome) -> String {
    format!("{}/{} {:?} {:?}", outcome.point, outcome.level, outcome.phase, outcome.effect)
}

pub(crate) fn block(observable: &str, id: u128, until: Millis) -> Decision {
    Decision {
        decision_id: Uuid::from_u128(id),
        detection_id: Some(Uuid::from_u128(id)),
        until: Some(T0 + until),
        strikes: 1,
        detected_at: Some(T0 - 50),
        provenance: Some(Provenance::ProxyAsserted),
        ..Decision::by_pipeline(Action::Block, observable.parse().unwrap())
    }
}

pub(crate) fn by_operator(action: Action, observable: &str, id: u128, until: Millis) -> Decision {
    Decision {
        action,
        origin: Origin::Operator,
        reason: Reason::Override,
        detection_id: None,
        detected_at: None,
        strikes: 0,
        ..block(observable, id, until)
    }
}
