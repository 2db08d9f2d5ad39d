//! Puts libmodsecurity 3 with the OWASP Core Rule Set beside the detector: what each finds in the same labelled rows, and
//! how long each takes for the same requests, in one run.
//!
//! `peers FILE [--speed]`, FILE as JSON lines, packed or not; `--speed` leaves out what is found. Ends with 1 where the
//! peer is not as many times slower as it must be; where it is not installed, says so and ends with 0.

#![allow(clippy::print_stdout, reason = "the report goes to the standard output")]

mod engine;
mod found;
mod speed;

use std::error::Error;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;

use detect::offline::rows::parse;

use crate::engine::{Engine, LEVELS, missing};

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let path = arguments.first().ok_or("no file of rows named")?;
    if let Some(path) = missing() {
        println!(
            "skipped: {path} is missing; it comes with libmodsecurity-dev and modsecurity-crs"
        );
        return Ok(ExitCode::SUCCESS);
    }
    let text = read(Path::new(path))?;
    let rows = parse(&text)?;
    let program = engine::build()?;
    let mut engines = Vec::new();
    for level in LEVELS {
        engines.push(Engine::start(&program, level)?);
    }
    if !arguments.iter().any(|argument| argument == "--speed") {
        found::report(&text, &rows, &mut engines)?;
    }
    let fast = speed::report(&rows, &mut engines)?;
    Ok(if fast { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn read(path: &Path) -> Result<String, Box<dyn Error>> {
    if path.extension().is_some_and(|end| end == "gz") {
        let mut text = String::new();
        flate2::read::MultiGzDecoder::new(File::open(path)?).read_to_string(&mut text)?;
        Ok(text)
    } else {
        Ok(fs::read_to_string(path)?)
    }
}
