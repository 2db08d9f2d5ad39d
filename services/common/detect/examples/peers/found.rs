//! What the peer finds in the rows, in the groups of our own evaluation and beside it.

use std::error::Error;

use detect::offline::data::Data;
use detect::offline::folds::OutOfFold;
use detect::offline::report::{Figure, Results};
use detect::offline::rows::Row;
use detect::offline::work::{Options, evaluate};

use crate::engine::{Engine, THRESHOLD, framed};

/// Prints the table. `text` holds the same `rows`, for our own evaluation.
pub(crate) fn report(
    text: &str,
    rows: &[Row],
    engines: &mut [Engine],
) -> Result<(), Box<dyn Error>> {
    let mut columns = Vec::new();
    for engine in engines {
        columns.push((format!("CRS PL{}", engine.level), figures(rows, engine)?));
    }
    let ours = evaluate(text, &Options { quick: true, ..Options::default() })?.report;
    let table = ours.tables.into_iter().next().ok_or("the evaluation has no table")?;
    columns.push(("ours".to_owned(), table.figures.into_iter().chain(ours.classes).collect()));
    print(&columns);
    Ok(())
}

/// All figures of one engine.
fn figures(rows: &[Row], engine: &mut Engine) -> Result<Vec<Figure>, Box<dyn Error>> {
    let mut data = Data::new();
    for row in rows {
        data.push(row, Vec::new());
    }
    let whole: Vec<Vec<u8>> = rows.iter().map(|row| row.request(framed)).collect();
    let all = engine.ask(&whole)?.into_iter().map(|answer| answer.score).collect();
    // Of what a log shows, only the core is counted.
    let counted = |row: &Row| row.attack() && row.tier == "core" && row.log_visible();
    let logged: Vec<Vec<u8>> =
        rows.iter().filter(|row| counted(row)).map(|row| framed(&row.logged())).collect();
    let mut answers = engine.ask(&logged)?.into_iter();
    let shown = rows
        .iter()
        .map(|row| counted(row).then(|| answers.next()).flatten())
        .map(|answer| answer.map_or(0.0, |answer| answer.score))
        .collect();
    let out = OutOfFold { shown, all, ..OutOfFold::default() };
    let results = Results { data: &data, out: &out };
    let mut figures = results.table("peer", THRESHOLD).figures;
    figures.extend(results.classes(THRESHOLD));
    Ok(figures)
}

fn print(columns: &[(String, Vec<Figure>)]) {
    let names = columns.iter().map(|(name, _)| format!(" {name} | % |"));
    println!("| rows | of |{}", names.collect::<String>());
    println!("|---|--:|{}", "--:|--:|".repeat(columns.len()));
    let Some((_, first)) = columns.first() else { return };
    for figure in first {
        let cells = columns.iter().map(|(_, figures)| {
            figures.iter().find(|other| other.name == figure.name).map_or_else(
                || " | |".to_owned(),
                |figure| {
                    let share = figure.mean.unwrap_or(figure.share.share);
                    format!(" {} | {:.2} |", figure.share.hits, 100.0 * share)
                },
            )
        });
        println!("| {} | {} |{}", figure.name, figure.share.rows, cells.collect::<String>());
    }
    println!();
}
