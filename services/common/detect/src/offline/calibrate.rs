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
