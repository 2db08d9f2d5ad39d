//! A pair of IP sets in memory, with lock tokens and faults on demand. Shared by tests and by the seeded whole-loop run.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::logic::ip_set::Family;
use crate::logic::waf::{Read, Write, WriteFault};

/// Most entries a set takes, as in AWS.
const ENTRIES_MAX: usize = 10_000;

/// The twin of [`super::Service`]; clones share the sets.
#[derive(Clone, Default)]
pub struct MemorySets(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    sets: HashMap<Family, Set>,
    read_faults: VecDeque<String>,
    write_faults: VecDeque<WriteFault>,
    writes: Vec<Write>,
}

#[derive(Default)]
struct Set {
    addresses: BTreeSet<String>,
    description: String,
    token: u64,
}

impl MemorySets {
    /// Answers one read of the set, or the next fault on the list.
    pub fn read(&self, family: Family) -> Result<Read, String> {
        let mut state = self.lock();
        if let Some(fault) = state.read_faults.pop_front() {
            return Err(fault);
        }
        let set = state.sets.entry(family).or_default();
        Ok(Read {
            addresses: set.addresses.iter().cloned().collect(),
            description: set.description.clone(),
            lock_token: set.token.to_string(),
        })
    }

    /// Replaces the set if the token is the last one, or answers the next fault on the list.
    pub fn write(&self, write: &Write) -> Result<(), WriteFault> {
        let mut state = self.lock();
        if let Some(fault) = state.write_faults.pop_front() {
            return Err(fault);
        }
        if write.addresses.len() > ENTRIES_MAX {
            return Err(WriteFault::Refused("more entries than a set takes".to_owned()));
        }
        let set = state.sets.entry(write.family).or_default();
        if write.lock_token != set.token.to_string() {
            return Err(WriteFault::Conflict);
        }
        set.token += 1;
        set.addresses = write.addresses.iter().cloned().collect();
        set.description.clone_from(&write.description);
        state.writes.push(write.clone());
        Ok(())
    }

    /// Changes a set behind our back, as a person or a rival would.
    pub fn edit(&self, family: Family, edit: impl FnOnce(&mut BTreeSet<String>, &mut String)) {
        let mut state = self.lock();
        let set = state.sets.entry(family).or_default();
        set.token += 1;
        edit(&mut set.addresses, &mut set.description);
    }

    /// Lets the next reads fail.
    pub fn fail_reads(&self, faults: impl IntoIterator<Item = String>) {
        self.lock().read_faults.extend(faults);
    }

    /// Lets the next writes fail.
    pub fn fail_writes(&self, faults: impl IntoIterator<Item = WriteFault>) {
        self.lock().write_faults.extend(faults);
    }

    /// Lets everything succeed from now on.
    pub fn heal(&self) {
        let mut state = self.lock();
        state.read_faults.clear();
        state.write_faults.clear();
    }

    /// What stands in a set.
    pub fn addresses(&self, family: Family) -> BTreeSet<String> {
        self.lock().sets.get(&family).map(|set| set.addresses.clone()).unwrap_or_default()
    }

    /// The description of a set.
    pub fn description(&self, family: Family) -> String {
        self.lock().sets.get(&family).map(|set| set.description.clone()).unwrap_or_default()
    }

    /// Every write that was made, in order.
    pub fn writes(&self) -> Vec<Write> {
        self.lock().writes.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
