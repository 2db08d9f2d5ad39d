//! Each escape at the edges of its grammar: what is one digit short or one too long stays as it is.

use crate::read;
use detect::Place;

#[track_caller]
fn check(place: Place, rows: &[(&str, &str, &[&str])]) {
    for (raw, text, marks) in rows {
        let all = read(place, raw.as_bytes());
        assert_eq!((all[0].text.as_str(), &all[0].marks[..]), (*text, *marks), "{raw}");
    }
}

#[test]
fn a_percent_sign_has_two_digits_or_a_u_and_four() {
    let percent: &[&str] = &["percent"];
    let needless: &[&str] = &["percent", "percent_needless"];
    check(
        Place::Query,
        &[
            ("%3c", "<", percent),
            ("a%3C", "a<", percent),
            ("%3", "%3", &[]),
            ("%3g", "%3g", &[]),
            ("%g3", "%g3", &[]),
            ("%u003c", "<", &["percent_u"]),
            ("%U003C", "<", &["percent_u"]),
            ("%u003", "%u003", &[]),
            ("%u003g", "%u003g", &[]),
            ("%v003c", "%v003c", &[]),
            ("%u00e9", "é", &["percent_u"]),
            ("%u20ac", "€", &["percent_u"]),
            ("%41", "a", needless),
            ("%2e%2d%5f", ".-_", needless),
            ("%2f", "/", percent),
            ("%%3c", "%<", percent),
        ],
    );
}

#[test]
fn entities_are_numbers_in_either_base_or_names() {
    let entity: &[&str] = &["entity"];
    let padded = format!("&#{}60;b", "0".repeat(30));
    check(
        Place::Body,
        &[
            ("&#60;", "<", entity),
            ("&#60b", "<b", entity),
            ("&#x3c;", "<", entity),
            ("&#X3Cg", "<g", entity),
            ("&#;", "&#;", &[]),
            ("&#x;", "&#x;", &[]),
            ("&#g", "&#g", &[]),
            ("&#", "&#", &[]),
            ("&#1114111;", "\u{10ffff}", entity),
            ("&#1114112;", "&#1114112;", &[]),
            (&padded, "<b", entity),
            ("&lt;", "<", entity),
            ("&period;b", ".b", entity),
            ("&newline;b", " b", &["entity", "line_break"]),
            ("&nbsp;b", " b", entity),
            ("&nosuch;b", "&nosuch;b", &[]),
            // Four names need no semicolon, unless they may be the name of a parameter.
            ("&lt", "<", entity),
            ("&GT", ">", entity),
            ("&quot b", "\" b", entity),
            ("&amp b", "& b", entity),
            ("&lt=", "&lt=", &[]),
            ("&lt7", "&lt7", &[]),
            ("&ltb", "&ltb", &[]),
            ("&colon b", "&colon b", &[]),
            ("&b", "&b", &[]),
            ("&", "&", &[]),
        ],
    );
}

#[test]
fn strings_of_json_have_escapes_of_their_own() {
    let escape: &[&str] = &["json_escape"];
    check(
        Place::Json,
        &[
            (r"a\nb\rc\td", "a b c d", &["line_break", "line_inside"]),
            (r"a\bb", "a b", &["control"]),
            (r"a\fb", "a b", &["control"]),
            (r#"\"\\\/"#, r#""\/"#, &[]),
            (r"a\qb", r"a\qb", &[]),
            (r"\u003c", "<", escape),
            (r"\u0020b", " b", escape),
            (r"\u007e", "~", escape),
            (r"a\u001fb", "a b", &["control"]),
            (r"a\u007fb", "a b", &["control"]),
            (r"\u00e9", "é", &[]),
            (r"\u003", r"\u003", &[]),
            (r"\ud83d\ude00", "😀", &[]),
            (r"\ud800\udc00", "\u{10000}", &[]),
            (r"\udbff\udfff", "\u{10ffff}", &[]),
            (r"\ud83d", "\u{fffd}", &[]),
            (r"\ud83d\u003c", "\u{fffd}<", escape),
            (r"\ud83d\ue000", "\u{fffd}\u{e000}", &[]),
            (r"\ude00\ud83d", "\u{fffd}\u{fffd}", &[]),
            (r"\ud83d/ude00", "\u{fffd}/ude00", &[]),
        ],
    );
}

#[test]
fn escapes_of_scripts_are_read_wherever_they_stand() {
    let escape: &[&str] = &["json_escape"];
    check(
        Place::Query,
        &[
            (r"\x3c", "<", escape),
            (r"\X3C", "<", escape),
            (r"\x3", r"\x3", &[]),
            (r"\x3g", r"\x3g", &[]),
            (r"\u003c", "<", escape),
            (r"\U003c", "<", escape),
            (r"\u{3c}", "<", escape),
            (r"\u{00003c}b", "<b", escape),
            (r"\u{}", r"\u{}", &[]),
            (r"\u{3c", r"\u{3c", &[]),
            (r"\u{00000003c}", r"\u{00000003c}", &[]),
            (r"\074", "<", escape),
            (r"\176", "~", escape),
            (r"\040b", " b", escape),
            (r"\037", r"\037", &[]),
            (r"\177", r"\177", &[]),
            (r"\74", r"\74", &[]),
            (r"\078", r"\078", &[]),
            (r"\474", r"\474", &[]),
            (r"\q", r"\q", &[]),
        ],
    );
}

#[test]
fn utf7_spells_signs_in_three_digits() {
    let utf7: &[&str] = &["utf7"];
    check(
        Place::Body,
        &[
            ("+ADw-", "<", utf7),
            ("a+AD0-b", "a=b", utf7),
            ("+AH4-", "~", utf7),
            ("+ACE-", "!", utf7),
            ("+AEE-", "+aee-", &[]),
            ("+ADx-", "+adx-", &[]),
            ("+APw-", "+apw-", &[]),
            ("+ADw", "+adw", &[]),
            ("+AD-", "+ad-", &[]),
            ("+ADwA-", "+adwa-", &[]),
            ("+A.w-", "+a.w-", &[]),
        ],
    );
}
