//! Signatures on one reading.

use std::cell::OnceCell;

use super::Signature;
use super::compile::Signatures;
use super::literals::{Buffers, Literals, looks};
use super::matching::{Caches, Met, Pattern};
use super::musts::Pairs;
use super::places::bit;
use super::whole::example;
use crate::features::flag;
use crate::lexical;
use crate::normalise::{Marks, Normaliser, Reading, structural};
use crate::request::{Place, Request, Value};
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
        if reading.quiet && !(parameter(value) && reading.text.iter().any(u8::is_ascii_lowercase)) {
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
        let markup = markup::read(reading.text, steps);
        // A document of XML is made of elements, some of which are called as those of HTML.
        if !(value.place == Place::Xml && markup::elements(markup)) {
            flags.markup = markup.0;
        }
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

    /// How many flags there may be.
    pub(super) const COUNT: usize = 4 * 32;

    /// Calls `each` with the number of every flag that is set.
    pub(super) fn each(&self, mut each: impl FnMut(usize)) {
        for (base, mask) in [self.markup, self.shell, self.sql, self.marks].iter().enumerate() {
            let mut left = *mask;
            while left != 0 {
                each(32 * base + left.trailing_zeros() as usize);
                left &= left - 1;
            }
        }
    }

    /// The number of the first flag that is set: that of a tokeniser if there is one.
    pub(super) fn key(&self) -> usize {
        let mut first = Self::COUNT - 1;
        self.each(|key| first = first.min(key));
        first
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

/// One signature to be tried, and where its literals stand.
#[derive(Debug)]
struct Candidate {
    at: u16,
    met: Met,
}

/// No candidate.
const NONE: u16 = u16::MAX;

/// The signatures that hit a reading, in rising order of position. One is reused for all readings.
#[derive(Debug, Default)]
pub struct Hits {
    candidates: Vec<Candidate>,
    /// For each signature, which candidate it is.
    slots: Vec<u16>,
    found: Vec<u16>,
    buffers: Buffers,
    caches: Caches,
    /// What reading the plain text needs.
    pub(crate) lexical: lexical::Buffers,
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

    fn clear(&mut self, signatures: &Signatures) {
        for candidate in self.candidates.drain(..) {
            self.slots[usize::from(candidate.at)] = NONE;
        }
        self.found.clear();
        if self.slots.len() < signatures.len() {
            self.slots.resize(signatures.len(), NONE);
        }
        self.caches.serve(signatures.identity, signatures.len());
    }

    /// What is known of the signature at `at`, if it is a candidate.
    fn met(&mut self, at: u16) -> Option<&mut Met> {
        let slot = self.slots[usize::from(at)];
        self.candidates.get_mut(usize::from(slot)).map(|candidate| &mut candidate.met)
    }

    fn candidate(&mut self, at: u16, met: Met) {
        self.slots[usize::from(at)] = self.candidates.len() as u16;
        self.candidates.push(Candidate { at, met });
    }
}

/// What the gates are asked about.
struct Asked<'a> {
    value: &'a Value<'a>,
    /// The bit of its place.
    place: u32,
    flags: &'a Flags,
    /// Signatures without `needs` are tried.
    open: bool,
    /// Those of a few headers are.
    header: bool,
}

/// What a text has that signatures need.
struct Present<'a> {
    text: &'a [u8],
    symbols: u64,
    /// Most texts have nothing for which these are asked.
    pairs: OnceCell<Pairs>,
}

impl<'a> Present<'a> {
    fn new(text: &'a [u8], symbols: u64) -> Self {
        Self { text, symbols, pairs: OnceCell::new() }
    }

    fn has(&self, pairs: &Pairs) -> bool {
        pairs.is_empty() || pairs.within(self.pairs.get_or_init(|| Pairs::of(self.text)))
    }
}

impl Signatures {
    /// Fills `hits` with the signatures that hit `reading` of `value`. A quiet reading is searched for literals only.
    pub fn run(&self, value: &Value<'_>, reading: &Reading<'_>, flags: &Flags, hits: &mut Hits) {
        hits.clear(self);
        let header = reading.quiet
            && !value.name.is_empty()
            && matches!(value.place, Place::Header | Place::Cookie);
        let open = !reading.quiet || flags.structured();
        let asked = Asked { value, place: bit(value), flags, open, header };
        let literals = match value.place {
            _ if asked.open || header => &self.literals,
            Place::Path | Place::Segment => &self.quiet[0],
            Place::Agent => &self.quiet[1],
            Place::Referer => &self.quiet[2],
            _ => &self.quiet[3],
        };
        let Reading { text, sql, shell, path, .. } = *reading;
        if same(text, sql) && same(text, shell) && same(text, path) {
            self.search(literals, text, 0b1111, &asked, hits);
        } else {
            self.views(literals, [text, sql, shell, path], &asked, hits);
        }
        // These look at no text.
        let any = Present::new(b"", u64::MAX);
        if header || asked.open {
            self.of_headers
                .iter()
                .for_each(|at| self.consider(*at, None, &any, u8::MAX, &asked, hits));
        }
        if asked.open {
            flags.each(|key| {
                let start = key.checked_sub(1).map_or(0, |before| self.ends[before]);
                let these = usize::from(start)..usize::from(self.ends[key]);
                for (wanted, at) in &self.flagged[these] {
                    if flags.contain(wanted) {
                        self.consider(*at, None, &any, u8::MAX, &asked, hits);
                    }
                }
            });
        }
        for candidate in &hits.candidates {
            if self.decide(candidate, reading, &mut hits.caches) {
                hits.found.push(candidate.at);
            }
        }
        hits.found.sort_unstable();
    }

    /// Searches each of the four views, those that are one slice together.
    fn views(&self, literals: &Literals, views: [&[u8]; 4], asked: &Asked<'_>, hits: &mut Hits) {
        let mut left = 0b1111_u8;
        for (at, text) in views.into_iter().enumerate() {
            let alike = views.iter().enumerate().filter(|(_, other)| same(text, other));
            let these = left & alike.fold(0, |these, (other, _)| these | 1 << other);
            if left >> at & 1 != 0 {
                self.search(literals, text, these, asked, hits);
                left &= !these;
            }
        }
    }

    /// Makes candidates of what may hit `text`, which is what the reading is in `views`.
    fn search(
        &self,
        literals: &Literals,
        text: &[u8],
        views: u8,
        asked: &Asked<'_>,
        hits: &mut Hits,
    ) {
        let mut buffers = std::mem::take(&mut hits.buffers);
        let scanned = literals.scan(text, &mut buffers);
        let present = Present::new(text, scanned.present);
        literals.find(&scanned, looks(asked.place, views), &mut buffers, |at, begin| {
            self.consider(at, Some(begin), &present, views, asked, hits);
        });
        if asked.open || asked.header {
            self.always
                .iter()
                .for_each(|at| self.consider(*at, None, &present, views, asked, hits));
        }
        hits.buffers = buffers;
    }

    /// Makes the signature at `at`, of which a literal begins at `begin`, a candidate if its gate lets it pass.
    fn consider(
        &self,
        at: u16,
        begin: Option<usize>,
        present: &Present<'_>,
        views: u8,
        asked: &Asked<'_>,
        hits: &mut Hits,
    ) {
        let gate = &self.gates[usize::from(at)];
        if views >> gate.view as u8 & 1 == 0 {
            return;
        }
        if let Some(met) = hits.met(at) {
            match begin {
                Some(begin) => met.add(begin),
                None => *met = Met::SOMEWHERE,
            }
            return;
        }
        let named = || self.get(usize::from(at)).is_some_and(|one| one.places.contain(asked.value));
        let passes = gate.required & !present.symbols == 0
            && (!gate.open || asked.open || asked.header && gate.only_headers)
            && asked.flags.contain(&gate.flags)
            && (gate.places & asked.place != 0 || gate.headers && named())
            && present.has(&gate.pairs);
        if passes {
            hits.candidate(at, begin.map_or(Met::SOMEWHERE, Met::at));
        }
    }

    fn decide(&self, candidate: &Candidate, reading: &Reading<'_>, caches: &mut Caches) -> bool {
        let at = usize::from(candidate.at);
        let gate = &self.gates[at];
        let text = gate.view.of(reading);
        let needed = || {
            let found = |need: &String| memchr::memmem::find(text, need.as_bytes()).is_some();
            self.get(at).is_some_and(|signature| signature.needs.iter().any(found))
        };
        let matches =
            |pattern: &Pattern| pattern.is_match(caches.of(at, pattern), text, &candidate.met);
        self.patterns[at].as_ref().is_none_or(matches) && (!gate.needs || needed())
    }

    /// Calls `each` with the position of every signature about the whole of `request` that hits it.
    pub fn whole(&self, request: &Request<'_>, each: impl FnMut(usize)) {
        self.wholes.run(request, each);
    }

    /// Tries every signature on its own hits and misses, as they are read in service. Answers every failure, in words.
    pub fn check(&self) -> Vec<String> {
        let mut run = Check { normaliser: Normaliser::default(), hits: Hits::default() };
        let mut failures = Vec::new();
        for (at, signature) in self.iter().enumerate() {
            let examples = signature.hits.iter().map(|raw| (raw, true));
            for (raw, hit) in examples.chain(signature.misses.iter().map(|raw| (raw, false))) {
                let wrong = match run.hit(self, at, signature, raw) {
                    Ok(found) if found == hit => continue,
                    Ok(true) => "must not hit and does: make the signature narrower".to_owned(),
                    Ok(false) => {
                        "must hit and does not: correct the signature or the example".to_owned()
                    }
                    Err(why) => why,
                };
                failures.push(format!("{}: {}: {raw:?} {wrong}", signature.pack, signature.id));
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
    ) -> Result<bool, String> {
        let mut found = false;
        if signature.request.is_some() {
            example(raw, |request| signatures.whole(request, |hit| found |= hit == at))?;
            return Ok(found);
        }
        let Self { normaliser, hits } = self;
        for value in signature.places.samples(raw.as_bytes()) {
            normaliser.read(&value, |reading| {
                let flags = Flags::read(&value, reading, &mut 0);
                signatures.run(&value, reading, &flags, hits);
                found |= hits.positions().iter().any(|hit| usize::from(*hit) == at);
            });
        }
        Ok(found)
    }
}

/// Whether a program takes what stands there as an argument, as it does headers that are its own.
fn parameter(value: &Value<'_>) -> bool {
    use Place::{Body, Cookie, Form, Header, Json, Multipart, Query, Xml};
    match value.place {
        Query | Form | Json | Xml | Multipart | Cookie | Body => true,
        Header => !structural(value.name),
        _ => false,
    }
}

/// Whether two views are the same slice, not merely equal.
fn same(one: &[u8], other: &[u8]) -> bool {
    std::ptr::eq(one, other)
}
