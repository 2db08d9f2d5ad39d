//! Shell commands written differently.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::table::{Mutation, text};
use crate::wire::{replaced, words};

pub(crate) const TABLE: &[Mutation] = &[
    text("quotes inside words", 5, |line, chance| {
        let quote = chance.pick(&["''", "\"\""]);
        inside(line, |word, at| format!("{}{quote}{}", &word[..at], &word[at..]))
    }),
    text("one quoted letter", 5, |line, _| {
        inside(line, |word, at| format!("{}'{}'{}", &word[..at], &word[at..=at], &word[at + 1..]))
    }),
    text("back-slashes inside words", 5, |line, _| {
        inside(line, |word, at| format!("{}\\{}", &word[..at], &word[at..]))
    }),
    text("empty parameters inside words", 5, |line, chance| {
        let nothing = chance.pick(&["$@", "${x}", "$*", "${u7}"]);
        inside(line, |word, at| format!("{}{nothing}{}", &word[..at], &word[at..]))
    }),
    text("empty commands inside words", 5, |line, chance| {
        let nothing = chance.pick(&["$()", "``", "$(:)"]);
        inside(line, |word, at| format!("{}{nothing}{}", &word[..at], &word[at..]))
    }),
    text("field separators for blanks", 5, |line, chance| {
        gap(line, chance.pick(&["${IFS}", "$IFS$9", "${IFS%??}"]))
    }),
    text("tabs for blanks", 5, |line, _| gap(line, "\t")),
    text("a redirection for a blank", 5, |line, _| {
        replaced(line, "cat /", "cat</").or_else(|| replaced(line, "cat /", "cat < /"))
    }),
    text("braces for blanks", 5, |line, _| replaced(line, "cat /etc/passwd", "{cat,/etc/passwd}")),
    text("patterns in paths", 5, |line, chance| {
        replaced(
            line,
            "/etc/passwd",
            chance.pick(&["/e?c/p?sswd", "/etc/pass*", "/???/passwd", "/e[t]c/passw[d]"]),
        )
    }),
    text("another separator", 5, |line, chance| {
        let start = line.find([';', '|'])?;
        let rest = line[start..].trim_start_matches([';', '|']);
        Some(format!("{}{}{rest}", &line[..start], chance.pick(&[";", "|", "||", "&&", "\n", "&"])))
    }),
    text("the program by its path", 5, |line, chance| {
        command(line, |word| format!("{}{word}", chance.pick(&["/bin/", "/usr/bin/", "/./bin/"])))
    }),
    text("the program from variables", 5, |line, _| {
        command(line, |word| {
            let (left, right) = word.split_at(1);
            format!("a={left};b={right};$a$b")
        })
    }),
    text("back-ticks and dollars swapped", 5, |line, _| {
        if let Some((before, rest)) = line.split_once("$(") {
            let (inner, after) = rest.split_once(')')?;
            return Some(format!("{before}`{inner}`{after}"));
        }
        let (before, rest) = line.split_once('`')?;
        let (inner, after) = rest.split_once('`')?;
        Some(format!("{before}$({inner}){after}"))
    }),
    text("base64 into a shell", 5, |line, chance| {
        let start = line.find([';', '|', '&'])?;
        let body = line[start..].trim_start_matches([';', '|', '&', ' ']);
        let separator = &line[start..line.len() - body.len()];
        let shell = chance.pick(&["sh", "bash", "/bin/sh"]);
        (body.len() > 3).then(|| {
            format!("{}{separator}echo {}|base64 -d|{shell}", &line[..start], STANDARD.encode(body))
        })
    }),
];

const COMMANDS: [&str; 18] = [
    "cat", "id", "whoami", "uname", "ls", "wget", "curl", "ping", "nc", "bash", "sh", "sleep",
    "nslookup", "perl", "python", "rm", "head", "tail",
];

fn known(word: &str) -> bool {
    COMMANDS.contains(&word)
}

/// Rewrites every command word, with a place inside it.
fn inside(line: &str, mut each: impl FnMut(&str, usize) -> String) -> Option<String> {
    let mut before = 0;
    words(line, |word| {
        let at = line[before..].find(word).map_or(before, |at| before + at);
        before = at + word.len();
        let quoted =
            line[..at].matches('"').count() % 2 == 1 || line[..at].matches('\'').count() % 2 == 1;
        (known(word) && word.len() > 1 && !quoted).then(|| each(word, 1))
    })
}

/// Rewrites the first command word behind a separator.
fn command(line: &str, each: impl FnOnce(&str) -> String) -> Option<String> {
    let start = line.find([';', '|', '&', '`', '\n'])?;
    let body = line[start..].trim_start_matches([';', '|', '&', '`', ' ', '\n']);
    let end = body.find(|byte: char| !byte.is_ascii_alphanumeric()).unwrap_or(body.len());
    known(&body[..end]).then(|| {
        format!("{}{}{}", &line[..line.len() - body.len()], each(&body[..end]), &body[end..])
    })
}

/// Puts `with` for each blank between a command and its arguments.
fn gap(line: &str, with: &str) -> Option<String> {
    let start = COMMANDS.iter().filter_map(|name| line.find(&format!("{name} "))).min()?;
    let quoted = line.contains(['\'', '"']);
    (!quoted).then(|| format!("{}{}", &line[..start], line[start..].replace(' ', with)))
}
