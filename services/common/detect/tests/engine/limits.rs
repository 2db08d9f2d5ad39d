//! What a pack and an exception may say, at the edges of each limit, and where a signature says that it looks.

use detect::signatures::{Except, Exceptions, Places, Signatures};

use super::{signature, value};
use detect::{Part, Place, Request};

/// Whether a pack with one signature is taken in which `from` is replaced by `to`.
fn taken(from: &str, to: &str) -> bool {
    let pack = signature("a.one", "needs = ['evil']");
    assert!(pack.contains(from), "{from}");
    Signatures::parse([("test", pack.replace(from, to).as_str())]).is_ok()
}

#[test]
fn each_field_is_taken_up_to_its_limit() {
    let id = |length: usize| format!("a.{}", "b".repeat(length - 2));
    for (id, valid) in [
        ("a.b-c_7", true),
        (&id(64), true),
        (&id(65), false),
        ("a.B", false),
        ("a.b c", false),
        ("ab", false),
        (".b", false),
        ("a.", false),
    ] {
        assert_eq!(taken("a.one", id), valid, "{id}");
    }
    for (from, to, valid) in [
        ("\"sql_injection\"", "\"\"", false),
        ("\"a test\"", "\" \"", false),
        ("a test", &"x".repeat(200), true),
        ("a test", &"x".repeat(201), false),
        ("prior = 5.0", "prior = 0.0", true),
        ("prior = 5.0", "prior = -0.1", false),
        ("prior = 5.0", "prior = 12.0", true),
        ("prior = 5.0", "prior = 12.1", false),
        ("prior = 5.0", "prior = nan", false),
        ("T1190", "T190.001.0000000", true),
        ("T1190", "T190.001.00000000", false),
        ("T1190", "1190", false),
    ] {
        assert_eq!(taken(from, to), valid, "{to}");
    }
}

#[test]
fn each_list_is_taken_up_to_its_limit() {
    let list = |name: &str, number: usize, length: usize| {
        let one = format!("'{}'", "x".repeat(length));
        format!("{name} = [{}]", vec![one; number].join(","))
    };
    let evil = "needs = ['evil']";
    for (to, valid) in [
        (list("needs", 256, 2), true),
        (list("needs", 257, 2), false),
        (list("needs", 1, 64), true),
        (list("needs", 1, 65), false),
        (list("needs", 1, 0), false),
        (format!("pattern = '{}'", "x".repeat(4096)), true),
        (format!("pattern = '{}'", "x".repeat(4097)), false),
        ("pattern = ''".to_owned(), false),
        (format!("pattern = ''\n{evil}"), false),
        ("flags = ['sql.break_out']".to_owned(), true),
        (format!("{evil}\n{}", list("misses", 64, 1)), true),
        (format!("{evil}\n{}", list("misses", 65, 1)), false),
    ] {
        assert_eq!(taken(evil, &to), valid, "{} bytes of {}", to.len(), &to[..12]);
    }
    for (number, valid) in [(1, true), (64, true), (65, false)] {
        assert_eq!(taken("hits = [\"x\"]", &list("hits", number, 1)), valid, "{number}");
    }
}

#[test]
fn a_pack_is_taken_up_to_a_mebibyte() {
    for (length, valid) in [(1 << 20, true), ((1 << 20) + 1, false)] {
        let pack = signature("a.one", "needs = ['evil']");
        let pack = format!("{pack}{}", "#".repeat(length - pack.len()));
        assert_eq!(Signatures::parse([("test", pack.as_str())]).is_ok(), valid, "{length}");
    }
}

#[test]
fn places_are_listed_as_they_were_read() {
    for (words, listed, only_headers, samples) in [
        (&["value"][..], &["value"][..], false, &["Query q", "Json q"][..]),
        (&["name"], &["name"], false, &["Query* "]),
        (&["value", "name"], &["value", "name"], false, &["Query* ", "Query q", "Json q"]),
        (&["query", "path"], &["path", "query"], false, &["Path x", "Query x"]),
        (&["header:X-Api"], &["header:x-api"], true, &["Header x-api"]),
        (
            &["header:cookie", "header:referer"],
            &["header:cookie", "header:referer"],
            true,
            &["Cookie cookie", "Referer referer"],
        ),
        (
            &["header:user-agent", "body"],
            &["body", "header:user-agent"],
            false,
            &["Body x", "Agent user-agent"],
        ),
        (&["header"], &["header"], false, &["Header x"]),
    ] {
        let words: Vec<String> = words.iter().map(ToString::to_string).collect();
        let places = Places::parse(&words).expect("words of a pack");
        assert_eq!(places.words(), listed, "{words:?}");
        assert_eq!(places.only_headers(), only_headers, "{words:?}");
        let shown: Vec<String> = places
            .samples(b"raw")
            .iter()
            .map(|one| {
                let name = if one.part == Part::Name { "*" } else { "" };
                format!("{:?}{name} {}", one.place, one.name.escape_ascii())
            })
            .collect();
        assert_eq!(shown, samples, "{words:?}");
    }
    for word in ["url", "header:", ""] {
        assert_eq!(Places::parse(&[word.to_owned()]), Err(word.to_owned()));
    }
}

#[test]
fn a_named_header_is_found_wherever_headers_are_read() {
    for (word, value, contained) in [
        ("header:referer", value(Place::Referer, Part::Value, ""), true),
        ("header:cookie", value(Place::Cookie, Part::Value, "a"), true),
        ("header:cookie", value(Place::Cookie, Part::Name, "a"), false),
        ("header:user-agent", value(Place::Agent, Part::Value, ""), true),
        ("header:user-agent", value(Place::Referer, Part::Value, ""), false),
        ("header:q", value(Place::Query, Part::Value, "q"), false),
        ("header:q", value(Place::Header, Part::Value, "Q"), true),
        ("body", value(Place::Body, Part::Value, ""), true),
        ("body", value(Place::Xml, Part::Value, ""), false),
    ] {
        let places = Places::parse(&[word.to_owned()]).expect("words of a pack");
        assert_eq!(places.contain(&value), contained, "{word} {value:?}");
    }
}

#[test]
fn a_file_of_exceptions_is_taken_whole_or_not_at_all() {
    let one = "[[except]]\nsignature = 'a.one'\nroute = '/a/*'\nuntil = 5\nreason = 'known'\n";
    let two = format!("{one}{}", one.replace("route", "parameter = 'q'\nroute"));
    let read = Except::parse(&two).expect("a file of exceptions");
    assert_eq!(read.len(), 2);
    assert_eq!((read[0].parameter.as_deref(), read[1].parameter.as_deref()), (None, Some("q")));
    assert_eq!((read[0].signature.as_str(), read[0].until), ("a.one", 5));
    assert_eq!(Except::parse(""), Ok(Vec::new()));
    for (from, to, why) in [
        ("'a.one'", "''", "names one signature"),
        ("'/a/*'", "'a'", "begins with `/`"),
        ("'/a/*'", "'/*'", "narrower than `/*`"),
        ("'/a/*'", "'/*a'", "only once, at the end"),
        ("'/a/*'", "'/a**'", "only once, at the end"),
        ("'known'", "' '", "has a reason"),
        ("until", "unto", "no file of exceptions"),
    ] {
        let error = Except::parse(&two.replacen(from, to, 1)).expect_err(to);
        assert!(error.contains(why), "{error:?} does not say {why:?}");
    }
}

#[test]
fn as_many_signatures_are_taken_as_the_model_has_slots() {
    let pack = |number: usize| -> String {
        (0..number).map(|at| signature(&format!("a.b{at}"), "needs = ['evil']")).collect()
    };
    let (most, one) = (pack(4096), signature("b.one", "needs = ['evil']"));
    // One pack would be larger than a pack may be.
    let cut = most[..most.len() / 2].rfind("[[signature]]").expect("there are many");
    let halves = [("first", &most[..cut]), ("second", &most[cut..])];
    let signatures = Signatures::parse(halves).expect("as many as there may be");
    assert_eq!((signatures.len(), signatures.iter().count()), (4096, 4096));
    assert_eq!(signatures.position("a.b4095"), Some(4095));
    assert_eq!(signatures.position("b.one"), None);
    assert_eq!(signatures.get(4095).map(|found| found.id.as_str()), Some("a.b4095"));
    assert!(signatures.get(4096).is_none() && !signatures.is_empty());
    let error = Signatures::parse([halves[0], halves[1], ("third", &one)]).expect_err("one more");
    assert!(error.to_string().contains("leave a pack out"), "{error}");
    assert!(Signatures::parse([]).expect("no pack").is_empty());
}

#[test]
fn exceptions_in_force_are_listed_in_their_order() {
    let except = |signature: &str| Except {
        signature: signature.to_owned(),
        route: "/a".to_owned(),
        parameter: None,
        until: 5,
        reason: "known".to_owned(),
    };
    let all = Exceptions::new(vec![except("a.one"), except("a.two")]).expect("both are valid");
    let listed: Vec<&str> = all.iter().map(|one| one.signature.as_str()).collect();
    assert_eq!((listed, all.is_empty()), (vec!["a.one", "a.two"], false));
    assert!(Exceptions::default().is_empty() && Exceptions::new(vec![except("")]).is_err());
    let request = |uri: &'static [u8]| Request { uri, ..Request::default() };
    let value = value(Place::Query, Part::Value, "q");
    for (signature, uri, now, hidden) in [
        ("a.one", &b"/a"[..], 4, true),
        ("a.one", b"/a?q=/b", 4, true),
        ("a.one", b"/a#?q", 4, true),
        ("a.one", b"/a", 5, false),
        ("a.one", b"/ab", 4, false),
        ("a.six", b"/a", 4, false),
    ] {
        let found = all.hiding(signature, &request(uri), &value, now);
        assert_eq!(found.map(|one| one.signature.as_str()), hidden.then_some(signature));
    }
}
