//! Literals are found wherever they stand, and nothing that only looks like them is.

use detect::signatures::{Flags, Hits, Signatures};

use super::run::{hits, query};
use super::{reading, signature};

#[track_caller]
fn check(looks: &str, text: &str, found: bool) {
    let pack = signature("a.b", looks);
    let hits = hits(&pack, &query(), &reading(text.as_bytes(), false), Flags::default());
    assert_eq!(hits.len(), usize::from(found), "{looks} in {text:?}");
}

#[test]
fn a_literal_of_any_length_is_compared_to_its_last_byte() {
    for literal in ["qz", "qzx", "qzxwvkjq", "qzxwvkjqz", &"qzxwvkj".repeat(9)] {
        let needs = format!("needs = ['{literal}']");
        let head = &literal[..literal.len() - 1];
        for (text, found) in [
            (literal.to_owned(), true),
            (format!("a{literal}"), true),
            (format!("{literal}a"), true),
            (format!("a {literal} a"), true),
            (head.to_owned(), false),
            (literal[1..].to_owned(), false),
            (format!("{head}="), false),
            (String::new(), false),
        ] {
            check(&needs, &text, found);
        }
    }
}

#[test]
fn a_literal_of_one_byte_is_found_though_others_share_its_symbol() {
    for (literal, text, found) in [
        ("q", "q", true),
        ("q", "aqa", true),
        ("q", "a", false),
        ("7", "a7", true),
        ("7", "a8", false),
        ("7", "87", true),
        (";", "a;", true),
        (";", "a:", false),
        ("a7z", "a7z", true),
        ("a7z", "a8z", false),
    ] {
        check(&format!("needs = ['{literal}']"), text, found);
    }
}

#[test]
fn a_literal_is_found_at_every_place_of_a_long_text() {
    let pack =
        [signature("a.one", "needs = ['qjx~']"), signature("a.two", "needs = ['~~']")].concat();
    let signatures = Signatures::parse([("test", pack.as_str())]).expect("a valid pack");
    let mut hits = Hits::default();
    for before in 0..200 {
        for (literal, at) in [("qjx~", 0), ("~~", 1)] {
            let text = format!("{}{literal}{}", "b".repeat(before), "c".repeat(before % 67));
            signatures.run(&query(), &reading(text.as_bytes(), true), &Flags::default(), &mut hits);
            assert_eq!(hits.positions(), [at], "{text}");
        }
        let text = "b".repeat(before);
        signatures.run(&query(), &reading(text.as_bytes(), true), &Flags::default(), &mut hits);
        assert!(hits.is_empty(), "{text}");
    }
}

#[test]
fn of_many_literals_with_one_beginning_only_those_that_stand_there_hit() {
    let word = |at: usize| {
        format!("qjx{}{}", char::from(b'a' + (at / 26) as u8), char::from(b'a' + (at % 26) as u8))
    };
    let pack: String = (0..200)
        .map(|at| signature(&format!("a.b{at}"), &format!("needs = ['{}']", word(at))))
        .collect();
    let signatures = Signatures::parse([("test", pack.as_str())]).expect("a valid pack");
    let mut hits = Hits::default();
    for these in
        [vec![0], vec![63], vec![64], vec![65], vec![127, 128], vec![0, 63, 64, 199], vec![]]
    {
        let text: Vec<String> = these.iter().rev().map(|at| word(*at)).collect();
        let text = text.join(" ");
        signatures.run(&query(), &reading(text.as_bytes(), true), &Flags::default(), &mut hits);
        let found: Vec<usize> = hits.positions().iter().map(|at| usize::from(*at)).collect();
        assert_eq!(found, these, "{text}");
    }
}

#[test]
fn a_signature_hits_once_whatever_number_of_its_literals_stand_there() {
    let pack = signature("a.b", "needs = ['qjx', 'wvk', 'z~']");
    for text in ["qjx", "z~", "qjx wvk z~ qjx"] {
        let found = hits(&pack, &query(), &reading(text.as_bytes(), true), Flags::default());
        assert_eq!(found, ["a.b"], "{text}");
    }
}

#[test]
fn edges_of_a_pattern_are_edges_of_the_text() {
    for (pattern, text, found) in [
        ("^qjx", "qjx a", true),
        ("^qjx", "a qjx", false),
        ("qjx$", "a qjx", true),
        ("qjx$", "qjx a", false),
        ("^qjx$", "qjx", true),
        ("^qjx$", "qjxqjx", false),
        ("(?:^| )qjx", "a qjx", true),
        ("(?:^| )qjx", "aqjx", false),
        ("^a|qjx", "b qjx", true),
        ("q[0-9]{2}x", "q12x", true),
        ("q[0-9]{2}x", "q1x", false),
    ] {
        check(&format!("pattern = '{pattern}'"), text, found);
        check(&format!("pattern = '{pattern}'\nneeds = ['a', 'q']"), text, found);
        check(&format!("pattern = '{pattern}'\nneeds = ['~']"), text, false);
    }
}

#[test]
fn flags_find_a_signature_that_looks_for_nothing_else() {
    let pack = [
        signature("a.tautology", "flags = ['sql.tautology']"),
        signature("a.both", "flags = ['sql.tautology', 'markup.tag']"),
        signature("a.marked", "flags = ['mark.entity']"),
        signature("a.climb", "flags = ['shell.climb', 'mark.entity']"),
        signature("a.close", "flags = ['markup.close_tag']"),
    ]
    .concat();
    let flags = |sql, shell, markup, marks| Flags { marks, sql, shell, markup };
    let (tautology, climb, tag, close, entity) = (1 << 3, 1 << 21, 1, 1 << 31, 1 << 4);
    for (flags, found) in [
        (flags(0, 0, 0, 0), vec![]),
        (flags(tautology, 0, 0, 0), vec!["a.tautology"]),
        (flags(tautology, 0, tag, 0), vec!["a.tautology", "a.both"]),
        (flags(0, 0, tag, 0), vec![]),
        (flags(0, 0, 0, entity), vec!["a.marked"]),
        (flags(0, climb, 0, 0), vec![]),
        (flags(0, climb, 0, entity), vec!["a.marked", "a.climb"]),
        (flags(0, 0, close, 0), vec!["a.close"]),
    ] {
        assert_eq!(hits(&pack, &query(), &reading(b"text", false), flags), found, "{flags:?}");
    }
}

#[test]
fn flags_are_called_by_kind_and_name() {
    let parse =
        |words: &[&str]| Flags::parse(&words.iter().map(ToString::to_string).collect::<Vec<_>>());
    for (word, wanted) in [
        ("mark.percent", Flags { marks: 1, ..Flags::default() }),
        ("mark.line_break", Flags { marks: 1 << 22, ..Flags::default() }),
        ("sql.after_value", Flags { sql: 2, ..Flags::default() }),
        ("shell.substitution", Flags { shell: 4, ..Flags::default() }),
        ("markup.close_tag", Flags { markup: 1 << 31, ..Flags::default() }),
    ] {
        assert_eq!(parse(&[word]), Ok(wanted), "{word}");
        assert_eq!(wanted.structured(), !word.starts_with("mark."), "{word}");
    }
    assert_eq!(
        parse(&["sql.break_out", "sql.after_value"]),
        Ok(Flags { sql: 3, ..Flags::default() })
    );
    assert_eq!(parse(&["sql.after_value", "after_value"]), Err("after_value".to_owned()));
}
