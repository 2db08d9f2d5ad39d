//! One pattern, tried where a literal says that it may match.
//!
//! A pattern is a lazy DFA (Cox, "Regular Expression Matching: the Virtual Machine Approach", 2009, and RE2). Its states
//! are kept by whoever searches. Where it is known how far behind the beginning of a match the literal stands, the DFA
//! is begun there and mostly dies within a few bytes; elsewhere it has to read the text.

use std::ops::Range;
use std::sync::OnceLock;

use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::meta::Regex;
use regex_automata::nfa::thompson::{NFA, WhichCaptures};
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input};
use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Hir, Look};

use super::prefix::Prefix;
use super::required::Lead;
use crate::identity::Identity;

/// `pattern` as all of them are read: of bytes, with classes of ASCII.
#[allow(
    clippy::result_large_err,
    reason = "it is made once for a pattern, and the error is the parser's own"
)]
pub(super) fn parse(pattern: &str) -> Result<Hir, regex_syntax::Error> {
    ParserBuilder::new().unicode(false).utf8(false).build().parse(pattern)
}

/// Most memory of a compiled pattern.
pub(super) const COMPILED_BYTES_MAX: usize = 1 << 20;
/// Most memory of the states of one pattern: texts of an attacker's choice could reach many.
const STATES_BYTES_MAX: usize = 512 << 10;
/// Most places of the literals of one signature that are kept.
pub(super) const MET_MAX: usize = 3;
/// Most beginnings for each place that are tried one by one.
const BEGINNINGS_MAX: usize = 4;
/// After so many beginnings that came to nothing the rest of the text is read.
const TRIED_MAX: usize = 4;

/// A compiled pattern.
#[derive(Debug)]
pub(super) struct Pattern {
    dfa: DFA,
    prefix: Prefix,
    /// A match begins at the beginning of the text.
    first: bool,
    /// How far behind the beginning of a match its literal stands, if it was found by one.
    lead: Option<Lead>,
    /// The longest match, if there is one.
    longest: Option<usize>,
    /// What finds where a match begins and ends: only explanations ask.
    whole: OnceLock<Option<Regex>>,
}

impl Pattern {
    /// `lead` is how far behind the beginning of every match one of the literals stands that are told to [`Met`].
    pub(super) fn new(hir: &Hir, lead: Option<Lead>) -> Result<Self, String> {
        let limits = NFA::config()
            .utf8(false)
            .which_captures(WhichCaptures::None)
            .nfa_size_limit(Some(COMPILED_BYTES_MAX));
        let nfa = NFA::compiler().configure(limits).build_from_hir(hir);
        let nfa = nfa.map_err(|why| why.to_string())?;
        // Beyond that states are forgotten and found again; the least that a pattern needs is never refused.
        let memory = DFA::config().cache_capacity(STATES_BYTES_MAX).skip_cache_capacity_check(true);
        let dfa = DFA::builder().configure(memory).build_from_nfa(nfa);
        let dfa = dfa.map_err(|why| why.to_string())?;
        let properties = hir.properties();
        Ok(Self {
            dfa,
            prefix: Prefix::new(hir),
            first: properties.look_set_prefix().contains(Look::Start),
            lead: lead.filter(|lead| lead.most.is_some()),
            longest: properties.maximum_len(),
            whole: OnceLock::new(),
        })
    }

    /// What finds the bounds of a match of `text`, which is this pattern.
    pub(super) fn whole(&self, text: &str) -> Option<&Regex> {
        let compile = || {
            Regex::builder()
                .syntax(syntax::Config::new().unicode(false).utf8(false))
                .configure(Regex::config().utf8_empty(false).auto_prefilter(false))
                .build(text)
                .ok()
        };
        self.whole.get_or_init(compile).as_ref()
    }

    /// Whether it matches `text`, in which its literals stand where `met` says.
    pub(super) fn is_match(&self, cache: &mut Cache, text: &[u8], met: &Met) -> bool {
        if self.first {
            return self.begins(cache, text, 0);
        }
        let Some(Lead { least, most: Some(most) }) = self.lead.filter(|_| met.known) else {
            return self.search(cache, text, 0..text.len());
        };
        if let Some(begins) = met.all().filter(|_| most - least < BEGINNINGS_MAX) {
            return begins.iter().any(|begin| {
                let mut starts = begin.saturating_sub(most)..(begin + 1).saturating_sub(least);
                starts.any(|start| self.begins(cache, text, start))
            });
        }
        let last = met.all().and_then(|begins| begins.iter().max());
        let to = last.zip(self.longest);
        let to = to.map_or(text.len(), |(last, longest)| last.saturating_sub(least) + longest);
        self.search(cache, text, met.first.saturating_sub(most)..to.min(text.len()))
    }

    /// Whether a match begins at `start`.
    fn begins(&self, cache: &mut Cache, text: &[u8], start: usize) -> bool {
        let input = Input::new(text).range(start..text.len()).anchored(Anchored::Yes);
        self.prefix.fits(text, start) && self.run(cache, input)
    }

    /// Whether a match begins and ends in `range`.
    fn search(&self, cache: &mut Cache, text: &[u8], range: Range<usize>) -> bool {
        let mut from = range.start;
        if self.prefix.telling {
            for _ in 0..TRIED_MAX {
                let Some(start) = self.prefix.find(&text[..range.end], from) else { return false };
                let input = Input::new(text).range(start..range.end).anchored(Anchored::Yes);
                if self.run(cache, input) {
                    return true;
                }
                from = start + 1;
            }
        }
        self.run(cache, Input::new(text).range(from..range.end))
    }

    fn run(&self, cache: &mut Cache, input: Input<'_>) -> bool {
        let found = self.dfa.try_search_fwd(cache, &input.earliest(true));
        found
            .expect("without bounds on its work and without quit bytes it never gives up")
            .is_some()
    }
}

/// Where the literals of one signature stand in a text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Met {
    /// Every place was told.
    known: bool,
    first: usize,
    begins: [usize; MET_MAX],
    count: usize,
}

impl Met {
    /// Somewhere: nothing is known.
    pub(super) const SOMEWHERE: Self =
        Self { known: false, first: 0, begins: [0; MET_MAX], count: 0 };

    pub(super) fn at(begin: usize) -> Self {
        Self { known: true, first: begin, begins: [begin; MET_MAX], count: 1 }
    }

    /// At one place more.
    pub(super) fn add(&mut self, begin: usize) {
        self.first = self.first.min(begin);
        if let Some(place) = self.begins.get_mut(self.count) {
            *place = begin;
        }
        self.count += 1;
    }

    /// All places, if they are few.
    fn all(&self) -> Option<&[usize]> {
        self.begins.get(..self.count)
    }
}

/// The states that the patterns of one set of signatures have reached so far.
#[derive(Debug)]
pub(super) struct Caches {
    of: Identity,
    each: Vec<Option<Box<Cache>>>,
}

impl Default for Caches {
    fn default() -> Self {
        Self { of: Identity::NONE, each: Vec::new() }
    }
}

impl Caches {
    /// Forgets those of another set.
    pub(super) fn serve(&mut self, of: Identity, signatures: usize) {
        if self.of != of {
            self.of = of;
            self.each.clear();
            self.each.resize_with(signatures, || None);
        }
    }

    /// That of `pattern`, the one of the signature at `position`.
    pub(super) fn of(&mut self, position: usize, pattern: &Pattern) -> &mut Cache {
        self.each[position].get_or_insert_with(|| Box::new(pattern.dfa.create_cache()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::pieces::{bytes, cost};
    use super::super::required::literals;
    use super::*;

    /// Whether `pattern` is found in `text` when its literals are told, and when they are not.
    fn found(pattern: &str, text: &str) -> (bool, bool) {
        let hir = parse(pattern).expect("a pattern");
        let needed = literals(&hir, &cost).expect("literals");
        let mut begins: Vec<usize> = Vec::new();
        for literal in needed.strings.iter().map(bytes) {
            begins.extend(memchr::memmem::find_iter(text.as_bytes(), &literal));
        }
        let mut met = begins.split_first().map_or(Met::SOMEWHERE, |(first, _)| Met::at(*first));
        begins.iter().skip(1).for_each(|begin| met.add(*begin));
        let pattern = Pattern::new(&hir, Some(needed.lead)).expect("a pattern");
        let mut cache = pattern.dfa.create_cache();
        let mut is_match = |met: &Met| pattern.is_match(&mut cache, text.as_bytes(), met);
        (!begins.is_empty() && is_match(&met), is_match(&Met::SOMEWHERE))
    }

    #[test]
    fn a_pattern_is_found_by_its_literals_as_without() {
        let texts = [
            "qjx",
            "aqjx",
            "ab qjx b",
            "qjxqjxqjxqjxqjxab",
            "qj",
            "aab~c",
            "b~c b~c b~c b~c b~d",
            "~",
            "",
            "xx b~~~c",
            "aaaaaaaab~d",
            "1~ q~ qjx",
            "b\n~c",
            "qjx~qjx~qjx~qjx b~d",
        ];
        for pattern in [
            "qjx",
            r"\bqjx\b",
            "^qjx",
            "qjx$",
            "(?:^|[^a-z])qjx",
            "a{1,3}b~[cd]",
            "[ab]{0,9}~d",
            "a*b~c",
            r"b\s?~+[cd]",
            "(?:qjx|~)(?: b|~d)",
            "(?:qjx){4}",
            ".{1,6}~d$",
            "^.{0,20}~d",
            "q?~",
        ] {
            let whole = regex::bytes::Regex::new(&format!("(?-u){pattern}")).expect("a pattern");
            for text in texts {
                let wanted = whole.is_match(text.as_bytes());
                assert_eq!(found(pattern, text), (wanted, wanted), "{pattern} in {text:?}");
            }
        }
    }
}
