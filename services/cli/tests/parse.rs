//! `perimeter parse` as it is typed: what it prints, and how it fails.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

const ACCESS: &str =
    "81.2.69.142 - - [21/Nov/2026:14:05:09 +0100] \"GET /a HTTP/1.1\" 200 5 \"-\" \"curl\"\n";

fn parse(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_perimeter"));
    command.current_dir(folder).arg("parse").args(arguments).output().unwrap()
}

/// The JSON lines of a run that must succeed.
#[track_caller]
fn lines(folder: &Path, arguments: &[&str]) -> Vec<Value> {
    let output = parse(folder, arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Exit code and sentence of a run that must fail.
fn failure(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let output = parse(folder, arguments);
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn each_file_is_one_line_whatever_it_holds() {
    let folder = tempfile::tempdir().unwrap();
    let long = format!("{}\n", "a".repeat(100_000));
    let text = format!("{ACCESS}\n{long}{ACCESS}unfinished");
    std::fs::write(folder.path().join("access.log"), &text).unwrap();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(ACCESS.repeat(3).as_bytes()).unwrap();
    std::fs::write(folder.path().join("access.log.1.gz"), gzip.finish().unwrap()).unwrap();
    std::fs::write(folder.path().join("notes.txt"), "hello\nworld\n").unwrap();
    std::fs::write(folder.path().join("empty.log"), "").unwrap();
    let found = lines(folder.path(), &["access.log", "access.log.1.gz", "notes.txt", "empty.log"]);
    assert_eq!(
        found[0],
        json!({
            "file": "access.log", "format": "combined", "lines": 5, "events": 2, "skipped": 1,
            "dead": { "malformed": 1, "too_long": 1 },
            "first_dead": {
                "line": 3, "class": "too_long",
                "reason": "the line has 65537 bytes or more, and 65536 are allowed",
            },
        })
    );
    assert_eq!((&found[1]["lines"], &found[1]["events"]), (&json!(3), &json!(3)));
    assert_eq!(
        (&found[2]["format"], &found[2]["dead"]),
        (&Value::Null, &json!({ "unsupported": 2 }))
    );
    assert_eq!((&found[3]["lines"], &found[3]["dead"]), (&json!(0), &json!({})));
}

#[test]
fn events_are_shown_as_they_would_be_published() {
    let folder = tempfile::tempdir().unwrap();
    let line = "10.0.0.7|21/Nov/2026:14:05:09 +0100|GET /a HTTP/1.1|401|81.2.69.142";
    std::fs::write(folder.path().join("own.log"), format!("{line}\n{line}\n{line}\n")).unwrap();
    let template = "$remote_addr|$time_local|$request|$status|$http_x_forwarded_for";
    let options = ["--format", template, "--proxies", "10.0.0.0/24,10.1.0.0/24", "--show", "2"];
    let found = lines(folder.path(), &[&options[..], &["own.log"]].concat());
    assert_eq!(found.len(), 3);
    let event: schemas::Event = serde_json::from_value(found[1].clone()).unwrap();
    assert_eq!(event.client.to_string(), "81.2.69.142");
    assert_eq!(event.provenance, schemas::Provenance::ProxyAsserted);
    assert_eq!(
        (event.position, event.observed_at),
        (Some(line.len() as i64 + 1), 1_795_266_309_000)
    );
    assert_eq!((found[2]["format"].as_str(), &found[2]["events"]), (Some(template), &json!(3)));
}

#[test]
fn what_cannot_be_done_is_one_sentence_and_an_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("cut.gz"), [0x1F, 0x8B, 8, 0]).unwrap();
    let (code, sentence) = failure(folder.path(), &["missing.log"]);
    assert_eq!(code, Some(1));
    assert!(
        sentence.starts_with("perimeter: could not read missing.log: No such file"),
        "{sentence}"
    );
    assert_eq!(sentence.lines().count(), 1);
    for (arguments, expected, words) in [
        (vec!["cut.gz"], 1, "could not read cut.gz"),
        (vec!["."], 1, "could not read .: Is a directory"),
        (vec!["--format", "apache", "x"], 2, "'apache' is no format; choose one of common"),
        (vec!["--format", "$status", "x"], 2, "no $remote_addr"),
        (vec!["--proxies", "10.0.0.7", "x"], 2, "--proxies"),
        (vec![], 2, "FILE"),
    ] {
        let (code, sentence) = failure(folder.path(), &arguments);
        assert_eq!(code, Some(expected), "{arguments:?}: {sentence}");
        assert!(sentence.contains(words), "{arguments:?}: {sentence}");
    }
}
