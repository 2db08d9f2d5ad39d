//! What ended while nobody spoke for the sets.

use schemas::{Millis, View};

use super::{Sight, WafLoop};
use crate::logic::untold::Untold;

impl WafLoop {
    /// Takes in what earlier owners told, or this one before it was away.
    pub fn recall(&mut self, untold: Untold) {
        self.acts.recall(untold);
    }

    /// The same sight, with what ended and was told no end of.
    pub fn with_missed(&self, mut sight: Sight, view: &View, now: Millis) -> Sight {
        sight.wanted.extend(self.acts.missed(view, now));
        sight
    }
}
