//! What becomes of real logs: every line is an event, nothing, or dead with a reason.
//!
//! The data lies beside the repository, or where `PERIMETER_DATA` says; where it is missing the tests say so and pass.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use observe::Line;
use observe::logs::{DETECT_LINES_MAX, Dates, Format, Parser, detect};

use crate::{NOW, trusted};

#[derive(Debug, Default)]
struct Tally {
    lines: usize,
    events: usize,
    nothing: usize,
    dead: BTreeMap<&'static str, usize>,
}

fn folder(name: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../shared/data");
    let data = std::env::var_os("PERIMETER_DATA").map_or(beside, PathBuf::from);
    let folder = data.join(name);
    if !folder.is_dir() {
        #[allow(clippy::print_stderr, reason = "a skipped test says so")]
        {
            eprintln!("skipped: {} is missing", folder.display());
        }
        return None;
    }
    Some(folder)
}

fn logs(name: &str) -> Vec<PathBuf> {
    let Some(folder) = folder(name) else { return Vec::new() };
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.to_string_lossy().contains(".log"));
    files.sort();
    assert!(!files.is_empty(), "{name} has no logs");
    files
}

fn contents(path: &Path) -> Vec<u8> {
    let bytes = std::fs::read(path).unwrap();
    if !bytes.starts_with(&[0x1F, 0x8B]) {
        return bytes;
    }
    let mut plain = Vec::new();
    flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_end(&mut plain).unwrap();
    plain
}

/// Reads one file as `auto` does.
fn tally(path: &Path) -> (Option<Format>, Tally) {
    let bytes = contents(path);
    let text = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    let mut tally = Tally::default();
    let Some(format) = detect(&lines[..lines.len().min(DETECT_LINES_MAX)]) else {
        return (None, tally);
    };
    let mut parser = Parser::new(format.clone(), trusted(), Dates::default());
    for line in lines {
        tally.lines += 1;
        match parser.line(line, NOW) {
            Ok(Line::Event(_)) => tally.events += 1,
            Ok(Line::Nothing) => tally.nothing += 1,
            Err(dead) => *tally.dead.entry(dead.class).or_default() += 1,
        }
    }
    assert_eq!(tally.lines, tally.events + tally.nothing + tally.dead.values().sum::<usize>());
    (Some(format), tally)
}

#[test]
fn every_scenario_log_is_read_or_in_no_format_that_is_claimed() {
    for kind in ["http", "auth", "waf"] {
        let mut claimed = 0;
        for path in logs(&format!("scenario_logs/{kind}")) {
            let (format, tally) = tally(&path);
            if let Some(format) = format {
                claimed += 1;
                assert!(tally.events + tally.nothing > 0, "{format} {}", path.display());
            }
        }
        assert!(folder("scenario_logs").is_none() || claimed > 3, "{kind}: {claimed} files");
    }
}

#[test]
fn the_large_access_log_is_read_whole() {
    for path in logs("access") {
        let (format, tally) = tally(&path);
        assert_eq!(format, Some(Format::Combined));
        assert!(tally.lines > 5_000 && tally.dead.is_empty(), "{tally:?}");
        assert_eq!(tally.events, tally.lines);
    }
}

#[test]
fn the_large_auth_log_is_read_whole() {
    for path in logs("auth") {
        let (format, tally) = tally(&path);
        assert_eq!(format, Some(Format::Sshd));
        assert!(tally.lines > 7_000 && tally.dead.is_empty(), "{tally:?}");
        // Counted from outside: lines of sshd about a password, a user that is not, or too many attempts.
        assert!(tally.events > 1_000 && tally.nothing > 3_000, "{tally:?}");
    }
}
