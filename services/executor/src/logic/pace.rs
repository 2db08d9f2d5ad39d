//! How fast a point may be called: a token bucket for writes and a back-off for failures. Data in, data out.

use schemas::Millis;

/// Lets one call through every `interval_ms`, without saving any up.
#[derive(Debug, Clone)]
pub struct Pace {
    interval_ms: Millis,
    next_at: Millis,
}

impl Pace {
    pub fn every(interval_ms: Millis) -> Self {
        Pace { interval_ms, next_at: Millis::MIN }
    }

    /// When the next call may be made.
    pub fn next_at(&self) -> Millis {
        self.next_at
    }

    pub fn taken(&mut self, now: Millis) {
        self.next_at = now + self.interval_ms;
    }
}

/// Doubles the wait at every failure in a row.
#[derive(Debug, Clone)]
pub struct BackOff {
    first_ms: Millis,
    max_ms: Millis,
    failures: u32,
    until: Millis,
}

impl BackOff {
    pub fn new(first_ms: Millis, max_ms: Millis) -> Self {
        BackOff { first_ms, max_ms, failures: 0, until: Millis::MIN }
    }

    /// Notes a failure. `jitter` in 0..1 spreads callers: the wait is between half and all of its step.
    pub fn failed(&mut self, now: Millis, jitter: f64) {
        let step = self.first_ms.saturating_mul(1 << self.failures.min(16)).min(self.max_ms);
        self.failures = self.failures.saturating_add(1);
        let wait = step as f64 * (0.5 + jitter.clamp(0.0, 1.0) / 2.0);
        self.until = now + wait as Millis;
    }

    pub fn succeeded(&mut self) {
        self.failures = 0;
        self.until = Millis::MIN;
    }

    /// Until when nothing is to be tried.
    pub fn until(&self) -> Millis {
        self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_a_success_ends_them() {
        let mut back_off = BackOff::new(500, 30_000);
        let mut waits = Vec::new();
        for _ in 0..8 {
            back_off.failed(0, 1.0);
            waits.push(back_off.until());
        }
        assert_eq!(waits, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
        back_off.succeeded();
        back_off.failed(0, 0.0);
        assert_eq!(back_off.until(), 250);
    }
}
