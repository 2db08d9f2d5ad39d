//! Many literals at once: a table of triples of symbols says where one may stand, and what is there is compared.
//!
//! Each literal is looked for by its rarest three bytes, so that an ordinary text is passed over at one look a byte.

use std::collections::BTreeMap;

use super::matching::MET_MAX;
use super::pieces::{END, Piece, START, bytes, rarest};
use super::symbols::{self, BIT, BITS, PAIRS, set, symbol};

/// No further entry.
const NONE: u32 = u32::MAX;
const WORD: usize = 8;
/// A text with more places than this may repeat itself, so what was looked at in vain is noted.
const LONG: u32 = 256;
/// Where the bits of views are among those of places.
const VIEWS: u32 = 16;

/// The bits of places and views, such as those of a text and those of which a signature is looked for.
pub(super) fn looks(places: u32, views: u8) -> u32 {
    places | u32::from(views) << VIEWS
}

/// Whether two of them have both a place and a view in common.
fn meet(one: u32, other: u32) -> bool {
    let (both, views) = (one & other, 0b1111 << VIEWS);
    (both & views != 0) & (both & !views != 0)
}

/// A literal that stands so often is looked for no more.
const TIMES_MAX: u8 = MET_MAX as u8 + 1;
/// Bytes of a literal in which its triple is chosen.
const HEAD: usize = 64;

/// One way in which a literal may stand at a place.
#[derive(Debug, Clone, Copy)]
struct Entry {
    /// Symbols without which none of its owners can hit.
    required: u64,
    /// Its first eight bytes, those that it does not have being 0.
    word: u64,
    literal: u32,
    /// The next entry of the same triple.
    next: u32,
    /// Places at which one of its owners looks, and the [views](looks) that it reads.
    places: u32,
    /// How far before the last byte of the triple it begins.
    back: u8,
    /// How many of its bytes are in `word`.
    head: u8,
    starts: bool,
    ends: bool,
}

/// What is asked of a literal whose first bytes were found.
#[derive(Debug, Clone, Copy)]
struct Literal {
    /// Where what lies behind its first bytes begins, and how long it is.
    tail: u32,
    tail_length: u16,
    /// How many signatures it makes candidates, and where they begin.
    owners_count: u16,
    owners: u32,
}

/// The literals, and the signatures that each makes a candidate.
#[derive(Debug)]
pub(super) struct Literals {
    /// For each pair of symbols, those that make a triple of some literal with it.
    thirds: Box<[u64; PAIRS]>,
    /// For each pair, how many triples there are before its first.
    ranks: Box<[u32; PAIRS]>,
    /// The first entry of each triple, in order of the triples; then all further ones.
    entries: Vec<Entry>,
    /// What lies behind the first bytes of each literal.
    tails: Vec<u8>,
    /// The signatures that each literal makes candidates.
    owners: Vec<u16>,
    literals: Vec<Literal>,
    /// Literals of one byte, which are too short for a triple, by their symbol.
    singles: Vec<Single>,
    /// For each symbol, where its singles end; those of the one before end where they begin.
    ends: [u32; 1 << BITS],
    /// The symbols of all of them.
    symbols: u64,
}

#[derive(Debug, Clone, Copy)]
struct Single {
    required: u64,
    places: u32,
    owner: u16,
    byte: u8,
}

/// Buffers of a search, reused for all.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    /// Where literals may stand, a bit for each byte, the lowest first, and how many there are.
    places: Vec<u64>,
    count: u32,
    /// How often each literal was found, and those that were.
    times: Vec<u8>,
    found: Vec<u32>,
    /// In a long text, a bit for each triple of which no literal is looked for any more, and the words that are not 0.
    closed: Vec<u64>,
    used: Vec<u32>,
}

impl Buffers {
    fn clear(&mut self, literals: usize) {
        self.places.clear();
        self.count = 0;
        for word in self.used.drain(..) {
            self.closed[word as usize] = 0;
        }
        for literal in self.found.drain(..) {
            self.times[literal as usize] = 0;
        }
        if self.times.len() < literals {
            self.times.resize(literals, 0);
        }
    }

    fn is_closed(&self, triple: u32) -> bool {
        self.closed.get(triple as usize / 64).is_some_and(|word| word >> (triple % 64) & 1 != 0)
    }

    fn close(&mut self, triple: u32) {
        let word = triple as usize / 64;
        if self.closed.len() <= word {
            self.closed.resize(word + 1, 0);
        }
        if self.closed[word] == 0 {
            self.used.push(word as u32);
        }
        self.closed[word] |= 1 << (triple % 64);
    }

    fn find(&mut self, literal: u32) {
        let times = &mut self.times[literal as usize];
        if *times == 0 {
            self.found.push(literal);
        }
        *times += 1;
    }
}

/// A text that was scanned.
pub(super) struct Scanned<'a> {
    pub(super) text: &'a [u8],
    /// Its symbols.
    pub(super) present: u64,
}

impl Literals {
    /// From each literal and its owner, of which `gate` says without which symbols it cannot hit, and where it [looks].
    pub(super) fn build(pairs: Vec<(Piece, u16)>, gate: impl Fn(u16) -> (u64, u32)) -> Self {
        let mut owners: BTreeMap<Piece, Vec<u16>> = BTreeMap::new();
        let mut singles = Vec::new();
        for (piece, owner) in pairs {
            match bytes(&piece)[..] {
                // Where it stands is left to the pattern.
                [byte] => {
                    let (required, places) = gate(owner);
                    singles.push(Single { required, places, owner, byte });
                }
                _ => owners.entry(piece).or_default().push(owner),
            }
        }
        singles.sort_unstable_by_key(|one: &Single| (symbol(one.byte), one.byte, one.owner));
        singles.dedup_by_key(|one| (one.byte, one.owner));
        let mut ends = [0; 1 << BITS];
        for (symbol_of, end) in ends.iter_mut().enumerate() {
            *end = singles.partition_point(|one| symbol(one.byte) <= symbol_of) as u32;
        }
        let symbols = singles.iter().fold(0, |all, one| all | 1 << symbol(one.byte));
        let (mut tails, mut all) = (Vec::new(), Vec::new());
        let mut literals = Vec::with_capacity(owners.len());
        let mut found: BTreeMap<usize, Vec<Entry>> = BTreeMap::new();
        for (literal, (piece, mut owners)) in (0..).zip(owners) {
            owners.sort_unstable();
            owners.dedup();
            let (triples, mut entry) = Entry::build(&piece, literal);
            let gates = owners.iter().map(|owner| gate(*owner));
            let (required, places) =
                gates.fold((u64::MAX, 0), |(all, any), one| (all & one.0, any | one.1));
            entry.required |= required;
            entry.places = places;
            let tail = &bytes(&piece)[usize::from(entry.head)..];
            literals.push(Literal {
                tail: tails.len() as u32,
                tail_length: tail.len() as u16,
                owners_count: owners.len() as u16,
                owners: all.len() as u32,
            });
            tails.extend_from_slice(tail);
            all.extend(owners);
            for triple in triples {
                found.entry(triple).or_default().push(entry);
            }
        }
        let (thirds, ranks, entries) = table(found);
        Self { thirds, ranks, entries, tails, owners: all, literals, singles, ends, symbols }
    }

    /// Notes where a literal may stand in `text`.
    #[inline(never)]
    pub(super) fn scan<'a>(&self, text: &'a [u8], buffers: &mut Buffers) -> Scanned<'a> {
        buffers.clear(self.literals.len());
        let (mut pair, mut before) = (symbols::START, symbols::OTHER);
        let mut present = 0_u64;
        for chunk in text.chunks(64) {
            let mut here = 0_u64;
            for (at, &byte) in chunk.iter().enumerate() {
                let (this, bit) = (symbol(byte), BIT[usize::from(byte)]);
                present |= bit;
                here |= u64::from(self.thirds[pair % PAIRS] & bit != 0) << at;
                pair = before << BITS | this;
                before = this;
            }
            buffers.places.push(here);
            buffers.count += here.count_ones();
        }
        Scanned { text, present }
    }

    /// Calls `each` with the owners of every literal in a text that is looked at in `place` (as [`looks`] says), and where
    /// it begins, the first few times.
    pub(super) fn find(
        &self,
        scanned: &Scanned<'_>,
        place: u32,
        buffers: &mut Buffers,
        mut each: impl FnMut(u16, usize),
    ) {
        let mut met = scanned.present & self.symbols;
        while met != 0 {
            self.singles(met.trailing_zeros() as usize, scanned, place, &mut each);
            met &= met - 1;
        }
        for index in 0..buffers.places.len() {
            let mut left = buffers.places[index];
            while left != 0 {
                let at = 64 * index + left.trailing_zeros() as usize;
                self.at(scanned, at, place, buffers, &mut each);
                left &= left - 1;
            }
        }
    }

    /// Calls `each` with the owners of the literals of one byte that have `symbol`, and where they stand.
    fn singles(
        &self,
        symbol: usize,
        scanned: &Scanned<'_>,
        place: u32,
        each: &mut impl FnMut(u16, usize),
    ) {
        let start = symbol.checked_sub(1).map_or(0, |before| self.ends[before]);
        let (mut places, mut count, mut of) = ([0; TIMES_MAX as usize], 0, None);
        for one in &self.singles[start as usize..self.ends[symbol] as usize] {
            if one.required & !scanned.present != 0 || !meet(one.places, place) {
                continue;
            }
            if of != Some(one.byte) {
                (of, count) = (Some(one.byte), 0);
                for (to, at) in places.iter_mut().zip(memchr::memchr_iter(one.byte, scanned.text)) {
                    *to = at;
                    count += 1;
                }
            }
            places[..count].iter().for_each(|at| each(one.owner, *at));
        }
    }

    /// Calls `each` with the owners of the literals whose triple ends at `at`, unless they were found too often.
    fn at(
        &self,
        scanned: &Scanned<'_>,
        at: usize,
        place: u32,
        buffers: &mut Buffers,
        each: &mut impl FnMut(u16, usize),
    ) {
        let Scanned { text, present } = *scanned;
        let first = self.first(text, at);
        let long = buffers.count > LONG;
        if long && buffers.is_closed(first) {
            return;
        }
        let (mut index, mut open) = (first, false);
        while let Some(entry) = self.entries.get(index as usize) {
            index = entry.next;
            let often = buffers.times[entry.literal as usize] >= TIMES_MAX;
            // One question for all three, as none of the answers is foreseen.
            if (entry.required & !present != 0) | !meet(entry.places, place) | often {
                continue;
            }
            open = true;
            let Some((begin, rest)) = entry.rest(text, at) else { continue };
            let literal = &self.literals[entry.literal as usize];
            let length = usize::from(literal.tail_length);
            let tail = &self.tails[literal.tail as usize..][..length];
            let ends = !entry.ends || rest.len() == length;
            if ends && (length == 0 || rest.starts_with(tail)) {
                buffers.find(entry.literal);
                let owners = &self.owners[literal.owners as usize..];
                for owner in &owners[..usize::from(literal.owners_count)] {
                    each(*owner, begin);
                }
            }
        }
        if long && !open {
            buffers.close(first);
        }
    }

    /// The first entry of the triple that ends at `at`.
    fn first(&self, text: &[u8], at: usize) -> u32 {
        let before =
            |back: usize| at.checked_sub(back).map_or(symbols::OTHER, |at| symbol(text[at]));
        let pair = before(2) << BITS | before(1);
        let below = self.thirds[pair] & ((1 << symbol(text[at])) - 1);
        self.ranks[pair] + below.count_ones()
    }
}

impl Entry {
    /// The entry of `piece`, and the triples that lead to it.
    fn build(piece: &Piece, literal: u32) -> (impl Iterator<Item = usize>, Self) {
        let all = bytes(piece);
        let (at, _) = rarest(&all[..all.len().min(HEAD)]);
        let rare = &all[at..all.len().min(HEAD).min(at + 3)];
        let triple = rare.iter().fold(0, |index, byte| index << BITS | symbol(*byte));
        // Before a literal of two bytes anything may stand.
        let firsts = if rare.len() == 2 { 1 << BITS } else { 1 };
        let entry = Self {
            required: set(&all),
            word: word(&all),
            literal,
            next: NONE,
            places: 0,
            back: (at + rare.len() - 1) as u8,
            head: all.len().min(WORD) as u8,
            starts: piece.first() == Some(&START),
            ends: piece.last() == Some(&END),
        };
        ((0..firsts).map(move |first| first << (2 * BITS) | triple), entry)
    }

    /// Where the literal begins and what follows its first bytes, if they stand where its triple ends at `at`.
    fn rest<'a>(&self, text: &'a [u8], at: usize) -> Option<(usize, &'a [u8])> {
        let begin = at.checked_sub(usize::from(self.back))?;
        if self.starts && begin > 0 {
            return None;
        }
        let here = &text[begin..];
        let unused = 64 - 8 * u32::from(self.head);
        let differ = word(here) ^ self.word;
        (differ << unused == 0 && here.len() >= usize::from(self.head))
            .then(|| (begin, &here[usize::from(self.head)..]))
    }
}

/// The first eight bytes of `bytes`, the first being the lowest; 0 for those that it does not have.
fn word(bytes: &[u8]) -> u64 {
    match bytes.first_chunk::<WORD>() {
        Some(chunk) => u64::from_le_bytes(*chunk),
        None => bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    }
}

/// Lays out the entries of each triple.
fn table(found: BTreeMap<usize, Vec<Entry>>) -> (Box<[u64; PAIRS]>, Box<[u32; PAIRS]>, Vec<Entry>) {
    let (mut thirds, mut ranks) = (Box::new([0_u64; PAIRS]), Box::new([0; PAIRS]));
    let (mut entries, mut further) = (Vec::new(), Vec::new());
    let triples = found.len() as u32;
    for (triple, of) in found {
        thirds[triple >> BITS] |= 1 << (triple % (1 << BITS));
        let mut next = NONE;
        for (index, mut entry) in of.into_iter().enumerate().rev() {
            entry.next = next;
            if index == 0 {
                entries.push(entry);
            } else {
                next = triples + further.len() as u32;
                further.push(entry);
            }
        }
    }
    entries.append(&mut further);
    let mut before = 0;
    for (rank, thirds) in ranks.iter_mut().zip(thirds.iter()) {
        *rank = before;
        before += thirds.count_ones();
    }
    (thirds, ranks, entries)
}
