//! Many literals at once: a table of triples of symbols says where one may stand, and what is there is compared.
//!
//! Each literal is looked for by its rarest three bytes, so that an ordinary text is passed over at one look a byte.

use std::collections::BTreeMap;

use super::required::rarest;
use super::symbols::{BITS, PAIRS, START, alone, next, set, symbol};

/// One way in which a literal may stand at a place.
#[derive(Debug, Clone, Copy)]
struct Entry {
    /// Symbols without which none of its owners can hit.
    required: u64,
    literal: u32,
    /// How far before the last byte of the triple it begins.
    back: u16,
}

#[derive(Debug)]
struct Literal {
    bytes: Vec<u8>,
    owners: Vec<u16>,
}

/// The literals, and the signatures that each makes a candidate.
#[derive(Debug)]
pub(super) struct Literals {
    /// For each pair of symbols, those that make a triple of some literal with it.
    triples: Box<[u64; PAIRS]>,
    /// For each pair, how many triples there are before its first.
    ranks: Vec<u32>,
    /// For each triple, where its entries begin; one more at the end.
    starts: Vec<u32>,
    entries: Vec<Entry>,
    literals: Vec<Literal>,
    /// Literals of one byte: too short for a triple.
    singles: Vec<(u8, u16)>,
}

impl Literals {
    /// From each literal and its owner, which is not tried in a text that lacks a symbol of `required(owner)`.
    pub(super) fn build(pairs: Vec<(Vec<u8>, u16)>, required: impl Fn(u16) -> u64) -> Self {
        let mut owners: BTreeMap<Vec<u8>, Vec<u16>> = BTreeMap::new();
        let mut singles = Vec::new();
        for (bytes, owner) in pairs {
            match bytes[..] {
                [byte] => singles.push((byte, owner)),
                _ => owners.entry(bytes).or_default().push(owner),
            }
        }
        singles.sort_unstable();
        singles.dedup();
        let mut literals = Vec::with_capacity(owners.len());
        let mut found: BTreeMap<usize, Vec<Entry>> = BTreeMap::new();
        for (bytes, mut owners) in owners {
            owners.sort_unstable();
            owners.dedup();
            let all = owners.iter().map(|owner| required(*owner));
            let required = all.reduce(|all, one| all & one).unwrap_or(0) | set(&bytes);
            let (at, _) = rarest(&bytes);
            let piece = &bytes[at..bytes.len().min(at + 3)];
            let back = (at + piece.len() - 1) as u16;
            let entry = Entry { required, literal: literals.len() as u32, back };
            let triple = piece.iter().fold(0, |index, byte| index << BITS | symbol(*byte));
            // Before a literal of two bytes anything may stand.
            let firsts = if piece.len() == 2 { 1 << BITS } else { 1 };
            for first in 0..firsts {
                found.entry(first << (2 * BITS) | triple).or_default().push(entry);
            }
            literals.push(Literal { bytes, owners });
        }
        let (mut triples, mut starts, mut entries) = (Box::new([0; PAIRS]), vec![0], Vec::new());
        for (triple, of) in found {
            triples[triple >> BITS] |= 1_u64 << (triple % (1 << BITS));
            entries.extend(of);
            starts.push(entries.len() as u32);
        }
        let mut before = 0;
        let rank = |row: &u64| {
            let rank = before;
            before += row.count_ones();
            rank
        };
        let ranks = triples.iter().map(rank).collect();
        Self { triples, ranks, starts, entries, literals, singles }
    }

    /// Fills `places` with where a literal may stand in `text`; answers the symbols of `text`.
    pub(super) fn scan(&self, text: &[u8], places: &mut Vec<u32>) -> u64 {
        places.clear();
        let (mut pair, mut present) = (START, 0_u64);
        for (at, &byte) in text.iter().enumerate() {
            let symbol = symbol(byte);
            present |= 1 << symbol;
            if self.triples[pair] >> symbol & 1 != 0 {
                places.push(at as u32);
            }
            pair = next(pair, symbol);
        }
        present
    }

    /// Calls `each` with the owners of every literal in `text`, given what [`scan`](Self::scan) answered.
    pub(super) fn find(
        &self,
        text: &[u8],
        places: &[u32],
        present: u64,
        mut each: impl FnMut(u16),
    ) {
        for &(byte, owner) in &self.singles {
            let met = present >> symbol(byte) & 1 != 0;
            if met && (alone(byte) || memchr::memchr(byte, text).is_some()) {
                each(owner);
            }
        }
        for &at in places {
            let at = at as usize;
            for entry in self.entries(text, at) {
                let Some(begin) = at.checked_sub(usize::from(entry.back)) else { continue };
                let literal = &self.literals[entry.literal as usize];
                if entry.required & !present == 0 && text[begin..].starts_with(&literal.bytes) {
                    literal.owners.iter().for_each(|owner| each(*owner));
                }
            }
        }
    }

    /// The literals of the triple that ends at `at`.
    fn entries(&self, text: &[u8], at: usize) -> &[Entry] {
        let before = text[at.saturating_sub(2)..at].iter();
        let pair = before.fold(START, |pair, byte| next(pair, symbol(*byte)));
        let below = self.triples[pair] & ((1 << symbol(text[at])) - 1);
        let index = (self.ranks[pair] + below.count_ones()) as usize;
        &self.entries[self.starts[index] as usize..self.starts[index + 1] as usize]
    }
}
