//! Texts inside texts: which runs are taken for base64 or hex, and what is read in them.

use crate::read;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use detect::Place;

/// The texts found inside `raw`, each with its marks.
fn inside(raw: &str) -> Vec<(String, Vec<&'static str>)> {
    read(Place::Cookie, raw.as_bytes())
        .into_iter()
        .skip(1)
        .map(|one| (one.text, one.marks))
        .collect()
}

fn found(raw: &str) -> Vec<String> {
    inside(raw).into_iter().map(|(text, _)| text).collect()
}

#[test]
fn both_alphabets_of_base64_are_read_whatever_the_length() {
    for text in [
        "~~~???>>>ooo",
        "a~b?c>d<e~f?g",
        "0123 4567 89ab",
        "~?~?~?~?~?~?~?~",
        "select 1 from t where b",
    ] {
        for raw in [STANDARD.encode(text), URL_SAFE_NO_PAD.encode(text)] {
            assert_eq!(inside(&raw), [(text.to_owned(), vec!["base64"])], "{raw}");
        }
    }
}

#[test]
fn a_run_of_base64_has_sixteen_digits_in_both_cases() {
    let run = STANDARD.encode("select 1,2,3");
    assert_eq!((run.len(), found(&run)), (16, vec!["select 1,2,3".to_owned()]));
    assert_eq!(found(&run[..15]), [""; 0]);
    assert_eq!(found(&run.to_lowercase()), [""; 0]);
    assert_eq!(found(&run.to_uppercase()), [""; 0]);
    assert_eq!(found(&format!("a={run}&b={run}")), ["select 1,2,3"; 2]);
    assert_eq!(found(&format!("....{run}")), ["select 1,2,3"]);
    assert_eq!(found(&format!("{run}....")), ["select 1,2,3"]);
}

#[test]
fn nine_in_ten_bytes_inside_are_text_and_of_the_first_twelve_eleven() {
    for (bytes, read) in [
        (&b"select a from t\x01\x01bcd"[..], true),
        (b"select a from t\x01\x01bc", false),
        (b"select a from tables\x01\x01", true),
        (b"select a from table\x01\x01\x01", false),
        (b"\x01elect a from tables wh", true),
        (b"\x01\x01lect a from tables where c=1 and b=2", false),
        (b"select\ta\r\nfrom table", true),
    ] {
        let raw = STANDARD.encode(bytes);
        assert_eq!(!found(&raw).is_empty(), read, "{}", bytes.escape_ascii());
    }
}

#[test]
fn hex_is_read_in_pairs_if_all_of_it_is_text() {
    let hex: &[&str] = &["hex"];
    for (raw, text) in [
        ("0x2f657463", Some("/etc")),
        ("0X2F6574632F7061", Some("/etc/pa")),
        ("a 0x2f657463 b", Some("/etc")),
        ("0x2f6574", None),
        ("0x2f65746", None),
        ("0x2f657401", None),
        ("0x2f65747f", None),
        ("x02f6574637878", None),
        ("2f6574632f7061737377642e", Some("/etc/passwd.")),
        ("2f6574632f706173737764", None),
        ("2f6574632f7061737377642", None),
        ("2f6574632f7061737377642e0", None),
        ("2f6574632f70617373776409", Some("/etc/passwd ")),
        // A digest, though all of it happens to be text.
        ("295e763c20275e22", None),
    ] {
        let wanted: Vec<_> = text.iter().map(|text| ((*text).to_owned(), hex.to_vec())).collect();
        assert_eq!(inside(raw), wanted, "{raw}");
    }
}

#[test]
fn every_short_number_is_read_while_there_is_room() {
    // Each begins where no probe for longer runs falls into it.
    let numbers = ["0x2f657461......", "0x2f657462......", "0x2f657463......", "0x2f657464"];
    assert_eq!(found(&numbers[..2].concat()), ["/eta", "/etb"]);
    assert_eq!(found(&numbers.concat()), ["/eta", "/etb", "/etc"]);
}

#[test]
fn json_inside_is_read_without_its_syntax_and_is_no_mark() {
    let base64: &[&str] = &["base64"];
    for (json, text, marks) in [
        (r#"{"a":"b:c","d":[1]}"#, " a b:c d 1 ", &[][..]),
        (r#"{"a":"b, \"c\"","d":null}"#, r#" a b, \"c\" d null "#, &[]),
        (r#"{"a":"b","c":select}"#, r#"{"a":"b","c":select}"#, base64),
        (r#"["a","b","c","d","e"]"#, r#"["a","b","c","d","e"]"#, base64),
        (r#"{a":"b","c":"d","e":1}"#, r#"{a":"b","c":"d","e":1}"#, base64),
    ] {
        let all = inside(&STANDARD.encode(json));
        assert_eq!(all, [(text.to_owned(), marks.to_vec())], "{json}");
    }
}

#[test]
fn a_slash_parts_the_segments_of_a_path_and_belongs_to_base64_elsewhere() {
    let raw = STANDARD.encode("abc???def???");
    assert!(raw.contains('/'), "{raw}");
    assert_eq!(read(Place::Cookie, raw.as_bytes()).len(), 2);
    assert_eq!(read(Place::Path, raw.as_bytes()).len(), 1);
}
