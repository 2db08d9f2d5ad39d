//! The detector in force: one for every partition, replaced as a whole while they run.

use std::ops::Deref;
use std::sync::{Arc, LazyLock};

use arc_swap::ArcSwap;
use detect::Detector;
use detect::detector::PI;

/// The detector that comes with this version. Its prior probability is never used: the policy has one.
static SHIPPED: LazyLock<Arc<Detector>> = LazyLock::new(|| Arc::new(Detector::shipped(PI)));

/// A handle on the detector in force; all its clones see the same.
#[derive(Debug, Clone)]
pub struct Detectors(Arc<ArcSwap<Detector>>);

impl Detectors {
    /// With the detector that comes with this version.
    pub fn shipped() -> Self {
        Detectors(Arc::new(ArcSwap::new(SHIPPED.clone())))
    }

    /// The detector now in force, for as long as the answer is held.
    pub fn now(&self) -> impl Deref<Target = Arc<Detector>> + use<> {
        self.0.load()
    }

    /// Puts `detector` in force for all that is read from now on.
    pub fn replace(&self, detector: Detector) {
        self.0.store(Arc::new(detector));
    }
}
