//! Path traversal: a path that leaves the folder it was put in.

use crate::logic::signatures::Finding;
use crate::logic::text::{Part, Text};

/// Without this nothing below can match.
pub(crate) const WORDS: &[&str] = &[".."];

/// What somebody who climbs is usually after.
const TARGETS: &[&str] = &[
    "etc/passwd",
    "etc/shadow",
    "etc/hosts",
    "proc/self",
    "win.ini",
    "boot.ini",
    "system32",
    ".ssh/",
    ".env",
    ".git/",
    "web-inf",
    "wp-config",
    ".htaccess",
    ".htpasswd",
    "id_rsa",
    "/root/",
    "var/log",
];

/// Everything in `text` that climbs out of a folder.
pub(crate) fn find(text: &Text<'_>) -> Vec<Finding> {
    let climb = climb(text);
    let encoded =
        text.dot_encoded || text.decoded_twice || (text.slash_encoded && text.part == Part::Path);
    let mut findings = Vec::new();
    let mut add = |holds: bool, id, weight, explanation, at: Option<usize>| {
        if let Some(at) = at.filter(|_| holds) {
            findings.push(Finding { id, weight, explanation, at });
        }
    };
    add(
        true,
        "masked",
        7.0,
        "dots are doubled so that a filter which removes '../' leaves one",
        climb.masked,
    );
    add(
        climb.above_root,
        "above_root",
        7.0,
        "the path climbs above the root of the site",
        climb.first,
    );
    add(
        encoded,
        "encoded",
        7.0,
        "'../' is written as escapes, which no ordinary client does",
        climb.first,
    );
    // Some clients ask for unresolved paths; a value that climbs twice is meant for a file system.
    let climbing = if text.part == Part::Path { 5.0 } else { 7.0 };
    add(climb.run >= 2, "climbing", climbing, "two folders up or more", climb.first);
    let parent = !climb.above_root && !encoded && climb.run == 1;
    add(parent, "parent", 3.0, "a parent folder is named", climb.first);
    if climb.first.is_some() {
        let target = target(text.bytes);
        add(
            true,
            "target",
            5.0,
            "a file is asked for that only the operating system should read",
            target,
        );
    }
    findings
}

#[derive(Debug, Default)]
struct Climb {
    /// Where the first `..` stands.
    first: Option<usize>,
    /// Most `..` in a row.
    run: usize,
    above_root: bool,
    /// Where something like `....//` stands.
    masked: Option<usize>,
}

fn climb(text: &Text<'_>) -> Climb {
    let mut climb = Climb::default();
    let (mut run, mut depth, mut start) = (0, 0_i64, 0);
    let separators: &[u8] = if text.part == Part::Path { b"/\\" } else { b"/\\=" };
    for segment in text.bytes.split(|byte| separators.contains(byte)) {
        // What follows a semicolon is a parameter of the segment, and some servers drop it before they resolve dots.
        let name = segment.split(|byte| matches!(byte, b';' | 0 | b' ')).next().unwrap_or(segment);
        let ended = start + segment.len() < text.bytes.len();
        match name {
            b".." if ended || climb.first.is_some() || text.part == Part::Path => {
                climb.first.get_or_insert(start);
                run += 1;
                climb.run = climb.run.max(run);
                depth -= 1;
                climb.above_root |= depth < 0 && text.part == Part::Path;
            }
            b"" | b"." => {}
            dots if dots.len() >= 4 && dots.iter().all(|byte| *byte == b'.') && ended => {
                climb.masked.get_or_insert(start);
                run = 0;
            }
            _ => {
                run = 0;
                depth += 1;
            }
        }
        start += segment.len() + 1;
    }
    climb
}

fn target(bytes: &[u8]) -> Option<usize> {
    let found = TARGETS.iter().filter_map(|target| {
        bytes.windows(target.len()).position(|window| window == target.as_bytes())
    });
    found.min()
}
