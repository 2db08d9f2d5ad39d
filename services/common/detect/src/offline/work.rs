//! Training and measuring as one call each: text of rows in, report and texts out. The same rows give the same bytes.

use serde::Serialize;

use super::controls::{Moved, elsewhere, emptied, escaped_otherwise, moves};
use super::data::{Data, Sink};
use super::export::{extractor, file, priors};
use super::folds::{Folds, Inner};
use super::learn::{Learner, Settings};
use super::report::{Report, Results, Table};
use super::rows::{Row, RowError, parse};
use super::scored::scored;
use crate::detector::Detector;
use crate::golden;
use crate::model::{Model, ModelFile};
use crate::request::Request;
use crate::signatures::Signatures;

/// Why nothing was learnt or measured.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    #[error(transparent)]
    Row(#[from] RowError),
    #[error("rows of {0} source(s): at least three are needed, two to learn from and one left out")]
    Sources(usize),
    #[error("the rows come from {0} sources, more than 64")]
    TooMany(usize),
    #[error("the rows hold no {0}")]
    Label(&'static str),
    #[error("the report cannot be written: {0}")]
    Json(#[from] serde_json::Error),
}

/// What is measured besides the tables.
#[derive(Debug, Clone, Default)]
pub struct Options {
    pub settings: Settings,
    /// Totals only.
    pub blind: bool,
    /// Also identifiers of missed attacks and false alarms.
    pub kinds: bool,
    /// Leave out what takes a second training: owned signatures off.
    pub quick: bool,
    /// Control, a training of its own: every payload replaced by `x`.
    pub emptied: bool,
    /// Control: benign values at other places.
    pub moved: bool,
}

/// What was measured.
#[derive(Debug, Serialize)]
pub struct Evaluation {
    pub rows: usize,
    #[serde(flatten)]
    pub report: Report,
    /// What the same learner finds where every payload is `x`, at 0.1 % of all benign rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub emptied: Option<Table>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub moved: Vec<Moved>,
    /// Means over the folds' inner leave-one-out: what settings may be chosen by.
    pub inner_loss: f64,
    pub inner_found: f64,
    /// The model learnt from all rows, as its file, where it was wanted.
    #[serde(skip)]
    pub model: Option<String>,
    /// Name of a file and SVG: ROC and reliability.
    #[serde(skip)]
    pub pictures: Vec<(String, String)>,
}

/// Measures the detector with the built-in signatures on the rows of `text` (JSON lines), one source left out at a
/// time.
///
/// # Errors
///
/// A line that is no row; rows of too few or too many sources or of one label only.
pub fn evaluate(text: &str, options: &Options) -> Result<Evaluation, WorkError> {
    run(&parse(text)?, Signatures::built_in().expect(BUILT_IN), options, false)
}

/// As [`evaluate`], and learns a model from all rows with the thresholds that were measured; that of *alone* lies at
/// least above everything in the golden set.
///
/// # Errors
///
/// As [`evaluate`].
pub fn train(text: &str, options: &Options) -> Result<Evaluation, WorkError> {
    run(&parse(text)?, Signatures::built_in().expect(BUILT_IN), options, true)
}

/// The model `made`, in which nothing ordinary suffices alone.
fn above_golden(mut made: ModelFile, signatures: Signatures) -> Result<String, WorkError> {
    if let Ok(model) = Model::from_file(&made, &signatures) {
        let highest = golden::highest(&Detector::new(signatures, model));
        made.alone = made.alone.max(highest.next_up());
    }
    Ok(serde_json::to_string_pretty(&made)? + "\n")
}

const BUILT_IN: &str = "a test compiles the packs that are built in";

/// As [`evaluate`], or [`train`] if `keep`, with other signatures and rows already read.
///
/// # Errors
///
/// As [`evaluate`].
pub fn run(
    rows: &[Row],
    signatures: Signatures,
    options: &Options,
    keep: bool,
) -> Result<Evaluation, WorkError> {
    let priors = priors(&signatures);
    let model = Model::priors(&signatures);
    let mut detector = Detector::new(signatures, model);
    check(rows)?;
    let settings = &options.settings;
    let data = read(rows, settings, false, &mut extractor(&detector));
    let folds = Folds::new(Learner { data: &data, settings, priors: &priors });
    let out = folds.leave_one_out();
    let off = (!options.quick).then(|| folds.without_owned(&out));
    let results = Results { data: &data, out: &out };
    let thresholds = (results.evidence(), results.alone());
    let scored = scored(rows, results, thresholds, &mut detector);
    let report = Report::of(&data, &out, &scored, off.as_ref(), options.blind, options.kinds);
    let moved = if options.moved {
        moves(rows, &data, &out, thresholds.0, settings.gram_cap, &mut extractor(&detector))
    } else {
        Vec::new()
    };
    let made = if keep {
        let figures = serde_json::to_value(Figures::of(&report))?;
        let weights = folds.everything();
        let scale = folds.scale(&out);
        Some(file(&data, &weights, scale, &detector.signatures, thresholds, figures))
    } else {
        None
    };
    let mean = |of: fn(&Inner) -> f64| {
        out.inner.iter().map(of).sum::<f64>() / out.inner.len().max(1) as f64
    };
    let (inner_loss, inner_found) = (mean(|inner| inner.loss), mean(|inner| inner.found));
    let pictures = results.pictures(&report);
    let emptied = options.emptied.then(|| {
        let data = read(rows, settings, true, &mut extractor(&detector));
        let out = Folds::new(Learner { data: &data, settings, priors: &priors }).leave_one_out();
        let table = Results { data: &data, out: &out }.at_all_benign();
        Table { name: format!("payloads replaced by x, {}", table.name), ..table }
    });
    let model = made.map(|made| above_golden(made, detector.signatures)).transpose()?;
    let rows = rows.len();
    Ok(Evaluation { rows, report, emptied, moved, inner_loss, inner_found, model, pictures })
}

/// Rows as features, with every payload replaced by `x` if `empty`.
fn read(
    rows: &[Row],
    settings: &Settings,
    empty: bool,
    extract: &mut impl FnMut(&Request<'_>, Sink<'_>),
) -> Data {
    let mut data = Data::new();
    for (at, row) in rows.iter().enumerate() {
        if empty {
            data.add(&emptied(row), extract);
        } else {
            data.add(row, extract);
        }
        if settings.elsewhere > 0.0
            && let Some(moved) = elsewhere(row, at)
        {
            data.add_other(&moved, |bag| &mut bag.elsewhere, extract);
        }
        if settings.escaped > 0.0
            && let Some(other) = escaped_otherwise(row, at)
        {
            data.add_other(&other, |bag| &mut bag.escaped, extract);
        }
    }
    data
}

/// What of a report is kept in the model file: figures without identifiers of rows.
#[derive(Serialize)]
struct Figures<'a> {
    tables: Vec<(&'a str, f64, &'a [super::report::Figure])>,
}

impl<'a> Figures<'a> {
    fn of(report: &'a Report) -> Self {
        let tables = report.tables.iter();
        Self {
            tables: tables
                .map(|table| (table.name.as_str(), table.threshold, table.figures.as_slice()))
                .collect(),
        }
    }
}

fn check(rows: &[Row]) -> Result<(), WorkError> {
    let sources: std::collections::BTreeSet<&str> =
        rows.iter().map(|row| row.source.as_str()).collect();
    match sources.len() {
        few @ ..3 => return Err(WorkError::Sources(few)),
        many @ 65.. => return Err(WorkError::TooMany(many)),
        _ => {}
    }
    for (attack, name) in [(true, "attack"), (false, "benign row")] {
        if !rows.iter().any(|row| row.attack() == attack) {
            return Err(WorkError::Label(name));
        }
    }
    Ok(())
}
