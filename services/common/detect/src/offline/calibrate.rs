//! From a raw sum to a log-likelihood ratio, and how far off it is.

use super::train::{Example, Pull, fit, softplus};

/// `llr = slope·sum + offset`: Platt's scaling (1999) with both classes counted the same, so that the log-odds are a
/// log-likelihood ratio.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Platt {
    pub slope: f64,
    pub offset: f64,
}

impl Platt {
    pub const NONE: Self = Self { slope: 1.0, offset: 0.0 };

    /// Fits to sums of rows that were left out of training: sum, whether an attack, how much it counts. Each class is
    /// brought to the same mass first.
    pub fn fit(rows: &[(f64, bool, f64)]) -> Self {
        let mass =
            |attack: bool| rows.iter().filter(|row| row.1 == attack).map(|row| row.2).sum::<f64>();
        let masses = [mass(false), mass(true)];
        if masses.iter().any(|mass| *mass <= 0.0) {
            return Self::NONE;
        }
        let features: Vec<[(u32, f32); 1]> = rows.iter().map(|row| [(1, row.0 as f32)]).collect();
        let examples: Vec<Example<'_>> = rows
            .iter()
            .zip(&features)
            .map(|(row, features)| Example {
                features,
                attack: row.1,
                weight: 1000.0 * row.2 / masses[usize::from(row.1)],
            })
            .collect();
        let pull = |prior, strength, floor| Pull { prior, strength, floor, active: true };
        let pulls = [pull(0.0, 0.0, f64::NEG_INFINITY), pull(1.0, 1.0, 0.05)];
        let weights = fit(&examples, &pulls, vec![0.0, 1.0], 1e-10, 200);
        Self { slope: weights[1], offset: weights[0] }
    }

    pub fn apply(&self, sum: f64) -> f64 {
        self.slope * sum + self.offset
    }
}

/// Log-likelihood ratios of Platt's line at which it may bend.
const KNOTS: [f64; 10] = [-4.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0];
/// How hard each slope between knots is pulled to 1, in rows.
const SLOPE_STRENGTH: f64 = 2.0;
/// No slope is less, so that the order of rows stays.
const SLOPE_MIN: f64 = 0.05;

/// What is added to Platt's line: linear between [`KNOTS`], nothing below and the same above. A line is right where the
/// sums of both classes are spread alike; benign sums end sooner than attacks do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bent {
    at: [f64; KNOTS.len()],
    added: [f64; KNOTS.len()],
}

impl Bent {
    pub const NONE: Self = Self { at: KNOTS, added: [0.0; KNOTS.len()] };

    /// Fits to what Platt's line says of rows that were left out of training: log-likelihood ratio, whether an attack,
    /// how much it counts. Answers the bend and how far the whole line moves. Every row counts as it is, for the middle
    /// holds few rows and the classes' masses would say nothing more there.
    pub fn fit(rows: &[(f64, bool, f64)]) -> (Self, f64) {
        let mass =
            |attack: bool| rows.iter().filter(|row| row.1 == attack).map(|row| row.2).sum::<f64>();
        let odds = (mass(true) / mass(false)).ln();
        if !odds.is_finite() {
            return (Self::NONE, 0.0);
        }
        let features: Vec<Vec<(u32, f32)>> = rows.iter().map(|row| pieces(row.0)).collect();
        let examples: Vec<Example<'_>> = rows
            .iter()
            .zip(&features)
            .map(|(row, features)| Example { features, attack: row.1, weight: row.2 })
            .collect();
        let slope = Pull { prior: 1.0, strength: SLOPE_STRENGTH, floor: SLOPE_MIN, active: true };
        let mut pulls = vec![slope; KNOTS.len() + 1];
        pulls[0] = Pull { strength: 0.0, floor: f64::NEG_INFINITY, ..slope };
        pulls[1].active = false;
        let mut start = vec![1.0; pulls.len()];
        start[0] = odds;
        let weights = fit(&examples, &pulls, start, 1e-10, 200);
        let mut bend = Self::NONE;
        for knot in 1..KNOTS.len() {
            let rise = (weights[knot + 1] - 1.0) * (KNOTS[knot] - KNOTS[knot - 1]);
            bend.added[knot] = bend.added[knot - 1] + rise;
        }
        (bend, weights[0] - odds)
    }

    /// The same bend for a line that is `by` higher.
    pub fn moved(self, by: f64) -> Self {
        Self { at: self.at.map(|at| at + by), ..self }
    }

    pub fn apply(&self, llr: f64) -> f64 {
        let Some(above) = self.at.iter().position(|at| llr <= *at) else {
            return llr + self.added[KNOTS.len() - 1];
        };
        let Some(below) = above.checked_sub(1) else { return llr };
        let share = (llr - self.at[below]) / (self.at[above] - self.at[below]);
        llr + self.added[below] + share * (self.added[above] - self.added[below])
    }

    /// As a model file keeps it.
    pub fn points(&self) -> Vec<(f32, f32)> {
        self.at.iter().zip(self.added).map(|(at, added)| (*at as f32, added as f32)).collect()
    }
}

/// How much of `llr` lies beyond the knots, and in each gap between two.
fn pieces(llr: f64) -> Vec<(u32, f32)> {
    let gaps = KNOTS.windows(2).map(|gap| (llr - gap[0]).clamp(0.0, gap[1] - gap[0]));
    let mut pieces = vec![(1, 0.0)];
    pieces.extend((2..).zip(gaps.map(|part| part as f32)));
    let inside: f32 = pieces.iter().map(|(_, part)| part).sum();
    pieces[0].1 = llr as f32 - inside;
    pieces
}

/// Isotonic regression by pooling adjacent violators (Ayer et al. 1955): for each row, in the order given, the share of
/// attacks at its value. `rows` is value, whether an attack.
pub fn isotonic(rows: &[(f64, bool)]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by(|left, right| rows[*left].0.total_cmp(&rows[*right].0));
    let mut blocks: Vec<(f64, f64, f64)> = Vec::new();
    for &row in &order {
        let (value, attack) = (rows[row].0, f64::from(u8::from(rows[row].1)));
        match blocks.last_mut() {
            Some(block) if block.2 == value => {
                block.0 += attack;
                block.1 += 1.0;
            }
            _ => blocks.push((attack, 1.0, value)),
        }
        while let [.., left, right] = blocks[..] {
            if left.0 / left.1 < right.0 / right.1 {
                break;
            }
            blocks.truncate(blocks.len() - 2);
            blocks.push((left.0 + right.0, left.1 + right.1, right.2));
        }
    }
    let mut shares = vec![0.0; rows.len()];
    let mut at = order.iter();
    for (attacks, count, _) in blocks {
        for row in at.by_ref().take(count as usize) {
            shares[*row] = attacks / count;
        }
    }
    shares
}

/// How much worse the probabilities of `rows` (log-odds, whether an attack) are than their isotonic refit, in bits a row.
pub fn excess_bits(rows: &[(f64, bool)]) -> f64 {
    if rows.is_empty() {
        return 0.0;
    }
    let own: f64 =
        rows.iter().map(|(odds, attack)| softplus(if *attack { -odds } else { *odds })).sum();
    let refit: f64 = isotonic(rows)
        .iter()
        .zip(rows)
        .map(|(share, (_, attack))| if *attack { -share.ln() } else { -(1.0 - share).ln() })
        .sum();
    (own - refit) / rows.len() as f64 / std::f64::consts::LN_2
}

/// One bin of a reliability diagram.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Bin {
    pub from: f64,
    pub rows: usize,
    pub probability: f64,
    pub frequency: f64,
}

/// Ten bins of probability: mean probability and frequency of attacks in each that has rows.
pub fn bins(rows: &[(f64, bool)]) -> Vec<Bin> {
    let mut sums = [(0usize, 0.0, 0usize); 10];
    for (odds, attack) in rows {
        let probability = 1.0 / (1.0 + (-odds).exp());
        let bin = &mut sums[((probability * 10.0) as usize).min(9)];
        bin.0 += 1;
        bin.1 += probability;
        bin.2 += usize::from(*attack);
    }
    let full = sums.iter().enumerate().filter(|(_, bin)| bin.0 > 0);
    full.map(|(at, (rows, sum, attacks))| Bin {
        from: at as f64 / 10.0,
        rows: *rows,
        probability: sum / *rows as f64,
        frequency: *attacks as f64 / *rows as f64,
    })
    .collect()
}
