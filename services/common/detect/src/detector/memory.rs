//! What paths, user agents and referers scored before: few of them are new, and they are most of the bytes of a log's
//! line.

use super::Detector;
use crate::identity::Identity;
use crate::request::{Part, Place, Value};

/// Values remembered at most; each has one slot by its hash, and a newer one takes it over.
const SLOTS: usize = 2048;
/// Longest value that is remembered.
const BYTES_MAX: usize = 512;

/// The largest LLR over the readings of one value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Best {
    pub(crate) llr: f32,
    /// The first reading that has it.
    pub(crate) reading: usize,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    hash: u64,
    /// None while the slot is free.
    kind: Option<Kind>,
    length: usize,
    best: Best,
}

/// A bounded memory, for one detector at a time: one of other signatures or another model empties it.
#[derive(Debug)]
pub(crate) struct Memory {
    slots: Vec<Slot>,
    bytes: Vec<u8>,
    of: Mark,
}

/// What a score depends on besides the bytes: where a value stood, and whether it is one of the pairs of a referer. How
/// these are called does not matter.
type Kind = (Place, bool);

/// By what a detector is told from another one: its signatures, its weights, and its floor, which can be set.
type Mark = (Identity, Identity, u32);

const NOBODY: Mark = (Identity::NONE, Identity::NONE, 0);

const FREE: Slot = Slot { hash: 0, kind: None, length: 0, best: Best { llr: 0.0, reading: 0 } };

impl Memory {
    pub(crate) fn new() -> Self {
        Self { slots: vec![FREE; SLOTS], bytes: vec![0; SLOTS * BYTES_MAX], of: NOBODY }
    }

    /// Forgets all that another detector found.
    pub(crate) fn serve(&mut self, detector: &Detector) {
        let Detector { signatures, model, .. } = detector;
        let of = (signatures.identity, model.identity, model.quiet.to_bits());
        if self.of != of {
            self.of = of;
            self.slots.fill(FREE);
        }
    }

    /// The hash of `value` if it is one to remember.
    pub(crate) fn hash(value: &Value<'_>) -> Option<u64> {
        let kept = match value.place {
            Place::Path | Place::Agent => value.name.is_empty(),
            Place::Referer => true,
            _ => false,
        };
        let (place, pair) = kind(value);
        (kept && value.part == Part::Value && value.raw.len() <= BYTES_MAX)
            .then(|| hash(value.raw, (place as u64) << 1 | u64::from(pair)))
    }

    /// What `value` scored; a hash alone is not believed.
    pub(crate) fn find(&self, hash: u64, value: &Value<'_>) -> Option<Best> {
        let at = slot(hash);
        let known = &self.slots[at];
        let start = at * BYTES_MAX;
        let same = known.hash == hash
            && known.kind == Some(kind(value))
            && self.bytes[start..start + known.length] == *value.raw;
        same.then_some(known.best)
    }

    pub(crate) fn keep(&mut self, hash: u64, value: &Value<'_>, best: Best) {
        let at = slot(hash);
        let start = at * BYTES_MAX;
        let length = value.raw.len();
        self.slots[at] = Slot { hash, kind: Some(kind(value)), length, best };
        self.bytes[start..start + length].copy_from_slice(value.raw);
    }
}

fn kind(value: &Value<'_>) -> Kind {
    (value.place, !value.name.is_empty())
}

fn slot(hash: u64) -> usize {
    (hash >> 40) as usize % SLOTS
}

/// Multiply and rotate over words of eight bytes: only speed counts, as the bytes are compared.
fn hash(bytes: &[u8], seed: u64) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |hash: u64, word: u64| (hash.rotate_left(23) ^ word).wrapping_mul(FACTOR);
    let words = bytes.chunks_exact(8);
    let rest = words.remainder().iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    let whole = words.fold(seed ^ bytes.len() as u64, |hash, word| {
        mix(hash, u64::from_le_bytes(word.try_into().expect("chunks of eight bytes")))
    });
    let last = mix(whole, rest);
    last ^ last >> 32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(place: Place, raw: &[u8]) -> Value<'_> {
        Value { place, part: Part::Value, name: b"", raw }
    }

    #[test]
    fn short_paths_agents_and_referers_are_remembered_and_nothing_else() {
        let long = [b'a'; BYTES_MAX + 1];
        for (value, kept) in [
            (value(Place::Agent, b"a"), true),
            (value(Place::Referer, b"a"), true),
            (value(Place::Path, b"a"), true),
            (value(Place::Segment, b"a"), false),
            (value(Place::Query, b"a"), false),
            (value(Place::Agent, &long[1..]), true),
            (value(Place::Agent, &long), false),
            (Value { name: b"q", ..value(Place::Referer, b"a") }, true),
            (Value { name: b"q", ..value(Place::Agent, b"a") }, false),
            (Value { part: Part::Name, ..value(Place::Referer, b"a") }, false),
        ] {
            assert_eq!(Memory::hash(&value).is_some(), kept, "{value:?}");
        }
    }

    #[test]
    fn a_hash_alone_is_not_believed() {
        let (mut memory, best) = (Memory::new(), Best { llr: 1.5, reading: 2 });
        let hash = 5 << 40;
        memory.keep(hash, &value(Place::Agent, b"abc"), best);
        for (hash, value, known) in [
            (hash, value(Place::Agent, b"abc"), true),
            (hash, value(Place::Agent, b"abd"), false),
            (hash, value(Place::Agent, b"ab"), false),
            (hash, value(Place::Referer, b"abc"), false),
            (hash, Value { name: b"q", ..value(Place::Agent, b"abc") }, false),
            (hash + 1, value(Place::Agent, b"abc"), false),
            (hash + (1 << 40), value(Place::Agent, b"abc"), false),
        ] {
            assert_eq!(memory.find(hash, &value), known.then_some(best), "{hash:#x} {value:?}");
        }
        assert_eq!(memory.find(0, &value(Place::Agent, b"")), None);
    }

    #[test]
    fn every_slot_has_room_of_its_own() {
        let mut memory = Memory::new();
        let raw = |at: u64| [(at % 251) as u8; BYTES_MAX];
        let best = |at: u64| Best { llr: at as f32, reading: 0 };
        for at in 0..SLOTS as u64 {
            memory.keep(at << 40, &value(Place::Agent, &raw(at)), best(at));
        }
        for at in 0..SLOTS as u64 {
            let found = memory.find(at << 40, &value(Place::Agent, &raw(at)));
            assert_eq!(found, Some(best(at)), "{at}");
        }
    }

    #[test]
    fn values_that_differ_in_one_byte_or_in_place_have_other_hashes() {
        let mut seen = std::collections::HashSet::new();
        for length in 0..40 {
            for changed in 0..=length {
                let mut raw = vec![b'a'; length];
                raw.iter_mut().skip(changed).take(1).for_each(|byte| *byte = b'b');
                seen.insert((hash(&raw, 1), raw.clone()));
                assert!(seen.insert((hash(&raw, 2), raw)), "{length} {changed}");
            }
        }
        let hashes: std::collections::HashSet<u64> = seen.iter().map(|(hash, _)| *hash).collect();
        assert_eq!(hashes.len(), seen.len());
        let slots: std::collections::HashSet<usize> =
            hashes.iter().map(|hash| slot(*hash)).collect();
        assert!(
            slots.len() > SLOTS / 4 && slots.iter().all(|slot| *slot < SLOTS),
            "{}",
            slots.len()
        );
    }
}
