//! Signatures on one reading.

use super::compile::{Literals, Signatures};
use super::{Signature, View};
use crate::features::flag;
use crate::normalise::{Marks, Normaliser, Reading};
use crate::request::{Place, Value};
use crate::structure::{markup, shell, sql};

/// What the normaliser and the tokenisers found in a reading, a bit each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flags {
    pub marks: u32,
    pub sql: u32,
    pub shell: u32,
    pub markup: u32,
}

impl Flags {
    /// Reads `reading` of `value` with the tokenisers; a quiet one only where a parameter is, which a program may take
    /// for a command or a query without any punctuation. `steps` counts their work.
    pub fn read(value: &Value<'_>, reading: &Reading<'_>, steps: &mut u64) -> Self {
        let mut flags = Self { marks: reading.marks.0, ..Self::default() };
        if reading.quiet
            && !(parameter(value.place) && reading.text.iter().any(u8::is_ascii_lowercase))
        {
            return flags;
        }
        flags.sql = sql::read(reading.text, steps).0;
        if !same(reading.sql, reading.text) {
            flags.sql |= sql::read(reading.sql, steps).0;
        }
        flags.shell = shell::read(reading.text, steps).0;
        if !same(reading.shell, reading.text) {
            flags.shell |= shell::read(reading.shell, steps).0;
        }
        flags.markup = markup::read(reading.text, steps).0;
        flags
    }

    /// The flags called so; answers the first word that is none.
    pub fn parse(words: &[String]) -> Result<Self, String> {
        let mut flags = Self::default();
        for word in words {
            let bit = |kind: &str, names: &[&str]| {
                names.iter().position(|name| flag(kind, name) == *word).map(|at| 1_u32 << at)
            };
            if let Some(bit) = bit("mark", Marks::NAMES) {
                flags.marks |= bit;
            } else if let Some(bit) = bit("sql", sql::Sql::NAMES) {
                flags.sql |= bit;
            } else if let Some(bit) = bit("shell", shell::Shell::NAMES) {
                flags.shell |= bit;
            } else if let Some(bit) = bit("markup", markup::Markup::NAMES) {
                flags.markup |= bit;
            } else {
                return Err(word.clone());
            }
        }
        Ok(flags)
    }

    /// Whether a tokeniser found anything.
    pub fn structured(&self) -> bool {
        self.sql | self.shell | self.markup != 0
    }

    /// Whether all of `wanted` are set.
    pub fn contain(&self, wanted: &Self) -> bool {
        self.marks & wanted.marks == wanted.marks
            && self.sql & wanted.sql == wanted.sql
            && self.shell & wanted.shell == wanted.shell
            && self.markup & wanted.markup == wanted.markup
    }
}

/// The signatures that hit a reading, in rising order of position. One is reused for all readings.
#[derive(Debug, Default)]
pub struct Hits {
    seen: Vec<u64>,
    candidates: Vec<u16>,
    found: Vec<u16>,
}

impl Hits {
    pub fn positions(&self) -> &[u16] {
        &self.found
    }

    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Keeps those of whose position `keep` says so.
    pub fn retain(&mut self, mut keep: impl FnMut(usize) -> bool) {
        self.found.retain(|at| keep(usize::from(*at)));
    }

    fn clear(&mut self, signatures: usize) {
        for at in self.candidates.drain(..) {
            self.seen[usize::from(at) / 64] = 0;
        }
        self.found.clear();
        if self.seen.len() * 64 < signatures {
            self.seen.resize(signatures.div_ceil(64), 0);
        }
    }

    fn candidate(&mut self, at: u16) {
        let (word, bit) = (usize::from(at) / 64, 1_u64 << (at % 64));
        if self.seen[word] & bit == 0 {
            self.seen[word] |= bit;
            self.candidates.push(at);
        }
    }
}

impl Signatures {
    /// Fills `hits` with the signatures that hit `reading` of `value`. A quiet reading is searched for literals only.
    pub fn run(&self, value: &Value<'_>, reading: &Reading<'_>, flags: &Flags, hits: &mut Hits) {
        hits.clear(self.len());
        let views = View::ALL.map(|view| view.of(reading));
        if views[1..].iter().all(|view| same(view, reading.text)) {
            search(&self.every, reading.text, hits);
        } else {
            for (literals, text) in self.views.iter().zip(views) {
                search(literals, text, hits);
            }
        }
        if reading.quiet
            && !value.name.is_empty()
            && matches!(value.place, Place::Header | Place::Cookie)
        {
            self.of_headers.iter().for_each(|at| hits.candidate(*at));
        }
        for (open, text) in self.open.iter().zip(views) {
            if reading.quiet && !flags.structured() {
                continue;
            }
            open.flagged.iter().for_each(|at| hits.candidate(*at));
            if open.any.as_ref().is_some_and(|any| any.is_match(text)) {
                open.patterned.iter().for_each(|at| hits.candidate(*at));
            }
        }
        for index in 0..hits.candidates.len() {
            let at = hits.candidates[index];
            if self.decide(usize::from(at), value, reading, flags) {
                hits.found.push(at);
            }
        }
        hits.found.sort_unstable();
    }

    fn decide(&self, at: usize, value: &Value<'_>, reading: &Reading<'_>, flags: &Flags) -> bool {
        let Some(signature) = self.get(at) else { return false };
        signature.places.contain(value)
            && flags.contain(&signature.flags)
            && self.patterns[at]
                .as_ref()
                .is_none_or(|pattern| pattern.is_match(signature.view.of(reading)))
    }

    /// Tries every signature on its own hits and misses, through the normaliser. Answers every failure, in words.
    pub fn check(&self) -> Vec<String> {
        let mut run = Check { normaliser: Normaliser::default(), hits: Hits::default() };
        let mut failures = Vec::new();
        for (at, signature) in self.iter().enumerate() {
            let mut fail = |raw: &str, what: &str| {
                failures.push(format!("{}: {}: {raw:?} {what}", signature.pack, signature.id));
            };
            for raw in &signature.hits {
                if !run.hit(self, at, signature, raw) {
                    fail(raw, "must hit and does not: correct the signature or the example");
                }
            }
            for raw in &signature.misses {
                if run.hit(self, at, signature, raw) {
                    fail(raw, "must not hit and does: make the signature narrower");
                }
            }
        }
        failures
    }
}

struct Check {
    normaliser: Normaliser,
    hits: Hits,
}

impl Check {
    fn hit(
        &mut self,
        signatures: &Signatures,
        at: usize,
        signature: &Signature,
        raw: &str,
    ) -> bool {
        let Self { normaliser, hits } = self;
        let mut found = false;
        for value in signature.places.samples(raw.as_bytes()) {
            normaliser.read(&value, |reading| {
                let flags = Flags::read(&value, reading, &mut 0);
                signatures.run(&value, reading, &flags, hits);
                found |= hits.positions().iter().any(|hit| usize::from(*hit) == at);
            });
        }
        found
    }
}

fn search(literals: &Literals, text: &[u8], hits: &mut Hits) {
    let Some(automaton) = &literals.automaton else { return };
    for found in automaton.find_overlapping_iter(text) {
        for at in literals.owners(found.pattern().as_usize()) {
            hits.candidate(*at);
        }
    }
}

/// Whether a program takes what stands there as an argument.
fn parameter(place: Place) -> bool {
    use Place::{Body, Cookie, Form, Json, Multipart, Query, Xml};
    matches!(place, Query | Form | Json | Xml | Multipart | Cookie | Body)
}

/// Whether two views are the same slice, not merely equal.
fn same(one: &[u8], other: &[u8]) -> bool {
    std::ptr::eq(one, other)
}
