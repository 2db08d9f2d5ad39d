//! Tables of a page.

use super::bars::{OFF_MAX, off, too_many};
use super::earlier::Earlier;
use crate::offline::calibrate::Bin;
use crate::offline::controls::Moved;
use crate::offline::report::{Calibration, Figure, Table};

/// What a table is of, where its name does not say it.
fn about(table: &str) -> &'static str {
    match table {
        "evidence" => {
            "The threshold that ships: the lowest that holds every bar on benign rows, with a quarter of the bar of plain \
             rows to spare, and from there as high as costs 0.5 % of the attacks that a log shows. "
        }
        "bars of plain and hard only" => {
            "The lowest threshold that holds the bars on plain and hard rows. "
        }
        "alone" => {
            "From here one request suffices; the model that ships asks for a little more where something of the golden set \
             reaches this. It is counted as the scorer does: with signatures of the whole request, and without what is \
             held just below. "
        }
        "evidence, owned signatures off" => {
            "In each fold every signature is off that has four fifths or more of its attack hits in the source left \
             out. "
        }
        name if name.starts_with("payloads replaced") => {
            "A control: the same learner on the same rows with `x` for every payload. A path without a query is one \
             itself; what is found are names of pages that only exploits ask for. "
        }
        _ => "",
    }
}

fn title(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

pub(super) fn percent(share: f64) -> String {
    format!("{:.2}", 100.0 * share)
}

/// One table, with the figures of an earlier run beside it where that has a table of the same name.
pub(super) fn table(table: &Table, earlier: Option<&Earlier>) -> String {
    let beside = earlier.and_then(|earlier| Some((&earlier.name, earlier.table(&table.name)?)));
    let mut text = format!(
        "## {}\n\n{}Log-likelihood ratio {:.2}",
        title(&table.name),
        about(&table.name),
        table.threshold
    );
    let (mut head, mut rule) = (String::new(), "");
    if let Some((name, earlier)) = beside {
        text.push_str(&format!(" ({name} {:.2})", earlier.threshold));
        (head, rule) = (format!(" {name} % |"), "--:|");
    }
    text.push_str(&format!(
        ".\n\n| rows | reached | of | % | interval |{head}\n|---|--:|--:|--:|---|{rule}\n"
    ));
    for figure in &table.figures {
        text.push_str(&row(figure));
        if let Some((_, earlier)) = beside {
            let value = earlier.figure(&figure.name).map(percent).unwrap_or_default();
            text.push_str(&format!(" {value} |"));
        }
        text.push('\n');
    }
    if !table.log_false_alarms.is_empty() {
        let ids: Vec<String> = table.log_false_alarms.iter().map(|id| format!("`{id}`")).collect();
        text.push_str(&format!("\nLines of the access log that reach it: {}.\n", ids.join(", ")));
    }
    text + "\n"
}

fn row(figure: &Figure) -> String {
    let Figure { name, share, mean } = figure;
    let interval = match mean {
        Some(_) => String::new(),
        None => format!("{}–{}", percent(share.low), percent(share.high)),
    };
    let value = percent(mean.unwrap_or(share.share));
    format!("| {name} | {} | {} | {value} | {interval} |", share.hits, share.rows)
}

/// Figures that no earlier run has; nothing where there are none.
pub(super) fn plain(title: &str, about: &str, figures: &[Figure]) -> String {
    if figures.is_empty() {
        return String::new();
    }
    let mut text = format!(
        "## {title}\n\n{about}\n\n| rows | reached | of | % | interval |\n|---|--:|--:|--:|---|\n"
    );
    for figure in figures {
        text.push_str(&row(figure));
        text.push('\n');
    }
    text + "\n"
}

/// Benign values that were moved; nothing where none was.
pub(super) fn moved(moved: &[Moved]) -> String {
    if moved.is_empty() {
        return String::new();
    }
    let mut text = "## Benign values at other places\n\n\
                    The bar is twice as many false alarms as in place.\n\n\
                    | values of | moved to | false alarms | of | in place | |\n|---|---|--:|--:|--:|---|\n"
        .to_owned();
    for one in moved {
        let Moved { source, place, share, in_place } = one;
        let mark = if too_many(one) { "**missed**" } else { "" };
        let (hits, rows) = (share.hits, share.rows);
        text.push_str(&format!("| {source} | {place} | {hits} | {rows} | {in_place} | {mark} |\n"));
    }
    text + "\n"
}

/// What probabilities say and what came, of all rows; the parts by source are pictures.
pub(super) fn calibration(parts: &[Calibration], earlier: Option<&Earlier>) -> String {
    let Some(all) = parts.first() else { return String::new() };
    let beside =
        earlier.map(|one| format!(" ({} {:.4})", one.name, one.excess_bits)).unwrap_or_default();
    let mut text = format!(
        "## Calibration\n\nExcess cross-entropy over an isotonic refit: {:.4} bit a row{beside}, {}. Between 0.1 and 0.9 a \
         bin is off where probability and frequency differ by more than {OFF_MAX}.\n\n",
        all.excess_bits, all.name
    );
    let (mut head, mut rule) = (String::new(), "");
    if let Some(Earlier { name, .. }) = earlier {
        (head, rule) = (format!(" {name} says | {name} came | {name} rows |"), "--:|--:|--:|");
    }
    text.push_str(&format!(
        "| mean probability | frequency | rows | |{head}\n|--:|--:|--:|---|{rule}\n"
    ));
    for bin in &all.bins {
        let mark = if off(bin) { "**off**" } else { "" };
        text.push_str(&format!("| {} | {mark} |", said(bin)));
        if let Some(earlier) = earlier {
            let same = earlier.bins.iter().find(|one| (one.from - bin.from).abs() < 0.01);
            text.push_str(&format!(" {} |", same.map_or("| | ".to_owned(), said)));
        }
        text.push('\n');
    }
    text + "\n"
}

fn said(bin: &Bin) -> String {
    format!("{:.2} | {:.2} | {}", bin.probability, bin.frequency, bin.rows)
}
