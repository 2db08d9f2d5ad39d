//! `perimeter model`: two models on the same rows, and one in place of another.
//!
//! A folder holds `current.json` and `previous.json`. Each is replaced by a rename, so that `current.json` is there and
//! whole at any time; where a step fails, what was current still is.

use std::path::Path;

use detect::offline::metrics::Share;
use detect::offline::rows::Row;
use detect::signatures::Signatures;
use detect::{Detector, Reader};
use serde_json::{Value, json};

use super::train::read;
use crate::args::{ModelCommand, ModelCompare, ModelPromote, ModelRollback};
use crate::exceptions::replace;
use crate::failure::{Failure, Outcome};
use crate::output::{Cell, Printer, Tone, cell};
use crate::weighing::{bytes, with_model};

const SHIPPED: &str = "shipped";
const CURRENT: &str = "current.json";
const PREVIOUS: &str = "previous.json";

pub(crate) fn run(command: &ModelCommand, printer: &Printer) -> Outcome {
    match command {
        ModelCommand::Compare(arguments) => compare(arguments, printer),
        ModelCommand::Promote(arguments) => promote(arguments, printer),
        ModelCommand::Rollback(arguments) => rollback(arguments, printer),
    }
}

/// One figure of a model on the golden rows.
struct Bar {
    name: String,
    /// Of benign rows: the fewer the better.
    lower: bool,
    share: Share,
}

/// The same bar of two models.
struct Pair {
    before: Bar,
    after: Bar,
}

impl Pair {
    fn worse(&self) -> bool {
        let (before, after) = (self.before.share.hits, self.after.share.hits);
        if self.before.lower { after > before } else { after < before }
    }
}

fn compare(arguments: &ModelCompare, printer: &Printer) -> Outcome {
    let rows = read(&arguments.golden)?;
    let pairs = pairs(&load(&arguments.before)?, &load(&arguments.after)?, &rows);
    print(&pairs, printer)?;
    Ok(())
}

fn promote(arguments: &ModelPromote, printer: &Printer) -> Outcome {
    let folder = folder(&arguments.folder)?;
    let candidate = arguments.candidate.display().to_string();
    let text = bytes(&arguments.candidate, detect::model::FILE_BYTES_MAX + 1)?;
    let (current, previous) = (folder.join(CURRENT), folder.join(PREVIOUS));
    let before = match current.exists() {
        true => load(&current.display().to_string())?,
        false => load(SHIPPED)?,
    };
    let rows = read(&arguments.golden)?;
    let pairs = pairs(&before, &load(&candidate)?, &rows);
    print(&pairs, printer)?;
    let worse: Vec<&str> =
        pairs.iter().filter(|pair| pair.worse()).map(|pair| pair.after.name.as_str()).collect();
    if !worse.is_empty() {
        return Err(Failure::Refused(format!(
            "{candidate} is not promoted: worse at {}",
            worse.join(", ")
        )));
    }
    if current.exists() {
        replace(&previous, &bytes(&current, usize::MAX)?)?;
    }
    replace(&current, &text)?;
    if !printer.json() {
        printer.line(&format!("{candidate} is {} now", current.display()))?;
    }
    Ok(())
}

fn rollback(arguments: &ModelRollback, printer: &Printer) -> Outcome {
    let folder = folder(&arguments.folder)?;
    let (current, previous) = (folder.join(CURRENT), folder.join(PREVIOUS));
    if !previous.exists() {
        return Err(Failure::Error(format!(
            "{} has no {PREVIOUS} to go back to",
            folder.display()
        )));
    }
    // A model that cannot be read is none to go back to.
    load(&previous.display().to_string())?;
    let back = bytes(&previous, usize::MAX)?;
    let gone = if current.exists() { Some(bytes(&current, usize::MAX)?) } else { None };
    replace(&current, &back)?;
    if let Some(gone) = gone {
        replace(&previous, &gone)?;
    }
    if printer.json() {
        return Ok(printer.document(&json!({ "current": current.display().to_string() }))?);
    }
    Ok(printer.line(&format!(
        "{} is the model before the last promotion again; the one it replaces is {PREVIOUS}",
        current.display()
    ))?)
}

fn folder(folder: &Path) -> Result<&Path, Failure> {
    if folder.is_dir() {
        return Ok(folder);
    }
    Err(Failure::Configuration(format!("{} is no folder; make it first", folder.display())))
}

fn load(name: &str) -> Result<Detector, Failure> {
    let signatures = Signatures::built_in().map_err(|error| Failure::Error(error.to_string()))?;
    let file = (name != SHIPPED).then(|| Path::new(name));
    with_model(signatures, file)
}

/// Every bar of both models: what is found and what is falsely found, at each one's own thresholds.
fn pairs(before: &Detector, after: &Detector, rows: &[Row]) -> Vec<Pair> {
    let bars = bars(before, rows).into_iter().zip(bars(after, rows));
    bars.map(|(before, after)| Pair { before, after }).collect()
}

fn bars(detector: &Detector, rows: &[Row]) -> Vec<Bar> {
    let mut reader = Reader::default();
    let llrs: Vec<f32> = rows
        .iter()
        .map(|row| row.request(|request| detector.score(&mut reader, request)).llr)
        .collect();
    let mut tiers: Vec<(bool, &str)> =
        rows.iter().map(|row| (row.attack(), row.tier.as_str())).collect();
    tiers.sort_unstable();
    tiers.dedup();
    let mut bars = Vec::new();
    for (threshold_name, threshold) in
        [("evidence", detector.model.evidence), ("alone", detector.model.alone)]
    {
        for (attack, tier) in tiers.iter().rev() {
            let of = rows.iter().zip(&llrs);
            let of = of.filter(|(row, _)| row.attack() == *attack && row.tier == *tier);
            let share = Share::reaching(f64::from(threshold), of.map(|(_, llr)| f64::from(*llr)));
            let what = if *attack { "found" } else { "false" };
            bars.push(Bar {
                name: format!("{what}: {tier}, {threshold_name}"),
                lower: !attack,
                share,
            });
        }
    }
    bars
}

fn print(pairs: &[Pair], printer: &Printer) -> Outcome {
    if printer.json() {
        let document: Vec<Value> = pairs
            .iter()
            .map(|pair| {
                json!({
                    "bar": pair.before.name,
                    "before": pair.before.share,
                    "after": pair.after.share,
                    "worse": pair.worse(),
                })
            })
            .collect();
        return Ok(printer.document(&json!({ "bars": document }))?);
    }
    let shown = |share: &Share| {
        format!(
            "{}/{} {:.2} % [{:.2}, {:.2}]",
            share.hits,
            share.rows,
            100.0 * share.share,
            100.0 * share.low,
            100.0 * share.high
        )
    };
    let rows: Vec<Vec<Cell>> = pairs
        .iter()
        .map(|pair| {
            let change = match (pair.worse(), pair.before.share.hits == pair.after.share.hits) {
                (true, _) => Cell("worse".to_owned(), Tone::Bad),
                (_, true) => Cell("same".to_owned(), Tone::Faint),
                _ => Cell("better".to_owned(), Tone::Good),
            };
            vec![
                cell(&pair.before.name),
                cell(shown(&pair.before.share)),
                cell(shown(&pair.after.share)),
                change,
            ]
        })
        .collect();
    Ok(printer.table(&["bar", "before", "after", ""], &rows)?)
}
