//! Measures the detector on labelled rows, one source left out at a time, and learns the model.
//!
//! `evaluate FILE [--blind] [--kinds] [--quick] [--moved] [--emptied] [--json] [--write MODEL] [--pictures FOLDER]
//! [--set NAME=VALUE]…`

#![allow(clippy::print_stdout, reason = "the report goes to the standard output")]

use std::error::Error;
use std::fs;
use std::path::Path;
use std::time::Instant;

use detect::offline::learn::Settings;
use detect::offline::work::{Options, evaluate, train};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let flag = |name: &str| arguments.iter().any(|argument| argument == name);
    let after = |name: &str| {
        arguments.iter().position(|argument| argument == name).and_then(|at| arguments.get(at + 1))
    };
    let start = Instant::now();
    let text = fs::read_to_string(arguments.first().ok_or("no file of rows named")?)?;
    let options = Options {
        settings: settings(&arguments)?,
        blind: flag("--blind"),
        kinds: flag("--kinds"),
        quick: flag("--quick"),
        emptied: flag("--emptied"),
        moved: flag("--moved"),
    };
    let write = after("--write");
    let measured =
        if write.is_some() { train(&text, &options)? } else { evaluate(&text, &options)? };
    if flag("--json") {
        println!("{}", serde_json::to_string_pretty(&measured)?);
    } else {
        println!("{}", measured.text());
    }
    if let Some((path, model)) = write.zip(measured.model.as_ref()) {
        fs::write(path, model)?;
    }
    if let Some(folder) = after("--pictures") {
        for (name, picture) in &measured.pictures {
            fs::write(Path::new(folder).join(name), picture)?;
        }
    }
    eprintln!(
        "{} rows, inner loss {:.4}, found {:.4}, {:.1?}",
        measured.rows,
        measured.inner_loss,
        measured.inner_found,
        start.elapsed()
    );
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
