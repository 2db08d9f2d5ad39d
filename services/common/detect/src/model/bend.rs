//! From the sum of what was found to a log-likelihood ratio, where that is no line.

/// Most points of a bend.
pub const POINTS_MAX: usize = 16;
/// Least that the result rises with each unit of the sum, so that no two requests change places.
const SLOPE_MIN: f32 = 0.01;

/// What is added to a sum: along a line between two points, the same before the first and after the last.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Bend {
    points: Vec<(f32, f32)>,
}

impl Bend {
    /// From sums in rising order, each with what is added there; `None` where more would be found and less be said.
    pub fn new(points: &[(f32, f32)]) -> Option<Self> {
        let rises = points.windows(2).all(|pair| {
            let (across, up) = (pair[1].0 - pair[0].0, pair[1].1 - pair[0].1);
            across > 0.0 && across + up >= SLOPE_MIN * across
        });
        (rises && points.len() <= POINTS_MAX).then(|| Self { points: points.to_vec() })
    }

    /// What is added to `sum`.
    pub fn added(&self, sum: f32) -> f32 {
        let Some(first) = self.points.first() else { return 0.0 };
        let mut before = *first;
        for &(to, high) in &self.points {
            if sum <= to {
                let (from, low) = before;
                let share = if to > from { (sum - from) / (to - from) } else { 1.0 };
                return low + (high - low) * share;
            }
            before = (to, high);
        }
        before.1
    }

    /// The sum that becomes `llr`.
    pub fn sum_of(&self, llr: f32) -> f32 {
        let Some(first) = self.points.first() else { return llr };
        let mut before = *first;
        for &(to, high) in &self.points {
            if llr <= to + high {
                let (from, low) = before;
                let rise = (to + high) - (from + low);
                let share = (llr - from - low) / rise;
                return if rise > 0.0 { from + (to - from) * share } else { llr - high };
            }
            before = (to, high);
        }
        llr - before.1
    }
}
