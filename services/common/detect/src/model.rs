//! One weight for each feature.

use crate::features::{self, Feature};
use crate::signatures::Signatures;

/// One linear model.
#[derive(Debug, Clone)]
pub struct Model {
    weights: Vec<f32>,
    /// LLR of a value in which nothing was found.
    pub quiet: f32,
    pub bias: f32,
    /// LLR from which a request is evidence.
    pub evidence: f32,
    /// LLR from which one request suffices.
    pub alone: f32,
    pub without_model: bool,
}

impl Model {
    /// Scores with what was believed before anything was learnt.
    pub fn priors(signatures: &Signatures) -> Self {
        let (bias, evidence, alone) = (-4.0, 0.0, 4.0);
        let weights = signatures.iter().map(|found| found.prior_below(bias, alone)).collect();
        Self { weights, quiet: bias, bias, evidence, alone, without_model: true }
    }

    pub fn weight(&self, feature: Feature) -> f32 {
        if feature == features::BIAS {
            return self.bias;
        }
        features::position(feature).and_then(|at| self.weights.get(at).copied()).unwrap_or(0.0)
    }

    /// Probability of an attack, given the LLR and how likely one is beforehand.
    pub fn probability(&self, llr: f32, prior_pi: f64) -> f64 {
        let logit = f64::from(llr) + (prior_pi / (1.0 - prior_pi)).ln();
        1.0 / (1.0 + (-logit).exp())
    }
}
