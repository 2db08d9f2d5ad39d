//! Bytes that are not ASCII, at the edges of what UTF-8 allows, and the signs that are ordinary at each place.

use crate::{read, read_with, value};
use detect::normalise::Normaliser;
use detect::{Place, Value};

#[track_caller]
fn check(rows: &[(&[u8], &str, &[&str])]) {
    for (raw, text, marks) in rows {
        let all = read(Place::Body, raw);
        assert_eq!((all[0].text.as_str(), &all[0].marks[..]), (*text, *marks), "{raw:x?}");
    }
}

#[test]
fn longer_forms_than_needed_are_read_and_marked() {
    check(&[
        (b"\xc0\xbc", "<", &["overlong"]),
        (b"\xc1\x81", "a", &["overlong"]),
        (b"\xe0\x80\xbc", "<", &["overlong"]),
        (b"\xf0\x80\x80\xbc", "<", &["overlong"]),
        // Some decoders keep the low bits of whatever follows.
        (b"\xc0/", "/", &["overlong"]),
        (b"\xc0.", ".", &["overlong"]),
        (b"\xc0x", "\u{fffd}x", &["invalid_utf8"]),
        (b"\xc1/", "\u{fffd}/", &["invalid_utf8"]),
        // The first character of each length, and the last that is too short for it.
        (b"\xc2\x80", "\u{80}", &[]),
        (b"\xe0\xa0\x80", "\u{800}", &[]),
        (b"\xf0\x90\x80\x80", "\u{10000}", &[]),
        (b"\xf4\x8f\xbf\xbf", "\u{10ffff}", &[]),
    ]);
    for (raw, mark) in [
        (&b"\xe0\x9f\xbf"[..], "overlong"),
        (b"\xf0\x8f\xbf\xbf", "overlong"),
        (b"\xf4\x90\x80\x80", "invalid_utf8"),
        (b"\xed\xa0\x80", "invalid_utf8"),
        (b"\x80", "invalid_utf8"),
        (b"\xe2\x82", "invalid_utf8"),
        (b"\xe2\x82a", "invalid_utf8"),
        (b"\xf8\x80\x80\x80", "invalid_utf8"),
        (b"\xff", "invalid_utf8"),
    ] {
        assert_eq!(read(Place::Body, raw)[0].marks, [mark], "{raw:x?}");
    }
    check(&[(b"a\xa0b", "a b", &["invalid_utf8"])]);
}

#[test]
fn letters_of_other_scripts_are_ours_next_to_ours_only() {
    let alike: &[&str] = &["look_alike"];
    check(&[
        ("s\u{435}".as_bytes(), "se", alike),
        ("\u{435}s".as_bytes(), "es", alike),
        ("- \u{435} -".as_bytes(), "- \u{435} -", &[]),
        ("a\u{434}".as_bytes(), "a\u{434}", &[]),
        ("a\u{131}".as_bytes(), "ai", alike),
        ("a\u{200b}b".as_bytes(), "ab", alike),
        ("a \u{200b}b".as_bytes(), "a b", &[]),
        ("a\u{200b} b".as_bytes(), "a b", &[]),
        ("\u{fe6a}".as_bytes(), "%", alike),
        ("a\u{2024}b\u{fe52}c".as_bytes(), "a.b.c", alike),
        ("\u{37e}".as_bytes(), ";", alike),
        ("\u{1d434}\u{1d44e}".as_bytes(), "aa", alike),
        ("\u{1d6a3}".as_bytes(), "z", alike),
        ("\u{1d6a4}".as_bytes(), "\u{1d6a4}", &[]),
        ("\u{ff01}\u{ff5e}".as_bytes(), "!~", &["full_width"]),
        ("\u{ff00}".as_bytes(), "\u{ff00}", &[]),
    ]);
}

#[test]
fn words_with_capitals_inside_are_marked_if_nobody_writes_them_so() {
    for (text, mixed) in [
        ("aNd", true),
        ("sElEcT", true),
        ("(uNion)", true),
        ("Union", false),
        ("UNION", false),
        ("fOo", false),
        ("oNload", false),
        ("oNlOad", true),
        ("onLoad", false),
        ("jAvascript", false),
        ("jaVaScript", true),
        ("onMouseOver", true),
        ("onMouseover", false),
    ] {
        let marks = &read(Place::Query, text.as_bytes())[0].marks;
        assert_eq!(marks.contains(&"mixed_case"), mixed, "{text}");
    }
    // Names of browsers are written in any way, unless they hold more than a name.
    for (text, mixed) in [("sElEcT", false), ("sElEcT'", true)] {
        let marks = &read(Place::Agent, text.as_bytes())[0].marks;
        assert_eq!(marks.contains(&"mixed_case"), mixed, "{text}");
    }
}

#[test]
fn controls_are_blanks_and_zero_bytes_are_nothing() {
    check(&[
        (b"a\x7fb", "a b", &["control"]),
        (b"a\x1fb", "a b", &["control"]),
        (b"a\x01\x02b", "a b", &["control"]),
        (b"a \tb", "a b", &[]),
        (b"a\0b", "ab", &["nul"]),
        (b"a!b", "a!b", &[]),
    ]);
}

#[test]
fn which_signs_are_ordinary_depends_on_the_place() {
    let places: [(Place, &[u8], &str); 10] = [
        (Place::Path, b"", "/._-~,:@+"),
        (Place::Segment, b"", "/._-~,:@+"),
        (Place::Query, b"q", "/._-~,:@+!?"),
        (Place::Cookie, b"q", "/._-~,:@+!?"),
        (Place::Body, b"", "/._-~,:@+!?"),
        (Place::Agent, b"", "/._-~,:@+();"),
        (Place::Referer, b"", "/._-~,:@+?&="),
        (Place::Referer, b"q", "/._-~,:@+!?"),
        (Place::Header, b"x-client", "/._-~,:@+();"),
        (Place::Header, b"accept", "/._-~,:@+();*=\"?"),
    ];
    for (place, name, ordinary) in places {
        for sign in (b'!'..=b'~').filter(u8::is_ascii_punctuation) {
            let raw = [b'a', sign, b'b'];
            let value = Value { name, ..value(place, &raw) };
            let quiet = read_with(&mut Normaliser::default(), &value)[0].quiet;
            let wanted = ordinary.as_bytes().contains(&sign);
            assert_eq!(quiet, wanted, "{place:?} {} {}", char::from(sign), name.escape_ascii());
        }
    }
}

#[test]
fn headers_of_lists_are_known_by_how_their_names_begin() {
    for (name, list) in [
        ("accept", true),
        ("Accept-Language", true),
        ("content-type", true),
        ("content", false),
        ("te", true),
        ("test", false),
        ("t", false),
        ("x-accept", false),
        ("sec-ch-ua", true),
        ("range", true),
        ("", false),
    ] {
        let value = Value { name: name.as_bytes(), ..value(Place::Header, b"a*b") };
        assert_eq!(read_with(&mut Normaliser::default(), &value)[0].quiet, list, "{name}");
    }
}
