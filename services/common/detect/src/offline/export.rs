//! From what was learnt to a model file, and from a detector to rows of features.

use std::collections::{BTreeMap, HashMap};

use super::data::{Data, Sink};
use super::learn::Scale;
use crate::detector::{Detector, Reader};
use crate::features::{self, Feature, GRAM_BASE, HELD, SIGNATURE_BASE};
use crate::model::{FORMAT, Grams, ModelFile};
use crate::request::Request;
use crate::signatures::Signatures;
use crate::split::split;

/// Features of one request, as scoring sees them.
pub fn extractor(detector: &Detector) -> impl FnMut(&Request<'_>, Sink<'_>) {
    let mut reader = Reader::default();
    move |request, sink| {
        split(request, |value| {
            detector.features(&mut reader, &value, &mut |reading, feature, size| {
                // What holds a sum back follows from the weights, and is none to be learnt.
                if feature != HELD {
                    sink(&value, reading, feature, size);
                }
            });
        });
    }
}

/// Log-odds of each signature before training, by feature, the same as scoring without a model takes.
pub fn priors(signatures: &Signatures) -> HashMap<u32, f64> {
    let all = signatures.iter().enumerate();
    all.map(|(at, found)| (features::signature(at).0, f64::from(found.prior))).collect()
}

/// The file of a model: weights with their scale multiplied in, so that they add up to the log-likelihood ratio.
pub fn file(
    data: &Data,
    weights: &[f64],
    scale: Scale,
    signatures: &Signatures,
    thresholds: (f64, f64),
    report: serde_json::Value,
) -> ModelFile {
    let slope = scale.platt.slope;
    let mut named = BTreeMap::new();
    let mut deviations = BTreeMap::new();
    let mut grams = Vec::new();
    for (&feature, weight) in data.columns.iter().zip(weights).skip(1) {
        let weight = slope * weight;
        match feature {
            GRAM_BASE.. => grams.push(((feature - GRAM_BASE) as u16, weight as f32)),
            SIGNATURE_BASE.. => {
                if let Some(found) =
                    features::position(Feature(feature)).and_then(|at| signatures.get(at))
                {
                    deviations.insert(found.id.clone(), weight as f32 - found.prior);
                }
            }
            _ => {
                named.insert(features::name(Feature(feature), signatures), weight as f32);
            }
        }
    }
    grams.sort_unstable_by_key(|(slot, _)| *slot);
    ModelFile {
        format: FORMAT,
        quiet: scale.quiet as f32,
        bias: scale.platt.apply(weights[0]) as f32,
        evidence: thresholds.0 as f32,
        alone: thresholds.1.max(thresholds.0) as f32,
        features: named,
        signatures: deviations,
        grams: Grams::pack(&grams),
        bend: scale.bend.points(),
        report,
    }
}
