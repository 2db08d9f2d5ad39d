//! Leave one source out: what is said of a source was learnt from the others only, weights and calibration.

use std::collections::{BTreeMap, HashSet};

use super::data::Data;
use super::learn::{Learner, Scale, Sums, loss};
use super::metrics::lowest;
use super::owned::owned;

/// Log-likelihood ratios by row, each from a model that has not seen the row's source.
#[derive(Debug, Clone, Default)]
pub struct OutOfFold {
    /// Of what an access log shows.
    pub shown: Vec<f64>,
    /// Of the whole request.
    pub all: Vec<f64>,
    /// Per source, how its sums were scaled.
    pub scales: Vec<Option<Scale>>,
    /// Per source, the weights that have not seen it.
    pub weights: Vec<Option<Vec<f64>>>,
    /// Per fold, how well the rows of the others are told apart when left out in turn: what settings are chosen by.
    pub inner: Vec<Inner>,
    /// Per row, what the fold's weights added up to.
    pub sums: Vec<Option<Sums>>,
}

/// How well a fold's inner leave-one-out does.
#[derive(Debug, Clone, Copy)]
pub struct Inner {
    /// Loss of calibrated sums, see [`loss`].
    pub loss: f64,
    /// Share of the weight of attacks above all but one in a thousand of the benign rows.
    pub found: f64,
}

impl Inner {
    fn of(rows: &[(Option<f64>, bool, f64)], scale: Scale) -> Self {
        let rows: Vec<(f64, bool, f64)> = rows
            .iter()
            .map(|(sum, attack, weight)| (scale.apply(*sum), *attack, *weight))
            .collect();
        let benign: Vec<f64> = rows.iter().filter(|row| !row.1).map(|row| row.0).collect();
        let threshold = lowest(&benign, benign.len() / 1000);
        let mass = |from: f64| {
            rows.iter().filter(|row| row.1 && row.0 >= from).map(|row| row.2).sum::<f64>()
        };
        Self { loss: loss(&rows), found: mass(threshold) / mass(f64::NEG_INFINITY).max(1e-12) }
    }
}

/// The folds of one set of rows.
#[derive(Debug)]
pub struct Folds<'a> {
    learner: Learner<'a>,
    weights: Vec<f64>,
}

impl<'a> Folds<'a> {
    pub fn new(learner: Learner<'a>) -> Self {
        let weights = learner.row_weights();
        Self { learner, weights }
    }

    fn data(&self) -> &'a Data {
        self.learner.data
    }

    /// Every source left out once; its calibrator from an inner leave-one-out over the others.
    pub fn leave_one_out(&self) -> OutOfFold {
        let sources = self.data().sources.len();
        let mut pairs: BTreeMap<(usize, usize), Vec<f64>> = BTreeMap::new();
        let mut out = self.empty();
        for left in 0..sources {
            let mut rows = Vec::new();
            for inner in (0..sources).filter(|inner| *inner != left) {
                let key = (left.min(inner), left.max(inner));
                let learnt = pairs
                    .entry(key)
                    .or_insert_with(|| self.learner.learn(1 << left | 1 << inner, &HashSet::new()));
                self.collect(learnt, inner, &mut rows);
            }
            let scale = Scale::fit(&rows);
            out.inner.push(Inner::of(&rows, scale));
            let weights = self.learner.learn(1 << left, &HashSet::new());
            self.fill(&mut out, left, &weights, scale);
        }
        out
    }

    /// As [`leave_one_out`](Self::leave_one_out), with every signature off that has most of its attack hits in the
    /// source left out, and each fold's calibrator from `before`.
    pub fn without_owned(&self, before: &OutOfFold) -> OutOfFold {
        let mut out = self.empty();
        for (left, off) in owned(self.data(), 0).into_iter().enumerate() {
            let Some(scale) = before.scales[left] else { continue };
            let weights = self.learner.learn(1 << left, &off);
            self.fill(&mut out, left, &weights, scale);
        }
        out
    }

    /// How the model of all rows is scaled: from the sums of every row's own fold.
    pub fn scale(&self, out: &OutOfFold) -> Scale {
        let rows = out.sums.iter().zip(&self.data().bags).zip(&self.weights);
        let rows: Vec<(Option<f64>, bool, f64)> = rows
            .map(|((sums, bag), weight)| (sums.and_then(|sums| sums.all), bag.attack, *weight))
            .collect();
        Scale::fit(&rows)
    }

    /// Weights from all rows.
    pub fn everything(&self) -> Vec<f64> {
        self.learner.learn(0, &HashSet::new())
    }

    fn empty(&self) -> OutOfFold {
        let rows = self.data().bags.len();
        let sources = self.data().sources.len();
        OutOfFold {
            shown: vec![0.0; rows],
            all: vec![0.0; rows],
            scales: vec![None; sources],
            weights: vec![None; sources],
            inner: Vec::new(),
            sums: vec![None; rows],
        }
    }

    fn collect(&self, weights: &[f64], source: usize, rows: &mut Vec<(Option<f64>, bool, f64)>) {
        for (row, sums) in self.learner.sums(weights, source) {
            rows.push((sums.all, self.data().bags[row].attack, self.weights[row]));
        }
    }

    fn fill(&self, out: &mut OutOfFold, left: usize, weights: &[f64], scale: Scale) {
        for (row, sums) in self.learner.sums(weights, left) {
            out.shown[row] = scale.apply(sums.shown);
            out.all[row] = scale.apply(sums.all);
            out.sums[row] = Some(sums);
        }
        out.scales[left] = Some(scale);
        out.weights[left] = Some(weights.to_vec());
    }
}
