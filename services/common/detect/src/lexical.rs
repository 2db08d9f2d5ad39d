//! What the plain text of a reading says: how much punctuation of which kind, and which short runs of characters.
//!
//! Digit runs and long or mixed words fold to one symbol, so that no host, token or marker of a data set can be learnt.

use std::sync::LazyLock;

use crate::features::{Feature, GRAM_BASE, GRAM_SLOTS, LEXICAL_BASE};

/// Most bytes of a text that are looked at: one window.
pub(crate) const BYTES_MAX: usize = 2048;
/// Words of letters longer than this are read as one symbol.
const WORD_MAX: usize = 14;
/// Words that mix letters and digits longer than this are read as one symbol.
const MIXED_MAX: usize = 7;
/// No shorter word is read as one symbol.
const FOLDS_FROM: usize = MIXED_MAX + 1;
const DIGITS: u8 = b'0';
const LONG_WORD: u8 = 1;
const CONTROL: u8 = 2;
const FOREIGN: u8 = 3;
const EDGE: u8 = 4;

/// Characters that are counted, one slot each, in the order of their slots.
const COUNTED: &[u8; 28] = b"'\"`<>()[]{}/\\.=;|&$%#@,:*-+!";

/// Identifier of each lexical slot, in order: never reused for another.
pub const NAMES: &[&str] = &[
    "quote",
    "double_quote",
    "back_tick",
    "less",
    "greater",
    "round_open",
    "round_close",
    "square_open",
    "square_close",
    "curly_open",
    "curly_close",
    "slash",
    "backslash",
    "dot",
    "equals",
    "semicolon",
    "pipe",
    "ampersand",
    "dollar",
    "percent",
    "hash",
    "at",
    "comma",
    "colon",
    "star",
    "dash",
    "plus",
    "exclamation",
    "question",
    "blank",
    "control",
    "foreign",
    "underscore",
    "caret_tilde",
    "two_dots",
    "two_dashes",
    "two_slashes",
    "call",
    "digits_share",
    "punctuation_share",
    "blank_share",
    "kinds",
    "longest_word",
    "length",
    "length_upto_8",
    "length_upto_32",
    "length_upto_128",
    "length_upto_512",
    "length_more",
    "starts_punctuation",
    "ends_punctuation",
    "nothing_found",
    "plain_words",
];

/// Set where neither a signature nor a tokeniser found anything: then signs and n-grams are all there is, and they say
/// less than beside a finding.
pub const NOTHING_FOUND: Feature = Feature(LEXICAL_BASE + NAMES.len() as u32 - 2);
/// Set where something was found in nothing but plain words.
pub const PLAIN_WORDS: Feature = Feature(LEXICAL_BASE + NAMES.len() as u32 - 1);

/// What each byte is; what is folded has a kind of its own.
static KIND: [u8; 256] = {
    let (mut kinds, mut at) = ([0; 256], 0);
    while at < 256 {
        let byte = at as u8;
        kinds[at] = match byte {
            b'0'..=b'9' => DIGIT | ALNUM | IN_WORD,
            b'a'..=b'z' | b'A'..=b'Z' => ALNUM | IN_WORD,
            0x80.. => OTHER | IN_WORD,
            b' ' => BLANK,
            0..32 | 127 => SAME,
            _ => 0,
        };
        at += 1;
    }
    kinds
};
/// Folded with any of its kind before it: digits, blanks, and what is not ASCII; a control with the same alone.
const DIGIT: u8 = 1;
const BLANK: u8 = 1 << 1;
const OTHER: u8 = 1 << 2;
const SAME: u8 = 1 << 3;
const FOLDED: u8 = DIGIT | BLANK | OTHER;
/// A letter or digit, and what counts for the longest word.
const ALNUM: u8 = 1 << 4;
const IN_WORD: u8 = 1 << 5;

/// The symbol of each byte that no word has folded.
static SYMBOL: [u8; 256] = {
    let (mut symbols, mut at) = ([0; 256], 0);
    while at < 256 {
        let byte = at as u8;
        symbols[at] = match byte {
            b'0'..=b'9' => DIGITS,
            0x80.. => FOREIGN,
            0..32 | 127 => CONTROL,
            _ => byte,
        };
        at += 1;
    }
    symbols
};

/// For each number of occurrences, the logarithm of one more.
static LOGARITHMS: LazyLock<Box<[f32; BYTES_MAX + 1]>> =
    LazyLock::new(|| Box::new(std::array::from_fn(|number| (1.0 + number as f32).log2())));

/// What reading needs: reused for all texts.
#[derive(Debug)]
pub(crate) struct Buffers {
    symbols: Box<[u8; BYTES_MAX + 2]>,
    slots: Box<[u16; BYTES_MAX + 2]>,
    /// The slots met, a bit each.
    seen: Box<[u64; GRAM_SLOTS as usize / 64]>,
}

impl Default for Buffers {
    fn default() -> Self {
        Self {
            symbols: Box::new([0; BYTES_MAX + 2]),
            slots: Box::new([0; BYTES_MAX + 2]),
            seen: Box::new([0; GRAM_SLOTS as usize / 64]),
        }
    }
}

/// Calls `add` with the lexical counts of `text` (decoded, lower case), each from 0 to 1, and with each distinct
/// character 3-gram at `1/sqrt(n)` of the `n` distinct ones, so that long texts do not add up without bound.
pub fn read(text: &[u8], mut add: impl FnMut(Feature, f32)) {
    read_with(text, &mut Buffers::default(), &mut |feature, value| {
        if value > 0.0 {
            add(feature, value);
        }
    });
}

/// The same, but calls `add` for counts of 0, too: to add them is cheaper than to ask.
pub(crate) fn read_with(text: &[u8], buffers: &mut Buffers, add: &mut impl FnMut(Feature, f32)) {
    let text = &text[..text.len().min(BYTES_MAX)];
    if text.is_empty() {
        return;
    }
    counts(text, add);
    grams(text, buffers, add);
}

/// How often bytes follow their like, 16 bits each: dots, dashes, slashes; and calls.
static REPEATED: [u64; 256] = {
    let mut repeated = [0; 256];
    repeated[b'.' as usize] = 1;
    repeated[b'-' as usize] = 1 << 16;
    repeated[b'/' as usize] = 1 << 32;
    repeated
};

fn counts(text: &[u8], add: &mut impl FnMut(Feature, f32)) {
    let mut histogram = [0u16; 256];
    let (mut repeated, mut word, mut longest, mut before) = (0u64, 0u16, 0u16, 0u8);
    for &byte in text {
        histogram[usize::from(byte)] += 1;
        word = (word + 1) * u16::from(KIND[usize::from(byte)] & IN_WORD != 0);
        longest = longest.max(word);
        repeated += REPEATED[usize::from(byte)] * u64::from(byte == before);
        let called = matches!(before, b'a'..=b'z' | b'0'..=b'9' | b'_');
        repeated += u64::from(byte == b'(' && called) << 48;
        before = byte;
    }
    let sum = |range: std::ops::Range<usize>| histogram[range].iter().sum::<u16>();
    let blank = histogram[usize::from(b' ')];
    let control = sum(0..32) + histogram[127];
    let (foreign, digits, letters) = (sum(128..256), sum(48..58), sum(97..123));
    let length = text.len();
    let plain = usize::from(blank + control + foreign + digits + letters);
    let punctuation = length.saturating_sub(plain);
    let met = |range: std::ops::Range<usize>| {
        histogram[range].iter().map(|count| u16::from(*count > 0)).sum::<u16>()
    };
    let kinds = met(33..48) + met(58..65) + met(91..97) + met(123..127);
    let logarithms = &**LOGARITHMS;
    // 0 for none, 0.25 for one, up to 1 for fifteen and more.
    let count = |number: u16| logarithms[usize::from(number)] / 4.0;
    let of = |byte: u8| histogram[usize::from(byte)];
    let mut slot = 0;
    let mut put = |value: f32| {
        add(Feature(LEXICAL_BASE + slot), value.min(1.0));
        slot += 1;
    };
    COUNTED.iter().for_each(|byte| put(count(of(*byte))));
    let signs = [of(b'?'), blank, control, foreign, of(b'_'), of(b'^') + of(b'~')];
    signs.into_iter().for_each(|number| put(count(number)));
    (0..4).for_each(|pair| put(count((repeated >> (16 * pair)) as u16)));
    let share = |part: usize| part as f32 / length as f32;
    put(share(usize::from(digits)));
    put(share(punctuation));
    put(share(usize::from(blank)));
    put(f32::from(kinds) / 16.0);
    put(f32::from(longest).min(64.0) / 64.0);
    put(logarithms[length] / 11.0);
    for (above, upto) in [(0, 8), (8, 32), (32, 128), (128, 512), (512, usize::MAX)] {
        put(f32::from(u8::from(length > above && length <= upto)));
    }
    put(f32::from(u8::from(text[0].is_ascii_punctuation())));
    put(f32::from(u8::from(text[length - 1].is_ascii_punctuation())));
}

fn grams(text: &[u8], buffers: &mut Buffers, add: &mut impl FnMut(Feature, f32)) {
    let Buffers { symbols: all, slots, seen } = buffers;
    let length = symbols(text, all);
    let mut distinct = 0;
    for gram in all[..length].windows(3) {
        let slot = slot(u32::from_be_bytes([0, gram[0], gram[1], gram[2]]));
        // Whether it is new is seldom foreseen, so nothing is asked.
        let (word, bit) = (&mut seen[usize::from(slot / 64)], 1 << (slot % 64));
        slots[distinct] = slot;
        distinct += usize::from(*word & bit == 0);
        *word |= bit;
    }
    let scale = 1.0 / (distinct.max(1) as f32).sqrt();
    for &slot in &slots[..distinct] {
        seen[usize::from(slot / 64)] = 0;
        add(Feature(GRAM_BASE + u32::from(slot)), scale);
    }
}

/// Multiplicative hashing (Knuth, TAOCP 6.4) of three symbols to 16 bits.
fn slot(window: u32) -> u16 {
    let mixed = (window ^ window >> 11).wrapping_mul(0x9E37_79B1);
    (mixed >> 16) as u16
}

/// Writes the symbols of `text` after folding, with an edge at both ends; answers how many there are.
fn symbols(text: &[u8], out: &mut [u8; BYTES_MAX + 2]) -> usize {
    out[0] = EDGE;
    let (mut at, mut end) = (0, 1);
    let (mut run, mut begun, mut before, mut before_kind) = (0, 1, b'a', 0);
    while at < text.len() {
        let byte = text[at];
        let kind = KIND[usize::from(byte)];
        let like = kind & before_kind & FOLDED != 0;
        let folds = like | ((kind & SAME != 0) & (byte == before));
        begun = if run == 0 { end } else { begun };
        run = (run + 1) * usize::from(kind & ALNUM != 0);
        out[end] = SYMBOL[usize::from(byte)];
        end += usize::from(!folds);
        at += 1;
        (before, before_kind) = (byte, kind);
        if run == FOLDS_FROM {
            let word = word(&text[at - run..]);
            if is_long(word) {
                out[begun] = LONG_WORD;
                (end, at) = (begun + 1, at - run + word.len());
                before_kind = ALNUM;
            }
        }
    }
    out[end] = EDGE;
    end + 1
}

/// The letters and digits at the head of `text`.
fn word(text: &[u8]) -> &[u8] {
    let length = text.iter().take_while(|byte| KIND[usize::from(**byte)] & ALNUM != 0).count();
    &text[..length]
}

/// Whether a word is read as one symbol, and not as a number.
fn is_long(word: &[u8]) -> bool {
    let digits = word.iter().filter(|byte| byte.is_ascii_digit()).count();
    digits < word.len() && (word.len() > WORD_MAX || digits > 0 && word.len() > MIXED_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn features(text: &str) -> Vec<(u32, f32)> {
        let mut all = Vec::new();
        read(text.as_bytes(), |feature, value| all.push((feature.0, value)));
        all
    }

    #[test]
    fn every_slot_has_a_name_and_the_last_is_not_of_the_text() {
        let longest = "'\"`<>()[]{}/\\.=;|&$%#@,:*-+!? \u{1}é_^..--//a(9!".repeat(3);
        let last = features(&longest)
            .iter()
            .map(|(slot, _)| *slot)
            .filter(|slot| *slot < LEXICAL_BASE + 64)
            .max();
        assert_eq!(last, Some(NOTHING_FOUND.0 - 1));
    }

    #[test]
    fn random_tokens_and_numbers_leave_no_trace_of_their_own() {
        for (left, right) in [
            ("id=7342", "id=19"),
            ("x=a9f81c3e77d0", "x=0b7d44e1c29f"),
            ("t=supercalifragilistic", "t=pseudopseudohypo"),
        ] {
            let grams = |text| {
                features(text)
                    .into_iter()
                    .filter(|(slot, _)| *slot >= GRAM_BASE)
                    .collect::<Vec<_>>()
            };
            assert_eq!(grams(left), grams(right), "{left} and {right}");
        }
    }

    #[test]
    fn grams_of_one_text_have_length_one_together() {
        for text in ["a", "or 1=1", "the quick brown fox jumps over the lazy dog"] {
            let squares: f32 = features(text)
                .iter()
                .filter(|(slot, _)| *slot >= GRAM_BASE)
                .map(|(_, v)| v * v)
                .sum();
            assert!((squares - 1.0).abs() < 1e-4, "{text}: {squares}");
        }
    }

    #[test]
    fn every_gram_of_a_text_is_there_once_whatever_its_length() {
        let text: Vec<u8> =
            (0..4000u32).map(|n| b"!#$%&()*+,-./:;<=>"[(n * n % 4093 % 18) as usize]).collect();
        let mut buffers = Buffers::default();
        for length in [1, 2, 61, 62, 63, 64, 253, 254, 255, 256, 2047, 2048] {
            let text = &text[..length];
            let edged = [&[EDGE], text, &[EDGE]].concat();
            let window = |three: &[u8]| three.iter().fold(0, |all, one| all << 8 | u32::from(*one));
            let wanted: std::collections::BTreeSet<u16> =
                edged.windows(3).map(|three| slot(window(three))).collect();
            let mut found = Vec::new();
            let mut add = |feature: Feature, _| found.push((feature.0 - GRAM_BASE) as u16);
            grams(text, &mut buffers, &mut add);
            found.sort_unstable();
            assert_eq!(found, wanted.into_iter().collect::<Vec<_>>(), "{length}");
        }
    }

    #[test]
    fn runs_fold_to_one_symbol() {
        for (text, folded) in [
            ("a1b22c", &b"a0b0c"[..]),
            ("12345678901234567", b"0"),
            ("abcdefghijklmn", b"abcdefghijklmn"),
            ("abcdefghijklmno", &[LONG_WORD]),
            ("a1b2c3d", b"a0b0c0d"),
            ("=a1b2c3d4;1", &[b'=', LONG_WORD, b';', b'0']),
            ("a  b\u{1}\u{1}\u{2}", &[b'a', b' ', b'b', CONTROL, CONTROL]),
            ("\0\0é1", &[CONTROL, FOREIGN, b'0']),
            ("--__", b"--__"),
        ] {
            let mut out = [0; BYTES_MAX + 2];
            let length = symbols(text.as_bytes(), &mut out);
            assert_eq!(out[..length], [&[EDGE], folded, &[EDGE]].concat(), "{text:?}");
        }
    }

    #[test]
    fn long_texts_stay_within_bounds() {
        let text: String = (0..9000u32).map(|n| char::from(b' ' + (n * n % 90) as u8)).collect();
        assert!(features(&text).len() <= BYTES_MAX + 2 + NAMES.len());
    }
}
