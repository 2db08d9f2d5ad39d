//! How far the pipeline is behind, over time, and whether that grows. Pure.

use serde::{Deserialize, Serialize};

/// Growth of less than this share of the rate is no growth.
const SLOPE_SHARE_MAX: f64 = 0.005;
/// Growth over the whole time of less than so many typical deviations from the line is noise.
const NOISE_DEVIATIONS: f64 = 3.0;
/// Lag that is back for so long is gone; what comes later is another matter.
const BACK_SECONDS: f64 = 3.0;
/// Fewer samples say nothing about growth.
const SAMPLES_MIN: usize = 8;

/// Counts at one moment, all since the run's begin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Since the first record was meant to leave.
    pub seconds: f64,
    /// Meant to have left.
    pub due: u64,
    /// In `events`, acknowledged.
    pub published: u64,
    /// In `events` and not yet behind the scorer's committed offsets.
    pub lag: u64,
}

impl Sample {
    /// Meant to have left, and not yet scored, published and committed.
    pub fn behind(&self) -> u64 {
        self.due.saturating_sub(self.published) + self.lag
    }

    /// Scored and committed, its detections acknowledged.
    pub fn scored(&self) -> u64 {
        self.published.saturating_sub(self.lag)
    }
}

/// By how much `count` grew a second, from the first sample to the last.
pub fn rate(samples: &[Sample], count: impl Fn(&Sample) -> u64) -> f64 {
    let (Some(first), Some(last)) = (samples.first(), samples.last()) else { return 0.0 };
    let seconds = last.seconds - first.seconds;
    if seconds > 0.0 { (count(last) as f64 - count(first) as f64) / seconds } else { 0.0 }
}

/// What the samples of the steady part say.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Trend {
    pub samples: usize,
    pub behind_median: f64,
    /// Records a second by which it grows: the median of the slopes between any two samples.
    pub slope_per_second: f64,
    /// A slope up to this is no growth.
    pub noise_per_second: f64,
    pub flat: bool,
}

impl Trend {
    /// The trend of samples taken at a constant rate. Too few of them are not flat: nothing was shown.
    pub fn of(samples: &[Sample], rate: f64) -> Self {
        let behind: Vec<(f64, f64)> =
            samples.iter().map(|sample| (sample.seconds, sample.behind() as f64)).collect();
        let behind_median = median(behind.iter().map(|(_, behind)| *behind).collect());
        let Some(span) = span(&behind) else {
            return Trend { samples: samples.len(), behind_median, ..Trend::default() };
        };
        let mut slopes = Vec::with_capacity(behind.len() * (behind.len() - 1) / 2);
        for (index, (from, before)) in behind.iter().enumerate() {
            let later = behind[index + 1..].iter().filter(|(at, _)| at > from);
            slopes.extend(later.map(|(at, after)| (after - before) / (at - from)));
        }
        let slope = median(slopes);
        let start = median(behind.iter().map(|(at, behind)| behind - slope * at).collect());
        let off = behind.iter().map(|(at, behind)| (behind - start - slope * at).abs());
        let deviation = median(off.collect());
        let noise = (rate * SLOPE_SHARE_MAX).max(NOISE_DEVIATIONS * deviation / span);
        Trend {
            samples: samples.len(),
            behind_median,
            slope_per_second: slope,
            noise_per_second: noise,
            flat: slope <= noise,
        }
    }
}

/// How long after `from` the lag was back at what it was before, and stayed there for [`BACK_SECONDS`]; `None` if it
/// never was.
///
/// `usual` is how many records were behind before; twice that, or what comes in a quarter of a second, is back.
pub fn gone_after(samples: &[Sample], from: f64, usual: f64, rate: f64) -> Option<f64> {
    let back = (2.0 * usual).max(rate / 4.0);
    let mut gone = None;
    for sample in samples.iter().filter(|sample| sample.seconds >= from) {
        if sample.behind() as f64 > back {
            gone = None;
            continue;
        }
        let since = *gone.get_or_insert(sample.seconds);
        if sample.seconds - since >= BACK_SECONDS {
            return Some(since - from);
        }
    }
    None
}

fn span(behind: &[(f64, f64)]) -> Option<f64> {
    if behind.len() < SAMPLES_MIN {
        return None;
    }
    let span = behind.last()?.0 - behind.first()?.0;
    (span > 0.0).then_some(span)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        count if count % 2 == 1 => values[count / 2],
        count => (values[count / 2 - 1] + values[count / 2]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn samples(behind: impl Fn(f64) -> f64) -> Vec<Sample> {
        let at = (0..80).map(|index| f64::from(index) / 4.0);
        at.map(|seconds| Sample { seconds, lag: behind(seconds) as u64, ..Sample::default() })
            .collect()
    }

    #[test]
    fn lag_that_swings_is_flat_and_lag_that_grows_is_not() {
        let flat = |behind: fn(f64) -> f64| Trend::of(&samples(behind), 100_000.0).flat;
        assert!(flat(|_| 0.0));
        assert!(flat(|at| 12_000.0 + 8_000.0 * (at * 7.0).sin()));
        // One pause of the broker, and it is gone again.
        assert!(flat(|at| if (9.0..10.0).contains(&at) { 150_000.0 } else { 9_000.0 }));
        assert!(!flat(|at| 9_000.0 + 2_000.0 * at));
        assert!(!flat(|at| 9_000.0 + 5_000.0 * at + 2_000.0 * (at * 7.0).sin()));
        assert!(!Trend::of(&samples(|_| 0.0)[..SAMPLES_MIN - 1], 100_000.0).flat, "too few");
    }

    #[test]
    fn lag_is_gone_once_it_stays_as_small_as_it_was() {
        let gone = |behind: fn(f64) -> f64| gone_after(&samples(behind), 10.0, 500.0, 2_000.0);
        assert_eq!(gone(|_| 400.0), Some(0.0));
        assert_eq!(gone(|at| if at < 13.0 { 60_000.0 } else { 900.0 }), Some(3.0));
        assert_eq!(gone(|at| if at == 12.0 { 60_000.0 } else { 900.0 }), Some(2.25));
        assert_eq!(gone(|at| if at == 15.0 { 60_000.0 } else { 900.0 }), Some(0.0));
        assert_eq!(gone(|at| 60_000.0 - at), None);
    }

    proptest! {
        #[test]
        fn a_slope_is_found_through_noise(slope in 1_000.0..50_000.0_f64, swing in 0.0..2_000.0_f64) {
            let trend = Trend::of(&samples(|at| 5_000.0 + slope * at + swing * (at * 5.0).cos()), 100_000.0);
            let off: f64 = trend.slope_per_second - slope;
            prop_assert!(off.abs() < 0.1 * slope + swing / 2.0, "{trend:?}");
            prop_assert_eq!(trend.flat, trend.slope_per_second <= trend.noise_per_second);
        }
    }
}
