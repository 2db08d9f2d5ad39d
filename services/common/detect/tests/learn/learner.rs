//! Training on made-up rows.

use std::collections::{HashMap, HashSet};

use detect::features::{BIAS, GRAM_BASE, MARK_BASE, SIGNATURE_BASE};
use detect::offline::data::{Data, Found};
use detect::offline::folds::Folds;
use detect::offline::learn::{Learner, Settings};
use detect::offline::report::Report;
use detect::offline::rows::{Label, Row};
use detect::offline::train::{Example, Pull, fit};

/// A sequence of numbers that is always the same (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ mixed >> 31) >> 11) as f64 / (1u64 << 53) as f64
    }
}

const FREE: Pull = Pull { prior: 0.0, strength: 1e-3, floor: f64::NEG_INFINITY, active: true };

/// Features, whether an attack, and how much it counts.
type Made = (Vec<(u32, f32)>, bool, f64);

/// Every combination of three features, labelled in the proportion that `weights` says.
fn balanced(weights: [f64; 4]) -> Vec<Made> {
    let combinations = (0..8u32).map(|set| (1..4u32).filter(move |bit| set >> (bit - 1) & 1 == 1));
    combinations
        .flat_map(|columns| {
            let features: Vec<(u32, f32)> = columns.map(|column| (column, 1.0)).collect();
            let sum: f64 = weights[0]
                + features.iter().map(|(column, _)| weights[*column as usize]).sum::<f64>();
            let attacks = 1000.0 / (1.0 + (-sum).exp());
            [(features.clone(), true, attacks), (features, false, 1000.0 - attacks)]
        })
        .collect()
}

fn trained(rows: &[Made], pulls: &[Pull], start: Vec<f64>) -> Vec<f64> {
    let examples: Vec<Example<'_>> = rows
        .iter()
        .map(|(features, attack, weight)| Example { features, attack: *attack, weight: *weight })
        .collect();
    fit(&examples, pulls, start, 1e-12, 500)
}

#[test]
fn the_weights_that_made_the_rows_are_found() {
    for weights in [[-1.0, 2.0, 0.5, -1.5], [0.3, 0.0, 3.0, 1.0]] {
        let found = trained(&balanced(weights), &[FREE; 4], vec![0.0; 4]);
        for (found, expected) in found.iter().zip(weights) {
            assert!((found - expected).abs() < 0.01, "{found} for {expected}");
        }
    }
}

#[test]
fn a_weight_is_pulled_to_its_prior_and_never_below_its_floor() {
    let rows = balanced([0.0, 2.0, -2.0, 0.0]);
    let strong = Pull { prior: 5.0, strength: 1e6, ..FREE };
    let floored = Pull { floor: 0.0, ..FREE };
    let still = Pull { active: false, ..FREE };
    let found = trained(&rows, &[FREE, strong, floored, still], vec![0.0, 5.0, 1.0, 0.25]);
    assert!((found[1] - 5.0).abs() < 0.01, "{found:?}");
    assert_eq!(&found[2..], [0.0, 0.25]);
}

fn row(at: usize, source: &str, attack: bool) -> Row {
    Row {
        id: format!("r{at}"),
        source: source.into(),
        label: if attack { Label::Attack } else { Label::Benign },
        category: if attack { "sqli".into() } else { "text".into() },
        tier: if attack { "core".into() } else { "plain".into() },
        method: "GET".into(),
        uri: "/".into(),
        headers: Default::default(),
        body: String::new(),
        places: vec!["uri".into()],
    }
}

fn found(features: Vec<(u32, f32)>) -> Found {
    Found { shown: true, named: true, features }
}

const GOOD: u32 = SIGNATURE_BASE;
const UNSEEN: u32 = SIGNATURE_BASE + 1;
const MARK: u32 = MARK_BASE;
/// Only in one source, and there in every attack.
const LOCAL: u32 = GRAM_BASE + 7;

/// Four sources; attacks hit `GOOD` nine times in ten, benign rows one time in a hundred.
fn world(payload: bool) -> Data {
    let mut numbers = Numbers(7);
    let mut data = Data::new();
    for at in 0..4000 {
        let (source, attack) = (at % 4, at % 8 < 4);
        let mut features = vec![(GRAM_BASE + 100 + (numbers.next() * 50.0) as u32, 0.5)];
        let mut maybe = |feature, chance: f64| {
            if numbers.next() < chance {
                features.push((feature, 1.0));
            }
        };
        maybe(GOOD, if attack && payload { 0.9 } else { 0.01 });
        maybe(MARK, if attack && payload { 0.5 } else { 0.1 });
        maybe(LOCAL, if source == 0 && attack && payload { 1.0 } else { 0.0 });
        let decoy = vec![(MARK, 0.1)];
        data.push(
            &row(at, ["a", "b", "c", "d"][source], attack),
            vec![found(features), found(decoy)],
        );
    }
    data
}

fn learnt(data: &Data, left_out: u64) -> HashMap<u32, f64> {
    let priors = HashMap::from([(GOOD, 3.0), (UNSEEN, 3.0)]);
    let settings = Settings::default();
    let learner = Learner { data, settings: &settings, priors: &priors };
    data.columns.iter().copied().zip(learner.learn(left_out, &HashSet::new())).collect()
}

#[test]
fn what_only_one_source_has_is_not_learnt() {
    let weights = learnt(&world(true), 0);
    assert_eq!(weights[&LOCAL], 0.0);
    assert!(weights[&GOOD] > 2.5, "{}", weights[&GOOD]);
    assert!(weights[&BIAS.0] < 0.0);
}

#[test]
fn training_twice_gives_the_same_bits() {
    let bits = |weights: HashMap<u32, f64>| {
        let mut bits: Vec<(u32, u64)> =
            weights.into_iter().map(|(at, weight)| (at, weight.to_bits())).collect();
        bits.sort_unstable();
        bits
    };
    assert_eq!(bits(learnt(&world(true), 1)), bits(learnt(&world(true), 1)));
}

fn report(payload: bool) -> Report {
    let data = world(payload);
    let priors = HashMap::from([(GOOD, 3.0)]);
    let settings = Settings::default();
    let folds = Folds::new(Learner { data: &data, settings: &settings, priors: &priors });
    let out = folds.leave_one_out();
    Report::of(&data, &out, &out, Some(&folds.without_owned(&out)), false, false)
}

#[test]
fn sources_left_out_are_told_apart_and_their_probabilities_are_right() {
    let report = report(true);
    let calibration = &report.calibration[0];
    assert!(calibration.excess_bits < 0.03, "{calibration:?}");
    assert_eq!(report.by_benign_source.len(), 4);
}

#[test]
fn nothing_is_learnt_from_rows_without_a_payload() {
    let found = report(false).tables[0].figures[0].share;
    assert!(found.share < 0.01, "{found:?}");
}
