//! The verifier's process: twelve lanes, one core, and the hands that probe Envoy and read the WAF back.

use ::executor::logic::ip_set::Family;
use ::executor::points::aws_waf::MemorySets;
use ::verifier::logic::{Answer, Core, Input, IpSet, Reach, ReadWaf, WafRead};
use ::verifier::stage::{Decisions, Enforcements};
use ::verifier::{Verification, restore};
use observe::Policy;
use pipeline::memory::Log;
use pipeline::{Clock, Leases, LeasesSink, Message};
use schemas::{Millis, Topic};

use crate::envoy::Envoy;
use crate::executor;
use crate::faults::{Died, Faults};
use crate::follower::Follower;
use crate::lane::Lane;

pub(crate) const DECISIONS: &str = "verifier";
pub(crate) const ENFORCEMENTS: &str = "verifier-enforcements";
const BATCH_MAX: usize = 5;
/// How often Envoy's admin port is asked.
const REPLICAS_INTERVAL_MS: Millis = 200;

/// The verifier as one process.
pub(crate) struct Process {
    log: Log,
    clock: Clock,
    policy: Policy,
    lives: u64,
    verification: Verification,
    leases: Leases,
    follower: Follower<LeasesSink>,
    decisions: Vec<Lane<Decisions>>,
    enforcements: Vec<Lane<Enforcements>>,
    replicas_at: Millis,
}

/// What the verifier looks at.
pub(crate) struct Sights<'a> {
    pub(crate) envoy: &'a mut Envoy,
    pub(crate) executors: &'a [executor::Process],
    pub(crate) waf: &'a MemorySets,
}

impl Process {
    pub(crate) fn new(log: &Log, clock: &Clock, policy: &Policy) -> Self {
        Self::live(log, clock, policy, 1)
    }

    pub(crate) fn restart(&mut self) {
        let (log, clock, policy) = (self.log.clone(), self.clock.clone(), self.policy.clone());
        *self = Self::live(&log, &clock, &policy, self.lives + 1);
    }

    fn live(log: &Log, clock: &Clock, policy: &Policy, lives: u64) -> Self {
        let (protected, limits) = (policy.protected(), policy.limits());
        let reach = Reach { envoy: true, waf: true };
        let verification = Verification::new(Core::new(reach, protected, limits, lives));
        let leases = Leases::default();
        let follower = Follower::new(&[Topic::Leases, Topic::Controls], leases.sink());
        let decisions = (0..Topic::Decisions.partitions()).map(|partition| {
            let (verification, leases) = (verification.clone(), leases.clone());
            let clock = clock.clone();
            Lane::new(DECISIONS, partition, log, move |assigned| {
                let epoch = leases.read(|reader| reader.epoch()).expect("the epoch was read");
                verification.sync(&leases, clock.now());
                let read_back = &assigned.read_back;
                restore::restore(&verification, read_back, partition, epoch, &limits, &clock)?;
                Ok(Decisions::new(verification.clone(), leases.clone(), clock.clone()))
            })
        });
        let enforcements = (0..Topic::Enforcements.partitions()).map(|partition| {
            let (verification, clock) = (verification.clone(), clock.clone());
            Lane::new(ENFORCEMENTS, partition, log, move |_| {
                Ok(Enforcements::new(verification.clone(), clock.clone()))
            })
        });
        Process {
            log: log.clone(),
            clock: clock.clone(),
            policy: policy.clone(),
            lives,
            decisions: decisions.collect(),
            enforcements: enforcements.collect(),
            verification,
            leases,
            follower,
            replicas_at: Millis::MIN,
        }
    }

    pub(crate) fn active_claims(&self) -> usize {
        self.verification.active_claims()
    }

    pub(crate) fn step(&mut self, sights: Sights<'_>, faults: &mut Faults) -> Result<bool, Died> {
        let now = self.clock.now();
        let mut moved = self.follower.follow(&self.log, now, faults.handled_twice());
        if moved {
            self.verification.sync(&self.leases, now);
        }
        let ready = self.leases.read(|reader| reader.complete() && reader.epoch().is_some());
        if !ready {
            return Ok(moved);
        }
        for lane in &mut self.decisions {
            moved |= lane.step(BATCH_MAX, faults)?;
        }
        for lane in &mut self.enforcements {
            moved |= lane.step(BATCH_MAX, faults)?;
        }
        if now >= self.replicas_at {
            self.replicas_at = now + REPLICAS_INTERVAL_MS;
            let replicas = Envoy::replicas(sights.executors);
            self.verification.apply(Input::Replicas(replicas), now);
        }
        for logged in sights.envoy.logged(now) {
            self.verification.apply(Input::Logged(logged), now);
        }
        self.act(sights, now, faults)?;
        Ok(moved)
    }

    /// Does what the core asks for, until it asks for nothing more at this moment.
    fn act(&mut self, sights: Sights<'_>, now: Millis, faults: &mut Faults) -> Result<(), Died> {
        let Sights { envoy, executors, waf } = sights;
        loop {
            let (effects, due) = self.verification.take();
            let mut outcomes: Vec<_> =
                effects.publish.into_iter().map(|publish| publish.outcome).collect();
            outcomes.sort_by_key(|outcome| (outcome.decision_id, outcome.outcome_id));
            let messages: Vec<Message> =
                outcomes.iter().map(|outcome| Message::of(outcome).unwrap()).collect();
            faults.tell(&self.log, DECISIONS, &messages)?;
            let quiet = effects.probes.is_empty() && effects.read_waf.is_none();
            for probe in effects.probes {
                let (refused, point) =
                    envoy.request(executors, probe.address, Some(probe.nonce), now);
                let answer = match refused {
                    Some(_) => Answer::Refused(point),
                    None => Answer::Passed(point),
                };
                self.verification.apply(Input::Answered { nonce: probe.nonce, answer }, now);
            }
            if let Some(asked) = effects.read_waf {
                self.verification.apply(Input::WafRead(Some(read(waf, asked))), now);
            }
            if quiet && messages.is_empty() {
                if due.is_none_or(|due| due > now) {
                    return Ok(());
                }
                self.verification.apply(Input::Tick, now);
            }
        }
    }
}

fn read(waf: &MemorySets, asked: ReadWaf) -> WafRead {
    let of = |family| -> IpSet {
        waf.addresses(family).iter().map(|text| text.parse().unwrap()).collect()
    };
    WafRead {
        v4: asked.v4.then(|| of(Family::V4)),
        v6: asked.v6.then(|| of(Family::V6)),
        asked_at: asked.asked_at,
    }
}
