//! The one core of the process, shared by everything that feeds it and by the loop that acts on what it says.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pipeline::Leases;
use schemas::Millis;
use tokio::sync::Notify;

use crate::logic::{Core, Effects, Input};

/// A handle to the core; clones share it.
#[derive(Clone)]
pub struct Verification {
    shared: Arc<Mutex<Shared>>,
    wake: Arc<Notify>,
}

struct Shared {
    core: Core,
    pending: Effects,
}

impl Verification {
    pub fn new(core: Core) -> Self {
        let shared = Shared { core, pending: Effects::default() };
        Verification { shared: Arc::new(Mutex::new(shared)), wake: Arc::new(Notify::new()) }
    }

    /// Takes one input in; what is to be done waits for [`Verification::take`].
    pub fn apply(&self, input: Input, now: Millis) {
        self.with(|core| core.apply(input, now));
    }

    /// As [`Verification::apply`] for several steps that belong together.
    pub fn with(&self, step: impl FnOnce(&mut Core) -> Effects) {
        let mut shared = self.lock();
        let effects = step(&mut shared.core);
        shared.pending.probes.extend(effects.probes);
        shared.pending.publish.extend(effects.publish);
        shared.pending.read_waf = effects.read_waf.or(shared.pending.read_waf.take());
        drop(shared);
        self.wake.notify_one();
    }

    /// Tells the core what the leases' copy says about the freeze.
    pub fn sync(&self, leases: &Leases, now: Millis) {
        let frozen_since = leases.read(|reader| reader.view().frozen_since());
        self.apply(Input::Controls { frozen_since }, now);
    }

    /// Everything that is to be done now, and when to tick next.
    pub fn take(&self) -> (Effects, Option<Millis>) {
        let mut shared = self.lock();
        (std::mem::take(&mut shared.pending), shared.core.next_due())
    }

    /// How many blocks are being watched.
    pub fn active_claims(&self) -> usize {
        self.lock().core.active_claims()
    }

    /// Waits until something was taken in since the last wait.
    pub async fn changed(&self) {
        self.wake.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
