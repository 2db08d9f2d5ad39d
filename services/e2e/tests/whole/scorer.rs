//! The scorer's process: six lanes.

use ::scorer::detectors::Detectors;
use ::scorer::stage::{Scorer, open};
use observe::Policy;
use pipeline::memory::Log;
use schemas::Topic;

use crate::faults::{Died, Faults};
use crate::lane::Lane;

pub(crate) const GROUP: &str = "scorer";
const BATCH_MAX: usize = 7;

/// The scorer as one process.
pub(crate) struct Process {
    log: Log,
    policy: Policy,
    lanes: Vec<Lane<Scorer>>,
}

impl Process {
    pub(crate) fn new(log: &Log, policy: &Policy) -> Self {
        let mut process = Process { log: log.clone(), policy: policy.clone(), lanes: Vec::new() };
        process.restart();
        process
    }

    pub(crate) fn restart(&mut self) {
        let lane = |partition| {
            let policy = self.policy.clone();
            Lane::new(GROUP, partition, &self.log, move |assigned| {
                open(&policy, &Detectors::shipped(), &assigned)
            })
        };
        self.lanes = (0..Topic::Events.partitions()).map(lane).collect();
    }

    pub(crate) fn step(&mut self, faults: &mut Faults) -> Result<bool, Died> {
        let mut moved = false;
        for lane in &mut self.lanes {
            moved |= lane.step(BATCH_MAX, faults)?;
        }
        Ok(moved)
    }
}
