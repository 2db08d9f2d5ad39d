//! All signatures as one automaton for each view.

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use regex::bytes::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};

use super::pack::{self, PackError, SIGNATURES_MAX};
use super::{Signature, View};

const PATTERN_COMPILED_BYTES_MAX: usize = 1 << 20;
const SET_COMPILED_BYTES_MAX: usize = 16 << 20;
/// Up to so many bytes of literals the automaton is a DFA, which is faster and larger.
const DFA_LITERAL_BYTES_MAX: usize = 64 << 10;

/// A set of signatures, ready to run. A signature's position is its feature.
#[derive(Debug)]
pub struct Signatures {
    list: Vec<Signature>,
    pub(super) patterns: Vec<Option<Regex>>,
    /// Literals of all views: for readings whose views are one text.
    pub(super) every: Literals,
    /// Literals of each view, in the order of [`View::ALL`].
    pub(super) views: [Literals; 4],
    /// Signatures without literals, by view.
    pub(super) open: [Open; 4],
    /// Those of them that look at a few headers only: tried on quiet readings too.
    pub(super) of_headers: Vec<u16>,
}

/// Literals, and the signatures that each makes a candidate.
#[derive(Debug)]
pub(super) struct Literals {
    /// None where there is no literal.
    pub(super) automaton: Option<AhoCorasick>,
    owners: Vec<Vec<u16>>,
}

impl Literals {
    pub(super) fn owners(&self, literal: usize) -> &[u16] {
        &self.owners[literal]
    }

    fn build(signatures: &[Signature], view: Option<View>) -> Result<Self, PackError> {
        let mut pairs: Vec<(&str, u16)> = signatures
            .iter()
            .enumerate()
            .filter(|(_, signature)| view.is_none_or(|view| signature.view == view))
            .flat_map(|(at, signature)| {
                signature.needs.iter().map(move |need| (need.as_str(), at as u16))
            })
            .collect();
        pairs.sort_unstable();
        pairs.dedup();
        let (mut literals, mut owners): (Vec<&str>, Vec<Vec<u16>>) = (Vec::new(), Vec::new());
        for (literal, owner) in pairs {
            if literals.last() != Some(&literal) {
                literals.push(literal);
                owners.push(Vec::new());
            }
            owners.last_mut().expect("pushed with its literal").push(owner);
        }
        if literals.is_empty() {
            return Ok(Self { automaton: None, owners });
        }
        let bytes: usize = literals.iter().map(|literal| literal.len()).sum();
        let kind = if bytes <= DFA_LITERAL_BYTES_MAX {
            AhoCorasickKind::DFA
        } else {
            AhoCorasickKind::ContiguousNFA
        };
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .kind(Some(kind))
            .build(&literals)
            .map_err(|why| PackError::Compile { why: why.to_string() })?;
        Ok(Self { automaton: Some(automaton), owners })
    }
}

/// The signatures of one view that have no literal to look for first.
#[derive(Debug)]
pub(super) struct Open {
    /// Whether any of their patterns matches; None where there is none.
    pub(super) any: Option<RegexSet>,
    /// Signatures with a pattern, tried one by one when `any` matches.
    pub(super) patterned: Vec<u16>,
    /// Signatures of flags alone.
    pub(super) flagged: Vec<u16>,
}

impl Open {
    fn build(signatures: &[Signature], view: View) -> Result<Self, PackError> {
        let open = |patterned: bool| {
            signatures.iter().enumerate().filter_map(move |(at, signature)| {
                let wanted = signature.view == view
                    && signature.needs.is_empty()
                    && signature.pattern.is_some() == patterned;
                wanted.then_some(at as u16)
            })
        };
        let patterned: Vec<u16> = open(true).collect();
        let texts: Vec<&str> = patterned
            .iter()
            .filter_map(|at| signatures[usize::from(*at)].pattern.as_deref())
            .collect();
        let any = if texts.is_empty() {
            None
        } else {
            let set = RegexSetBuilder::new(&texts)
                .unicode(false)
                .size_limit(SET_COMPILED_BYTES_MAX)
                .build();
            Some(set.map_err(|why| PackError::Compile { why: why.to_string() })?)
        };
        Ok(Self { any, patterned, flagged: open(false).collect() })
    }
}

impl Signatures {
    /// The built-in packs.
    pub fn built_in() -> Result<Self, PackError> {
        Self::parse(super::packs().iter().copied())
    }

    /// Reads and compiles packs, each a file name and its text. An id may stand only once in all of them.
    pub fn parse<'a>(
        packs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, PackError> {
        let mut list = Vec::new();
        for (name, text) in packs {
            list.extend(pack::parse(name, text)?);
            if list.len() > SIGNATURES_MAX {
                return Err(PackError::Count);
            }
        }
        Self::compile(list)
    }

    /// Compiles signatures in this order.
    pub fn compile(list: Vec<Signature>) -> Result<Self, PackError> {
        if list.len() > SIGNATURES_MAX {
            return Err(PackError::Count);
        }
        let mut seen = std::collections::HashMap::new();
        for signature in &list {
            if let Some(first) = seen.insert(signature.id.as_str(), signature.pack.as_str()) {
                let why = format!(
                    "the id stands in {first} already: ids are never reused, so rename this one"
                );
                return Err(refused(signature, why));
            }
        }
        let patterns = list.iter().map(pattern).collect::<Result<Vec<_>, _>>()?;
        let [text, sql, shell, path] = View::ALL.map(|view| Literals::build(&list, Some(view)));
        let [open_text, open_sql, open_shell, open_path] =
            View::ALL.map(|view| Open::build(&list, view));
        let of_headers = list
            .iter()
            .enumerate()
            .filter(|(_, one)| one.needs.is_empty() && one.places.only_headers());
        let of_headers = of_headers.map(|(at, _)| at as u16).collect();
        Ok(Self {
            of_headers,
            every: Literals::build(&list, None)?,
            views: [text?, sql?, shell?, path?],
            open: [open_text?, open_sql?, open_shell?, open_path?],
            patterns,
            list,
        })
    }

    pub fn get(&self, position: usize) -> Option<&Signature> {
        self.list.get(position)
    }

    /// The position of the signature called `id`.
    pub fn position(&self, id: &str) -> Option<usize> {
        self.list.iter().position(|signature| signature.id == id)
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Signature> {
        self.list.iter()
    }

    pub fn len(&self) -> usize {
        self.list.len()
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The compiled pattern of the signature at `position`.
    pub(crate) fn pattern(&self, position: usize) -> Option<&Regex> {
        self.patterns.get(position)?.as_ref()
    }
}

fn pattern(signature: &Signature) -> Result<Option<Regex>, PackError> {
    let Some(text) = &signature.pattern else { return Ok(None) };
    RegexBuilder::new(text)
        .unicode(false)
        .size_limit(PATTERN_COMPILED_BYTES_MAX)
        .build()
        .map(Some)
        .map_err(|why| {
            refused(
                signature,
                format!("the pattern does not compile: {why}: correct or shorten it"),
            )
        })
}

fn refused(signature: &Signature, why: String) -> PackError {
    PackError::Signature { pack: signature.pack.clone(), id: signature.id.clone(), why }
}
