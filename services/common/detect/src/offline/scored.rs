//! Rows as the scorer answers them, each with the model of the fold that left its source out.

use super::export::file;
use super::folds::OutOfFold;
use super::report::Results;
use super::rows::Row;
use crate::detector::{Detector, Reader};
use crate::features;
use crate::model::Model;
use crate::signatures::Signatures;

/// The log-likelihood ratios that [`Detector::score`] gives `rows`, which `results` are of, at the thresholds of evidence
/// and alone. Signatures of the whole request count, and what the scorer holds below *alone* is held. A fold whose model
/// no scorer would read keeps the sums that were learnt. `detector` has the signatures; its model is another afterwards.
pub fn scored(
    rows: &[Row],
    results: Results<'_>,
    thresholds: (f64, f64),
    detector: &mut Detector,
) -> OutOfFold {
    let Results { data, out } = results;
    let (mut shown, mut all) = (out.shown.clone(), out.all.clone());
    let mut reader = Reader::default();
    for source in 0..data.sources.len() {
        let Some(model) = model(results, source, thresholds, &detector.signatures) else {
            continue;
        };
        detector.model = model;
        let own = rows.iter().enumerate().filter(|(at, _)| data.bags[*at].source == source);
        for (at, row) in own {
            shown[at] = f64::from(detector.score(&mut reader, &row.logged()).llr);
            all[at] = row.request(|request| f64::from(detector.score(&mut reader, request).llr));
        }
    }
    OutOfFold { shown, all, ..OutOfFold::default() }
}

/// The model of the fold that left `source` out, as it would be read from its file. What only that source has is not
/// learnt.
fn model(
    results: Results<'_>,
    source: usize,
    thresholds: (f64, f64),
    signatures: &Signatures,
) -> Option<Model> {
    let Results { data, out } = results;
    let (weights, scale) = out.weights[source].as_ref().zip(out.scales[source])?;
    let report = serde_json::Value::Null;
    let mut made = file(data, weights, scale, signatures, thresholds, report);
    for (at, found) in signatures.iter().enumerate() {
        let column = data.find(features::signature(at).0);
        if column.is_none_or(|column| data.seen_in[column] & !(1 << source) == 0) {
            made.signatures.remove(&found.id);
        }
    }
    Model::from_file(&made, signatures).ok()
}
