//! The decider's process: six lanes, its tail, its copy of the leases, and the operator's word.

use std::sync::Arc;

use ::decider::api::Shared;
use ::decider::api::overrides::Overrides;
use ::decider::restore::restore;
use ::decider::stage::SharedNetworks;
use ::decider::tail::{Pasts, Tail};
use ::decider::{Decide, Rules, index};
use observe::Policy;
use pipeline::memory::Log;
use pipeline::{Bus, Clock, Leases, LeasesSink};
use schemas::Topic;

use crate::faults::{Died, Faults};
use crate::follower::Follower;
use crate::lane::Lane;

pub(crate) const GROUP: &str = "decider";
const BATCH_MAX: usize = 5;
const TAILED: [Topic; 5] =
    [Topic::Detections, Topic::Decisions, Topic::Enforcements, Topic::Outcomes, Topic::Controls];

/// The decider as one process.
pub(crate) struct Process {
    log: Log,
    clock: Clock,
    rules: Arc<Rules>,
    copy: Follower<LeasesSink>,
    tail: Follower<Tail>,
    lanes: Vec<Lane<Decide>>,
    /// The calls of operators, without the port.
    pub(crate) overrides: Overrides,
}

impl Process {
    pub(crate) fn new(log: &Log, clock: &Clock, policy: &Policy) -> Self {
        let rules = Arc::new(Rules::new(policy.clone()));
        let leases = Leases::default();
        let (pasts, networks) = (Pasts::default(), SharedNetworks::default());
        let shared = Shared {
            rules: rules.clone(),
            leases: leases.clone(),
            index: index::Shared::default(),
            publisher: Bus::in_memory(log.clone()).publisher().unwrap(),
            clock: clock.clone(),
        };
        let copy = Follower::new(&[Topic::Leases, Topic::Controls], leases.sink());
        let tail = Tail::new(rules.clone(), pasts.clone(), networks.clone(), shared.index.clone());
        let tail = Follower::new(&TAILED, tail);
        let lanes = (0..Topic::Detections.partitions()).map(|partition| {
            let (rules, pasts, leases) = (rules.clone(), pasts.clone(), leases.clone());
            let (networks, clock) = (networks.clone(), clock.clone());
            Lane::new(GROUP, partition, log, move |assigned| {
                let past = restore(&assigned, &rules, &pasts, clock.now())?;
                Ok(Decide::new(rules.clone(), past, leases.clone(), networks.clone()))
            })
        });
        let lanes = lanes.collect();
        let overrides = Overrides::new(shared);
        Process { log: log.clone(), clock: clock.clone(), rules, copy, tail, lanes, overrides }
    }

    pub(crate) fn restart(&mut self) {
        *self = Process::new(&self.log.clone(), &self.clock.clone(), &self.rules.policy.clone());
    }

    pub(crate) fn step(&mut self, faults: &mut Faults) -> Result<bool, Died> {
        let (now, twice) = (self.clock.now(), faults.handled_twice());
        // The copy and the tail may lag behind: nothing a stage answers may depend on it, but for what operators say of
        // networks and of automation.
        let mut moved = self.copy.follow(&self.log, now, twice);
        if faults.sleeps() {
            moved = true;
        } else {
            moved |= self.tail.follow(&self.log, now, twice);
        }
        for lane in &mut self.lanes {
            moved |= lane.step(BATCH_MAX, faults)?;
        }
        Ok(moved)
    }
}
