//! Each step of decoding, and its mark.

use crate::read;
use detect::Place;

fn check(place: Place, raw: impl AsRef<[u8]>, text: &str, marks: &[&str]) {
    let all = read(place, raw.as_ref());
    let first = &all[0];
    let raw = String::from_utf8_lossy(raw.as_ref()).into_owned();
    assert_eq!((first.text.as_str(), &first.marks[..]), (text, marks), "{place:?} {raw}");
}

#[test]
fn percent_encoding_is_taken_off_until_nothing_changes() {
    check(Place::Query, "a%20b", "a b", &["percent"]);
    check(Place::Query, "%3Cb%3E", "<b>", &["percent"]);
    check(Place::Query, "%253Cb", "<b", &["percent", "percent_twice"]);
    check(Place::Query, "%25253Cb", "<b", &["percent", "percent_twice"]);
    check(Place::Query, "%2525253Cb", "%3cb", &["percent", "percent_twice"]);
    check(Place::Query, "%u003cb%U0027", "<b'", &["percent_u"]);
    check(Place::Query, "%6fr", "or", &["percent", "percent_needless"]);
    check(Place::Query, "100%", "100%", &[]);
    check(Place::Query, "50%zz%4", "50%zz%4", &[]);
}

#[test]
fn a_plus_is_a_blank_in_queries_and_forms_only() {
    check(Place::Query, "a+b", "a b", &[]);
    check(Place::Form, "a++b", "a b", &[]);
    check(Place::Path, "/a+b", "/a+b", &[]);
    check(Place::Query, "a%2Bb", "a+b", &["percent"]);
}

#[test]
fn entities_are_read_as_browsers_read_them() {
    check(Place::Form, "&lt;b&GT;", "<b>", &["entity"]);
    check(Place::Form, "&#60;b&#x3E;", "<b>", &["entity"]);
    check(Place::Form, "&#0000060b", "<b", &["entity"]);
    check(Place::Form, "java&Tab;script&colon;", "java script:", &["entity"]);
    check(Place::Form, "&lt b", "< b", &["entity"]);
    check(
        Place::Referer,
        "http://a.example/?b=1&lt=2&copy",
        "http://a.example/?b=1&lt=2&copy",
        &[],
    );
    check(Place::Form, "salt & pepper", "salt & pepper", &[]);
}

#[test]
fn escapes_of_strings_are_taken_off() {
    check(Place::Json, r"a\/b\n\tc", "a/b c", &["line_break", "line_inside"]);
    check(Place::Json, r#"\u003cb\u003e \"q\""#, "<b> \"q\"", &["json_escape"]);
    check(Place::Json, r"caf\u00e9", "café", &[]);
    check(Place::Json, r"\ud83d\ude00", "😀", &[]);
    check(Place::Query, r"\x3cb\u003e\u{2f}\057", "<b>//", &["json_escape"]);
    check(Place::Query, r"c:\temp\new", r"c:\temp\new", &[]);
}

#[test]
fn other_alphabets_are_read_as_ascii() {
    check(Place::Query, "＜b＞", "<b>", &["full_width"]);
    check(Place::Query, b"\xc0\xbcb\xe0\x80\xae", "<b.", &["overlong"]);
    check(Place::Query, "%c0%af", "/", &["percent", "overlong"]);
    check(Place::Body, "+ADw-b+AD4-", "<b>", &["utf7"]);
    check(Place::Query, "+ADw-b+AD4-", "<b>", &["utf7"]);
    check(Place::Query, "s\u{435}lect", "select", &["look_alike"]);
    check(Place::Query, "s\u{200b}elect", "select", &["look_alike"]);
    check(Place::Query, "don’t", "don't", &[]);
    check(Place::Query, "привет мир", "привет мир", &[]);
    check(Place::Query, b"caf\xe9", "caf\u{fffd}", &["invalid_utf8"]);
}

#[test]
fn every_range_of_look_alikes_is_read_as_what_it_looks_like() {
    for (raw, text) in [
        ("ⓢⓔlect ⓐⓩ", "select az"),
        ("ⓈELECT ⒶⓏ", "select az"),
        ("\u{1d42c}\u{1d41e}lect \u{1d41a}\u{1d433}", "select az"),
        ("\u{1d412}\u{1d404}LECT \u{1d400}\u{1d419}", "select az"),
        ("‹b› 〈b〉", "<b> <b>"),
        ("a⁄b∕c∖d", "a/b/c\\d"),
        ("﹙a﹦b﹚﹔", "(a=b);"),
        ("‟ ″ ʹ ′", "\" \" ' '"),
        ("ſelect \u{212a}elvin", "select kelvin"),
    ] {
        check(Place::Body, raw, text, &["look_alike"]);
    }
    check(Place::Body, "a\u{a0}b\u{2003}c\u{3000}d", "a b c d", &[]);
    check(Place::Body, "“a” ‘b’", "\"a\" 'b'", &[]);
}

#[test]
fn what_is_not_text_is_folded() {
    check(Place::Query, "a%00b", "ab", &["percent", "nul"]);
    check(
        Place::Query,
        "a%0d%0aset-cookie: b",
        "a set-cookie: b",
        &["percent", "line_break", "line_inside"],
    );
    check(Place::Body, "a\r\n\t b", "a b", &[]);
    check(Place::Query, "a%0bb", "a b", &["percent", "control"]);
    check(Place::Query, "sElEcT 1", "select 1", &["mixed_case"]);
    check(Place::Query, "SELECT Select select", "select select select", &[]);
    check(
        Place::Query,
        "getElementById onLoad JavaScript",
        "getelementbyid onload javascript",
        &[],
    );
}

#[test]
fn texts_inside_texts_are_read_too() {
    for (raw, texts) in [
        // "<script>alert(1)" and, inside it once more, the same.
        ("PHNjcmlwdD5hbGVydCgxKQ==", &["phnjcmlwdd5hbgvydcgxkq==", "<script>alert(1)"][..]),
        (
            "UEhOamNtbHdkRDVoYkdWeWRDZ3hLUT09",
            &["uehoamntbhdkrdvoykdwewrdz3hlut09", "phnjcmlwdd5hbgvydcgxkq==", "<script>alert(1)"],
        ),
        ("0x2f6574632f706173", &["0x2f6574632f706173", "/etc/pas"]),
        // Three texts inside, of which the first has one inside again: there is no room for it.
        (
            "UEhOamNtbHdkRDVoYkdWeWRDZ3hLUT09 0x2f6574632f706173 0x2f6574632f70617377",
            &[
                "uehoamntbhdkrdvoykdwewrdz3hlut09 0x2f6574632f706173 0x2f6574632f70617377",
                "phnjcmlwdd5hbgvydcgxkq==",
                "/etc/pas",
                "/etc/pasw",
            ],
        ),
        // JSON is read without its syntax; what only begins like it is not taken for it.
        (
            "eyJ1c2VyIjoiYTpiIiwibiI6WzEsdHJ1ZV19",
            &["eyj1c2vyijoiytpiiiwibii6wzesdhj1zv19", " user a:b n 1 true "],
        ),
        (
            "eyIiICR7am5kaTpsZGFwOi8veC5leGFtcGxlfQ==",
            &["eyiiicr7am5katpszgfwoi8vec5legftcgxlfq==", "{\"\" ${jndi:ldap://x.example}"],
        ),
        ("d41d8cd98f00b204e9800998ecf8427e", &["d41d8cd98f00b204e9800998ecf8427e"]),
        ("AnOrdinaryNameOfAClassInJava", &["anordinarynameofaclassinjava"]),
    ] {
        let read: Vec<_> =
            read(Place::Cookie, raw.as_bytes()).into_iter().map(|one| one.text).collect();
        assert_eq!(read, texts, "{raw}");
    }
}

#[test]
fn ordinary_values_are_quiet() {
    for (place, raw, quiet) in [
        (
            Place::Agent,
            "Mozilla/5.0 (X11; Linux x86_64; rv:126.0) Gecko/20100101 Firefox/126.0",
            true,
        ),
        (Place::Agent, "() { :; }; id", false),
        (Place::Path, "/shop/shoes-for-men/42.html", true),
        (Place::Path, "/../etc/hosts", false),
        (Place::Query, "red+shoes", true),
        (Place::Query, "caf%C3%A9", true),
        (Place::Query, "1'", false),
        (Place::Query, "%2e%2e", false),
        (Place::Referer, "https://shop.example/list?page=2&sort=price", true),
        (Place::Form, "", true),
    ] {
        assert_eq!(read(place, raw.as_bytes())[0].quiet, quiet, "{place:?} {raw}");
    }
}
