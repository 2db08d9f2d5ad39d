//! Fuzzing as steps of `cargo verify`: every target of the detector's, each for a while, two at once.
//!
//! The targets are built with the flags that cargo-fuzz gives, by cargo itself. What libFuzzer needs is that the
//! compiler counts what an input reaches, which the stable one does; so there is nothing to install and nothing to
//! leave out. A nightly compiler would add the address sanitizer, which looks for misuse of memory: our own code has no
//! `unsafe` (a lint denies it), and panics, overflows, wrong answers and endless loops are seen without.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::install::cargo;
use crate::paths::Paths;
use crate::process::{self, Program};
use crate::terminal::say;

/// A workspace of its own. Each file in `fuzz_targets` is a target; `seeds/TARGET` holds what it begins with.
const FOLDER: &str = "services/common/detect/fuzz";
const FLAGS: [&str; 6] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "--cfg=fuzzing",
];
const SECONDS: u64 = 15;
/// Processor time of all targets together under `--deep`; each is one thread.
const DEEP_SECONDS: u64 = 600;
/// A single input that takes longer is a finding.
const INPUT_SECONDS_MAX: u64 = 10;
/// Longer than the longest window that is read in one piece.
const INPUT_BYTES_MAX: usize = 8 << 10;
const MEMORY_MIB_MAX: u64 = 1_024;
/// What a target may take beyond its time, to begin and to read what it kept.
const GRACE: Duration = Duration::from_secs(60);

/// The name of a step and whether it passed.
pub type Outcome = (String, Result<bool>);

/// Builds the targets and runs each for its time.
pub async fn run(paths: &Paths, deep: bool) -> Vec<Outcome> {
    let (targets, programs) = match build(paths).await {
        Ok(built) => built,
        Err(error) => return vec![("the fuzz targets build".to_owned(), Err(error))],
    };
    let seconds = seconds_each(deep, targets.len());
    say(format!("fuzzing {} for {seconds} s each, two at once", targets.join(", ")));
    let waiting = RefCell::new(targets.into_iter());
    let next = || waiting.borrow_mut().next();
    let worker = async || {
        let mut outcomes = Vec::new();
        while let Some(name) = next() {
            let target = Target { name, root: paths.root.clone(), programs: programs.clone() };
            outcomes.push(target.fuzz(seconds).await);
        }
        outcomes
    };
    let (mut outcomes, others) = tokio::join!(worker(), worker());
    outcomes.extend(others);
    outcomes
}

fn seconds_each(deep: bool, targets: usize) -> u64 {
    if deep { (DEEP_SECONDS / targets.max(1) as u64).max(SECONDS) } else { SECONDS }
}

/// The targets' names, and the folder that holds their programs.
async fn build(paths: &Paths) -> Result<(Vec<String>, PathBuf)> {
    let targets = targets(&paths.root.join(FOLDER).join("fuzz_targets"))?;
    let host = host(paths).await?;
    let folder = paths.root.join("target/fuzz");
    say("Building: the fuzz targets into target/fuzz");
    let mut command = cargo(paths);
    // With a target named, the flags are kept from build scripts, which could not be linked with them.
    command
        .args(["build", "--quiet", "--release", "--target", &host, "--manifest-path"])
        .arg(paths.root.join(FOLDER).join("Cargo.toml"))
        .env("CARGO_TARGET_DIR", &folder)
        .env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\x1f"))
        .env("CARGO_INCREMENTAL", "0");
    let mut child = command.spawn().context("could not start cargo")?;
    let status = process::finish(&mut child).await.context("could not wait for cargo")?;
    if !status.success() {
        bail!("cargo build failed; what it said stands above");
    }
    let programs = folder.join(host).join("release");
    for target in &targets {
        if !programs.join(target).is_file() {
            bail!("{FOLDER}/Cargo.toml names no program {target}: give it a [[bin]]");
        }
    }
    Ok((targets, programs))
}

/// In order of their names.
fn targets(folder: &Path) -> Result<Vec<String>> {
    let could_not = || format!("could not read {}", folder.display());
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(could_not)? {
        let path = entry.with_context(could_not)?.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.file_stem().unwrap_or_default();
            names.push(name.to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// What the compiler calls this kind of machine.
async fn host(paths: &Paths) -> Result<String> {
    let mut command = process::bound_to_us(Path::new("rustc"));
    let output = command.arg("-vV").current_dir(&paths.root).output().await;
    let output = output.context("could not start rustc")?;
    let told = String::from_utf8_lossy(&output.stdout);
    let host = told.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("rustc does not say what this machine is")
}

struct Target {
    name: String,
    root: PathBuf,
    programs: PathBuf,
}

impl Target {
    /// A folder of its own under `target/fuzz`, from the workspace.
    fn folder(&self, kind: &str) -> String {
        format!("target/fuzz/{kind}/{}", self.name)
    }

    async fn fuzz(&self, seconds: u64) -> Outcome {
        let name = format!("fuzzing {}, {seconds} s", self.name);
        match self.inputs(seconds).await {
            Ok(inputs) => (format!("{name}: {inputs} inputs"), Ok(true)),
            Err(error) => (name, Err(error)),
        }
    }

    /// Runs it and answers how many inputs were tried.
    async fn inputs(&self, seconds: u64) -> Result<u64> {
        let [corpus, kept] = ["corpus", "artifacts"].map(|kind| self.folder(kind));
        for folder in [&corpus, &kept] {
            std::fs::create_dir_all(self.root.join(folder))
                .with_context(|| format!("could not make {folder}"))?;
        }
        let program = Program {
            name: self.name.clone(),
            path: self.programs.join(&self.name),
            arguments: vec![
                format!("-max_total_time={seconds}"),
                format!("-timeout={INPUT_SECONDS_MAX}"),
                format!("-max_len={INPUT_BYTES_MAX}"),
                format!("-rss_limit_mb={MEMORY_MIB_MAX}"),
                format!("-artifact_prefix={kept}/"),
                corpus,
                // What once ended a run is tried again first, so that it fails until it is mended.
                kept,
                format!("{FOLDER}/seeds/{}", self.name),
            ],
            environment: Vec::new(),
            folder: self.root.clone(),
            log: self.root.join(format!("{}.log", self.folder("log"))),
        };
        crate::install::remove(&program.log)?;
        let finished = program.finish(Duration::from_secs(seconds) + GRACE).await;
        let log = std::fs::read(&program.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        if let Err(error) = finished {
            let Some(finding) = finding(&log) else { return Err(error) };
            let path = program.path.strip_prefix(&self.root).unwrap_or(&program.path);
            bail!("{}", finding.told(&path.display().to_string()));
        }
        match inputs(&log) {
            Some(inputs) if inputs > 0 => Ok(inputs),
            _ => bail!("it tried nothing:\n{}", process::tail(&program.log)),
        }
    }
}

/// How many inputs were tried, in a line like `Done 4711 runs in 16 second(s)`.
fn inputs(log: &str) -> Option<u64> {
    let line = log.lines().rev().find_map(|line| line.strip_prefix("Done "))?;
    line.split(' ').next()?.parse().ok()
}

/// What ended a run before its time.
#[derive(Debug, PartialEq, Eq)]
struct Finding<'a> {
    why: String,
    /// Where the input is kept.
    artifact: &'a str,
}

impl Finding<'_> {
    fn told(&self, program: &str) -> String {
        let Self { why, artifact } = self;
        format!("{why}\n        the input is kept; the same again: {program} {artifact}")
    }
}

/// Reads libFuzzer's own words, and before them a panic's: where it was on one line, what it said on the next.
fn finding(log: &str) -> Option<Finding<'_>> {
    let artifact =
        log.lines().rev().find_map(|line| line.split_once("Test unit written to ")?.1.into())?;
    let mut lines = log.lines();
    let why = match lines.find_map(|line| line.split_once("panicked at ")) {
        Some((_, place)) => format!("{place} {}", lines.next().unwrap_or_default()),
        None => {
            let error = log.lines().find_map(|line| line.split_once("ERROR: libFuzzer: "));
            error.map_or("it ended before its time", |(_, error)| error).to_owned()
        }
    };
    Some(Finding { why, artifact: artifact.trim() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inputs_tried_are_counted() {
        let log = "#2\tINITED cov: 3 ft: 4\nDone 20 runs in 1 second(s)\nDone 4711 runs in 16 second(s)\n";
        assert_eq!(inputs(log), Some(4711));
        assert_eq!(inputs("#2\tINITED cov: 3 ft: 4\n"), None);
    }

    #[test]
    fn a_finding_says_why_and_how_to_see_it_again() {
        let kept = "target/fuzz/artifacts/sql/crash-1";
        let written = "artifact_prefix='target/fuzz/artifacts/sql/'; Test unit written to target/fuzz/artifacts/sql/crash-1\n";
        let panic =
            "#9 NEW cov: 3\nthread '<unnamed>' (7) panicked at src/lib.rs:4:5:\nno such byte\n";
        for (log, why) in [
            (format!("{panic}{written}"), "src/lib.rs:4:5: no such byte"),
            (
                format!("==7== ERROR: libFuzzer: timeout after 10 seconds\n{written}"),
                "timeout after 10 seconds",
            ),
            (written.to_owned(), "it ended before its time"),
        ] {
            let found = finding(&log).unwrap();
            assert_eq!(found, Finding { why: why.to_owned(), artifact: kept });
            assert!(found.told("target/sql").ends_with(&format!("target/sql {kept}")));
        }
        assert_eq!(finding(panic), None);
    }

    #[test]
    fn deep_runs_share_ten_minutes() {
        assert_eq!(seconds_each(false, 7), 15);
        assert_eq!(seconds_each(true, 7), 85);
        assert_eq!(seconds_each(true, 0), 600);
    }

    #[test]
    fn every_target_has_seeds() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(FOLDER);
        let targets = targets(&folder.join("fuzz_targets")).unwrap();
        assert!(targets.len() >= 7, "{targets:?}");
        for target in targets {
            let seeds = folder.join("seeds").join(&target);
            assert!(std::fs::read_dir(seeds).unwrap().count() > 0, "{target}");
        }
    }
}
