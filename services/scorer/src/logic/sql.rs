//! SQL injection: a value that ends the statement it was put in and begins another.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::bytes::{Regex, RegexSet};

use crate::logic::signatures::Finding;
use crate::logic::text::Text;

/// Without one of these no pattern below can match.
pub(crate) const WORDS: &[&str] = &[
    "'",
    "\"",
    "`",
    ";",
    "*/",
    "||",
    "&&",
    " or ",
    " and ",
    " xor ",
    ")or",
    ")and",
    "or(",
    "and(",
    "union",
    "select",
    "sleep",
    "benchmark",
    "waitfor",
    "having",
    "order by",
    "information_schema",
    "load_file",
    "outfile",
    "dumpfile",
    "xp_cmdshell",
    "extractvalue",
    "updatexml",
    "@@version",
];

/// (id, weight, pattern, explanation). Texts are in lower case, blanks are spaces, comments are gone.
///
/// A weight of 7 convicts alone; lighter ones only together.
const PATTERNS: &[(&str, f64, &str, &str)] = &[
    (
        "tautology",
        7.0,
        r#"(?:['"`]|=\s*-?\d+)\s*\)*\s*(?:\b(?:or|and|xor)\b|\|\||&&)\s*\(*\s*(?:not\s+)?(?:\d+|'[^'"]{0,32}'|"[^'"]{0,32}")\s*(?:<=>|!=|<>|<=|>=|=|<|>|like\b|is\b|in\b|between\b)\s*\(*\s*(?:\d|['"]|null\b|not\b|true\b)"#,
        "a condition that is always true or false is added to the query",
    ),
    (
        "tautology_comment",
        7.0,
        r#"(?:['"`]|=\s*-?\d+)\s*\)*\s*(?:\b(?:or|and)\b|\|\||&&)\s*\(*\s*(?:true|false|not\s+\w+|\d+)\s*\)*\s*(?:--|#|;|/\*)"#,
        "a constant condition is added and the rest of the query is commented out",
    ),
    (
        "union_select",
        7.0,
        r#"\bunion\b\s*(?:\b(?:all|distinct)\b)?\s*\(*\s*\bselect\b\s*(?:all\s+|distinct\s+)?(?:null\b|-?\d|['"@*(`]|[\w.]+\s*(?:,|\(|\bfrom\b|--|#|;))"#,
        "the result of another query is appended",
    ),
    (
        "union_select",
        7.0,
        r#"(?:['")]|[=\s]-?\d+)\s*\bunion\b\s*(?:\b(?:all|distinct)\b)?\s*\(*\s*\bselect\b"#,
        "the result of another query is appended",
    ),
    (
        "stacked",
        7.0,
        r#"(?:['"`)]|[=\s]-?\d+)\s*;\s*(?:(?:drop|alter|create|truncate)\s+(?:table|database|schema|index|view|user|procedure|function)\b|insert\s+into\b|delete\s+from\b|update\s+[\w.`"]+\s+set\b|exec(?:ute)?[\s(]|shutdown\b|declare\s+@|select\s+[^;]{1,80}\(|select\s+[^;]{1,80}\bfrom\b|waitfor\b|merge\s+into\b|grant\s+|copy\s+)"#,
        "a second statement follows the first",
    ),
    (
        "time_delay",
        7.0,
        r#"(?:\b(?:and|or|xor|select|then|else|when|union|where|having|by|if|rlike)\b|[;'"(,=|&*/+-])\s*\(*\s*(?:select\s*\(*\s*)?(?:sleep|pg_sleep|dbms_lock\.sleep|dbms_pipe\.receive_message)\s*\(\s*(?:\d+(?:\.\d+)?\s*\)|['"(])"#,
        "the database is told to wait, so that the answer's time tells the attacker something",
    ),
    (
        "time_delay",
        7.0,
        r#"\bbenchmark\s*\(\s*\d{4,}\s*,|\bwaitfor\s+(?:delay|time)\s*['"]|\bpg_sleep\s*\("#,
        "the database is told to wait, so that the answer's time tells the attacker something",
    ),
    (
        "subquery",
        7.0,
        r#"\b(?:and|or|xor)\b\s*\(*\s*(?:not\s+)?(?:exists\s*)?(?:(?:\d+|'[^']{0,32}')\s*[=<>]+\s*)?\(\s*select\b"#,
        "a condition asks the database a question of its own",
    ),
    (
        "blind",
        7.0,
        r#"\b(?:and|or|xor)\b\s*\(*\s*(?:ascii|ord|substr|substring|mid|length|char|hex|conv|unhex|if)\s*\(+\s*(?:select\b|(?:user|database|version|current_user|substr|substring|mid|char)\b\s*\()"#,
        "a condition asks for one character of a secret",
    ),
    (
        "blind",
        7.0,
        r#"\(\s*select\s+[^)]{0,80}\bfrom\b[^)]{0,80}\)|\b(?:case\s+when\b[^)]{1,80}\bthen\b[^)]{1,80}\belse\b)"#,
        "a query stands inside a value",
    ),
    (
        "catalogue",
        7.0,
        r#"\binformation_schema\s*\.\s*\w|\bload_file\s*\(|\binto\s+(?:out|dump)file\b|\bxp_cmdshell\b|\b(?:extractvalue|updatexml)\s*\(|\bselect\s+@@version"#,
        "the database's own catalogue, files or functions are asked for",
    ),
    (
        "cut_off",
        7.0,
        r#"[\w=]\s?['"]\s*\)*\s*(?:--\s*-?|#|/\*)\s*$"#,
        "a quote ends the value and a comment hides the rest of the query",
    ),
    (
        "probing",
        7.0,
        r#"(?:['"`)]|=\s*-?\d+)\s*\)*\s*\b(?:having\s+\d+\s*=\s*\d|(?:order|group)\s+by\s+\d+\s*(?:,\s*\d+\s*)*(?:--|#|/\*|;|$))"#,
        "the number of columns is being found out",
    ),
];

static SET: LazyLock<RegexSet> = LazyLock::new(|| {
    RegexSet::new(PATTERNS.iter().map(|(_, _, pattern, _)| ascii(pattern)))
        .expect("the tests build the patterns")
});
static EACH: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    let compiled = PATTERNS.iter().map(|(_, _, pattern, _)| Regex::new(&ascii(pattern)));
    compiled.collect::<Result<_, _>>().expect("the tests build the patterns")
});

/// Everything in `text` that looks like SQL put where a value belongs.
pub(crate) fn find(text: &Text<'_>) -> Vec<Finding> {
    let plain = without_comments(text.bytes);
    let mut findings: Vec<Finding> = Vec::new();
    for index in SET.matches(&plain) {
        let (id, weight, _, explanation) = PATTERNS[index];
        // Two patterns of one id are one fact, and one fact counts once.
        if findings.iter().all(|finding| finding.id != id) {
            let at = EACH[index].find(&plain).map_or(0, |found| found.start());
            findings.push(Finding { id, weight, explanation, at });
        }
    }
    findings
}

/// Comments as the database sees them: blanks; and what MySQL executes in spite of a comment, itself.
fn without_comments(bytes: &[u8]) -> Cow<'_, [u8]> {
    if !bytes.windows(2).any(|pair| pair == b"/*") {
        return Cow::Borrowed(bytes);
    }
    let mut plain = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(start) = position(rest, b"/*") {
        plain.extend_from_slice(&rest[..start]);
        let inside = &rest[start + 2..];
        if let Some(executed) = inside.strip_prefix(b"!") {
            let digits = executed.iter().take_while(|byte| byte.is_ascii_digit()).count();
            plain.push(b' ');
            rest = &executed[digits..];
            continue;
        }
        match position(inside, b"*/") {
            Some(end) => {
                plain.push(b' ');
                rest = &inside[end + 2..];
            }
            None => {
                // A comment without an end hides all that follows.
                plain.extend_from_slice(b"/*");
                rest = &[];
            }
        }
    }
    plain.extend_from_slice(rest);
    for index in 1..plain.len() {
        if plain[index - 1] == b'*' && plain[index] == b'/' {
            plain[index - 1] = b' ';
            plain[index] = b' ';
        }
    }
    Cow::Owned(plain)
}

fn position(bytes: &[u8], pair: &[u8; 2]) -> Option<usize> {
    bytes.windows(2).position(|window| window == pair)
}

fn ascii(pattern: &str) -> String {
    format!("(?-u){pattern}")
}
