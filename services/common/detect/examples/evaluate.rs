//! Measures the detector on labelled rows, one source left out at a time, and learns the model: `perimeter evaluate`
//! and `perimeter train` in one, with the learner's settings open.
//!
//! `evaluate FILE [--blind] [--kinds] [--quick] [--moved] [--emptied] [--json] [--set NAME=VALUE]… [--write MODEL]
//! [--report FILE] [--page FILE] [--pictures FOLDER] [--date DATE] [--beside FILE] [--prose FILE]`

#![allow(clippy::print_stdout, reason = "the report goes to the standard output")]

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use detect::offline::learn::Settings;
use detect::offline::page::{Frame, Wanted};
use detect::offline::work::{Options, evaluate, train};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let flag = |name: &str| arguments.iter().any(|argument| argument == name);
    let after = |name: &str| {
        arguments.iter().position(|argument| argument == name).and_then(|at| arguments.get(at + 1))
    };
    let start = Instant::now();
    let text = fs::read_to_string(arguments.first().ok_or("no file of rows named")?)?;
    let file = |name: &str| after(name).map(fs::read_to_string).transpose();
    let wanted = Wanted {
        report: after("--report").map(PathBuf::from),
        page: after("--page").map(PathBuf::from),
        pictures: after("--pictures").map(PathBuf::from),
        model: after("--write").map(PathBuf::from),
        frame: Frame {
            date: after("--date").cloned().unwrap_or_default(),
            earlier: file("--beside")?.map(|text| serde_json::from_str(&text)).transpose()?,
            prose: file("--prose")?.unwrap_or_default(),
        },
    };
    let options = wanted.options(Options {
        settings: settings(&arguments)?,
        blind: flag("--blind"),
        kinds: flag("--kinds"),
        quick: flag("--quick"),
        emptied: flag("--emptied"),
        moved: flag("--moved"),
    });
    let measured =
        if wanted.model.is_some() { train(&text, &options)? } else { evaluate(&text, &options)? };
    if flag("--json") {
        println!("{}", serde_json::to_string_pretty(&measured)?);
    } else {
        println!("{}", measured.text());
    }
    for (path, text) in wanted.files(&measured) {
        fs::write(path, text)?;
    }
    eprintln!("{:.1?}", start.elapsed());
    Ok(())
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
