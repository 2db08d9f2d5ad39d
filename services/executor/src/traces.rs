//! Which trace the last decisions came with, so that what a point says about one continues it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

/// Most decisions whose trace is remembered: a point speaks of a new one within seconds.
const TRACES_MAX: usize = 4_096;

/// The traces of the last decisions that had one; clones share them.
#[derive(Clone, Default)]
pub struct Traces(Arc<Mutex<Remembered>>);

#[derive(Default)]
struct Remembered {
    traces: HashMap<Uuid, String>,
    order: VecDeque<Uuid>,
}

impl Traces {
    /// Remembers the trace that came with a decision, and forgets the oldest.
    pub fn note(&self, decision_id: Uuid, trace: &str) {
        let mut remembered = self.lock();
        if remembered.traces.insert(decision_id, trace.to_owned()).is_none() {
            remembered.order.push_back(decision_id);
        }
        if remembered.order.len() > TRACES_MAX
            && let Some(oldest) = remembered.order.pop_front()
        {
            remembered.traces.remove(&oldest);
        }
    }

    /// The trace of a decision, if it had one and is recent.
    pub fn of(&self, decision_id: Uuid) -> Option<String> {
        self.lock().traces.get(&decision_id).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, Remembered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::{TRACES_MAX, Traces};

    #[test]
    fn the_oldest_are_forgotten() {
        let traces = Traces::default();
        let id = |number: usize| Uuid::from_u128(number as u128);
        for number in 0..=TRACES_MAX {
            traces.note(id(number), &number.to_string());
        }
        traces.note(id(1), "again");
        assert_eq!(traces.of(id(0)), None);
        assert_eq!(traces.of(id(1)).as_deref(), Some("again"));
        assert_eq!(traces.of(id(TRACES_MAX)), Some(TRACES_MAX.to_string()));
    }
}
