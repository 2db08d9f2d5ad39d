//! SQL written differently.

use crate::chance::Chance;
use crate::table::{Mutation, text};
use crate::wire::{cased, replaced, words};

pub(crate) const TABLE: &[Mutation] = &[
    text("letters of any case", 1, keywords_cased),
    text("comments for blanks", 1, |sql, chance| {
        blanks(sql, &["/**/", "/*x*/", "/* a b */"], chance)
    }),
    text("other blanks", 1, |sql, chance| {
        blanks(sql, &["\t", "\n", "\x0b", "\x0c", "\r\n"], chance)
    }),
    text("line comments for blanks", 1, |sql, chance| {
        blanks(sql, &["--x\n", "-- q7\n", "#kd\n"], chance)
    }),
    text("many blanks", 1, |sql, chance| blanks(sql, &["   ", "  \t "], chance)),
    text("keywords in version comments", 1, versioned),
    text("one keyword in a version comment", 2, |sql, chance| {
        let mut left = 1 + chance.below(2);
        words(sql, |word| {
            (known(word) && left > 0).then(|| {
                left -= 1;
                format!("/*!{word}*/")
            })
        })
    }),
    text("like for equals", 1, |sql, _| like(sql)),
    text("between for greater", 1, between),
    text("symbols for and, or", 1, symbols),
    text("union all", 1, |sql, _| union(sql)),
    text("parentheses for blanks", 2, parentheses),
    text("numbers of another form", 2, numbers),
    text("strings as hex", 1, strings_hex),
    text("comment at the end", 1, tail),
    text("a word before the quote", 2, |sql, chance| {
        sql.starts_with(['\'', '"'])
            .then(|| format!("{}{sql}", chance.pick(&["-1", "x", "a b", "0"])))
    }),
];

const KEYWORDS: [&str; 32] = [
    "select",
    "union",
    "all",
    "from",
    "where",
    "and",
    "or",
    "insert",
    "into",
    "update",
    "delete",
    "drop",
    "table",
    "order",
    "by",
    "group",
    "having",
    "limit",
    "like",
    "between",
    "null",
    "case",
    "when",
    "then",
    "else",
    "end",
    "exec",
    "waitfor",
    "delay",
    "sleep",
    "benchmark",
    "database",
];

fn known(word: &str) -> bool {
    KEYWORDS.iter().any(|keyword| word.eq_ignore_ascii_case(keyword))
}

/// Whether the text outside quotes may be touched here: mutations must not change what a string says.
fn outside(sql: &str, mut each: impl FnMut(&str) -> String) -> String {
    let mut out = String::new();
    let mut quoted = false;
    let first = sql.find(['\'', '"']).map_or('\'', |at| char::from(sql.as_bytes()[at]));
    for (at, part) in sql.split(first).enumerate() {
        if at > 0 {
            out.push(first);
            quoted = at > 1 && !quoted;
        }
        out.push_str(&if quoted { part.to_owned() } else { each(part) });
    }
    out
}

fn changed(sql: &str, new: String) -> Option<String> {
    (new != sql).then_some(new)
}

fn keywords_cased(sql: &str, chance: &mut Chance) -> Option<String> {
    words(sql, |word| if known(word) { cased(word, chance) } else { None })
}

fn blanks(sql: &str, with: &[&str], chance: &mut Chance) -> Option<String> {
    let with = chance.pick(with);
    let body = sql.trim_end();
    let end = ["--", "#"].iter().filter_map(|mark| body.find(mark)).min().unwrap_or(body.len());
    let (code, rest) = body.split_at(end);
    let new = outside(code, |part| part.replace(' ', with));
    (new != code).then(|| new + rest + &sql[body.len()..])
}

fn versioned(sql: &str, _: &mut Chance) -> Option<String> {
    words(sql, |word| {
        let plain = known(word) && !["and", "or", "sleep", "benchmark", "database"].contains(&word);
        plain.then(|| format!("/*!50000{word}*/"))
    })
}

fn like(sql: &str) -> Option<String> {
    let at = sql.rfind('=')?;
    let before = sql.as_bytes().get(at.wrapping_sub(1)).copied().unwrap_or(b' ');
    (!b"<>!:".contains(&before)).then(|| format!("{} LIKE {}", &sql[..at], &sql[at + 1..]))
}

fn between(sql: &str, _: &mut Chance) -> Option<String> {
    let at = sql.find('>')?;
    let (left, right) = (&sql[..at], &sql[at + 1..]);
    let number = right.trim_start();
    let length = number.find(|byte: char| !byte.is_ascii_digit()).unwrap_or(number.len());
    (length > 0)
        .then(|| format!("{left} NOT BETWEEN 0 AND {}{}", &number[..length], &number[length..]))
}

fn symbols(sql: &str, _: &mut Chance) -> Option<String> {
    let mut new = sql.to_owned();
    for (word, symbol) in [(" and ", "&&"), (" AND ", "&&"), (" or ", "||"), (" OR ", "||")] {
        new = new.replace(word, symbol);
    }
    changed(sql, new)
}

fn union(sql: &str) -> Option<String> {
    let lower = sql.to_ascii_lowercase();
    let at = lower.find("union select")?;
    Some(format!("{}union all select{}", &sql[..at], &sql[at + 12..]))
}

fn parentheses(sql: &str, _: &mut Chance) -> Option<String> {
    for word in ["or 1=1", "and 1=1", "OR 1=1", "AND 1=1", "or 1=2", "and 1=2"] {
        if let Some(at) = sql.find(word) {
            let (left, right) = (&sql[..at], &sql[at + word.len()..]);
            let (operator, test) = word.split_once(' ')?;
            return Some(format!("{left}{operator}({test}){right}"));
        }
    }
    replaced(sql, "select 1", "select(1)")
}

fn numbers(sql: &str, chance: &mut Chance) -> Option<String> {
    let form = chance.below(3);
    outside(sql, |part| {
        words(part, |word| {
            let number: u32 = word.parse().ok().filter(|_| !word.starts_with('0'))?;
            Some(match form {
                0 => format!("0x{number:x}"),
                1 => format!("{number}e0"),
                _ => format!("({number}-0)"),
            })
        })
        .unwrap_or_else(|| part.to_owned())
    })
    .into()
}

fn strings_hex(sql: &str, _: &mut Chance) -> Option<String> {
    let first = sql.find('\'')? + 1;
    let open = first + sql[first..].find('\'')?;
    let length = sql[open + 1..].find('\'')?;
    let inner = &sql[open + 1..open + 1 + length];
    let word = !inner.is_empty() && inner.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let hex: String = inner.bytes().map(|byte| format!("{byte:02x}")).collect();
    word.then(|| format!("{} 0x{hex} {}", &sql[..open], &sql[open + length + 2..]))
}

fn tail(sql: &str, chance: &mut Chance) -> Option<String> {
    let body = sql.trim_end().trim_end_matches('-').trim_end_matches('#').trim_end();
    let new = format!("{body}{}", chance.pick(&[" -- -", "#", " -- x", "-- a7", " #x"]));
    let had = sql.trim_end().ends_with("--") || sql.ends_with('#') || sql.ends_with("-- -");
    (had && new != sql).then_some(new)
}
