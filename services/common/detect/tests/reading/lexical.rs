//! What is counted in a plain text, and which of its short runs of characters are told apart.

use detect::features::{GRAM_BASE, LEXICAL_BASE};
use detect::lexical::{NAMES, read};
use std::collections::{BTreeMap, BTreeSet};

/// The counts of `text` by name, to three digits.
fn counts(text: &[u8]) -> BTreeMap<&'static str, f32> {
    let mut all = BTreeMap::new();
    read(text, |feature, value| {
        if feature.0 < GRAM_BASE {
            let name = NAMES[(feature.0 - LEXICAL_BASE) as usize];
            assert_eq!(all.insert(name, (value * 1000.0).round() / 1000.0), None, "{name} twice");
        }
    });
    all
}

/// The n-grams of `text` by slot.
fn grams(text: &[u8]) -> BTreeSet<u32> {
    let mut all = BTreeSet::new();
    read(text, |feature, _| all.extend(feature.0.checked_sub(GRAM_BASE)));
    all
}

/// A text, and all that is counted in it.
type Row = (&'static str, &'static [(&'static str, f32)]);

const COUNTS: &[Row] = &[
    (
        "a(b",
        &[
            ("round_open", 0.25),
            ("call", 0.25),
            ("punctuation_share", 0.333),
            ("kinds", 0.063),
            ("longest_word", 0.016),
            ("length", 0.182),
            ("length_upto_8", 1.0),
        ],
    ),
    (
        "...",
        &[
            ("dot", 0.5),
            ("two_dots", 0.396),
            ("punctuation_share", 1.0),
            ("kinds", 0.063),
            ("length", 0.182),
            ("length_upto_8", 1.0),
            ("starts_punctuation", 1.0),
            ("ends_punctuation", 1.0),
        ],
    ),
    (
        "12 a",
        &[
            ("blank", 0.25),
            ("digits_share", 0.5),
            ("blank_share", 0.25),
            ("longest_word", 0.031),
            ("length", 0.211),
            ("length_upto_8", 1.0),
        ],
    ),
    (
        "\u{1}\u{7f}é",
        &[
            ("control", 0.396),
            ("foreign", 0.396),
            ("longest_word", 0.031),
            ("length", 0.211),
            ("length_upto_8", 1.0),
        ],
    ),
    (
        "_^~?a--//",
        &[
            ("dash", 0.396),
            ("slash", 0.396),
            ("question", 0.25),
            ("underscore", 0.25),
            ("caret_tilde", 0.396),
            ("two_dashes", 0.25),
            ("two_slashes", 0.25),
            ("punctuation_share", 0.889),
            ("kinds", 0.375),
            ("longest_word", 0.016),
            ("length", 0.302),
            ("length_upto_32", 1.0),
            ("starts_punctuation", 1.0),
            ("ends_punctuation", 1.0),
        ],
    ),
    ("", &[]),
];

#[test]
fn a_text_has_exactly_these_counts() {
    for (text, wanted) in COUNTS {
        assert_eq!(counts(text.as_bytes()), wanted.iter().copied().collect(), "{text:?}");
    }
}

#[test]
fn each_sign_has_a_count_of_its_own() {
    for (at, sign) in "'\"`<>()[]{}/\\.=;|&$%#@,:*-+!?".chars().enumerate() {
        let found = counts(format!("a{sign}").as_bytes());
        let signs: Vec<_> = NAMES[..29].iter().filter(|name| found.contains_key(*name)).collect();
        assert_eq!(signs, [&NAMES[at]], "{sign}");
        assert_eq!(found[NAMES[at]], 0.25, "{sign}");
    }
}

#[test]
fn signs_of_ascii_are_kinds_and_nothing_else_is() {
    for (byte, kind) in [
        (b'!', true),
        (b'/', true),
        (b'0', false),
        (b'9', false),
        (b':', true),
        (b'@', true),
        (b'[', true),
        (b'`', true),
        (b'a', false),
        (b'z', false),
        (b'{', true),
        (b'~', true),
        (0x7f, false),
        (b' ', false),
        (0x1f, false),
        (0x80, false),
    ] {
        assert_eq!(counts(&[byte]).contains_key("kinds"), kind, "{byte:#x}");
    }
}

#[test]
fn a_call_is_a_parenthesis_behind_a_name() {
    for (text, call) in [
        ("a(", true),
        ("z(", true),
        ("0(", true),
        ("9(", true),
        ("_(", true),
        ("+(", false),
        ("((", false),
        ("(", false),
        ("é(", false),
    ] {
        assert_eq!(counts(text.as_bytes()).contains_key("call"), call, "{text}");
    }
}

#[test]
fn lengths_fall_into_classes_and_words_count_up_to_64() {
    for (length, class) in [
        (1, "length_upto_8"),
        (8, "length_upto_8"),
        (9, "length_upto_32"),
        (32, "length_upto_32"),
        (33, "length_upto_128"),
        (128, "length_upto_128"),
        (129, "length_upto_512"),
        (512, "length_upto_512"),
        (513, "length_more"),
        (2047, "length_more"),
        (3000, "length_more"),
    ] {
        let found = counts(&vec![b'a'; length]);
        let classes: Vec<_> = found.keys().filter(|name| name.starts_with("length_")).collect();
        assert_eq!(classes, [&class], "{length}");
        let word = ((length.min(64) as f32 / 64.0) * 1000.0).round() / 1000.0;
        assert_eq!(found["longest_word"], word, "{length}");
    }
    assert_eq!(counts(&[b'a'; 2047])["length"], 1.0);
    assert_eq!(counts(b"aaa aa")["longest_word"], 0.047);
    assert_eq!(counts(b"aa aaa")["longest_word"], 0.047);
}

#[test]
fn what_stands_beyond_one_window_is_not_looked_at() {
    let text = [vec![b'a'; 2047], b"(<".to_vec()].concat();
    let found = counts(&text);
    assert!(found.contains_key("round_open") && !found.contains_key("less"), "{found:?}");
}

#[test]
fn a_text_has_a_gram_for_each_three_characters_its_edges_included() {
    for (text, number) in [("", 0), ("a", 1), ("ab", 2), ("abc", 3), ("aaaa", 3), ("+-+-+-", 4)] {
        assert_eq!(grams(text.as_bytes()).len(), number, "{text:?}");
    }
    // A model file names grams by these numbers, so they never change.
    assert_eq!(grams(b"ab"), BTreeSet::from([883, 43_782]));
    assert_eq!(grams(b"<7"), BTreeSet::from([241, 51_404]));
}

#[test]
fn grams_tell_signs_and_short_words_apart_but_no_numbers_and_long_words() {
    for (one, other, alike) in [
        ("a=1", "a=22", true),
        ("a=1", "a=b", false),
        ("a1b", "a99b", true),
        ("a1b2", "a11b22", true),
        ("a1b", "ab", false),
        ("1a", "a1", false),
        ("abcdefghijklmn", "abcdefghijklmo", false),
        ("abcdefghijklmno", "abcdefghijklmnp", true),
        ("abcdef1", "abcdeg1", false),
        ("abcdefg1", "abcdefh1", true),
        ("abcdefg1", "abcdefghijklmno", true),
        ("a  b", "a b", true),
        ("a b", "a+b", false),
        ("a..b", "a.b", false),
        ("a\u{1}\u{1}b", "a\u{1}b", true),
        ("a\u{1}b", "a\u{7f}b", true),
        ("a\u{1}\u{2}b", "a\u{1}b", false),
        ("aéb", "aüöb", true),
        ("aéb", "aé b", false),
        ("a\u{1}b", "aéb", false),
    ] {
        assert_eq!(grams(one.as_bytes()) == grams(other.as_bytes()), alike, "{one:?} {other:?}");
    }
}
