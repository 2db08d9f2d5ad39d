//! How a text is cut into tokens, told by whether a comparison behind `7 or` is seen in it.

use crate::structure::flags;
use detect::structure::sql::read;

const TAUTOLOGY: Option<&str> = Some("tautology");
const CONDITION: Option<&str> = Some("condition");

#[track_caller]
fn check(text: &str, wanted: Option<&str>) {
    let found: Vec<_> =
        flags(text).into_iter().filter(|flag| matches!(*flag, "tautology" | "condition")).collect();
    assert_eq!(found, wanted.iter().copied().collect::<Vec<_>>(), "{text:?}");
}

#[test]
fn numbers_are_read_as_sql_writes_them() {
    for (number, wanted) in [
        ("0x1f", TAUTOLOGY),
        ("0x", None),
        ("0xg", None),
        ("1x1", None),
        ("1.5", TAUTOLOGY),
        (".5", TAUTOLOGY),
        (".", None),
        ("1.", TAUTOLOGY),
        ("1..5", None),
        ("1e5", TAUTOLOGY),
        ("1e+5", TAUTOLOGY),
        ("1e-5", TAUTOLOGY),
        ("1.5e5", TAUTOLOGY),
        ("1e", None),
        ("1e+", None),
        ("1.ea", None),
        // MySQL takes `1.e` for nothing.
        ("1.e(2)", TAUTOLOGY),
        ("1.e.2", TAUTOLOGY),
        ("1.e", None),
    ] {
        check(&format!("7 or {number}=3"), wanted);
    }
    check("1.e+or 3=3", TAUTOLOGY);
}

#[test]
fn strings_end_at_a_quote_that_is_neither_doubled_nor_escaped() {
    for (string, wanted) in [
        ("'a'", TAUTOLOGY),
        ("''", TAUTOLOGY),
        ("'a''b'", TAUTOLOGY),
        ("'''a'", TAUTOLOGY),
        (r"'a\'b'", TAUTOLOGY),
        ("'a'b'", None),
        ("\"a\"", TAUTOLOGY),
        ("\"a'b\"", TAUTOLOGY),
    ] {
        check(&format!("7 or {string}=3"), wanted);
    }
    check("7 or 3='a", TAUTOLOGY);
    check("7 or 'a=3", None);
}

#[test]
fn quoted_names_hold_up_to_64_plain_bytes() {
    for (name, wanted) in [
        ("`a b`", CONDITION),
        ("[a_b$c.d-e]", CONDITION),
        ("[]", None),
        ("[a", None),
        ("[a;b]", None),
        ("[a`", None),
        (&format!("[{}]", "a".repeat(64)), CONDITION),
        (&format!("[{}]", "a".repeat(65)), None),
    ] {
        check(&format!("7 or {name}=3"), wanted);
    }
}

#[test]
fn variables_have_one_or_two_signs() {
    for (name, wanted) in
        [("@a", TAUTOLOGY), ("@@a", TAUTOLOGY), ("@@", TAUTOLOGY), ("@", None), ("@@@a", None)]
    {
        check(&format!("7 or {name}=3"), wanted);
    }
}

#[test]
fn a_comment_ends_the_text() {
    for sign in ["--", "#", "/*"] {
        check(&format!("7 or 3={sign}3"), None);
        check(&format!("7 or 3=3{sign}"), TAUTOLOGY);
        assert!(flags(&format!("7 or 3=3{sign}")).contains(&"comment_tail"), "{sign}");
    }
    check("7 or 3=-3", TAUTOLOGY);
    check("7 or 3*3=9", TAUTOLOGY);
    check("7 or 3/3=1", TAUTOLOGY);
}

#[test]
fn a_plus_next_to_a_keyword_is_a_blank() {
    for (text, wanted) in [
        ("7+or+3=3", TAUTOLOGY),
        ("7+or+a=3", CONDITION),
        ("7+oracle+3=3", None),
        ("7+word or+3=3", TAUTOLOGY),
        ("7+2 or a=3", None),
        ("7 or 3+like+3", TAUTOLOGY),
        ("7 or 3+sounds+3", None),
    ] {
        check(text, wanted);
    }
}

#[test]
fn signs_of_two_bytes_are_one_token() {
    for (text, wanted) in [
        ("7||3=3", TAUTOLOGY),
        ("7&&3=3", TAUTOLOGY),
        ("7|3=3", None),
        ("7&3=3", None),
        ("7 or !3=3", TAUTOLOGY),
        ("7 or 3:3=3", None),
    ] {
        check(text, wanted);
    }
}

#[test]
fn tokens_beyond_512_are_not_looked_at() {
    for (words, wanted) in [(508, TAUTOLOGY), (509, None)] {
        check(&format!("{}or 3=3", "a ".repeat(words)), wanted);
    }
}

#[test]
fn bytes_beyond_32_kib_are_not_looked_at() {
    const TAIL: &str = " or 3=3";
    for (bytes, wanted) in [(32 * 1024, TAUTOLOGY), (32 * 1024 + 1, None)] {
        check(&format!("{}{TAIL}", "a".repeat(bytes - TAIL.len())), wanted);
    }
}

#[test]
fn work_is_the_bytes_and_tokens_of_the_text_and_of_what_follows_each_quote() {
    for (text, steps) in [
        ("", 0),
        // Eight bytes, two tokens, and three looks for a quote.
        ("select 1", 8 + 2 + 3 * 8),
        // The second reading begins behind the quote: two bytes, one token.
        ("a 'b", 4 + 2 + 3 * 4 + 1 + 1),
    ] {
        let mut counted = 0;
        read(text.as_bytes(), &mut counted);
        assert_eq!(counted, steps, "{text:?}");
    }
}
