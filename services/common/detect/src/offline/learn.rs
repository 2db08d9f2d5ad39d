//! One fold: from rows to weights.
//!
//! A row is a bag of readings. A benign row gives all of them; an attack row the one that the weights so far think
//! worst among the places its payload stands in, beginning with the priors (multiple-instance learning, Andrews et
//! al., 2002).

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::calibrate::{Bent, Platt};
use super::data::{Bag, Data, Instance};
use super::owned::{bare, halved, owned};
use super::train::{Example, Pull, fit, softplus};
use crate::features::{BIAS, GRAM_BASE, LEXICAL_BASE, SIGNATURE_BASE, SQL_BASE};

/// How training is set. Chosen by inner folds; among those that do as well there, `flag_prior` by the figures as well
/// (ADR 0022).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Pull of each group of columns; rows count one each on average.
    pub flag_strength: f64,
    /// What a flag of structure is believed to say before anything was learnt, in log-odds.
    pub flag_prior: f64,
    /// A mark is weak evidence: what was undone before a value could be read is as often a habit of a client.
    pub mark_strength: f64,
    pub lexical_strength: f64,
    pub signature_strength: f64,
    pub gram_strength: f64,
    /// A gram that fewer sources have is not used.
    pub gram_sources: u32,
    /// The grams of one reading add at most this, either way. Scoring has no such bound, so a model is only written
    /// with one that never binds; their pull keeps them small instead.
    pub gram_cap: f64,
    /// A group of `n` rows (one source, one category) counts as `n` to this power.
    pub balance: f64,
    /// The same for calibration, where 1 counts every row once.
    pub calibration_balance: f64,
    /// Share of the weight of an attack that is learnt without the signatures that its source alone vouches for, so
    /// that the model also knows the rest of what such an attack looks like.
    pub owned_off: f64,
    /// Weight of a benign value at another place, of what it weighs in place; 0 teaches none.
    pub elsewhere: f64,
    /// The same of one that is escaped otherwise than it must be.
    pub escaped: f64,
    /// Benign rows count this many times the attacks.
    pub benign_mass: f64,
    /// Times that the worst reading of an attack is chosen.
    pub rounds: usize,
    /// Tiers that teach nothing.
    pub skip: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            flag_strength: 1.0,
            flag_prior: 0.3,
            mark_strength: 5.0,
            lexical_strength: 10.0,
            signature_strength: 2.0,
            gram_strength: 3.0,
            gram_sources: 3,
            gram_cap: 1e3,
            balance: 0.5,
            calibration_balance: 1.0,
            owned_off: 0.5,
            elsewhere: 0.75,
            escaped: 0.15,
            benign_mass: 1.0,
            rounds: 2,
            skip: vec!["weak".into(), "paranoid".into(), "probe".into(), "tamper".into()],
        }
    }
}

/// Examples of each class weigh this much together, so that strengths mean the same for every size of set.
const CLASS_MASS: f64 = 5000.0;
const TOLERANCE: f64 = 2e-5;
const STEPS_MAX: usize = 120;

/// Readings by source and category.
type Groups<'a> = BTreeMap<(usize, &'a str), Vec<&'a [(u32, f32)]>>;

/// Learns from a part of the rows.
#[derive(Debug)]
pub struct Learner<'a> {
    pub data: &'a Data,
    pub settings: &'a Settings,
    /// Log-odds of signatures by feature, before anything was learnt.
    pub priors: &'a HashMap<u32, f64>,
}

impl Learner<'_> {
    /// Weights by column from all rows but those of the sources in `left_out`, with columns in `off` not used.
    pub fn learn(&self, left_out: u64, off: &HashSet<usize>) -> Vec<f64> {
        let pulls = self.pulls(left_out, off);
        let benign = self.benign(left_out);
        let owned = owned(self.data, left_out);
        let mut weights: Vec<f64> =
            pulls.iter().map(|pull| if pull.active { pull.prior } else { 0.0 }).collect();
        for _ in 0..self.settings.rounds.max(1) {
            let worst = self.attacks(left_out, &weights);
            let bare = bare(&worst, &owned);
            let mut examples = halved(&worst, &bare, self.settings.owned_off);
            let attacks = examples.len();
            examples.extend(benign.iter().map(|(_, example)| *example));
            scale(&mut examples[..attacks], CLASS_MASS);
            scale(&mut examples[attacks..], CLASS_MASS * self.settings.benign_mass);
            weights = fit(&examples, &pulls, weights, TOLERANCE, STEPS_MAX);
        }
        weights[0] += self.settings.benign_mass.ln();
        weights
    }

    fn pulls(&self, left_out: u64, off: &HashSet<usize>) -> Vec<Pull> {
        let settings = self.settings;
        let columns = self.data.columns.iter().zip(&self.data.seen_in).enumerate();
        let pull = |(column, (&feature, &seen)): (usize, (&u32, &u64))| {
            let seen = (seen & !left_out).count_ones();
            let free = f64::NEG_INFINITY;
            let (prior, strength, floor, wanted) = match feature {
                feature if feature == BIAS.0 => {
                    return Pull { prior: 0.0, strength: 0.0, floor: free, active: true };
                }
                GRAM_BASE.. => (0.0, settings.gram_strength, free, settings.gram_sources),
                SIGNATURE_BASE.. => {
                    let prior = self.priors.get(&feature).copied().unwrap_or(0.0);
                    (prior, settings.signature_strength, 0.0, 0)
                }
                LEXICAL_BASE.. => (0.0, settings.lexical_strength, free, 1),
                SQL_BASE.. => (settings.flag_prior, settings.flag_strength, free, 0),
                _ => (0.0, settings.mark_strength, 0.0, 1),
            };
            Pull { prior, strength, floor, active: seen >= wanted && !off.contains(&column) }
        };
        columns.map(pull).collect()
    }

    fn rows(&self, left_out: u64, attack: bool) -> impl Iterator<Item = &Bag> {
        self.data.bags.iter().filter(move |bag| {
            bag.attack == attack
                && left_out >> bag.source & 1 == 0
                && !self.settings.skip.contains(&bag.tier)
        })
    }

    fn benign(&self, left_out: u64) -> Vec<(usize, Example<'_>)> {
        let mut seen = HashSet::new();
        let mut examples = |instances: fn(&Bag) -> &[Instance], weight: f64| {
            let mut groups: Groups<'_> = Groups::new();
            for bag in self.rows(left_out, false) {
                for instance in instances(bag) {
                    if seen.insert((bag.source, instance.print)) {
                        let group = groups.entry((bag.source, bag.category.as_str())).or_default();
                        group.push(self.data.features(instance));
                    }
                }
            }
            let mut examples = self.examples(groups, false);
            examples.iter_mut().for_each(|(_, example)| example.weight *= weight);
            examples
        };
        let in_place = examples(|bag| &bag.instances, 1.0);
        let moved = examples(|bag| &bag.elsewhere, self.settings.elsewhere);
        let escaped = examples(|bag| &bag.escaped, self.settings.escaped);
        [in_place, moved, escaped].concat()
    }

    /// The worst reading of each attack and its source.
    fn attacks(&self, left_out: u64, weights: &[f64]) -> Vec<(usize, Example<'_>)> {
        let mut groups: Groups<'_> = Groups::new();
        for bag in self.rows(left_out, true) {
            let named = bag.instances.iter().filter(|instance| instance.named);
            let worst = named.max_by(|left, right| {
                let sum = |instance| {
                    reading(
                        self.data,
                        self.data.features(instance),
                        weights,
                        self.settings.gram_cap,
                    )
                };
                sum(left).total_cmp(&sum(right)).then(left.span.len().cmp(&right.span.len()))
            });
            if let Some(worst) = worst {
                let group = groups.entry((bag.source, bag.category.as_str())).or_default();
                group.push(self.data.features(worst));
            }
        }
        self.examples(groups, true)
    }

    fn examples<'b>(&self, groups: Groups<'b>, attack: bool) -> Vec<(usize, Example<'b>)> {
        let weigh = |rows: &Vec<_>| (rows.len() as f64).powf(self.settings.balance - 1.0);
        groups
            .into_iter()
            .flat_map(|((source, _), rows)| {
                let weight = weigh(&rows);
                rows.into_iter().map(move |features| (source, Example { features, attack, weight }))
            })
            .collect()
    }

    /// What a row counts when sums are calibrated.
    pub fn row_weights(&self) -> Vec<f64> {
        let mut sizes: HashMap<(usize, bool, &str), f64> = HashMap::new();
        let key = |bag: &'_ Bag| (bag.source, bag.attack);
        for bag in &self.data.bags {
            let (source, attack) = key(bag);
            *sizes.entry((source, attack, bag.category.as_str())).or_default() += 1.0;
        }
        let power = self.settings.calibration_balance - 1.0;
        let weigh = |bag: &Bag| sizes[&(bag.source, bag.attack, bag.category.as_str())].powf(power);
        self.data
            .bags
            .iter()
            .map(|bag| if self.settings.skip.contains(&bag.tier) { 0.0 } else { weigh(bag) })
            .collect()
    }

    /// Sums of all rows of one source: what a log shows, and all.
    pub fn sums(&self, weights: &[f64], source: usize) -> Vec<(usize, Sums)> {
        let rows = self.data.bags.iter().enumerate().filter(|(_, bag)| bag.source == source);
        rows.map(|(row, bag)| (row, sums(self.data, bag, weights, self.settings.gram_cap)))
            .collect()
    }
}

/// The worst sum of a row's readings; `None` where all are quiet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sums {
    pub shown: Option<f64>,
    pub all: Option<f64>,
}

pub fn sums(data: &Data, bag: &Bag, weights: &[f64], cap: f64) -> Sums {
    let mut sums = Sums { shown: None, all: None };
    let worse = |old: Option<f64>, new: f64| Some(old.map_or(new, |old| old.max(new)));
    for instance in &bag.instances {
        let sum = reading(data, data.features(instance), weights, cap);
        sums.all = worse(sums.all, sum);
        if instance.shown {
            sums.shown = worse(sums.shown, sum);
        }
    }
    sums
}

fn reading(data: &Data, features: &[(u32, f32)], weights: &[f64], cap: f64) -> f64 {
    let (mut sum, mut grams) = (weights[0], 0.0);
    for (column, size) in features {
        let column = *column as usize;
        let part = weights[column] * f64::from(*size);
        if data.gram(column) { grams += part } else { sum += part }
    }
    sum + grams.clamp(-cap, cap)
}

fn scale(examples: &mut [Example<'_>], mass: f64) {
    let sum: f64 = examples.iter().map(|example| example.weight).sum();
    examples.iter_mut().for_each(|example| example.weight *= mass / sum.max(1e-12));
}

/// How a raw sum becomes a log-likelihood ratio.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    pub platt: Platt,
    /// Where the line is not straight.
    pub bend: Bent,
    /// Log-likelihood ratio of a row whose readings are all quiet.
    pub quiet: f64,
}

impl Scale {
    /// From rows that were left out of the training that gave their sums: sum, whether an attack, weight.
    pub fn fit(rows: &[(Option<f64>, bool, f64)]) -> Self {
        let loud: Vec<(f64, bool, f64)> =
            rows.iter().filter_map(|row| Some((row.0?, row.1, row.2))).collect();
        let share = |attack: bool, quiet_only: bool| {
            let counted =
                rows.iter().filter(|row| row.1 == attack && (!quiet_only || row.0.is_none()));
            counted.map(|row| row.2).sum::<f64>()
        };
        let quiet = |attack| (share(attack, true) + 0.01) / (share(attack, false) + 0.02);
        let odds = ((1.0 - quiet(true)) / (1.0 - quiet(false))).ln();
        let platt = Platt::fit(&loud);
        let scaled: Vec<(f64, bool, f64)> =
            loud.iter().map(|row| (platt.apply(row.0), row.1, row.2)).collect();
        let (bend, moved) = Bent::fit(&scaled);
        Self {
            platt: Platt { offset: platt.offset + moved + odds, ..platt },
            bend: bend.moved(moved + odds),
            quiet: (quiet(true) / quiet(false)).ln().min(0.0),
        }
    }

    pub fn apply(&self, sum: Option<f64>) -> f64 {
        sum.map_or(self.quiet, |sum| self.bend.apply(self.platt.apply(sum)))
    }
}

/// Mean loss of calibrated rows, both classes counted the same: what settings are compared by.
pub fn loss(rows: &[(f64, bool, f64)]) -> f64 {
    let mean = |attack: bool| {
        let (mut sum, mut mass) = (0.0, 0.0);
        for row in rows.iter().filter(|row| row.1 == attack) {
            sum += row.2 * softplus(if attack { -row.0 } else { row.0 });
            mass += row.2;
        }
        if mass > 0.0 { sum / mass } else { 0.0 }
    };
    mean(true) + mean(false)
}
