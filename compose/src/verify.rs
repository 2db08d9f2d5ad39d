//! `cargo verify`: everything that must hold before a change lands, against the real world, ending with one line that
//! counts.

use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context as _, Result};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio_util::sync::CancellationToken;

use crate::demo;
use crate::fuzz;
use crate::install::{self, Parts, cargo};
use crate::mutants;
use crate::paths::Paths;
use crate::peers;
use crate::process;
use crate::services::STAGES;
use crate::terminal::{say, warn};
use crate::world::{self, World};

const CLIPPY: [&str; 7] =
    ["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"];
const DEMO_SECONDS: u64 = 30;
const DEEP_SECONDS: u64 = 120;
const CHAOS_SEED: u64 = 1;

/// How much passed and failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    pub passed: u64,
    pub failed: u64,
}

impl Tally {
    fn step(&mut self, name: &str, outcome: Result<bool>) {
        say(self.record(name, outcome));
    }

    fn record(&mut self, name: &str, outcome: Result<bool>) -> String {
        match outcome {
            Ok(true) => {
                self.passed += 1;
                format!("ok      {name}")
            }
            Ok(false) => {
                self.failed += 1;
                format!("FAILED  {name}")
            }
            Err(error) => {
                self.failed += 1;
                format!("FAILED  {name}: {error:#}")
            }
        }
    }
}

/// Runs everything. Answers whether all of it passed.
pub async fn run(
    paths: &Paths,
    policy: &Path,
    deep: bool,
    interrupted: &CancellationToken,
) -> Result<bool> {
    let begun = Instant::now();
    let mut tally = Tally::default();
    let parts = Parts { kafka: true, redis: true, tests: true };
    let outcome = tokio::select! {
        outcome = steps(paths, policy, deep, parts, &mut tally, interrupted) => outcome,
        () = interrupted.cancelled() => Err(anyhow::anyhow!("interrupted")),
    };
    if let Err(error) = outcome {
        warn(format!("verify: {error:#}"));
        tally.failed += 1;
    }
    say(format!("verified in {} s", begun.elapsed().as_secs()));
    say(format!("{} passed, {} failed", tally.passed, tally.failed));
    Ok(tally.failed == 0)
}

async fn steps(
    paths: &Paths,
    policy: &Path,
    deep: bool,
    parts: Parts,
    tally: &mut Tally,
    interrupted: &CancellationToken,
) -> Result<()> {
    paths.room_to_build()?;
    // Nothing of what follows means anything without the real components, so this one ends the run.
    install::everything(paths, parts).await?;
    tally.step("cargo fmt --check", check(paths, &["fmt", "--all", "--check"]).await);
    tally.step("cargo clippy -D warnings", check(paths, &CLIPPY).await);
    tests(paths, policy, deep, tally, interrupted).await;
    for (name, outcome) in fuzz::run(paths, deep).await {
        tally.step(&name, outcome);
    }
    if deep {
        let (name, outcome) = mutants::run(paths).await;
        tally.step(&name, outcome);
    }
    let demo = |seconds, chaos, chaos_world| demo::Options {
        headless: true,
        seconds: Some(seconds),
        report: Some(paths.world.join("report.json")),
        chaos,
        chaos_world,
        world: options(policy),
    };
    let mut runs = vec![("the loop, 30 s", demo(DEMO_SECONDS, None, false))];
    if deep {
        runs.push(("the loop, 120 s", demo(DEEP_SECONDS, None, false)));
        runs.push(("the loop under chaos", demo(DEEP_SECONDS, Some(CHAOS_SEED), false)));
        runs.push(("the loop while Kafka, Redis and the WAF fail", demo(DEEP_SECONDS, None, true)));
    }
    for (name, options) in runs {
        say(format!("running {name}"));
        let outcome = demo::run_installed(paths, &options, interrupted, Instant::now()).await;
        tally.step(name, outcome);
    }
    if deep && let Some(outcome) = peers::run(paths).await {
        tally.step("the detector beside libmodsecurity with its rules", outcome);
    }
    Ok(())
}

/// All tests, the world's among them, which find it by `PERIMETER_WORLD`.
async fn tests(
    paths: &Paths,
    policy: &Path,
    deep: bool,
    tally: &mut Tally,
    interrupted: &CancellationToken,
) {
    // Built before the world starts, so that it does not stand idle meanwhile.
    let built = check(paths, &["test", "--workspace", "--no-run"]).await;
    let broken = !matches!(built, Ok(true));
    tally.step("the tests build", built);
    if broken {
        return;
    }
    install::settle().await;
    match World::start(paths, options(policy), interrupted).await {
        Ok(world) => {
            let outcome = cargo_test(paths, Some(&world.file()), deep).await;
            world.stop().await;
            count(tally, outcome);
        }
        Err(error) => {
            tally.step("the world starts", Err(error));
            // The others are still worth knowing; those that need the world fail and say why.
            count(tally, cargo_test(paths, None, deep).await);
        }
    }
}

fn count(tally: &mut Tally, outcome: Result<(Tally, bool)>) {
    match outcome {
        Ok((tests, success)) => {
            tally.passed += tests.passed;
            tally.failed += tests.failed;
            // A test program that died counted nothing.
            if !success && tests.failed == 0 {
                tally.step("cargo test", Ok(false));
            }
        }
        Err(error) => tally.step("cargo test", Err(error)),
    }
}

async fn cargo_test(paths: &Paths, world: Option<&Path>, deep: bool) -> Result<(Tally, bool)> {
    let mut command = cargo(paths);
    command.args(["test", "--workspace", "--no-fail-fast"]).stdout(Stdio::piped());
    if let Some(world) = world {
        command.env("PERIMETER_WORLD", world);
    }
    if deep {
        command.env("PERIMETER_DEEP", "1");
    }
    let mut child = command.spawn().context("could not start cargo test")?;
    let output = child.stdout.take().context("cargo test has no output")?;
    let mut lines = BufReader::new(output).lines();
    let mut tally = Tally::default();
    let reading = async {
        while let Ok(Some(line)) = lines.next_line().await {
            if let Some(tests) = tested(&line) {
                tally.passed += tests.passed;
                tally.failed += tests.failed;
            }
            say(line);
        }
    };
    let (status, ()) = tokio::join!(process::finish(&mut child), reading);
    Ok((tally, status.context("could not wait for cargo test")?.success()))
}

async fn check(paths: &Paths, arguments: &[&str]) -> Result<bool> {
    let mut child = cargo(paths).args(arguments).spawn().context("could not start cargo")?;
    Ok(process::finish(&mut child).await.context("could not wait for cargo")?.success())
}

fn options(policy: &Path) -> world::Options {
    world::Options {
        brokers: None,
        redis: None,
        waf_endpoint: None,
        policy: policy.to_owned(),
        traced: true,
        logs: None,
        stages: STAGES.map(str::to_owned).to_vec(),
    }
}

/// The counts in a line like `test result: ok. 12 passed; 0 failed; 0 ignored; …`.
fn tested(line: &str) -> Option<Tally> {
    let counts = line.strip_prefix("test result: ")?.split_once(". ")?.1;
    let count = |what: &str| {
        let counted = counts.split("; ").find_map(|part| part.strip_suffix(what))?;
        counted.trim().parse().ok()
    };
    Some(Tally { passed: count(" passed")?, failed: count(" failed")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_cargo_test_are_counted() {
        let line = "test result: FAILED. 12 passed; 3 failed; 0 ignored; 0 measured; 1 filtered out; finished in 0.10s";
        assert_eq!(tested(line), Some(Tally { passed: 12, failed: 3 }));
        assert_eq!(tested("test a_result ... ok"), None);
    }

    #[test]
    fn a_step_that_could_not_run_failed() {
        let mut tally = Tally::default();
        assert_eq!(tally.record("one", Ok(true)), "ok      one");
        assert_eq!(tally.record("two", Ok(false)), "FAILED  two");
        let could_not_run = Err(anyhow::anyhow!("no network"));
        assert_eq!(tally.record("three", could_not_run), "FAILED  three: no network");
        assert_eq!(tally, Tally { passed: 1, failed: 2 });
    }
}
