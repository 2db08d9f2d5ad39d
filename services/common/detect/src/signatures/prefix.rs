//! Which bytes a match may begin with: looked at before a pattern is tried, which costs more.
//!
//! What stands at each of the first places is one of a set, and all sets together are found in one pass with a bit for
//! each place (Baeza-Yates and Gonnet, "A New Approach to Text Searching", 1992).

use regex_syntax::hir::{Class, Hir, HirKind};

use super::symbols::{BIT, FREQUENCIES};

/// Most places that are looked at: one for each bit of a table's entry.
const PLACES_MAX: usize = 8;
/// A beginning that is met at more than this share of the places of ordinary text tells too little to search for it.
const SHARE_MAX: f32 = 1.0 / 12.0;

/// A set of bytes, a bit each.
type Bytes = [u64; 4];

fn contains(set: &Bytes, byte: u8) -> bool {
    set[usize::from(byte / 64)] >> (byte % 64) & 1 != 0
}

/// The first bytes of every match.
#[derive(Debug)]
pub(super) struct Prefix {
    /// For each byte, at which places it may stand.
    table: Box<[u8; 256]>,
    /// How many places are told; a shorter text does not match.
    length: usize,
    /// Whether it tells enough to search for it.
    pub(super) telling: bool,
}

impl Prefix {
    pub(super) fn new(hir: &Hir) -> Self {
        let length = hir.properties().minimum_len().unwrap_or(0).min(PLACES_MAX);
        let heads = Heads::of(hir);
        let mut table = Box::new([0; 256]);
        let mut share = 1.0;
        for (place, set) in heads.places[..length].iter().enumerate() {
            let (mut symbols, mut met) = (0, 0.0);
            for byte in (0..=u8::MAX).filter(|byte| contains(set, *byte)) {
                table[usize::from(byte)] |= 1 << place;
                let symbol = BIT[usize::from(byte)];
                met += if symbols & symbol == 0 { FREQUENCIES.of(&[byte]) } else { 0.0 };
                symbols |= symbol;
            }
            share *= met.min(1.0);
        }
        Self { table, length, telling: length > 0 && share < SHARE_MAX }
    }

    /// Whether a match may begin at `start`.
    pub(super) fn fits(&self, text: &[u8], start: usize) -> bool {
        let Some(head) = text.get(start..start + self.length) else { return false };
        head.iter()
            .enumerate()
            .all(|(place, byte)| self.table[usize::from(*byte)] >> place & 1 != 0)
    }

    /// The first place from `from` on where a match may begin; there must be something that is told of it.
    pub(super) fn find(&self, text: &[u8], from: usize) -> Option<usize> {
        let (mut state, last) = (0_u8, 1 << (self.length - 1));
        let met = |byte: &u8| {
            state = (state << 1 | 1) & self.table[usize::from(*byte)];
            state & last != 0
        };
        let end = text[from..].iter().position(met)?;
        Some(from + end + 1 - self.length)
    }
}

/// What the first places of all matches of a part may hold.
#[derive(Clone, Copy)]
struct Heads {
    places: [Bytes; PLACES_MAX],
    /// How long a match may be, a bit for each length; the last one is for all that are longer, too.
    lengths: u16,
}

impl Heads {
    const EMPTY: Self = Self { places: [[0; 4]; PLACES_MAX], lengths: 1 };
    const NOTHING: Self = Self { lengths: 0, ..Self::EMPTY };

    fn of(hir: &Hir) -> Self {
        match hir.kind() {
            HirKind::Empty | HirKind::Look(_) => Self::EMPTY,
            HirKind::Literal(literal) => {
                let bytes = literal.0.iter().take(PLACES_MAX);
                bytes.fold(Self::EMPTY, |heads, byte| heads.then(&Self::one(*byte..=*byte)))
            }
            HirKind::Class(Class::Bytes(class)) => class
                .iter()
                .map(|range| Self::one(range.start()..=range.end()))
                .fold(Self::NOTHING, |heads, one| heads.or(&one)),
            HirKind::Class(Class::Unicode(_)) => Self::one(0..=u8::MAX),
            HirKind::Capture(capture) => Self::of(&capture.sub),
            HirKind::Repetition(repetition) => {
                let sub = Self::of(&repetition.sub);
                let most = repetition.max.unwrap_or(u32::MAX).min(PLACES_MAX as u32);
                let least = repetition.min.min(most);
                let (mut times, mut all) = (Self::EMPTY, Self::NOTHING);
                for time in 0..=most {
                    if time > 0 {
                        times = times.then(&sub);
                    }
                    if time >= least {
                        all = all.or(&times);
                    }
                }
                all
            }
            HirKind::Concat(parts) => {
                parts.iter().fold(Self::EMPTY, |heads, part| heads.then(&Self::of(part)))
            }
            HirKind::Alternation(parts) => {
                parts.iter().fold(Self::NOTHING, |heads, part| heads.or(&Self::of(part)))
            }
        }
    }

    fn one(bytes: std::ops::RangeInclusive<u8>) -> Self {
        let mut heads = Self { lengths: 1 << 1, ..Self::EMPTY };
        for byte in bytes {
            heads.places[0][usize::from(byte / 64)] |= 1 << (byte % 64);
        }
        heads
    }

    /// One or the other.
    fn or(mut self, other: &Self) -> Self {
        self.lengths |= other.lengths;
        for place in 0..PLACES_MAX {
            self.add(place, &other.places[place]);
        }
        self
    }

    /// First this, and then `next`.
    fn then(mut self, next: &Self) -> Self {
        let before = std::mem::replace(&mut self.lengths, 0);
        for length in (0..=PLACES_MAX).filter(|length| before >> length & 1 != 0) {
            for place in length..PLACES_MAX {
                self.add(place, &next.places[place - length]);
            }
            for more in (0..=PLACES_MAX).filter(|more| next.lengths >> more & 1 != 0) {
                self.lengths |= 1 << (length + more).min(PLACES_MAX);
            }
        }
        self
    }

    fn add(&mut self, place: usize, bytes: &Bytes) {
        self.places[place].iter_mut().zip(bytes).for_each(|(all, more)| *all |= more);
    }
}

#[cfg(test)]
mod tests {
    use super::super::matching::parse;
    use super::*;

    #[test]
    fn a_match_begins_with_what_its_first_places_may_hold() {
        for (pattern, text, start) in [
            ("abc", "xxabc", Some(2)),
            ("abc", "xxab", None),
            ("a?bc", "xabc", Some(1)),
            ("a?bc", "xbc", Some(1)),
            ("[ab]+c", "xxbac", Some(2)),
            (r"\bq(?:x|yz)w", "pqyzw", Some(1)),
            (r"\bq(?:x|yz)w", "pqaw", None),
            ("(?:ab){2,3}", "ababab", Some(0)),
            ("(?:ab){2,3}", "abba", None),
            ("q{20}", &"q".repeat(8), Some(0)),
            ("q{20}", &"q".repeat(7), None),
            ("(?:^|[^a-z])or", "1or", Some(0)),
            ("(?:^|[^a-z])or", "or", Some(0)),
        ] {
            let prefix = Prefix::new(&parse(pattern).expect("a pattern"));
            assert_eq!(prefix.find(text.as_bytes(), 0), start, "{pattern} in {text}");
            let fits = (0..text.len()).find(|at| prefix.fits(text.as_bytes(), *at));
            assert_eq!(fits, start, "{pattern} in {text}");
        }
    }
}
