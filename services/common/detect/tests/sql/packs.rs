//! Each signature of these packs hits and misses what it says.

use std::sync::LazyLock;

use detect::structure::sql::{Sql, read};
use regex::bytes::{Regex, RegexBuilder};
use serde::Deserialize;

#[derive(Deserialize)]
struct Pack {
    signature: Vec<Entry>,
}

/// What these tests need of a signature.
#[derive(Deserialize)]
pub(crate) struct Entry {
    pub(crate) id: String,
    pub(crate) prior: f64,
    #[serde(default)]
    places: Vec<String>,
    view: String,
    needs: Vec<String>,
    #[serde(default)]
    pattern: String,
    #[serde(default)]
    flags: Vec<String>,
}

/// A signature that is ready to be tried.
pub(crate) struct Signature {
    pub(crate) entry: Entry,
    regex: Option<Regex>,
    flags: u32,
}

/// A value in the views that these packs look at.
pub(crate) struct Views {
    pub(crate) text: Vec<u8>,
    pub(crate) sql: Vec<u8>,
    pub(crate) flags: Sql,
}

impl Views {
    pub(crate) fn new(value: &[u8]) -> Views {
        let mut text = decode(&decode(value));
        text.make_ascii_lowercase();
        let mut folded: Vec<u8> = Vec::new();
        for byte in text {
            let byte = if byte.is_ascii_whitespace() { b' ' } else { byte };
            if byte != b' ' || folded.last() != Some(&b' ') {
                folded.push(byte);
            }
        }
        let sql = uncomment(&folded);
        let flags = read(&sql, &mut 0);
        Views { text: folded, sql, flags }
    }
}

fn decode(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < value.len() {
        let pair = value.get(at + 1..at + 3).and_then(|pair| std::str::from_utf8(pair).ok());
        match pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(byte) if value[at] == b'%' => {
                out.push(byte);
                at += 3;
            }
            _ => {
                out.push(value[at]);
                at += 1;
            }
        }
    }
    out
}

fn uncomment(text: &[u8]) -> Vec<u8> {
    static PATTERNS: LazyLock<[Regex; 3]> = LazyLock::new(|| {
        [r"(?-u)/\*![0-9]{0,6}", r"(?-u)/\*[^*]*(?:\*[^*/][^*]*)*\*/", r"(?-u)\*/| +"]
            .map(|pattern| Regex::new(pattern).expect("a pattern"))
    });
    let mut text = text.to_vec();
    for pattern in &*PATTERNS {
        text = pattern.replace_all(&text, &b" "[..]).into_owned();
    }
    text
}

impl Signature {
    pub(crate) fn hit(&self, views: &Views) -> bool {
        let text = if self.entry.view == "sql" { &views.sql } else { &views.text };
        let needs = &self.entry.needs;
        let contains = |need: &String| text.windows(need.len()).any(|part| part == need.as_bytes());
        (needs.is_empty() || needs.iter().any(contains))
            && views.flags.0 & self.flags == self.flags
            && self.regex.as_ref().is_none_or(|regex| regex.is_match(text))
    }

    pub(crate) fn only_names(&self) -> bool {
        self.entry.places == ["name"]
    }
}

pub(crate) fn load() -> Vec<Signature> {
    let mut all = Vec::new();
    let ours = |name: &&(&str, &str)| {
        ["sql", "nosql", "ldap-xpath", "graphql"].iter().any(|family| name.0.starts_with(family))
    };
    for (_, text) in detect::signatures::packs().iter().filter(ours) {
        let pack: Pack = toml::from_str(text).expect("the pack is TOML");
        for entry in pack.signature {
            let regex = (!entry.pattern.is_empty()).then(|| {
                RegexBuilder::new(&entry.pattern)
                    .unicode(false)
                    .build()
                    .unwrap_or_else(|why| panic!("{}: {why}", entry.id))
            });
            let bit = |name: &String| {
                Sql::NAMES.iter().position(|known| known == name).expect("a known flag")
            };
            let flags = entry
                .flags
                .iter()
                .filter(|name| !name.starts_with("mark."))
                .map(|name| 1 << bit(name))
                .sum();
            all.push(Signature { entry, regex, flags });
        }
    }
    all
}

#[test]
fn no_identifier_is_used_twice() {
    let mut ids: Vec<String> = load().into_iter().map(|signature| signature.entry.id).collect();
    let all = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), all);
}
