//! The blocklist's twin in memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use schemas::{Generation, Millis, Observable};

use crate::{Change, Shown, value};

#[derive(Clone, Default)]
pub(crate) struct Memory(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    shown: HashMap<Observable, Shown>,
    seals: HashMap<String, String>,
}

impl Memory {
    pub(crate) fn write(&self, changes: &[Change], writer: &str, seal: &str) {
        let mut state = self.lock();
        for change in changes {
            match change {
                Change::Show(shown) if !state.higher(&shown.observable, shown.generation) => {
                    state.shown.insert(shown.observable.clone(), shown.clone());
                }
                Change::Hide(observable, generation) if !state.higher(observable, *generation) => {
                    state.shown.remove(observable);
                }
                Change::Show(_) | Change::Hide(..) => {}
            }
        }
        state.seals.insert(writer.to_owned(), seal.to_owned());
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

impl State {
    fn higher(&self, observable: &Observable, generation: Generation) -> bool {
        self.shown.get(observable).is_some_and(|held| held.generation > generation)
    }
}
