//! The world: five services, two providers, Envoy, and a clock that moves in ticks; everything is checked at each.

use std::net::IpAddr;

use ::executor::Fuses;
use ::executor::points::aws_waf::MemorySets;
use blocklist::Blocklist;
use observe::Policy;
use pipeline::memory::Log;
use pipeline::{Clock, Message};
use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;
use schemas::{Epoch, Event, LeaseEntry, Millis, Provenance, Record, Topic};
use uuid::Uuid;

use crate::envoy::Envoy;
use crate::executor::Surroundings;
use crate::faults::{Faults, Plan};
use crate::scenario::{Kind, Scenario, Visit};
use crate::truth::Truth;
use crate::verifier::Sights;
use crate::watch::Watch;
use crate::{decider, executor, scorer, verifier};

pub(crate) const EPOCH: Millis = 1_795_000_000_000;
pub(crate) const START: Millis = EPOCH + 3_600_000;
pub(crate) const TICK_MS: Millis = 100;
/// While nothing is expected to happen any more.
const REST_TICK_MS: Millis = 500;
pub(crate) const SECOND: Millis = 1_000;
/// More rounds than any tick needs; a world that does not come to rest has a loop in it.
const ROUNDS_MAX: usize = 5_000;

/// All of it.
pub(crate) struct World {
    pub(crate) log: Log,
    pub(crate) clock: Clock,
    pub(crate) faults: Faults,
    pub(crate) scorer: scorer::Process,
    pub(crate) decider: decider::Process,
    pub(crate) executors: Vec<executor::Process>,
    pub(crate) verifier: verifier::Process,
    pub(crate) envoy: Envoy,
    pub(crate) waf: MemorySets,
    pub(crate) blocklist: Blocklist,
    pub(crate) truth: Truth,
    pub(crate) watch: Watch,
    /// Every change at Envoy and in the blocklist with its time, for the portrait.
    pub(crate) timeline: Vec<String>,
    scenario: Scenario,
    /// When the tick before this one was.
    pub(crate) ticked_at: Millis,
    positions: i64,
    rng: ChaCha8Rng,
}

impl World {
    pub(crate) fn new(seed: u64, plan: Plan, scenario: Scenario) -> World {
        let clock = Clock::manual(START);
        let log = Log::new(clock.clone());
        let policy = Policy::parse(scenario.policy).unwrap();
        let (waf, blocklist) = (MemorySets::default(), Blocklist::in_memory());
        if scenario.bootstrapped {
            let epoch = Epoch { epoch: EPOCH, replaces: Vec::new() };
            log.append(Message::of(&LeaseEntry::Epoch(epoch)).unwrap());
        }
        let around = Surroundings {
            log: log.clone(),
            clock: clock.clone(),
            fuses: Fuses { protected: policy.protected(), limits: policy.limits() },
            waf: waf.clone(),
            blocklist: blocklist.clone(),
        };
        let executors = [(0, vec![0, 1, 2]), (1, vec![3, 4, 5])].map(|(replica, partitions)| {
            executor::Process::new(replica, around.clone(), partitions)
        });
        let mut world = World {
            scorer: scorer::Process::new(&log, &policy),
            decider: decider::Process::new(&log, &clock, &policy),
            executors: executors.into(),
            verifier: verifier::Process::new(&log, &clock, &policy),
            envoy: Envoy::default(),
            truth: Truth::new(&policy, EPOCH),
            watch: Watch::new(scenario.addresses()),
            timeline: Vec::new(),
            faults: Faults::new(plan),
            rng: ChaCha8Rng::seed_from_u64(seed),
            ticked_at: START,
            positions: 0,
            log,
            clock,
            waf,
            blocklist,
            scenario,
        };
        // Clients come once everything runs.
        world.settle();
        world
    }

    pub(crate) fn now(&self) -> Millis {
        self.clock.now()
    }

    /// Milliseconds since the start.
    pub(crate) fn at(&self) -> Millis {
        self.clock.now() - START
    }

    /// Appends a record as anybody may.
    pub(crate) fn append<R: Record>(&mut self, record: &R) {
        self.faults.append(&self.log, &Message::of(record).unwrap());
    }

    /// Runs until `at` milliseconds after the start.
    pub(crate) fn run_to(&mut self, at: Millis) {
        while self.at() < at {
            self.tick(TICK_MS);
        }
    }

    /// Runs the whole scenario.
    pub(crate) fn run(&mut self) {
        self.run_to(self.scenario.lasts_ms);
    }

    /// One tick: what is due happens, the world comes to rest, everything is checked, time passes.
    fn tick(&mut self, lasts_ms: Millis) {
        for visit in self.scenario.due(self.at()) {
            self.visit(&visit);
        }
        for decision in self.scenario.decided(self.at()) {
            self.append(&decision);
        }
        self.settle();
        self.truth.follow(&self.log, self.clock.now());
        crate::watch::check(self);
        self.ticked_at = self.now();
        self.clock.advance(lasts_ms);
    }

    /// Lets every process take steps, in an order of the seed's, until none has anything to do.
    pub(crate) fn settle(&mut self) {
        for _ in 0..ROUNDS_MAX {
            if !self.round() {
                return;
            }
        }
        panic!("the world does not come to rest at {} ms", self.at());
    }

    fn round(&mut self) -> bool {
        let mut order = [0, 1, 2, 3, 4];
        order.shuffle(&mut self.rng);
        let mut moved = false;
        for who in order {
            if self.faults.sleeps() {
                moved = true;
                continue;
            }
            let stepped = match who {
                0 => self.scorer.step(&mut self.faults),
                1 => self.decider.step(&mut self.faults),
                2 | 3 => self.executors[who - 2].step(&mut self.faults),
                _ => {
                    let (envoy, executors) = (&mut self.envoy, self.executors.as_slice());
                    let sights = Sights { envoy, executors, waf: &self.waf };
                    self.verifier.step(sights, &mut self.faults)
                }
            };
            moved |= stepped.unwrap_or_else(|_| {
                match who {
                    0 => self.scorer.restart(),
                    1 => self.decider.restart(),
                    2 | 3 => self.restart(who - 2),
                    _ => self.verifier.restart(),
                }
                true
            });
        }
        moved
    }

    /// A client's request: Envoy asks, the application answers, the collector makes an event of it.
    fn visit(&mut self, visit: &Visit) {
        let now = self.now();
        let (refused, _) = self.envoy.request(&self.executors, visit.client, None, now);
        assert!(
            refused.is_none() || visit.kind != Kind::Good,
            "{} is a good client and was refused at {} ms",
            visit.client,
            self.at()
        );
        self.positions += 1;
        let position = self.positions;
        let (uri, answered) = match visit.kind {
            Kind::Good | Kind::Plain => ("/", 200),
            Kind::SqlInjection => ("/search?q=1'+or+'1'='1", 200),
            Kind::Traversal => ("/files/../../../../etc/passwd", 404),
            Kind::FailedLogin => ("/login", 401),
        };
        let event = Event {
            event_id: Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("e2e/{position}").as_bytes()),
            source: "e2e".to_owned(),
            position: Some(position),
            received_at: Some(now),
            uri: uri.to_owned(),
            status: Some(if refused.is_some() { 403 } else { answered }),
            refused_by_us: refused.is_some(),
            ..Event::request(visit.client, Provenance::ProxyAsserted, now)
        };
        self.append(&event);
    }

    /// Whether Envoy would refuse the address now.
    pub(crate) fn refuses(&mut self, address: &str) -> bool {
        let address: IpAddr = address.parse().unwrap();
        let now = self.now();
        self.envoy.request(&self.executors, address, None, now).0.is_some()
    }

    /// Starts the process of a replica anew.
    pub(crate) fn restart(&mut self, replica: usize) {
        self.watch.forget(replica as u32);
        self.executors[replica].restart();
    }

    /// Everything is in order though automation is frozen: then what it holds back is held back.
    pub(crate) fn come_to_rest_frozen(&mut self, frozen: bool) {
        self.come_to_rest();
        assert_eq!(self.truth.view.frozen_since().is_some(), frozen);
    }

    /// Ends all faults and lets half a minute pass; then nothing may differ from what must hold (I9).
    pub(crate) fn come_to_rest(&mut self) {
        self.faults.stop();
        self.waf.heal();
        let end = self.at() + 30 * SECOND;
        while self.at() < end {
            self.tick(REST_TICK_MS);
        }
        crate::watch::equal(self);
        self.no_dead_letters();
    }

    fn no_dead_letters(&self) {
        for topic in Topic::ALL {
            let dead = self.log.messages(&topic.dead_letters());
            assert!(dead.is_empty(), "{} dead letters of {}", dead.len(), topic.name());
        }
    }
}
