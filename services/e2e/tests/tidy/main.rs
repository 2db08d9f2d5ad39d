//! Walls, sizes and names, held by a test and not by memory (`docs/architecture.md` says why each stands).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod pages;
mod seen;
mod settings;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

const FILE_LINES_MAX: usize = 400;
const FUNCTION_LINES_MAX: usize = 70;
const IN_FILE_TEST_LINES_MAX: usize = 100;
const MAIN_LINES_MAX: usize = 40;

const SERVICES: [&str; 5] = ["collector", "scorer", "decider", "executor", "verifier"];

/// Which of our crates a crate may use. Absent here means: none of ours.
const WALLS: [(&str, &[&str]); 15] = [
    ("schemas", &[]),
    ("proto", &[]),
    ("telemetry", &[]),
    ("detect", &[]),
    ("observe", &["schemas"]),
    ("pipeline", &["schemas", "telemetry"]),
    ("blocklist", &["schemas"]),
    ("collector", &["schemas", "observe", "pipeline", "telemetry", "blocklist", "proto"]),
    ("scorer", &["schemas", "observe", "detect", "pipeline", "telemetry", "blocklist", "proto"]),
    ("decider", &["schemas", "observe", "pipeline", "telemetry", "blocklist", "proto"]),
    ("executor", &["schemas", "observe", "pipeline", "telemetry", "blocklist", "proto"]),
    ("verifier", &["schemas", "observe", "pipeline", "telemetry", "blocklist", "proto"]),
    ("cli", &["schemas", "proto", "observe", "detect", "pipeline", "scorer", "decider"]),
    ("loadtest", &["schemas", "proto"]),
    ("compose", &["schemas", "proto"]),
];

/// Outside crates that only some of ours may name.
const KEPT_TO: [(&str, &[&str]); 6] = [
    ("rdkafka", &["pipeline", "loadtest"]),
    ("redis", &["blocklist"]),
    ("apache-avro", &["schemas"]),
    ("aws-sdk-wafv2", &["executor", "verifier", "cli"]),
    ("envoy-types", &["collector", "executor", "verifier"]),
    (
        "tokio",
        &[
            "pipeline",
            "blocklist",
            "collector",
            "decider",
            "executor",
            "verifier",
            "cli",
            "loadtest",
            "compose",
        ],
    ),
];

/// Words that are another word for something `docs/glossary.md` names, where only a type or function would carry them.
const WORDS_NOT_SAID: [&str; 8] =
    ["Whitelist", "whitelist", "Blacklist", "blacklist", "Playbook", "IsBanned", "Jail", "Banned"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("the crate lies two folders deep")
        .to_owned()
}

fn metadata() -> Metadata {
    MetadataCommand::new().manifest_path(root().join("Cargo.toml")).no_deps().exec().unwrap()
}

/// Normal and build dependencies per crate of ours; `e2e` and dev-dependencies may use everything.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let used = |package: &cargo_metadata::Package| {
        let kept = package
            .dependencies
            .iter()
            .filter(|dependency| dependency.kind != DependencyKind::Development);
        kept.map(|dependency| dependency.name.clone()).collect()
    };
    metadata().packages.iter().map(|package| (package.name.to_string(), used(package))).collect()
}

fn sources() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                folders.push(path);
            } else if name.ends_with(".rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.push((path.strip_prefix(root()).unwrap().to_owned(), text));
            }
        }
    }
    found.sort();
    assert!(found.len() > 50, "the tree was not found");
    found
}

#[track_caller]
fn check(rule: &str, offences: Vec<String>) {
    assert!(offences.is_empty(), "{rule}:\n  {}", offences.join("\n  "));
}

#[test]
fn every_crate_uses_only_the_crates_it_may() {
    let dependencies = dependencies();
    let ours: BTreeSet<&str> = dependencies.keys().map(String::as_str).collect();
    let mut offences = Vec::new();
    for (name, used) in dependencies.iter().filter(|(name, _)| *name != "e2e") {
        let Some((_, may)) = WALLS.iter().find(|(crate_name, _)| crate_name == name) else {
            offences.push(format!("{name} is not in WALLS: say what it may use"));
            continue;
        };
        let wrong = used
            .iter()
            .filter(|used| ours.contains(used.as_str()) && !may.contains(&used.as_str()));
        offences.extend(wrong.map(|used| format!("{name} uses {used}")));
    }
    check("crates point one way", offences);
}

#[test]
fn what_touches_the_world_is_named_in_few_places() {
    let mut offences = Vec::new();
    for (name, used) in dependencies().iter().filter(|(name, _)| *name != "e2e") {
        for (outside, kept_to) in KEPT_TO {
            if used.contains(outside) && !kept_to.contains(&name.as_str()) {
                offences.push(format!("{name} names {outside}"));
            }
        }
    }
    check("outside crates stay where they belong", offences);
}

#[test]
fn logic_is_pure() {
    const NOT_IN_LOGIC: [&str; 12] = [
        "async ",
        ".await",
        "tokio::",
        "rdkafka",
        "redis::",
        "std::fs",
        "std::net::Tcp",
        "std::thread",
        "SystemTime",
        "Instant::now",
        "rand::",
        "Uuid::new_v4",
    ];
    let mut offences = Vec::new();
    let pure = |path: &Path| {
        let text = path.to_string_lossy();
        text.contains("/src/logic")
            || text.starts_with("schemas/src")
            || text.starts_with("services/common/observe/src")
            || text.starts_with("services/common/detect/src")
    };
    for (path, text) in sources().iter().filter(|(path, _)| pure(path)) {
        for (number, line) in
            text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"))
        {
            let found = NOT_IN_LOGIC.iter().filter(|word| line.contains(**word));
            offences.extend(found.map(|word| format!("{}:{}: {word}", path.display(), number + 1)));
        }
    }
    check("logic takes time, ids and randomness as arguments", offences);
}

#[test]
fn no_service_starts_a_thread_of_its_own_or_reads_the_clock() {
    let mut offences = Vec::new();
    let service =
        |path: &Path| SERVICES.iter().any(|name| path.starts_with(format!("services/{name}/src")));
    for (path, text) in sources().iter().filter(|(path, _)| service(path)) {
        for word in ["std::thread::spawn", "SystemTime::now"] {
            if text.contains(word) {
                offences.push(format!("{}: {word}", path.display()));
            }
        }
    }
    check("time comes from the context's clock, tasks from the runtime", offences);
}

#[test]
fn files_and_functions_fit_on_a_page() {
    let mut offences = Vec::new();
    for (path, text) in &sources() {
        let lines = text.lines().count();
        if lines > FILE_LINES_MAX {
            offences.push(format!("{} has {lines} lines", path.display()));
        }
        if path.ends_with("src/main.rs") && lines > MAIN_LINES_MAX {
            offences.push(format!("{} has {lines} lines; a main only wires", path.display()));
        }
        let tests = text.lines().skip_while(|line| !line.starts_with("#[cfg(test)]")).count();
        if path.to_string_lossy().contains("/src/") && tests > IN_FILE_TEST_LINES_MAX {
            offences
                .push(format!("{}: {tests} lines of tests belong under tests/", path.display()));
        }
        offences.extend(long_functions(path, text));
    }
    check("a file has 400 lines, a function 70, tests in a file 100", offences);
}

/// Functions longer than allowed, by indentation: rustfmt puts the closing brace under the `fn`.
fn long_functions(path: &Path, text: &str) -> Vec<String> {
    let mut offences = Vec::new();
    let mut open: Option<(usize, usize, String)> = None;
    for (number, line) in text.lines().enumerate() {
        let trimmed = line.trim_start();
        let indent = line.len() - trimmed.len();
        let signature = trimmed.split_once("fn ").filter(|(before, _)| {
            before
                .split_whitespace()
                .all(|word| ["pub", "pub(crate)", "pub(super)", "async", "const"].contains(&word))
        });
        if open.is_none()
            && let Some((_, rest)) = signature
        {
            let name = rest.split(['(', '<']).next().unwrap_or_default().to_owned();
            open = Some((number, indent, name));
        }
        if let Some((start, depth, name)) = &open
            && indent == *depth
            && (trimmed == "}"
                || trimmed.ends_with(';')
                || (trimmed.ends_with('}') && number == *start))
        {
            let lines = number - start + 1;
            if lines > FUNCTION_LINES_MAX {
                offences.push(format!(
                    "{}:{}: {name} has {lines} lines",
                    path.display(),
                    start + 1
                ));
            }
            open = None;
        }
    }
    offences
}

#[test]
fn every_file_says_what_it_is_for() {
    let silent =
        |(path, text): &&(PathBuf, String)| !text.starts_with("//!") && !path.ends_with("build.rs");
    let offences =
        sources().iter().filter(silent).map(|(path, _)| path.display().to_string()).collect();
    check("a file begins with //! and a sentence", offences);
}

#[test]
fn the_words_are_the_glossarys() {
    let mut offences = Vec::new();
    for (path, text) in sources().iter().filter(|(path, _)| !path.ends_with("tidy/main.rs")) {
        for word in WORDS_NOT_SAID {
            if text.contains(word) {
                offences.push(format!("{}: {word}", path.display()));
            }
        }
    }
    check("one word per concept", offences);
}

#[test]
fn no_test_is_skipped_and_nothing_is_left_for_later() {
    let mut offences = Vec::new();
    for (path, text) in sources().iter().filter(|(path, _)| !path.ends_with("tidy/main.rs")) {
        for word in [
            "#[ignore",
            "#[should_panic",
            "todo!(",
            "unimplemented!(",
            "TODO",
            "FIXME",
            "thread::sleep",
        ] {
            if text.contains(word) {
                offences.push(format!("{}: {word}", path.display()));
            }
        }
    }
    check("what stands here is done", offences);
}

#[test]
fn every_crate_obeys_the_workspace_lints() {
    let offences = metadata()
        .packages
        .iter()
        .filter(|package| {
            let manifest = std::fs::read_to_string(&package.manifest_path).unwrap();
            !manifest.contains("[lints]\nworkspace = true")
        })
        .map(|package| package.name.to_string())
        .collect();
    check("lints are the workspace's", offences);
}
