//! `perimeter model`: two models on the same rows, and one in place of another.
//!
//! A folder holds `current.json` and `previous.json`. Each is replaced by a rename, so that `current.json` is there and
//! whole at any time; where a step fails, what was current still is.

use std::path::Path;

use detect::Detector;
use detect::offline::compare::{Bar, Comparison, Golden, compare as compared};
use detect::offline::metrics::Share;
use detect::offline::rows::Row;
use detect::signatures::Signatures;
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
const IDS_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Most absent rows that are named.
const ABSENT_NAMED: usize = 5;

pub(crate) fn run(command: &ModelCommand, printer: &Printer) -> Outcome {
    match command {
        ModelCommand::Compare(arguments) => compare(arguments, printer),
        ModelCommand::Promote(arguments) => promote(arguments, printer),
        ModelCommand::Rollback(arguments) => rollback(arguments, printer),
    }
}

fn compare(arguments: &ModelCompare, printer: &Printer) -> Outcome {
    let (rows, golden) = golden(&arguments.golden, arguments.ids.as_deref())?;
    let (before, after) = (load(&arguments.before)?, load(&arguments.after)?);
    let comparison = compared(&before, &after, &rows, &golden);
    print(&comparison, printer)?;
    if !comparison.absent.is_empty() {
        printer.note(&absent(&comparison))?;
    }
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
    let (rows, golden) = golden(&arguments.golden, arguments.ids.as_deref())?;
    let comparison = compared(&before, &load(&candidate)?, &rows, &golden);
    print(&comparison, printer)?;
    if let Some(why) = against(&comparison) {
        return Err(Failure::Refused(format!("{candidate} is not promoted: {why}")));
    }
    if arguments.ids.is_none() {
        printer.note(&format!(
            "all {} rows of {} count, whichever they are; freeze their identifiers, and name the file with --ids",
            rows.len(),
            arguments.golden
        ))?;
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

/// The rows, and the identifiers of those that count: the ones in the file `ids`, or all.
fn golden(rows: &str, ids: Option<&Path>) -> Result<(Vec<Row>, Golden), Failure> {
    let rows = read(rows)?;
    let Some(file) = ids else {
        let golden = rows.iter().map(|row| row.id.clone()).collect();
        return Ok((rows, golden));
    };
    let wrong = |why: &str| Failure::Configuration(format!("{}: {why}", file.display()));
    let text = bytes(file, IDS_BYTES_MAX + 1)?;
    if text.len() > IDS_BYTES_MAX {
        return Err(wrong(&format!("more than the {IDS_BYTES_MAX} bytes of a list of rows")));
    }
    let text = String::from_utf8(text).map_err(|_| wrong("it is not UTF-8"))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let golden: Golden = lines.map(str::to_owned).collect();
    if golden.is_empty() {
        return Err(wrong("it names no row; write the identifiers of the golden rows, one a line"));
    }
    Ok((rows, golden))
}

/// What stands against promoting, if anything does.
fn against(comparison: &Comparison) -> Option<String> {
    if !comparison.absent.is_empty() {
        return Some(absent(comparison));
    }
    let worse = comparison.bars.iter().filter(|bar| bar.worse);
    let worse: Vec<&str> = worse.map(|bar| bar.name.as_str()).collect();
    if !worse.is_empty() {
        return Some(format!("worse at {}", worse.join(", ")));
    }
    (!comparison.promotes()).then(|| "no golden row was compared".to_owned())
}

fn absent(comparison: &Comparison) -> String {
    let named: Vec<&str> =
        comparison.absent.iter().take(ABSENT_NAMED).map(String::as_str).collect();
    format!(
        "{} golden row(s) are absent, such as {}; give --golden the rows that were frozen",
        comparison.absent.len(),
        named.join(", ")
    )
}

fn print(comparison: &Comparison, printer: &Printer) -> Outcome {
    let shares = |bar: &Bar| (Share::of(bar.old, bar.rows), Share::of(bar.new, bar.rows));
    if printer.json() {
        let bars = comparison.bars.iter().map(|bar| {
            let (before, after) = shares(bar);
            json!({ "bar": bar.name, "before": before, "after": after, "worse": bar.worse })
        });
        let bars: Vec<Value> = bars.collect();
        return Ok(printer.document(&json!({ "bars": bars, "absent": comparison.absent }))?);
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
    let rows: Vec<Vec<Cell>> = comparison
        .bars
        .iter()
        .map(|bar| {
            let change = match (bar.worse, bar.old == bar.new) {
                (true, _) => Cell("worse".to_owned(), Tone::Bad),
                (_, true) => Cell("same".to_owned(), Tone::Faint),
                _ => Cell("better".to_owned(), Tone::Good),
            };
            let (before, after) = shares(bar);
            vec![cell(&bar.name), cell(shown(&before)), cell(shown(&after)), change]
        })
        .collect();
    Ok(printer.table(&["bar", "before", "after", ""], &rows)?)
}

#[cfg(test)]
mod tests {
    use detect::model::{FORMAT, Grams, Model, ModelFile};
    use detect::offline::rows::parse;

    use super::*;

    const ROWS: &str = r#"
{"id":"a","source":"s","label":"attack","category":"xxe","tier":"core","method":"GET","uri":"/?q=<!DOCTYPE+a+[<!ENTITY+b+SYSTEM+x>]>"}
{"id":"b","source":"s","label":"attack","category":"sqli","tier":"core","method":"GET","uri":"/?q=1'+union+select+card,cvc+from+cards--+-"}
{"id":"c","source":"s","label":"attack","category":"sqli","tier":"core","method":"GET","uri":"/?q=2'+union+select+card,cvc+from+cards--+-"}
{"id":"d","source":"s","label":"benign","category":"none","tier":"plain","method":"GET","uri":"/?q=shoes"}
"#;

    /// A detector that knows the signatures of one category, and nothing else.
    fn knows(category: &str) -> Detector {
        let signatures = Signatures::built_in().unwrap();
        let deviation = |one: &detect::signatures::Signature| {
            let known = one.category == category;
            (one.id.clone(), if known { 0.0 } else { -one.prior })
        };
        let file = ModelFile {
            format: FORMAT,
            quiet: -4.0,
            bias: -4.0,
            evidence: -3.5,
            alone: 50.0,
            features: Default::default(),
            signatures: signatures.iter().map(deviation).collect(),
            grams: Grams::pack(&[]),
            bend: Vec::new(),
            report: Value::Null,
        };
        let model = Model::from_file(&file, &signatures).unwrap();
        Detector::new(signatures, model)
    }

    #[track_caller]
    fn check(before: &str, after: &str, golden: &[&str], expected: Option<&str>) {
        let golden: Golden = golden.iter().map(|id| (*id).to_owned()).collect();
        let rows = parse(ROWS).unwrap();
        let comparison = compared(&knows(before), &knows(after), &rows, &golden);
        assert_eq!(against(&comparison).as_deref(), expected, "{}", comparison.text());
    }

    #[test]
    fn a_model_that_loses_a_class_is_refused_however_much_it_gains_in_another() {
        let all = ["a", "b", "c", "d"];
        check("xxe", "sql_injection", &all, Some("worse at evidence: found xxe"));
        check("sql_injection", "xxe", &all, Some("worse at evidence: found sqli"));
        check("xxe", "xxe", &all, None);
        check("none", "xxe", &all, None);
    }

    #[test]
    fn a_model_is_refused_where_a_golden_row_is_absent() {
        let why = "1 golden row(s) are absent, such as z; give --golden the rows that were frozen";
        check("xxe", "xxe", &["a", "z"], Some(why));
        check("xxe", "sql_injection", &["b", "d"], None);
        check("xxe", "xxe", &[], Some("no golden row was compared"));
    }
}
