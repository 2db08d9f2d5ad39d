//! What the plain text of a reading says: how much punctuation of which kind, and which short runs of characters.
//!
//! Digit runs and long or mixed words fold to one symbol, so that no host, token or marker of a data set can be learnt.

use crate::features::{Feature, GRAM_BASE, LEXICAL_BASE};

/// Most bytes of a text that are looked at: one window.
const BYTES_MAX: usize = 2048;
/// Words of letters longer than this are read as one symbol.
const WORD_MAX: usize = 14;
/// Words that mix letters and digits longer than this are read as one symbol.
const MIXED_MAX: usize = 7;
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

/// A letter or digit.
const LETTER: u8 = 1;
const DIGIT: u8 = 1 << 1;
/// Counts for the longest word.
const IN_WORD: u8 = 1 << 2;

/// What each byte is.
static KIND: [u8; 256] = {
    let (mut kinds, mut at) = ([0; 256], 0);
    while at < 256 {
        let byte = at as u8;
        if byte.is_ascii_digit() {
            kinds[at] = DIGIT | IN_WORD;
        } else if byte.is_ascii_alphabetic() {
            kinds[at] = LETTER | IN_WORD;
        } else if byte >= 0x80 {
            kinds[at] = IN_WORD;
        }
        at += 1;
    }
    kinds
};

/// Calls `add` with the lexical counts of `text` (decoded, lower case), each from 0 to 1, and with each distinct
/// character 3-gram at `1/sqrt(n)` of the `n` distinct ones, so that long texts do not add up without bound.
pub fn read(text: &[u8], mut add: impl FnMut(Feature, f32)) {
    let text = &text[..text.len().min(BYTES_MAX)];
    if text.is_empty() {
        return;
    }
    counts(text, &mut add);
    grams(text, &mut add);
}

fn counts(text: &[u8], add: &mut impl FnMut(Feature, f32)) {
    let mut histogram = [0u16; 256];
    let (mut dots, mut dashes, mut slashes, mut calls) = (0u16, 0u16, 0u16, 0u16);
    let (mut word, mut longest, mut before) = (0u16, 0u16, 0u8);
    for &byte in text {
        histogram[usize::from(byte)] += 1;
        word = if KIND[usize::from(byte)] & IN_WORD != 0 { word + 1 } else { 0 };
        longest = longest.max(word);
        if byte == before {
            dots += u16::from(byte == b'.');
            dashes += u16::from(byte == b'-');
            slashes += u16::from(byte == b'/');
        } else if byte == b'(' {
            calls += u16::from(matches!(before, b'a'..=b'z' | b'0'..=b'9' | b'_'));
        }
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
    let mut slot = 0;
    let mut put = |value: f32| {
        if value > 0.0 {
            add(Feature(LEXICAL_BASE + slot), value.min(1.0));
        }
        slot += 1;
    };
    for &byte in COUNTED {
        put(count(histogram[usize::from(byte)]));
    }
    put(count(histogram[usize::from(b'?')]));
    put(count(blank));
    put(count(control));
    put(count(foreign));
    put(count(histogram[usize::from(b'_')]));
    put(count(histogram[usize::from(b'^')] + histogram[usize::from(b'~')]));
    for pairs in [dots, dashes, slashes, calls] {
        put(count(pairs));
    }
    let share = |part: usize| part as f32 / length as f32;
    put(share(usize::from(digits)));
    put(share(punctuation));
    put(share(usize::from(blank)));
    put(f32::from(kinds) / 16.0);
    put(f32::from(longest).min(64.0) / 64.0);
    put((1.0 + length as f32).log2() / 11.0);
    for (above, upto) in [(0, 8), (8, 32), (32, 128), (128, 512), (512, usize::MAX)] {
        put(if length > above && length <= upto { 1.0 } else { 0.0 });
    }
    put(f32::from(u8::from(text[0].is_ascii_punctuation())));
    put(f32::from(u8::from(text[length - 1].is_ascii_punctuation())));
}

/// 0 for none, 0.25 for one, up to 1 for fifteen and more.
fn count(occurrences: u16) -> f32 {
    if occurrences == 0 { 0.0 } else { (1.0 + f32::from(occurrences)).log2() / 4.0 }
}

fn grams(text: &[u8], add: &mut impl FnMut(Feature, f32)) {
    match text.len() {
        0..=62 => grams_within::<64, 128>(text, add),
        63..=254 => grams_within::<256, 512>(text, add),
        _ => grams_within::<{ BYTES_MAX + 2 }, 4096>(text, add),
    }
}

/// Of a text of at most `N - 2` bytes, with a table of `TABLE` places (a power of two, more than `N`).
fn grams_within<const N: usize, const TABLE: usize>(
    text: &[u8],
    add: &mut impl FnMut(Feature, f32),
) {
    // The slots met, each where its low bits lead or, in steps that its high bits say, at the next free place: one
    // more than the slot, so that 0 is free.
    let mut seen = [0u32; TABLE];
    let mut slots = [0u16; N];
    let mut distinct = 0;
    let mut window = u32::from(EDGE);
    let mut filled = 1;
    let mut push = |symbol: u8| {
        window = (window << 8 | u32::from(symbol)) & 0x00ff_ffff;
        filled += 1;
        if filled >= 3 {
            let slot = slot(window);
            let mut at = usize::from(slot) % TABLE;
            while seen[at] != 0 && seen[at] != u32::from(slot) + 1 {
                at = (at + usize::from(slot >> 7 | 1)) % TABLE;
            }
            if seen[at] == 0 && distinct < N {
                seen[at] = u32::from(slot) + 1;
                slots[distinct] = slot;
                distinct += 1;
            }
        }
    };
    symbols(text, &mut push);
    push(EDGE);
    let scale = 1.0 / (distinct.max(1) as f32).sqrt();
    for &slot in &slots[..distinct] {
        add(Feature(GRAM_BASE + u32::from(slot)), scale);
    }
}

/// Multiplicative hashing (Knuth, TAOCP 6.4) of three symbols to 16 bits.
fn slot(window: u32) -> u16 {
    let mixed = (window ^ window >> 11).wrapping_mul(0x9E37_79B1);
    (mixed >> 16) as u16
}

/// Calls `push` with the symbols of `text` after folding.
fn symbols(text: &[u8], push: &mut impl FnMut(u8)) {
    let mut at = 0;
    while at < text.len() {
        let byte = text[at];
        let (mut end, mut digits) = (at, 0);
        while end < text.len() {
            let kind = KIND[usize::from(text[end])];
            if kind & (LETTER | DIGIT) == 0 {
                break;
            }
            digits += usize::from(kind & DIGIT != 0);
            end += 1;
        }
        if end > at {
            word(&text[at..end], digits, push);
            at = end;
            continue;
        }
        let symbol = match byte {
            0x80.. => FOREIGN,
            0..32 | 127 => CONTROL,
            _ => byte,
        };
        push(symbol);
        at += 1;
        let folds = matches!(symbol, FOREIGN | CONTROL | b' ');
        while folds
            && at < text.len()
            && (text[at] == byte || (symbol == FOREIGN && text[at] >= 0x80))
        {
            at += 1;
        }
    }
}

/// A run of letters and of so many digits.
fn word(word: &[u8], digits: usize, push: &mut impl FnMut(u8)) {
    if digits == word.len() {
        push(DIGITS);
        return;
    }
    if word.len() > WORD_MAX || (digits > 0 && word.len() > MIXED_MAX) {
        push(LONG_WORD);
        return;
    }
    if digits == 0 {
        return word.iter().for_each(|byte| push(*byte));
    }
    let mut in_digits = false;
    for &byte in word {
        let digit = byte.is_ascii_digit();
        if !(digit && in_digits) {
            push(if digit { DIGITS } else { byte });
        }
        in_digits = digit;
    }
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
        for length in [1, 2, 61, 62, 63, 64, 253, 254, 255, 256, 2047, 2048] {
            let text = &text[..length];
            let edged = [&[EDGE], text, &[EDGE]].concat();
            let window = |three: &[u8]| three.iter().fold(0, |all, one| all << 8 | u32::from(*one));
            let wanted: std::collections::BTreeSet<u16> =
                edged.windows(3).map(|three| slot(window(three))).collect();
            let mut found = Vec::new();
            grams(text, &mut |feature: Feature, _| found.push((feature.0 - GRAM_BASE) as u16));
            found.sort_unstable();
            assert_eq!(found, wanted.into_iter().collect::<Vec<_>>(), "{length}");
        }
    }

    #[test]
    fn long_texts_stay_within_bounds() {
        let text: String = (0..9000u32).map(|n| char::from(b' ' + (n * n % 90) as u8)).collect();
        assert!(features(&text).len() <= BYTES_MAX + 2 + NAMES.len());
    }
}
