//! All signatures as one set of literals and a gate for each.

use memchr::memmem;
use regex_automata::meta::Regex;
use regex_syntax::hir::Hir;

use super::literals::{Literals, looks};
use super::matching::{Pattern, parse};
use super::musts::{Musts, Pairs, musts};
use super::pack::{self, PackError, SIGNATURES_MAX};
use super::pieces::{Piece, bytes, cost, piece};
use super::required::{self, Lead, Needed};
use super::run::Flags;
use super::whole::{Compiled, Wholes};
use super::{Signature, View, places};
use crate::identity::Identity;
use crate::normalise::{Marks, quiet_bytes};
use crate::request::Place;

/// Places with few ordinary bytes, each with those where the same are; any other place is like a header.
pub(super) const QUIET: [&[Place]; 4] = [
    &[Place::Path, Place::Segment],
    &[Place::Agent],
    &[Place::Referer],
    &[
        Place::Query,
        Place::Form,
        Place::Json,
        Place::Xml,
        Place::Multipart,
        Place::Cookie,
        Place::Header,
        Place::Body,
    ],
];

/// A set of signatures, ready to run. A signature's position is its feature.
#[derive(Debug)]
pub struct Signatures {
    /// Which signatures these are: no others of this process have it.
    pub(crate) identity: Identity,
    list: Vec<Signature>,
    pub(super) patterns: Vec<Option<Pattern>>,
    /// What must hold before a signature is tried.
    pub(super) gates: Vec<Gate>,
    /// What is looked for in a reading, in whatever view.
    pub(super) literals: Literals,
    /// The part of it that can be met in a quiet reading at each of [`QUIET`].
    pub(super) quiet: [Literals; QUIET.len()],
    /// Signatures with neither `needs` nor a literal that their pattern needs.
    pub(super) always: Vec<u16>,
    /// Signatures of flags alone, in order of the one by which each is found.
    pub(super) flagged: Vec<(Flags, u16)>,
    /// For each flag, where those of it end; those of the one before end where they begin.
    pub(super) ends: [u16; Flags::COUNT],
    /// Those of them that look at a few headers only: tried on quiet readings too.
    pub(super) of_headers: Vec<u16>,
    /// Those about the request as a whole.
    pub(super) wholes: Wholes,
}

/// What is asked of a signature before its pattern is tried, in order of cost.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gate {
    /// Symbols that stand in every match.
    pub(super) required: u64,
    /// The places at which it looks, a bit each.
    pub(super) places: u32,
    /// It looks at headers by their names, too.
    pub(super) headers: bool,
    pub(super) view: View,
    /// It has no `needs`, so only readings with structure are worth it,
    pub(super) open: bool,
    /// or a few headers.
    pub(super) only_headers: bool,
    /// It was found by what its pattern needs, so one of its own `needs` must be looked for still.
    pub(super) needs: bool,
    pub(super) flags: Flags,
    /// Pairs of symbols that stand in every match, too.
    pub(super) pairs: Pairs,
}

/// What is looked for to find one signature.
enum Sought {
    /// One of them, and how far behind the beginning of a match.
    Literals(Vec<Piece>, Option<Lead>),
    Always,
    Flags,
    /// It looks at no value.
    Nothing,
}

impl Gate {
    fn build(signature: &Signature, hir: Option<&Hir>) -> (Self, Sought) {
        let needs: Vec<Piece> = signature.needs.iter().map(|need| piece(need.as_bytes())).collect();
        let common = signature.needs.iter().map(|need| Musts::of(need.as_bytes()));
        let common = common.reduce(Musts::or).unwrap_or_default();
        let required = hir.map_or_else(Musts::default, musts).and(common);
        let mut gate = Self {
            required: required.symbols,
            pairs: required.pairs,
            places: signature.places.mask(),
            headers: signature.places.names_headers(),
            view: signature.view,
            open: needs.is_empty(),
            only_headers: signature.places.only_headers(),
            needs: false,
            flags: signature.flags,
        };
        let found = hir.and_then(|hir| required::literals(hir, &cost));
        let sought = match (needs.is_empty(), found) {
            _ if signature.request.is_some() => Sought::Nothing,
            (true, Some(found)) => Sought::Literals(found.strings, Some(found.lead)),
            (true, None) if hir.is_some() => Sought::Always,
            (true, None) => Sought::Flags,
            (false, Some(found)) if cost(&found.strings) <= cost(&needs) => {
                gate.needs =
                    !found.strings.iter().all(|one| holds(one, &signature.needs).is_some());
                Sought::Literals(found.strings, Some(found.lead))
            }
            (false, _) => {
                let lead = hir.and_then(|hir| lead(hir, &signature.needs));
                Sought::Literals(needs, lead)
            }
        };
        (gate, sought)
    }
}

/// Where the first of `needs` that stands in `piece` begins.
fn holds(piece: &Piece, needs: &[String]) -> Option<usize> {
    let piece = bytes(piece);
    needs.iter().find_map(|need| memmem::find(&piece, need.as_bytes()))
}

/// How far behind the beginning of every match of `hir` one of `needs` stands, if its syntax says so.
fn lead(hir: &Hir, needs: &[String]) -> Option<Lead> {
    let held = |pieces: &[Piece]| pieces.iter().all(|piece| holds(piece, needs).is_some());
    let unheld = |pieces: &[Piece]| cost(pieces) + if held(pieces) { 0.0 } else { 1e6 };
    let Needed { strings, lead } = required::literals(hir, &unheld)?;
    let begins: Option<Vec<usize>> = strings.iter().map(|piece| holds(piece, needs)).collect();
    let begins = begins?;
    Some(lead.then(Lead { least: *begins.iter().min()?, most: begins.iter().max().copied() }))
}

impl Sought {
    fn lead(&self) -> Option<Lead> {
        match self {
            Self::Literals(_, lead) => *lead,
            _ => None,
        }
    }
}

impl Gate {
    /// Whether a quiet reading without structure may pass.
    fn quiet(&self) -> bool {
        let Flags { marks, sql, shell, markup } = self.flags;
        !self.open && sql | shell | markup == 0 && marks & !Marks::ORDINARY.0 == 0
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
        let syntaxes = list.iter().map(parsed).collect::<Result<Vec<_>, _>>()?;
        let (mut gates, mut patterns, mut pairs) = (Vec::new(), Vec::new(), Vec::new());
        let (mut always, mut flagged, mut of_headers) = (Vec::new(), Vec::new(), Vec::new());
        for (at, signature) in list.iter().enumerate() {
            let hir = syntaxes[at].as_ref();
            let (gate, sought) = Gate::build(signature, hir);
            patterns.push(hir.map(|hir| pattern(signature, hir, sought.lead())).transpose()?);
            let at = at as u16;
            match sought {
                Sought::Literals(all, _) => pairs.extend(all.into_iter().map(|one| (one, at))),
                Sought::Always => always.push(at),
                Sought::Nothing => {}
                Sought::Flags if gate.only_headers => of_headers.push(at),
                Sought::Flags => flagged.push((gate.flags, at)),
            }
            gates.push(gate);
        }
        flagged.sort_unstable_by_key(|(flags, at)| (flags.key(), *at));
        let mut ends = [0; Flags::COUNT];
        for (key, end) in ends.iter_mut().enumerate() {
            *end = flagged.partition_point(|(flags, _)| flags.key() <= key) as u16;
        }
        let gate = |owner: u16| {
            let at = usize::from(owner);
            let places = looks(list[at].places.bits(), 1 << gates[at].view as u8);
            (gates[at].required, places)
        };
        let quiet = QUIET.map(|places| {
            let alphabet = alphabet(places);
            let bits = places.iter().fold(places::NAME, |bits, place| bits | 1 << *place as u32);
            let may = |at: &u16| {
                let at = usize::from(*at);
                let hir = syntaxes[at].as_ref();
                gates[at].quiet()
                    && list[at].places.bits() & bits != 0
                    && hir.is_none_or(|hir| required::possible(hir, &alphabet))
            };
            let met = |piece: &Piece| bytes(piece).iter().all(|byte| alphabet[usize::from(*byte)]);
            let pairs = pairs.iter().filter(|(piece, owner)| met(piece) && may(owner));
            Literals::build(pairs.cloned().collect(), gate)
        });
        let literals = Literals::build(pairs, gate);
        let (identity, wholes) = (Identity::new(), wholes(&list)?);
        Ok(Self {
            identity,
            list,
            patterns,
            gates,
            literals,
            quiet,
            always,
            flagged,
            ends,
            of_headers,
            wholes,
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
        let text = self.get(position)?.pattern.as_ref()?;
        self.patterns.get(position)?.as_ref()?.whole(text)
    }
}

/// Those about the request as a whole.
fn wholes(list: &[Signature]) -> Result<Wholes, PackError> {
    let mut wholes = Wholes::default();
    for (at, signature) in list.iter().enumerate() {
        if let Some(whole) = &signature.request {
            let compiled = Compiled::new(at as u16, whole);
            wholes.push(compiled.map_err(|why| refused(signature, why))?);
        }
    }
    Ok(wholes)
}

/// Bytes that a quiet reading at one of `places` may have.
fn alphabet(places: &[Place]) -> [bool; 256] {
    let mut all = [false; 256];
    for place in places {
        let bytes = quiet_bytes(*place);
        all.iter_mut().zip(bytes).for_each(|(any, one)| *any |= one);
    }
    all
}

fn pattern(signature: &Signature, hir: &Hir, lead: Option<Lead>) -> Result<Pattern, PackError> {
    Pattern::new(hir, lead).map_err(|why| uncompiled(signature, &why))
}

/// The pattern as it is compiled.
fn parsed(signature: &Signature) -> Result<Option<Hir>, PackError> {
    let Some(text) = &signature.pattern else { return Ok(None) };
    parse(text).map(Some).map_err(|why| uncompiled(signature, &why))
}

fn uncompiled(signature: &Signature, why: &impl std::fmt::Display) -> PackError {
    refused(signature, format!("the pattern does not compile: {why}: correct or shorten it"))
}

fn refused(signature: &Signature, why: String) -> PackError {
    PackError::Signature { pack: signature.pack.clone(), id: signature.id.clone(), why }
}
