//! An evaluation as text for a person to read.

use std::fmt::{Arguments, Write};

use super::controls::Moved;
use super::report::{Calibration, Figure, Report, Table};
use super::work::Evaluation;

impl Evaluation {
    /// For a person to read.
    pub fn text(&self) -> String {
        let mut text = self.report.text();
        if let Some(emptied) = &self.emptied {
            table(&mut text, emptied);
        }
        if !self.moved.is_empty() {
            line(&mut text, format_args!("\nbenign values at other places"));
        }
        for Moved { source, place, share, in_place } in &self.moved {
            let (hits, rows) = (share.hits, share.rows);
            line(
                &mut text,
                format_args!("  moved {source} to {place}: {hits}/{rows}, in place {in_place}"),
            );
        }
        let Self { rows, inner_loss, inner_found, .. } = self;
        line(
            &mut text,
            format_args!("\n{rows} rows, inner loss {inner_loss:.4}, found {inner_found:.4}"),
        );
        text
    }
}

impl Report {
    /// For a person to read.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for one in &self.tables {
            table(&mut text, one);
        }
        line(&mut text, format_args!("\nby class and source, evidence"));
        figures(&mut text, &self.classes);
        if !self.classes_off.is_empty() {
            line(&mut text, format_args!("\nby class and source, owned signatures off"));
            figures(&mut text, &self.classes_off);
        }
        line(&mut text, format_args!("\nby benign source"));
        figures(&mut text, &self.by_benign_source);
        line(&mut text, format_args!("\ncalibration"));
        for part in &self.calibration {
            calibration(&mut text, part);
        }
        for (kind, ids) in &self.kinds {
            line(&mut text, format_args!("\n{kind} ({})\n  {}", ids.len(), ids.join(" ")));
        }
        text
    }
}

fn line(text: &mut String, arguments: Arguments<'_>) {
    text.write_fmt(arguments)
        .and_then(|()| text.write_char('\n'))
        .expect("a string takes every write");
}

fn table(text: &mut String, table: &Table) {
    line(text, format_args!("\n{} (log-likelihood ratio {:.2})", table.name, table.threshold));
    figures(text, &table.figures);
    if !table.log_false_alarms.is_empty() {
        line(text, format_args!("  access log: {}", table.log_false_alarms.join(" ")));
    }
}

fn figures(text: &mut String, figures: &[Figure]) {
    for figure in figures {
        let share = &figure.share;
        let mean =
            figure.mean.map_or(String::new(), |mean| format!("  mean {:.2} %", 100.0 * mean));
        line(
            text,
            format_args!(
                "  {:<46} {:>6}/{:<6} {:>6.2} % [{:.2}, {:.2}]{mean}",
                figure.name,
                share.hits,
                share.rows,
                100.0 * share.share,
                100.0 * share.low,
                100.0 * share.high
            ),
        );
    }
}

fn calibration(text: &mut String, part: &Calibration) {
    let bins: Vec<String> = part
        .bins
        .iter()
        .map(|bin| format!("{:.2}:{:.2}/{}", bin.probability, bin.frequency, bin.rows))
        .collect();
    let (name, rows, excess) = (&part.name, part.rows, part.excess_bits);
    line(text, format_args!("  {name:<20} n {rows:>6} excess {excess:.4} bit  {}", bins.join(" ")));
}
