//! What tells one model or set of signatures from another, wherever they lie in memory.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that is given once in a process. No score depends on it: only what is remembered is kept apart by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity(u64);

static GIVEN: AtomicU64 = AtomicU64::new(1);

impl Identity {
    /// Of nothing.
    pub(crate) const NONE: Self = Self(0);

    /// The next number.
    pub(crate) fn new() -> Self {
        Self(GIVEN.fetch_add(1, Ordering::Relaxed))
    }
}
