//! Which partitions of `decisions` this replica folds, and with them what it alone may do.
//!
//! Kafka being away changes nothing here: what is owned stays owned until another member takes it over.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use schemas::{Observable, Topic};
use tokio::sync::watch;

/// The partition whose owner writes to providers that want one writer.
const OWNER_PARTITION: i32 = 0;

/// What this replica folds; clones share it.
#[derive(Clone)]
pub struct Ownership {
    state: Arc<Mutex<State>>,
    term: watch::Sender<Option<u64>>,
}

#[derive(Default)]
struct State {
    /// How many stages hold a partition: for a moment two, when one is opened anew before the old one is dropped.
    partitions: BTreeMap<i32, usize>,
    terms: u64,
}

/// The partition of `decisions` that carries an observable.
pub fn partition_of(observable: &Observable) -> i32 {
    let key = observable.to_string();
    schemas::topic::partition_of_key(key.as_bytes(), Topic::Decisions.partitions())
}

/// A partition that is folded here until this is dropped.
pub struct Owned {
    ownership: Ownership,
    partition: i32,
}

impl Default for Ownership {
    fn default() -> Self {
        Ownership { state: Arc::default(), term: watch::Sender::new(None) }
    }
}

impl Ownership {
    /// Notes that `partition` is folded here from now on.
    pub fn take(&self, partition: i32) -> Owned {
        let mut state = self.lock();
        *state.partitions.entry(partition).or_default() += 1;
        if partition == OWNER_PARTITION {
            state.terms += 1;
            self.term.send_replace(Some(state.terms));
        }
        Owned { ownership: self.clone(), partition }
    }

    /// Whether this replica folds the decisions on `observable`.
    pub fn owns(&self, observable: &Observable) -> bool {
        self.lock().partitions.contains_key(&partition_of(observable))
    }

    /// The term of this replica as the one writer, if it is; every takeover is a new term.
    pub fn term(&self) -> Option<u64> {
        *self.term.borrow()
    }

    /// Wakes when this replica becomes the one writer, or ceases to be.
    pub fn changes(&self) -> watch::Receiver<Option<u64>> {
        self.term.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        let mut state = self.ownership.lock();
        let held = state.partitions.get(&self.partition).copied().unwrap_or(0);
        if held > 1 {
            state.partitions.insert(self.partition, held - 1);
            return;
        }
        state.partitions.remove(&self.partition);
        if self.partition == OWNER_PARTITION {
            self.ownership.term.send_replace(None);
        }
    }
}
