//! PHP, templates and NoSQL operators written differently.

use crate::table::{Mutation, text, wire};
use crate::wire::{cased, escape, replaced, words};

const FUNCTIONS: [&str; 12] = [
    "system",
    "exec",
    "shell_exec",
    "passthru",
    "phpinfo",
    "eval",
    "assert",
    "file_get_contents",
    "base64_decode",
    "include",
    "popen",
    "md5",
];

/// Rewrites the first function that is called; the parenthesis goes with it.
fn call(code: &str, each: impl FnOnce(&str) -> String) -> Option<String> {
    let named = FUNCTIONS.iter().filter_map(|name| Some((code.find(&format!("{name}("))?, *name)));
    let (at, name) = named.min()?;
    Some(format!("{}{}{}", &code[..at], each(name), &code[at + name.len() + 1..]))
}

pub(crate) const PHP: &[Mutation] = &[
    text("functions of any case", 6, |code, chance| {
        words(code, |word| if FUNCTIONS.contains(&word) { cased(word, chance) } else { None })
    }),
    text("a comment before the parenthesis", 6, |code, chance| {
        let comment = chance.pick(&["/**/", "/*x*/", " /* a */ "]);
        call(code, |name| format!("{name}{comment}("))
    }),
    text("blanks before the parenthesis", 6, |code, chance| {
        let blank = chance.pick(&[" ", "\t", "\n", "  "]);
        call(code, |name| format!("{name}{blank}("))
    }),
    text("the global namespace", 6, |code, _| {
        call(code, |name| format!("\\{name}(")).filter(|_| !code.contains("eval("))
    }),
    text("the function as a string", 6, |code, _| {
        let made = call(code, |name| format!("('{name}')("));
        made.filter(|_| !code.contains("eval(") && !code.contains("include("))
    }),
    text("the function from two strings", 6, |code, _| {
        let made = call(code, |name| format!("('{}'.'{}')(", &name[..3], &name[3..]));
        made.filter(|_| !code.contains("eval(") && !code.contains("include("))
    }),
    text("the function in hex", 6, |code, _| {
        let made = call(code, |name| {
            let hex: String = name.bytes().map(|byte| format!("\\x{byte:02x}")).collect();
            format!("(\"{hex}\")(")
        });
        made.filter(|_| !code.contains("eval(") && !code.contains("include("))
    }),
    text("the short tag", 6, |code, _| {
        replaced(code, "<?php echo ", "<?=").or_else(|| replaced(code, "<?php ", "<? "))
    }),
    text("the tag of any case", 6, |code, chance| {
        replaced(code, "<?php", chance.pick(&["<?PhP", "<?PHP", "<?pHp"]))
    }),
    text("wrappers of any case", 6, |code, chance| {
        replaced(code, "php://", chance.pick(&["PHP://", "pHp://", "Php://"]))
    }),
    text("an error hidden", 6, |code, _| call(code, |name| format!("@{name}("))),
];

pub(crate) const TEMPLATE: &[Mutation] = &[
    text("blanks inside the braces", 7, |code, chance| {
        let blank = chance.pick(&["  ", "\t", "\n"]);
        braces(code, |inner| format!("{{{{{blank}{}{blank}}}}}", inner.trim()))
    }),
    text("no blanks inside the braces", 7, |code, _| {
        braces(code, |inner| format!("{{{{{}}}}}", inner.trim()))
    }),
    text("whitespace control", 7, |code, _| {
        braces(code, |inner| format!("{{{{- {} -}}}}", inner.trim()))
    }),
    text("a statement that prints", 7, |code, _| {
        braces(code, |inner| format!("{{% print({}) %}}", inner.trim()))
    }),
    text("a loop around", 7, |code, _| {
        code.starts_with("{{").then(|| format!("{{% for x in (1,) %}}{code}{{% endfor %}}"))
    }),
    text("attributes by subscript", 7, |code, _| attributes(code, |name| format!("['{name}']"))),
    text("attributes by filter", 7, |code, _| attributes(code, |name| format!("|attr('{name}')"))),
    text("attributes in two strings", 7, |code, _| {
        attributes(code, |name| format!("['{}''{}']", &name[..4], &name[4..]))
    }),
    text("attributes in hex", 7, |code, _| {
        attributes(code, |name| format!("['{}']", name.replace('_', "\\x5f")))
    }),
    text("attributes joined", 7, |code, _| {
        attributes(code, |name| format!("[['{}','{}']|join]", &name[..4], &name[4..]))
    }),
    text("a comment before", 7, |code, _| {
        code.starts_with("{{").then(|| format!("{{# a #}}{code}"))
    }),
    text("another mark of expressions", 7, |code, chance| {
        let mark = chance.pick(&["#{", "*{", "@{"]);
        code.starts_with("${").then(|| format!("{mark}{}", &code[2..]))
    }),
    text("other numbers", 7, |code, chance| {
        let sum = format!("{}*{}", 2 + chance.below(900), 2 + chance.below(900));
        replaced(code, "7*7", &sum)
    }),
];

fn braces(code: &str, each: impl FnOnce(&str) -> String) -> Option<String> {
    let (before, rest) = code.split_once("{{")?;
    let (inner, after) = rest.split_once("}}")?;
    let new = format!("{before}{}{after}", each(inner.trim_matches('-')));
    (new != code).then_some(new)
}

/// Rewrites `.__name__`.
fn attributes(code: &str, each: impl Fn(&str) -> String) -> Option<String> {
    let mut parts = code.split(".__");
    let mut out = parts.next()?.to_owned();
    for part in parts {
        let (name, rest) = part.split_once("__")?;
        out.push_str(&each(&format!("__{name}__")));
        out.push_str(rest);
    }
    (out != code).then_some(out)
}

pub(crate) const NOSQL: &[Mutation] = &[
    text("escapes in names", 8, |code, chance| {
        code.starts_with('{')
            .then(|| code.replace('$', chance.pick(&["\\u0024", "\\u0024"])))
            .filter(|new| new != code)
    }),
    text("an escaped letter", 8, |code, _| {
        replaced(code, "$ne", "$n\\u0065").filter(|_| code.starts_with('{'))
    }),
    text("blanks between tokens", 8, |code, chance| {
        let blank = chance.pick(&[" ", "\n", "\t", "  "]);
        replaced(code, ":", &format!("{blank}:{blank}")).filter(|_| code.starts_with('{'))
    }),
    text("another operator", 8, |code, chance| {
        replaced(code, "$ne", chance.pick(&["$gt", "$gte", "$not", "$nin", "$lt"]))
            .or_else(|| replaced(code, "$gt", chance.pick(&["$ne", "$gte"])))
    }),
    text("an expression for the operator", 8, |code, chance| {
        replaced(
            code,
            "\"$ne\":null",
            chance.pick(&["\"$regex\":\".*\"", "\"$exists\":true", "\"$type\":2"]),
        )
    }),
    text("in a disjunction", 8, |code, _| {
        let inner = code.starts_with('{') && code.ends_with('}');
        inner.then(|| format!("{{\"$or\":[{{\"a\":1}},{code}]}}"))
    }),
    text("comments in the script", 8, |code, _| {
        replaced(code, "||", "/**/||/**/").filter(|_| !code.starts_with('{'))
    }),
    text("another comparison", 8, |code, chance| {
        replaced(code, "1==1", chance.pick(&["2>1", "'a'=='a'", "1===1", "!0"]))
    }),
    wire("the operator escaped", 8, |code, _| {
        Some(escape(
            code,
            |byte| !byte.is_ascii_graphic() || b"${}[]\"%&#+".contains(&byte),
            "%",
            false,
        ))
    }),
];
