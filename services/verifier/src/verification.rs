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
    /// When the loop looks by itself, as it was told last.
    due: Option<Millis>,
}

impl Verification {
    pub fn new(core: Core) -> Self {
        let shared = Shared { core, pending: Effects::default(), due: None };
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
        // Most of what is taken in asks for nothing, and to wake the loop costs more than to take it in.
        let sooner =
            shared.core.next_due().is_some_and(|due| shared.due.is_none_or(|told| due < told));
        let wake = sooner || effects.any();
        shared.pending.probes.extend(effects.probes);
        shared.pending.publish.extend(effects.publish);
        shared.pending.read_waf = effects.read_waf.or(shared.pending.read_waf.take());
        drop(shared);
        if wake {
            self.wake.notify_one();
        }
    }

    /// Tells the core what the leases' copy says about the freeze.
    pub fn sync(&self, leases: &Leases, now: Millis) {
        let frozen_since = leases.read(|reader| reader.view().frozen_since());
        self.apply(Input::Controls { frozen_since }, now);
    }

    /// Everything that is to be done now, and when to tick next.
    pub fn take(&self) -> (Effects, Option<Millis>) {
        let mut shared = self.lock();
        shared.due = shared.core.next_due();
        (std::mem::take(&mut shared.pending), shared.due)
    }

    /// How many blocks are being watched.
    pub fn active_claims(&self) -> usize {
        self.lock().core.active_claims()
    }

    /// Waits until something is to be done, or sooner than was told, since the last wait.
    pub async fn changed(&self) {
        self.wake.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use schemas::fold::Appended;
    use schemas::{Action, Decision, Generation, Limits, Protected, Provenance};
    use uuid::Uuid;

    use super::*;
    use crate::logic::{Reach, Replicas};

    const NOW: Millis = 1_800_000_000_000;

    async fn woken(verification: &Verification) -> bool {
        tokio::select! {
            biased;
            () = verification.changed() => true,
            () = std::future::ready(()) => false,
        }
    }

    #[tokio::test]
    async fn the_loop_is_woken_for_what_is_to_be_done_and_for_nothing_else() {
        let reach = Reach { envoy: true, waf: false };
        let core = Core::new(reach, Protected::special(), Limits::default(), 1);
        let verification = Verification::new(core);
        verification.apply(Input::Tick, NOW);
        assert!(!woken(&verification).await, "nothing is watched");

        let decision = Decision {
            detection_id: Some(Uuid::from_u128(1)),
            until: Some(NOW + 60_000),
            strikes: 1,
            detected_at: Some(NOW),
            provenance: Some(Provenance::ProxyAsserted),
            ..Decision::by_pipeline(Action::Block, "81.2.69.142".parse().unwrap())
        };
        let generation = Generation { epoch: NOW, offset: 1 };
        let appended = Appended { generation, at: NOW };
        let decision = Box::new(decision);
        verification.apply(Input::Decision { decision, appended, trace: None }, NOW);
        assert!(woken(&verification).await, "a block is to be probed");

        let (_, due) = verification.take();
        assert_eq!(due, Some(NOW + 10));
        verification.apply(Input::Replicas(Replicas::default()), NOW + 1);
        assert!(!woken(&verification).await, "nothing is due sooner than was told");
        verification.apply(Input::Tick, NOW + 10);
        assert!(woken(&verification).await, "the probe is to be sent");
    }
}
