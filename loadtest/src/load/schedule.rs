//! When each record is meant to leave: an open loop, as a function of the rates. No clock.
//!
//! A sender that falls behind does not move the times that follow: they are the load, and what is late against them is
//! counted as late (no coordinated omission).

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A rate that holds for a while.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Phase {
    /// Records a second; above 0.
    pub rate: f64,
    pub seconds: f64,
}

/// Rates one after the other.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    phases: Vec<Phase>,
}

impl Schedule {
    pub fn new(phases: Vec<Phase>) -> Self {
        Schedule { phases }
    }

    pub fn constant(rate: f64, seconds: f64) -> Self {
        Schedule::new(vec![Phase { rate, seconds }])
    }

    /// How many records there are in all.
    pub fn count(&self) -> u64 {
        self.due(self.length())
    }

    /// From the first record's time to the end of the last phase.
    pub fn length(&self) -> Duration {
        Duration::from_secs_f64(self.phases.iter().map(|phase| phase.seconds).sum())
    }

    /// How many records are meant to have left before `elapsed`.
    pub fn due(&self, elapsed: Duration) -> u64 {
        let mut left = elapsed.as_secs_f64();
        let mut due = 0.0;
        for phase in &self.phases {
            let within = left.min(phase.seconds);
            due += within * phase.rate;
            left -= within;
            if left <= 0.0 {
                break;
            }
        }
        // What a sum of fractions lacks to a whole number is rounding.
        (due + 1e-6) as u64
    }

    /// When the record with this number, counted from 0, is meant to leave.
    pub fn intended(&self, number: u64) -> Duration {
        let mut left = number as f64;
        let mut begun = 0.0;
        for phase in &self.phases {
            let records = phase.rate * phase.seconds;
            if left < records {
                return Duration::from_secs_f64(begun + left / phase.rate);
            }
            left -= records;
            begun += phase.seconds;
        }
        Duration::from_secs_f64(begun)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn phases() -> impl Strategy<Value = Vec<Phase>> {
        let phase = (1.0..50_000.0, 0.1..20.0).prop_map(|(rate, seconds)| Phase { rate, seconds });
        prop::collection::vec(phase, 1..4)
    }

    #[test]
    fn a_step_adds_its_records_and_then_the_base_rate_goes_on() {
        let phase = |rate, seconds| Phase { rate, seconds };
        let schedule = Schedule::new(vec![phase(10.0, 2.0), phase(30.0, 1.0), phase(10.0, 2.0)]);
        for (seconds, due) in [(0.0, 0), (1.0, 10), (2.0, 20), (2.5, 35), (3.0, 50), (9.0, 70)] {
            assert_eq!(schedule.due(Duration::from_secs_f64(seconds)), due, "{seconds} s");
        }
        assert_eq!((schedule.count(), schedule.intended(35)), (70, Duration::from_millis(2_500)));
    }

    proptest! {
        #[test]
        fn every_record_has_one_time_whenever_the_sender_looks(
            phases in phases(), looks in prop::collection::vec(0.0..60.0, 0..40)
        ) {
            let schedule = Schedule::new(phases);
            let mut looks: Vec<f64> = looks;
            looks.sort_by(f64::total_cmp);
            // A sender that looks only now and then, however late, sends each record once and knows how late it is.
            let mut sent = 0;
            for look in looks.into_iter().chain([schedule.length().as_secs_f64()]) {
                let now = Duration::from_secs_f64(look);
                while sent < schedule.due(now) {
                    prop_assert!(schedule.intended(sent) <= now + Duration::from_micros(1));
                    sent += 1;
                }
            }
            prop_assert_eq!(sent, schedule.count());
        }

        #[test]
        fn times_rise_and_no_second_holds_more_than_its_rate(phases in phases()) {
            let schedule = Schedule::new(phases.clone());
            let fastest = phases.iter().map(|phase| phase.rate).fold(0.0, f64::max);
            let mut before = Duration::ZERO;
            let step = (schedule.count() / 500).max(1);
            for number in (0..schedule.count()).step_by(usize::try_from(step).unwrap()) {
                let at = schedule.intended(number);
                prop_assert!(at >= before);
                before = at;
                let within = schedule.due(at + Duration::from_secs(1)) - number;
                prop_assert!(within as f64 <= fastest + 2.0);
            }
        }
    }
}
