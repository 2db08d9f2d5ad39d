//! `perimeter parse` as it is typed: what it prints, and how it fails.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

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
        (vec!["--proxies", "10.0.0.x", "x"], 2, "'10.0.0.x' is neither an address nor a network"),
        (vec![], 2, "FILE"),
    ] {
        let (code, sentence) = failure(folder.path(), &arguments);
        assert_eq!(code, Some(expected), "{arguments:?}: {sentence}");
        assert!(sentence.contains(words), "{arguments:?}: {sentence}");
    }
}

#[test]
fn files_that_cannot_be_read_keep_no_other_from_being_shown() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("access.log"), ACCESS).unwrap();
    std::fs::write(folder.path().join("last.log"), ACCESS.repeat(2)).unwrap();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    // Each line differs, so that what is packed is longer than what is cut off.
    let text: String =
        (0..1_000).map(|number| ACCESS.replace("/a", &format!("/{}", number * 7_919))).collect();
    gzip.write_all(text.as_bytes()).unwrap();
    let packed = gzip.finish().unwrap();
    std::fs::write(folder.path().join("cut.log.gz"), &packed[..packed.len() - 20]).unwrap();
    let files = ["missing.log", "access.log", "cut.log.gz", "last.log"];
    for format in ["auto", "combined"] {
        let output = parse(folder.path(), &[&["--format", format][..], &files].concat());
        assert_eq!(output.status.code(), Some(1));
        let told = String::from_utf8(output.stderr).unwrap();
        let told: Vec<&str> = told.lines().collect();
        assert!(told[0].starts_with("perimeter: could not read missing.log: "), "{told:?}");
        assert!(
            told[1].starts_with("perimeter: could not read cut.log.gz after line "),
            "{told:?}"
        );
        assert_eq!(told.len(), 2, "{told:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        let found: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let named: Vec<&str> = found.iter().map(|file| file["file"].as_str().unwrap()).collect();
        assert_eq!(named, ["access.log", "cut.log.gz", "last.log"]);
        let whole = found[1]["events"].as_u64().unwrap();
        assert!(whole > 100 && found[1]["lines"] == whole, "{}", found[1]);
        assert_eq!(found[2]["events"], 2);
    }
}

#[test]
fn standard_input_is_read_and_one_address_is_a_proxy() {
    let line = "10.0.0.7 - - [21/Nov/2026:14:05:09 +0100] \"GET / HTTP/1.1\" 200 5 \"-\" \"-\" \"81.2.69.142\"\n";
    let arguments =
        ["parse", "--format", "nginx", "--proxies", "10.0.0.7,2a00:1450::7", "--show", "1", "-"];
    let mut child = Command::new(env!("CARGO_BIN_EXE_perimeter"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(line.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let found: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&found[0]["client"], &found[0]["source"]), (&json!("81.2.69.142"), &json!("-")));
    assert_eq!((&found[1]["file"], &found[1]["events"]), (&json!("-"), &json!(1)));
}

#[test]
fn a_body_is_shown_as_text() {
    let folder = tempfile::tempdir().unwrap();
    let line = json!({ "transaction": { "client_ip": "81.2.69.142", "unix_timestamp": 1_795_266_309_000_000_000_i64,
        "request": { "method": "POST", "uri": "/", "body": "q=é" } } });
    std::fs::write(folder.path().join("audit.log"), line.to_string()).unwrap();
    let found = lines(folder.path(), &["--format", "coraza", "--show", "1", "audit.log"]);
    assert_eq!(found[0]["body"], "q=é");
}

#[test]
fn blank_lines_are_skipped_in_a_file_of_no_format() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("blank.log"), "\u{FEFF}\n \r\n\n").unwrap();
    std::fs::write(folder.path().join("notes.txt"), "\nhello\n").unwrap();
    let found = lines(folder.path(), &["blank.log", "notes.txt"]);
    assert_eq!((&found[0]["skipped"], &found[0]["dead"]), (&json!(3), &json!({})));
    assert_eq!(
        (&found[1]["skipped"], &found[1]["dead"]),
        (&json!(1), &json!({ "unsupported": 1 }))
    );
}
