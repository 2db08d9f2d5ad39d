//! `perimeter train` and `perimeter evaluate`: thin over [`detect::offline`].

use std::path::Path;

use detect::offline::page::{Frame, Wanted};
use detect::offline::rows::{Row, parse};
use detect::offline::work::{Evaluation, Options, run};
use detect::signatures::Signatures;

use super::show::{now, time};
use crate::args::{Evaluate, Train};
use crate::exceptions::replace;
use crate::failure::{Failure, Outcome};
use crate::input::Lines;
use crate::output::Printer;
use crate::weighing::bytes;

const ROW_BYTES_MAX: usize = 4 * 1024 * 1024;
const TEXT_BYTES_MAX: usize = 4 * 1024 * 1024;
const DATE_BYTES: usize = "2026-11-29".len();

pub(crate) fn train(arguments: &Train, printer: &Printer) -> Outcome {
    let wanted = Wanted { model: Some(arguments.out.clone()), ..Wanted::default() };
    not_folders(&wanted)?;
    let rows = read(&arguments.rows)?;
    let measured = measure(&rows, &Options { blind: true, ..Options::default() }, true)?;
    write(&wanted, &measured)?;
    if printer.json() {
        let tables = serde_json::json!({ "tables": measured.report.tables });
        return Ok(printer.document(&tables)?);
    }
    printer.text(measured.text().trim_start())?;
    Ok(printer.line(&format!(
        "{}: a model from {} rows; a model is measured on other sources by `perimeter model compare`",
        arguments.out.display(),
        rows.len(),
    ))?)
}

pub(crate) fn evaluate(arguments: &Evaluate, printer: &Printer) -> Outcome {
    let wanted = wanted(arguments)?;
    not_folders(&wanted)?;
    let options = wanted.options(Options {
        blind: arguments.blind,
        kinds: arguments.kinds,
        quick: arguments.quick,
        emptied: arguments.emptied,
        moved: arguments.moved,
        ..Options::default()
    });
    let measured = measure(&read(&arguments.rows)?, &options, false)?;
    write(&wanted, &measured)?;
    if printer.json() {
        let document = serde_json::to_value(&measured)
            .map_err(|error| Failure::Error(format!("could not write the report: {error}")))?;
        return Ok(printer.document(&document)?);
    }
    Ok(printer.text(measured.text().trim_start())?)
}

fn wanted(arguments: &Evaluate) -> Result<Wanted, Failure> {
    let text = |path: &Path| {
        String::from_utf8(bytes(path, TEXT_BYTES_MAX)?)
            .map_err(|_| Failure::Configuration(format!("{}: it is not UTF-8", path.display())))
    };
    let earlier = |path: &Path| {
        serde_json::from_str(&text(path)?).map_err(|error| {
            let path = path.display();
            Failure::Configuration(format!("{path}: these are no figures of a run: {error}"))
        })
    };
    let today = || time(now()).chars().take(DATE_BYTES).collect();
    Ok(Wanted {
        report: arguments.report.clone(),
        page: arguments.page.clone(),
        pictures: arguments.pictures.clone(),
        model: None,
        frame: Frame {
            date: arguments.date.clone().unwrap_or_else(today),
            earlier: arguments.beside.as_deref().map(earlier).transpose()?,
            prose: arguments.prose.as_deref().map(text).transpose()?.unwrap_or_default(),
        },
    })
}

/// Minutes of work must not end at a path that cannot be written.
fn not_folders(wanted: &Wanted) -> Outcome {
    let wrong = |path: &Path, why: &str| {
        Err(Failure::Configuration(format!("{} is {why}", path.display())))
    };
    let files = [("--out", &wanted.model), ("--report", &wanted.report), ("--page", &wanted.page)];
    for (name, path) in files {
        if let Some(path) = path.as_deref().filter(|path| path.is_dir()) {
            return wrong(path, &format!("a folder; {name} names a file"));
        }
    }
    match wanted.pictures.as_deref().filter(|folder| !folder.is_dir()) {
        Some(folder) => wrong(folder, "no folder; make it first"),
        None => Ok(()),
    }
}

fn measure(rows: &[Row], options: &Options, keep: bool) -> Result<Evaluation, Failure> {
    let signatures = Signatures::built_in().map_err(|error| Failure::Error(error.to_string()))?;
    run(rows, signatures, options, keep).map_err(|error| Failure::Error(error.to_string()))
}

fn write(wanted: &Wanted, measured: &Evaluation) -> Outcome {
    for (path, text) in wanted.files(measured) {
        replace(&path, text.as_bytes())?;
    }
    Ok(())
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
