//! Mutation testing as a step of `cargo verify --deep`: the pure logic is changed in one place after another, and the
//! tests of its crate must notice. All places take days, so a run takes a share of them, another one every day.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use crate::install::{self, for_all};
use crate::paths::Paths;
use crate::process::{self, finish};
use crate::terminal::say;

const VERSION: &str = "27.1.0";
const FILES: [&str; 1] = ["services/common/detect/src/**"];
/// Learns and measures, and no request goes through it.
const FILES_NOT: [&str; 1] = ["services/common/detect/src/offline/**"];
const PACKAGES: [&str; 1] = ["detect"];
/// A run takes one of so many shares.
const SHARES: u64 = 50;
/// A run that is not through by then is ended, and what it did counts.
const SECONDS_MAX: u64 = 1_500;
/// Tests that are slow on a busy machine should not look like tests that do not end.
const TEST_SECONDS_MIN: u64 = 120;
/// Of one process: a mutant may loop or eat memory for ever, and would outlive us if we were killed meanwhile.
const CPU_SECONDS_MAX: u64 = 600;
const BYTES_MAX: u64 = 8 << 30;
/// Caught, of those that could be built.
const CAUGHT_PERCENT_MIN: usize = 80;

/// Tests today's share. The name of the step says what became of it.
pub async fn run(paths: &Paths) -> (String, Result<bool>) {
    let days = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs() / 86_400;
    let name = format!("mutation testing, share {}/{SHARES}", days % SHARES);
    match share(paths, days % SHARES).await {
        Ok(counts) => (format!("{name}: {}", counts.told()), Ok(counts.enough())),
        Err(error) => (name, Err(error)),
    }
}

async fn share(paths: &Paths, share: u64) -> Result<Counts> {
    let program = install(paths).await?;
    let folder = paths.root.join("target/mutants");
    // What is left of the run before: its answers, and copies of the tree if it was killed.
    install::remove(&folder)?;
    let copies = folder.join("copies");
    std::fs::create_dir_all(&copies).context("could not make target/mutants")?;
    say(format!("running mutation testing for {} min at most", SECONDS_MAX / 60));
    let log = std::fs::File::create(folder.join("log"));
    let log = log.context("could not write into target/mutants")?;
    let errors = log.try_clone().context("could not write into target/mutants")?;
    let mut command = for_all(paths, Path::new("prlimit"));
    command
        .args([format!("--cpu={CPU_SECONDS_MAX}"), format!("--as={BYTES_MAX}")])
        .arg(program)
        .args(["mutants", "--no-config", "--colors", "never", "--shuffle", "--output"])
        .arg(&folder)
        .args(["--shard", &format!("{share}/{SHARES}"), "--sharding", "round-robin"])
        .args(["--jobs", "2", "--minimum-test-timeout", &TEST_SECONDS_MIN.to_string()])
        .args(FILES.iter().flat_map(|files| ["--file", files]))
        .args(FILES_NOT.iter().flat_map(|files| ["--exclude", files]))
        .args(PACKAGES.iter().flat_map(|package| ["--package", package]))
        // No examples and no benchmarks.
        .args(["--", "--tests"])
        .env("TMPDIR", &copies)
        // Mutants differ by one place each.
        .env("CARGO_INCREMENTAL", "1")
        .env_remove("CARGO_TARGET_DIR")
        .stdout(Stdio::from(log))
        .stderr(Stdio::from(errors));
    let mut child = command.spawn().context("could not start cargo-mutants")?;
    let within = Duration::from_secs(SECONDS_MAX);
    if tokio::time::timeout(within, child.wait()).await.is_err() {
        process::end(&mut child, Duration::from_secs(30)).await;
    }
    install::remove(&copies)?;
    let results = folder.join("mutants.out");
    let Ok(outcomes) = std::fs::read(results.join("outcomes.json")) else {
        bail!("it came to nothing:\n{}", process::tail(&folder.join("log")));
    };
    let counts: Counts =
        serde_json::from_slice(&outcomes).context("could not read what cargo-mutants found")?;
    if counts.viable() == 0 {
        bail!("no mutant was tested:\n{}", process::tail(&folder.join("log")));
    }
    let missed = std::fs::read_to_string(results.join("missed.txt")).unwrap_or_default();
    missed.lines().for_each(|line| say(format!("missed  {line}")));
    Ok(counts)
}

/// Brings cargo-mutants, built from source by cargo, unless it is there.
async fn install(paths: &Paths) -> Result<PathBuf> {
    let tools = paths.root.join("target/tools");
    let program = tools.join("bin/cargo-mutants");
    if program.is_file() {
        return Ok(program);
    }
    say(format!("Fetching from crates.io into target/tools: cargo-mutants {VERSION}"));
    let mut command = install::cargo(paths);
    command.args(["install", "--quiet", "--locked", "--version", VERSION, "--root"]);
    let mut child =
        command.arg(&tools).arg("cargo-mutants").spawn().context("could not start cargo")?;
    if !finish(&mut child).await.context("could not wait for cargo")?.success() {
        bail!("could not install cargo-mutants; what cargo said stands above");
    }
    Ok(program)
}

/// What became of the mutants, as cargo-mutants counts them.
#[derive(Debug, Deserialize)]
struct Counts {
    caught: usize,
    missed: usize,
    /// Tests that did not end: nobody would overlook that.
    timeout: usize,
    /// The compiler refused them.
    unviable: usize,
}

impl Counts {
    fn told(&self) -> String {
        let Self { caught, missed, timeout, unviable } = self;
        format!(
            "{caught} caught, {missed} missed, {timeout} timed out, {unviable} unviable ({} % noticed)",
            self.percent()
        )
    }

    fn viable(&self) -> usize {
        self.caught + self.timeout + self.missed
    }

    fn percent(&self) -> usize {
        (100 * (self.caught + self.timeout)).checked_div(self.viable()).unwrap_or(0)
    }

    fn enough(&self) -> bool {
        self.percent() >= CAUGHT_PERCENT_MIN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_of_five_viable_mutants_must_be_noticed() {
        for (caught, missed, timeout, percent, enough) in
            [(7, 2, 1, 80, true), (79, 21, 0, 79, false), (1, 0, 0, 100, true), (0, 0, 0, 0, false)]
        {
            let json = format!(
                r#"{{"outcomes":[],"caught":{caught},"missed":{missed},"timeout":{timeout},"unviable":9}}"#
            );
            let counts: Counts = serde_json::from_str(&json).unwrap();
            assert_eq!((counts.percent(), counts.enough()), (percent, enough));
            assert!(counts.told().starts_with(&format!("{caught} caught, {missed} missed")));
        }
    }
}
