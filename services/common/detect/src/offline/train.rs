//! Logistic regression that is pulled to a prior, column by column.
//!
//! Minimises `Σ weight·log(1 + exp(-y·s)) + ½ Σ strength·(w - prior)²` over `w ≥ floor` by limited-memory BFGS (Nocedal
//! and Wright, *Numerical Optimization*, algorithm 7.4) with the two-metric projection of Bertsekas (1982) for the
//! floors. Everything is summed in a fixed order: the same rows always give the same weights.

use std::collections::VecDeque;

/// One example: its features without the bias, whether it is an attack, how much it counts.
#[derive(Debug, Clone, Copy)]
pub struct Example<'a> {
    pub features: &'a [(u32, f32)],
    pub attack: bool,
    pub weight: f64,
}

/// What a column is pulled to, how hard, and how low it may go. Columns that are not `active` keep their start.
#[derive(Debug, Clone, Copy)]
pub struct Pull {
    pub prior: f64,
    pub strength: f64,
    pub floor: f64,
    pub active: bool,
}

const MEMORY: usize = 8;
const ARMIJO: f64 = 1e-4;

/// Weights by column; column 0 is the bias. Starts at `start`, ends when the objective improves by less than
/// `tolerance` of itself twice in a row, or after `rounds`.
pub fn fit(
    examples: &[Example<'_>],
    pulls: &[Pull],
    start: Vec<f64>,
    tolerance: f64,
    rounds: usize,
) -> Vec<f64> {
    let mut weights = start;
    let mut gradient = vec![0.0; weights.len()];
    let mut value = objective(examples, pulls, &weights, &mut gradient);
    let mut pairs: VecDeque<(Vec<f64>, Vec<f64>)> = VecDeque::new();
    let mut calm = 0;
    for _ in 0..rounds {
        let free = free(&weights, &gradient, pulls);
        let mut direction = direction(&gradient, &free, &pairs);
        let mut slope = dot(&direction, &gradient);
        if slope >= 0.0 {
            pairs.clear();
            direction = masked(&gradient, &free).into_iter().map(|part| -part).collect();
            slope = dot(&direction, &gradient);
        }
        if slope > -1e-12 {
            break;
        }
        let first = if pairs.is_empty() {
            (1.0 / dot(&direction, &direction).sqrt()).min(1.0)
        } else {
            1.0
        };
        let Some((next, after, new_gradient)) =
            step(examples, pulls, &weights, &gradient, &direction, value, first)
        else {
            if pairs.is_empty() {
                break;
            }
            pairs.clear();
            continue;
        };
        let moved: Vec<f64> = next.iter().zip(&weights).map(|(new, old)| new - old).collect();
        let change: Vec<f64> =
            new_gradient.iter().zip(&gradient).map(|(new, old)| new - old).collect();
        if dot(&moved, &change) > 1e-12 {
            pairs.push_back((moved, change));
            if pairs.len() > MEMORY {
                pairs.pop_front();
            }
        }
        calm = if value - after < tolerance * value.abs().max(1e-9) { calm + 1 } else { 0 };
        (weights, value, gradient) = (next, after, new_gradient);
        if calm == 2 {
            break;
        }
    }
    weights
}

/// What an example adds up to.
pub fn sum(features: &[(u32, f32)], weights: &[f64]) -> f64 {
    weights[0]
        + features
            .iter()
            .map(|(column, size)| weights[*column as usize] * f64::from(*size))
            .sum::<f64>()
}

fn objective(
    examples: &[Example<'_>],
    pulls: &[Pull],
    weights: &[f64],
    gradient: &mut [f64],
) -> f64 {
    gradient.fill(0.0);
    let mut value = 0.0;
    for example in examples {
        let sum = sum(example.features, weights);
        let sign = if example.attack { 1.0 } else { -1.0 };
        let margin = sign * sum;
        value += example.weight * softplus(-margin);
        let slope = -sign * example.weight / (1.0 + margin.exp());
        gradient[0] += slope;
        for (column, size) in example.features {
            gradient[*column as usize] += slope * f64::from(*size);
        }
    }
    for ((pull, weight), slope) in pulls.iter().zip(weights).zip(gradient) {
        if pull.active {
            let off = weight - pull.prior;
            value += 0.5 * pull.strength * off * off;
            *slope += pull.strength * off;
        } else {
            *slope = 0.0;
        }
    }
    value
}

/// `log(1 + exp(x))` without overflow.
pub fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

fn free(weights: &[f64], gradient: &[f64], pulls: &[Pull]) -> Vec<bool> {
    let columns = weights.iter().zip(gradient).zip(pulls);
    columns
        .map(|((weight, slope), pull)| pull.active && !(*weight <= pull.floor && *slope > 0.0))
        .collect()
}

fn masked(values: &[f64], free: &[bool]) -> Vec<f64> {
    values.iter().zip(free).map(|(value, free)| if *free { *value } else { 0.0 }).collect()
}

fn direction(gradient: &[f64], free: &[bool], pairs: &VecDeque<(Vec<f64>, Vec<f64>)>) -> Vec<f64> {
    let mut q = masked(gradient, free);
    let mut alphas = Vec::with_capacity(pairs.len());
    for (moved, change) in pairs.iter().rev() {
        let alpha = dot(moved, &q) / dot(moved, change);
        add(&mut q, change, -alpha);
        alphas.push(alpha);
    }
    if let Some((moved, change)) = pairs.back() {
        let scale = dot(moved, change) / dot(change, change);
        q.iter_mut().for_each(|part| *part *= scale);
    }
    for ((moved, change), alpha) in pairs.iter().zip(alphas.iter().rev()) {
        let beta = dot(change, &q) / dot(moved, change);
        add(&mut q, moved, alpha - beta);
    }
    q.iter().zip(free).map(|(part, free)| if *free { -part } else { 0.0 }).collect()
}

fn step(
    examples: &[Example<'_>],
    pulls: &[Pull],
    weights: &[f64],
    gradient: &[f64],
    direction: &[f64],
    value: f64,
    first: f64,
) -> Option<(Vec<f64>, f64, Vec<f64>)> {
    let mut new_gradient = vec![0.0; weights.len()];
    let mut size = first;
    for _ in 0..30 {
        let columns = weights.iter().zip(direction).zip(pulls);
        let next: Vec<f64> = columns
            .map(
                |((weight, part), pull)| {
                    if pull.active { (weight + size * part).max(pull.floor) } else { *weight }
                },
            )
            .collect();
        let after = objective(examples, pulls, &next, &mut new_gradient);
        let promised: f64 = next
            .iter()
            .zip(weights)
            .zip(gradient)
            .map(|((new, old), slope)| (new - old) * slope)
            .sum();
        if after <= value + ARMIJO * promised && promised < 0.0 {
            return Some((next, after, new_gradient));
        }
        size *= 0.5;
    }
    None
}

fn dot(left: &[f64], right: &[f64]) -> f64 {
    left.iter().zip(right).map(|(left, right)| left * right).sum()
}

fn add(to: &mut [f64], from: &[f64], times: f64) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to += times * from);
}
