//! The bars that an evaluation is held to, and which of them it misses.

use super::tables::percent;
use crate::offline::calibrate::Bin;
use crate::offline::controls::Moved;
use crate::offline::report::{Calibration, Figure, Table};
use crate::offline::work::Evaluation;

/// One bar, and how far it was reached.
#[derive(Debug, Clone, PartialEq)]
pub struct Bar {
    pub name: String,
    /// As it is written, with its direction.
    pub bound: String,
    /// What was measured.
    pub figure: String,
    pub held: bool,
}

enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

use Bound::{AtLeast, AtMost};

/// By table and figure: the share, or the mean where that is the figure.
const AT_EVIDENCE: [(&str, Bound); 9] = [
    ("log-visible core", AtLeast(0.96)),
    ("log-visible core, mean of classes", AtLeast(0.92)),
    ("core, all places", AtLeast(0.95)),
    ("base64", AtLeast(0.70)),
    ("false: plain", AtMost(21.0 / 21_100.0)),
    ("false: hard", AtMost(31.0 / 6_265.0)),
    ("false: sectext", AtMost(0.01)),
    ("false: access log", AtMost(5.0 / 2_900.0)),
    ("false: negatives", AtMost(0.10)),
];
const AT_ALONE: [(&str, Bound); 1] = [("false: plain", AtMost(2.0 / 21_100.0))];
const AT_ALL_BENIGN: [(&str, Bound); 1] = [("core, all places", AtLeast(0.92))];
const OWNED_OFF: [(&str, Bound); 2] =
    [("log-visible core", AtLeast(0.95)), ("log-visible core, mean of classes", AtLeast(0.88))];
const EMPTIED: [(&str, Bound); 2] =
    [("log-visible core", AtMost(0.01)), ("core, all places", AtMost(0.01))];
const BENIGN_SOURCE_MAX: f64 = 0.01;
const EXCESS_BITS_MAX: f64 = 0.03;
/// Largest difference of mean probability and frequency in a bin between 0.1 and 0.9.
pub(super) const OFF_MAX: f64 = 0.1;

/// Whether a bin between 0.1 and 0.9 says something else than came.
pub(super) fn off(bin: &Bin) -> bool {
    let between = bin.from > 0.05 && bin.from < 0.85;
    between && (bin.probability - bin.frequency).abs() > OFF_MAX
}

/// Whether values have more than twice as many false alarms as in place.
pub(super) fn too_many(moved: &Moved) -> bool {
    moved.share.hits > 2 * moved.in_place
}

/// Every bar whose figure was measured.
pub fn bars(evaluation: &Evaluation) -> Vec<Bar> {
    let mut bars = Vec::new();
    let tables = evaluation.report.tables.iter().chain(&evaluation.emptied);
    for table in tables {
        for (name, bound) in wanted(table) {
            let figure = table.figures.iter().find(|figure| figure.name == *name);
            bars.extend(figure.map(|figure| one(format!("{}: {name}", table.name), bound, figure)));
        }
    }
    for figure in &evaluation.report.by_benign_source {
        bars.push(one(figure.name.clone(), &AtMost(BENIGN_SOURCE_MAX), figure));
    }
    bars.extend(evaluation.moved.iter().map(|moved| Bar {
        name: format!("{} moved to {}", moved.source, moved.place),
        bound: format!("≤ 2 × {}", moved.in_place),
        figure: format!("{} of {}", moved.share.hits, moved.share.rows),
        held: !too_many(moved),
    }));
    if let Some(all) = evaluation.report.calibration.first() {
        bars.extend(calibration(all));
    }
    bars
}

fn wanted(table: &Table) -> &'static [(&'static str, Bound)] {
    match table.name.as_str() {
        "evidence" | "bars of plain and hard only" => &AT_EVIDENCE,
        "alone" => &AT_ALONE,
        "0.1 % of all benign rows" => &AT_ALL_BENIGN,
        "evidence, owned signatures off" => &OWNED_OFF,
        name if name.starts_with("payloads replaced") => &EMPTIED,
        _ => &[],
    }
}

fn one(name: String, bound: &Bound, figure: &Figure) -> Bar {
    let value = figure.mean.unwrap_or(figure.share.share);
    let (bound, held) = match bound {
        AtLeast(least) => (format!("≥ {} %", percent(*least)), value >= *least),
        AtMost(most) => (format!("≤ {} %", percent(*most)), value <= *most),
    };
    Bar { name, bound, figure: format!("{} %", percent(value)), held }
}

fn calibration(all: &Calibration) -> Vec<Bar> {
    let wrong: Vec<String> = all
        .bins
        .iter()
        .filter(|bin| off(bin))
        .map(|bin| {
            let Bin { probability, frequency, rows, .. } = bin;
            format!("{probability:.2} says, {frequency:.2} came ({rows} rows)")
        })
        .collect();
    vec![
        Bar {
            name: "calibration: excess over an isotonic refit".to_owned(),
            bound: format!("≤ {EXCESS_BITS_MAX} bit"),
            figure: format!("{:.4} bit", all.excess_bits),
            held: all.excess_bits <= EXCESS_BITS_MAX,
        },
        Bar {
            name: "calibration: bins between 0.1 and 0.9".to_owned(),
            bound: format!("off by ≤ {OFF_MAX}"),
            figure: if wrong.is_empty() { "none off".to_owned() } else { wrong.join("; ") },
            held: wrong.is_empty(),
        },
    ]
}

/// How many bars there are, and those that are missed.
pub(super) fn section(evaluation: &Evaluation) -> String {
    let bars = bars(evaluation);
    let missed: Vec<&Bar> = bars.iter().filter(|bar| !bar.held).collect();
    let mut text = format!("## Bars\n\n{} of {} are held.", bars.len() - missed.len(), bars.len());
    if !missed.is_empty() {
        text.push_str(" Missed:\n\n| bar | wanted | measured |\n|---|--:|--:|\n");
        for Bar { name, bound, figure, .. } in missed {
            text.push_str(&format!("| {name} | {bound} | {figure} |\n"));
        }
    } else {
        text.push('\n');
    }
    text + "\n"
}
