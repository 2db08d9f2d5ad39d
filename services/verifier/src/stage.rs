//! Two stages that feed the one core: decisions, and what the executors say they did.
//!
//! Neither publishes anything itself. An offset may be committed before its outcome is out, because the state is
//! read back from `decisions` and `outcomes` at every start.

use anyhow::anyhow;
use pipeline::{Clock, Fault, Leases, Outputs, Received, Stage};
use schemas::fold::Appended;
use schemas::{Decision, Enforcement, Generation};

use crate::logic::Input;
use crate::verification::Verification;

/// Folds decisions, by our own means.
pub struct Decisions {
    verification: Verification,
    leases: Leases,
    clock: Clock,
}

impl Decisions {
    /// `leases` says the epoch and the freeze; the leases in it are not looked at.
    pub fn new(verification: Verification, leases: Leases, clock: Clock) -> Self {
        Decisions { verification, leases, clock }
    }
}

impl Stage for Decisions {
    type Input = Decision;

    async fn handle(&mut self, batch: &[Received<'_, Decision>], out: &mut Outputs) {
        let Some(epoch) = self.leases.read(|reader| reader.epoch()) else {
            if let Some(first) = batch.first() {
                let why = anyhow!("leases holds no epoch record yet");
                out.fault(first.offset, Fault::Retry(why));
            }
            return;
        };
        let now = self.clock.now();
        self.verification.sync(&self.leases, now);
        for received in batch {
            let generation = Generation { epoch, offset: received.offset };
            let appended = Appended { generation, at: received.timestamp };
            let decision = Box::new(received.record.clone());
            out.continue_trace(received.headers.trace());
            let trace = out.trace().map(str::to_owned);
            self.verification.apply(Input::Decision { decision, appended, trace }, now);
        }
    }
}

/// Takes in what the executors say.
pub struct Enforcements {
    verification: Verification,
    clock: Clock,
}

impl Enforcements {
    pub fn new(verification: Verification, clock: Clock) -> Self {
        Enforcements { verification, clock }
    }
}

impl Stage for Enforcements {
    type Input = Enforcement;

    async fn handle(&mut self, batch: &[Received<'_, Enforcement>], out: &mut Outputs) {
        let now = self.clock.now();
        for received in batch {
            out.continue_trace(received.headers.trace());
            let enforcement = Box::new(received.record.clone());
            self.verification.apply(Input::Enforcement(enforcement), now);
        }
    }
}
