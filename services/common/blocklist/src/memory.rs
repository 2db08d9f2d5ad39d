//! The blocklist's twin in memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use schemas::{Millis, Observable};

use crate::{Change, Shown, value};

#[derive(Clone, Default)]
pub(crate) struct Memory(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    shown: HashMap<Observable, Shown>,
    seals: HashMap<String, String>,
}

impl Memory {
    pub(crate) fn write(
        &self,
        changes: &[Change],
        writer: &str,
        before: Option<&str>,
        seal: &str,
    ) -> bool {
        let mut state = self.lock();
        if before.is_some() && state.seals.get(writer).map(String::as_str) != before {
            return false;
        }
        for (observable, generation, shown) in changes.iter().map(Change::parts) {
            if state.shown.get(observable).is_some_and(|held| held.generation > generation) {
                continue;
            }
            match shown {
                Some(shown) => state.shown.insert(observable.clone(), shown.clone()),
                None => state.shown.remove(observable),
            };
        }
        state.seals.insert(writer.to_owned(), seal.to_owned());
        true
    }

    pub(crate) fn seal(&self, writer: &str) -> Option<String> {
        self.lock().seals.get(writer).cloned()
    }

    pub(crate) fn value(&self, observable: &Observable, now: Millis) -> Option<String> {
        self.lock().shown.get(observable).filter(|shown| now < shown.until).map(value)
    }

    pub(crate) fn flush(&self) {
        *self.lock() = State::default();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
