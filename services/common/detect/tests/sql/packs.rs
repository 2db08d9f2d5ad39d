//! Each signature of these packs hits and misses what it says.

use std::path::Path;

use detect::structure::sql::{Sql, read};
use regex::bytes::{Regex, RegexBuilder};
use serde::Deserialize;

#[derive(Deserialize)]
struct Pack {
    signature: Vec<Entry>,
}

/// What these tests need of a signature.
#[derive(Deserialize)]
pub struct Entry {
    pub id: String,
    pub prior: f64,
    pub decisive: bool,
    #[serde(default)]
    places: Vec<String>,
    view: String,
    needs: Vec<String>,
    #[serde(default)]
    pattern: String,
    #[serde(default)]
    flags: Vec<String>,
    hits: Vec<String>,
    misses: Vec<String>,
}

/// A signature that is ready to be tried.
pub struct Signature {
    pub entry: Entry,
    regex: Option<Regex>,
    flags: u32,
}

/// A value in the views that these packs look at.
pub struct Views {
    pub text: Vec<u8>,
    pub sql: Vec<u8>,
    pub flags: Sql,
}

impl Views {
    pub fn new(value: &[u8]) -> Views {
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
    let versioned = Regex::new(r"(?-u)/\*![0-9]{0,6}").expect("a pattern");
    let comment = Regex::new(r"(?-u)/\*[^*]*(?:\*[^*/][^*]*)*\*/").expect("a pattern");
    let blank = Regex::new(r"(?-u)\*/| +").expect("a pattern");
    let text = versioned.replace_all(text, &b" "[..]);
    let text = comment.replace_all(&text, &b" "[..]);
    blank.replace_all(&text, &b" "[..]).into_owned()
}

impl Signature {
    pub fn hit(&self, views: &Views) -> bool {
        let text = if self.entry.view == "sql" { &views.sql } else { &views.text };
        let needs = &self.entry.needs;
        let contains = |need: &String| text.windows(need.len()).any(|part| part == need.as_bytes());
        (needs.is_empty() || needs.iter().any(contains))
            && views.flags.0 & self.flags == self.flags
            && self.regex.as_ref().is_none_or(|regex| regex.is_match(text))
    }

    pub fn only_names(&self) -> bool {
        self.entry.places == ["name"]
    }
}

pub fn load() -> Vec<Signature> {
    let mut all = Vec::new();
    for name in ["sql", "nosql", "ldap-xpath", "graphql"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("packs/{name}.toml"));
        let text = std::fs::read_to_string(path).expect("the pack is there");
        let pack: Pack = toml::from_str(&text).expect("the pack is TOML");
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
            let flags = entry.flags.iter().map(|name| 1 << bit(name)).sum();
            all.push(Signature { entry, regex, flags });
        }
    }
    all
}

#[test]
fn every_signature_hits_and_misses_its_own_examples() {
    let mut wrong = Vec::new();
    for signature in load() {
        let entry = &signature.entry;
        assert!(
            entry.hits.len() >= 3 && entry.misses.len() >= 3,
            "{} has too few examples",
            entry.id
        );
        assert!(
            entry.prior > 0.0 && (!entry.decisive || entry.prior >= 2.5),
            "{} is not honest",
            entry.id
        );
        for (examples, wanted) in [(&entry.hits, true), (&entry.misses, false)] {
            for example in examples {
                if signature.hit(&Views::new(example.as_bytes())) != wanted {
                    wrong.push(format!("{} {example:?} should hit: {wanted}", entry.id));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_identifier_is_used_twice() {
    let mut ids: Vec<String> = load().into_iter().map(|signature| signature.entry.id).collect();
    let all = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), all);
}
