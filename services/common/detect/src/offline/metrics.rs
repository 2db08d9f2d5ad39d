//! Shares with their uncertainty, and where to put a threshold.

use serde::Serialize;

/// A share of rows with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Share {
    pub hits: usize,
    pub rows: usize,
    pub share: f64,
    pub low: f64,
    pub high: f64,
}

impl Share {
    /// Wilson's score interval (1927) at 95 %.
    pub fn of(hits: usize, rows: usize) -> Self {
        if rows == 0 {
            return Self { hits, rows, share: 0.0, low: 0.0, high: 1.0 };
        }
        let (z, n) = (1.959_964, rows as f64);
        let share = hits as f64 / n;
        let middle = (share + z * z / (2.0 * n)) / (1.0 + z * z / n);
        let half =
            z / (1.0 + z * z / n) * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
        Self { hits, rows, share, low: (middle - half).max(0.0), high: (middle + half).min(1.0) }
    }

    /// The share of `values` that reach `threshold`.
    pub fn reaching(threshold: f64, values: impl IntoIterator<Item = f64>) -> Self {
        let (mut hits, mut rows) = (0, 0);
        for value in values {
            rows += 1;
            hits += usize::from(value >= threshold);
        }
        Self::of(hits, rows)
    }
}

/// The lowest threshold that at most `allowed` of `values` reach.
pub fn lowest(values: &[f64], allowed: usize) -> f64 {
    if values.len() <= allowed {
        return f64::NEG_INFINITY;
    }
    let mut sorted = values.to_vec();
    sorted.sort_by(|left, right| right.total_cmp(left));
    sorted[allowed].next_up()
}

/// `bar` false alarms of `of` rows, in proportion to the rows there are.
pub fn allowance(bar: usize, of: usize, rows: usize) -> usize {
    if rows >= of { bar } else { bar * rows / of }
}
