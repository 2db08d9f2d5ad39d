//! Every signature of these packs hits its hits and misses its misses.

use std::collections::BTreeSet;

use detect::structure::shell::{self, Shell};
use regex::bytes::{Regex, RegexBuilder};
use serde::Deserialize;

use crate::view;

/// How the names of the packs that are tested here begin.
const FAMILIES: &[&str] = &["shell", "php", "java", "python-node", "template", "upload-webshell"];

#[derive(Deserialize)]
struct Pack {
    signature: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: String,
    category: String,
    places: Vec<String>,
    #[serde(default = "text")]
    view: String,
    severity: String,
    cwe: u32,
    attack: String,
    prior: f64,
    #[serde(default)]
    decisive: bool,
    explanation: String,
    #[serde(default)]
    needs: Vec<String>,
    pattern: Option<String>,
    #[serde(default)]
    flags: Vec<String>,
    hits: Vec<String>,
    misses: Vec<String>,
}

fn text() -> String {
    "text".to_owned()
}

/// A signature ready to be tried.
pub(crate) struct Signature {
    pub(crate) id: String,
    pub(crate) prior: f64,
    pub(crate) places: Vec<String>,
    view: String,
    needs: Vec<String>,
    pattern: Option<Regex>,
    flags: u32,
}

/// A value as every signature sees it.
pub(crate) struct Seen {
    text: String,
    shell: String,
    flags: u32,
}

impl Seen {
    pub(crate) fn new(raw: &str) -> Self {
        let (text, shell) = (view::text(raw), view::shell(raw));
        let flags = shell::read(&view::bytes(&shell), &mut 0).0;
        Self { text, shell, flags }
    }
}

impl Signature {
    pub(crate) fn hits(&self, seen: &Seen) -> bool {
        let viewed = if self.view == "shell" { &seen.shell } else { &seen.text };
        let flagged = seen.flags & self.flags == self.flags;
        let needed =
            self.needs.is_empty() || self.needs.iter().any(|need| viewed.contains(need.as_str()));
        flagged
            && needed
            && self.pattern.as_ref().is_none_or(|pattern| pattern.is_match(&view::bytes(viewed)))
    }
}

fn entries() -> Vec<Entry> {
    let parse = |(name, text): &(&str, &str)| {
        toml::from_str::<Pack>(text).unwrap_or_else(|why| panic!("{name}: {why}")).signature
    };
    let ours = |pack: &&(&str, &str)| FAMILIES.iter().any(|family| pack.0.starts_with(family));
    detect::signatures::packs().iter().filter(ours).flat_map(parse).collect()
}

fn compile(entry: &Entry) -> Signature {
    let build = |pattern: &String| {
        RegexBuilder::new(pattern)
            .unicode(false)
            .build()
            .unwrap_or_else(|why| panic!("{}: {why}", entry.id))
    };
    let bit = |name: &String| {
        let at = Shell::NAMES.iter().position(|known| known == name);
        1 << at.unwrap_or_else(|| panic!("{}: no flag {name}", entry.id))
    };
    Signature {
        id: entry.id.clone(),
        prior: entry.prior,
        places: entry.places.clone(),
        view: entry.view.clone(),
        needs: entry.needs.clone(),
        pattern: entry.pattern.as_ref().map(build),
        flags: entry.flags.iter().filter(|name| !name.starts_with("mark.")).map(bit).sum(),
    }
}

pub(crate) fn signatures() -> Vec<Signature> {
    entries().iter().map(compile).collect()
}

#[test]
fn every_signature_is_complete() {
    let mut ids = BTreeSet::new();
    for entry in entries() {
        let id = &entry.id;
        assert!(ids.insert(id.clone()), "{id} stands twice");
        assert!(id.contains('.') && !entry.category.is_empty(), "{id}: family and category");
        assert!(entry.hits.len() >= 3 && entry.misses.len() >= 3, "{id}: too few examples");
        assert!(entry.pattern.is_some() || !entry.flags.is_empty(), "{id}: nothing to look for");
        assert!(
            ["low", "medium", "high", "critical"].contains(&entry.severity.as_str()),
            "{id}: severity"
        );
        assert!(["text", "sql", "shell", "path"].contains(&entry.view.as_str()), "{id}: view");
        assert!(entry.cwe > 0 && entry.attack.starts_with('T'), "{id}: CWE and technique");
        assert!(
            !entry.explanation.is_empty() && entry.prior.abs() <= 12.0,
            "{id}: explanation and prior"
        );
        assert!(!entry.decisive || entry.prior >= 6.0, "{id}: decisive but weak");
        assert!(
            entry.needs.iter().all(|need| *need == need.to_lowercase()),
            "{id}: literals are in lower case"
        );
    }
}
