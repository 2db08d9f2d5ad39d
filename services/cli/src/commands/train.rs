//! `perimeter train` and `perimeter evaluate`: thin over [`detect::offline`].

use detect::Detector;
use detect::model::Model;
use detect::offline::data::Data;
use detect::offline::export::{extractor, file, priors};
use detect::offline::folds::Folds;
use detect::offline::learn::{Learner, Settings};
use detect::offline::report::{Report, Results};
use detect::offline::rows::{Row, parse};
use detect::signatures::Signatures;

use crate::args::{Evaluate, Train};
use crate::exceptions::replace;
use crate::failure::{Failure, Outcome};
use crate::input::Lines;
use crate::output::Printer;

const ROW_BYTES_MAX: usize = 4 * 1024 * 1024;
const SOURCES_MIN: usize = 3;
const SOURCES_MAX: usize = 64;

pub(crate) fn train(arguments: &Train, printer: &Printer) -> Outcome {
    // Minutes of work must not end at a path that cannot be written.
    if arguments.out.is_dir() {
        let out = arguments.out.display();
        return Err(Failure::Configuration(format!("{out} is a folder; --out names a file")));
    }
    let rows = read(&arguments.rows)?;
    let measured = Measured::of(&rows)?;
    let priors = priors(&measured.detector.signatures);
    let settings = Settings::default();
    let folds = Folds::new(Learner { data: &measured.data, settings: &settings, priors: &priors });
    let out = folds.leave_one_out();
    let results = Results { data: &measured.data, out: &out };
    let report = Report::of(&measured.data, &out, None, true, false);
    let tables = serde_json::to_value(&report.tables)
        .map_err(|error| Failure::Error(format!("could not write the report: {error}")))?;
    let made = file(
        &measured.data,
        &folds.everything(),
        folds.scale(&out),
        &measured.detector.signatures,
        (results.evidence(), results.alone()),
        tables,
    );
    // What was written must be read again by whoever it is for.
    Model::from_file(&made, &measured.detector.signatures)
        .map_err(|error| Failure::Error(format!("what was learnt is no model: {error}")))?;
    let text = serde_json::to_string(&made)
        .map_err(|error| Failure::Error(format!("could not write the model: {error}")))?;
    replace(&arguments.out, text.as_bytes())?;
    if printer.json() {
        let tables = serde_json::json!({ "tables": report.tables });
        return Ok(printer.document(&tables)?);
    }
    printer.text(report.text().trim_start())?;
    Ok(printer.line(&format!(
        "\n{}: a model from {} rows of {} sources; a model is measured on other sources by `perimeter model compare`",
        arguments.out.display(),
        rows.len(),
        measured.data.sources.len()
    ))?)
}

pub(crate) fn evaluate(arguments: &Evaluate, printer: &Printer) -> Outcome {
    let rows = read(&arguments.rows)?;
    let measured = Measured::of(&rows)?;
    let priors = priors(&measured.detector.signatures);
    let settings = Settings::default();
    let folds = Folds::new(Learner { data: &measured.data, settings: &settings, priors: &priors });
    let out = folds.leave_one_out();
    let off = folds.without_owned(&out);
    let report = Report::of(&measured.data, &out, Some(&off), arguments.blind, false);
    if printer.json() {
        let document = serde_json::to_value(&report)
            .map_err(|error| Failure::Error(format!("could not write the report: {error}")))?;
        return Ok(printer.document(&document)?);
    }
    Ok(printer.text(report.text().trim_start())?)
}

/// Rows as features.
struct Measured {
    detector: Detector,
    data: Data,
}

impl Measured {
    fn of(rows: &[Row]) -> Result<Self, Failure> {
        let signatures =
            Signatures::built_in().map_err(|error| Failure::Error(error.to_string()))?;
        let model = Model::priors(&signatures);
        let detector = Detector::new(signatures, model);
        let mut data = Data::new();
        let mut extract = extractor(&detector);
        for row in rows {
            data.add(row, &mut extract);
        }
        drop(extract);
        let sources = data.sources.len();
        if !(SOURCES_MIN..=SOURCES_MAX).contains(&sources) {
            return Err(Failure::Error(format!(
                "the rows are of {sources} source(s); one is left out at a time, inside another, which takes \
                 {SOURCES_MIN} to {SOURCES_MAX}"
            )));
        }
        Ok(Measured { detector, data })
    }
}

/// The labelled rows of a file; there must be some of each label.
pub(crate) fn read(name: &str) -> Result<Vec<Row>, Failure> {
    let mut lines = Lines::open(name, ROW_BYTES_MAX)?;
    let mut rows = Vec::new();
    while let Some(line) = lines.next()? {
        let wrong = |why: &str| Failure::Error(format!("{name}: line {}: {why}", line.number));
        if line.cut() {
            return Err(wrong(&format!("more than the {ROW_BYTES_MAX} bytes of a row")));
        }
        let text = std::str::from_utf8(line.bytes).map_err(|_| wrong("it is not UTF-8"))?;
        rows.extend(parse(text).map_err(|error| {
            let text = error.to_string();
            wrong(text.strip_prefix("line 1: ").unwrap_or(&text))
        })?);
    }
    let attacks = rows.iter().filter(|row| row.attack()).count();
    if attacks == 0 || attacks == rows.len() {
        return Err(Failure::Error(format!(
            "{name}: {attacks} of {} rows are attacks; it takes attacks and benign rows",
            rows.len()
        )));
    }
    Ok(rows)
}
