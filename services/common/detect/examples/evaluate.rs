//! Measures the detector on labelled rows, one source left out at a time.
//!
//! `evaluate FILE [--blind] [--kinds] [--why] [--json] [--packs FOLDER] [--write MODEL] [--set NAME=VALUE]…`
//!
//! `--why` lists what is missed only with owned signatures off, and what each feature but n-grams weighs there.

#![allow(clippy::print_stdout, reason = "the report goes to the standard output")]

use std::error::Error;
use std::fs;
use std::time::Instant;

use detect::Detector;
use detect::features::{self, Feature};
use detect::model::Model;
use detect::offline::controls::{emptied, moves};
use detect::offline::data::{Bag, Data};
use detect::offline::export::{extractor, file, priors};
use detect::offline::folds::{Folds, Inner, OutOfFold};
use detect::offline::learn::{Learner, Settings};
use detect::offline::metrics::Share;
use detect::offline::report::{Report, Results};
use detect::offline::rows::parse;
use detect::signatures::Signatures;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let flag = |name: &str| arguments.iter().any(|argument| argument == name);
    let after = |name: &str| {
        arguments.iter().position(|argument| argument == name).and_then(|at| arguments.get(at + 1))
    };
    let path = arguments.first().ok_or("no file of rows named")?;
    let settings = settings(&arguments)?;
    let start = Instant::now();
    let signatures = match after("--packs") {
        Some(folder) => from_folder(folder)?,
        None => Signatures::built_in()?,
    };
    let model = Model::priors(&signatures);
    let priors = priors(&signatures);
    let detector = Detector::new(signatures, model);
    let mut data = Data::new();
    let mut extract = extractor(&detector);
    let rows = parse(&fs::read_to_string(path)?)?;
    for row in &rows {
        if flag("--emptied") {
            data.add(&emptied(row), &mut extract);
        } else {
            data.add(row, &mut extract);
        }
    }
    eprintln!(
        "{} rows, {} columns, {} entries in {:.1?}",
        data.bags.len(),
        data.columns.len(),
        data.entries.len(),
        start.elapsed()
    );
    let folds = Folds::new(Learner { data: &data, settings: &settings, priors: &priors });
    let out = folds.leave_one_out();
    let mean =
        |of: fn(&Inner) -> f64| out.inner.iter().map(of).sum::<f64>() / out.inner.len() as f64;
    eprintln!(
        "folds after {:.1?}; inner loss {:.4}, found {:.4}",
        start.elapsed(),
        mean(|inner| inner.loss),
        mean(|inner| inner.found)
    );
    let off = (!flag("--quick")).then(|| folds.without_owned(&out));
    let report = Report::of(&data, &out, off.as_ref(), flag("--blind"), flag("--kinds"));
    println!(
        "{}",
        if flag("--json") { serde_json::to_string_pretty(&report)? } else { report.text() }
    );
    if let Some(off) = off.as_ref().filter(|_| flag("--why")) {
        lost(&data, &out, off, &detector.signatures);
    }
    if flag("--moved") {
        let threshold = Results { data: &data, out: &out }.evidence();
        for moved in moves(&rows, &data, &out, threshold, settings.gram_cap, &mut extract) {
            let Share { hits, rows, .. } = moved.share;
            println!(
                "  moved {} to {}: {hits}/{rows}, in place {}",
                moved.source, moved.place, moved.in_place
            );
        }
    }
    if let Some(path) = after("--write") {
        let results = Results { data: &data, out: &out };
        let thresholds = (results.evidence(), results.alone());
        let tables = serde_json::to_value(&report.tables)?;
        let made = file(
            &data,
            &folds.everything(),
            folds.scale(&out),
            &detector.signatures,
            thresholds,
            tables,
        );
        fs::write(path, serde_json::to_string(&made)?)?;
    }
    eprintln!("{:.1?} in all", start.elapsed());
    Ok(())
}

fn from_folder(folder: &str) -> Result<Signatures, Box<dyn Error>> {
    let mut paths: Vec<_> = fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_, std::io::Error>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    let texts = paths
        .iter()
        .map(|path| Ok((path.display().to_string(), fs::read_to_string(path)?)))
        .collect::<Result<Vec<_>, std::io::Error>>()?;
    Ok(Signatures::parse(texts.iter().map(|(name, text)| (name.as_str(), text.as_str())))?)
}

/// Prints each false alarm, and each core attack that is found but not with owned signatures off: in its strongest
/// reading the weight of every feature but n-grams, without and with them.
fn lost(data: &Data, out: &OutOfFold, off: &OutOfFold, signatures: &Signatures) {
    let thresholds = (Results { data, out }.evidence(), Results { data, out: off }.evidence());
    for (row, bag) in data.bags.iter().enumerate() {
        let found = out.all[row] >= thresholds.0;
        let lost = bag.attack && bag.tier == "core" && found && off.all[row] < thresholds.1;
        if !lost && (bag.attack || !found) {
            continue;
        }
        let (Some(full), Some(rest)) = (&out.weights[bag.source], &off.weights[bag.source]) else {
            continue;
        };
        let parts = parts(data, bag, full, rest, signatures);
        println!(
            "{} {} {} {} {:.1}>{:.1} | {}",
            if lost { "lost" } else { "false" },
            bag.id,
            data.sources[bag.source],
            bag.category,
            out.all[row],
            off.all[row],
            parts.join(", ")
        );
    }
}

/// What the features of the strongest reading of `bag` weigh by `full` and by `rest`.
fn parts(
    data: &Data,
    bag: &Bag,
    full: &[f64],
    rest: &[f64],
    signatures: &Signatures,
) -> Vec<String> {
    let sum = |features: &[(u32, f32)]| -> f64 {
        features.iter().map(|(column, size)| full[*column as usize] * f64::from(*size)).sum()
    };
    let readings = bag.instances.iter().map(|instance| data.features(instance));
    let best = readings.max_by(|one, other| sum(one).total_cmp(&sum(other))).unwrap_or_default();
    let named = best.iter().filter(|entry| !data.gram(entry.0 as usize));
    named
        .map(|(column, size)| (*column as usize, f64::from(*size)))
        .filter(|(column, size)| (full[*column] * size).abs() > 0.2)
        .map(|(column, size)| {
            let name = features::name(Feature(data.columns[column]), signatures);
            format!("{name} {:.1}>{:.1}", full[column] * size, rest[column] * size)
        })
        .collect()
}

fn settings(arguments: &[String]) -> Result<Settings, Box<dyn Error>> {
    let mut settings = serde_json::to_value(Settings::default())?;
    let given = arguments.windows(2).filter(|pair| pair[0] == "--set");
    for pair in given {
        let (name, value) = pair[1].split_once('=').ok_or("--set takes NAME=VALUE")?;
        settings[name] = serde_json::from_str(value)?;
    }
    Ok(serde_json::from_value(settings)?)
}
