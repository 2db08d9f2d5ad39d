//! Which signatures hit which readings.

use detect::normalise::{Marks, Reading};
use detect::signatures::{Flags, Hits, Signatures};
use detect::{Part, Place, Value};

use super::{reading, signature, value};

/// The ids that hit.
pub(super) fn hits(
    pack: &str,
    value: &Value<'_>,
    reading: &Reading<'_>,
    flags: Flags,
) -> Vec<String> {
    let signatures = Signatures::parse([("test", pack)]).expect("a valid pack");
    let mut hits = Hits::default();
    for _ in 0..2 {
        signatures.run(value, reading, &flags, &mut hits);
    }
    let id = |at: &u16| signatures.get(usize::from(*at)).expect("a position").id.clone();
    hits.positions().iter().map(id).collect()
}

pub(super) fn query() -> Value<'static> {
    value(Place::Query, Part::Value, "q")
}

#[test]
fn a_quiet_reading_is_searched_for_literals_only() {
    let pack = [
        signature("a.literal", "needs = ['/etc/passwd']"),
        signature("a.literal-pattern", "needs = ['passwd']\npattern = '/etc/passwd$'"),
        signature("a.open", "pattern = 'passwd'"),
    ]
    .concat();
    for (quiet, expected) in [
        (true, vec!["a.literal", "a.literal-pattern"]),
        (false, vec!["a.literal", "a.literal-pattern", "a.open"]),
    ] {
        assert_eq!(
            hits(&pack, &query(), &reading(b"/etc/passwd", quiet), Flags::default()),
            expected,
            "{quiet}"
        );
    }
}

#[test]
fn a_signature_looks_only_where_it_says() {
    for (places, value, found) in [
        ("['value']", query(), true),
        ("['value']", value(Place::Query, Part::Name, ""), true),
        ("['name']", value(Place::Form, Part::Name, ""), true),
        ("['name']", query(), false),
        ("['path', 'agent']", value(Place::Agent, Part::Value, ""), true),
        ("['path', 'agent']", query(), false),
        ("['header:X-Api']", value(Place::Header, Part::Value, "x-aPI"), true),
        ("['header:X-Api']", value(Place::Header, Part::Value, "x-other"), false),
        ("['header:user-agent']", value(Place::Agent, Part::Value, ""), true),
        ("['header:x-api', 'query']", query(), true),
    ] {
        let pack = signature("a.b", &format!("needs = ['evil']\nplaces = {places}"));
        let hit = !hits(&pack, &value, &reading(b"so evil", false), Flags::default()).is_empty();
        assert_eq!(hit, found, "{places} {value:?}");
    }
}

#[test]
fn each_view_is_searched_as_itself() {
    let views = Reading {
        text: b"one",
        sql: b"two",
        shell: b"three",
        path: b"four",
        marks: Marks::default(),
        quiet: false,
    };
    for (view, word, open) in [
        ("text", "one", false),
        ("sql", "two", true),
        ("shell", "three", false),
        ("path", "four", true),
    ] {
        for (text, found) in [(word, true), ("none", false)] {
            let looks =
                if open { format!("pattern = '{text}'") } else { format!("needs = ['{text}']") };
            let pack = signature("a.b", &format!("view = '{view}'\n{looks}"));
            assert_eq!(
                !hits(&pack, &query(), &views, Flags::default()).is_empty(),
                found,
                "{view} {text}"
            );
        }
    }
}

#[test]
fn overlapping_literals_all_make_candidates() {
    let pack = [
        signature("a.one", "needs = ['union']"),
        signature("a.two", "needs = ['onion', 'ion sel']"),
    ]
    .concat();
    let found = hits(&pack, &query(), &reading(b"union select", false), Flags::default());
    assert_eq!(found, ["a.one", "a.two"]);
}

#[test]
fn flags_must_all_be_set() {
    let wanted = Flags { sql: 3, ..Flags::default() };
    for (set, holds) in [(3, true), (7, true), (1, false), (0, false)] {
        assert_eq!(Flags { sql: set, ..Flags::default() }.contain(&wanted), holds, "{set}");
    }
}

#[test]
fn without_literals_a_signature_is_tried_where_there_is_structure_and_on_its_own_headers() {
    let none = Flags::default();
    let (sql, percent) = (Flags { sql: 1, ..none }, Flags { marks: 1, ..none });
    let header = value(Place::Header, Part::Value, "x-api");
    let (any, own) = ("pattern = '[a-z]+'", "pattern = '[a-z]+'\nplaces = ['header:x-api']");
    let cookie = "pattern = '[a-z]+'\nplaces = ['header:cookie']";
    let flags = "flags = ['mark.percent']\nplaces = ['header:x-api']";
    for (looks, value, quiet, flags, found) in [
        (any, query(), true, none, false),
        (any, query(), false, none, true),
        (any, query(), true, sql, true),
        (any, query(), true, percent, false),
        (any, header, true, none, false),
        (own, header, true, none, true),
        (own, query(), false, none, false),
        ("pattern = '[a-z]+'\nplaces = ['header:x-api', 'form']", header, true, none, false),
        (cookie, value(Place::Cookie, Part::Value, "a"), true, none, true),
        (cookie, value(Place::Cookie, Part::Value, ""), true, none, false),
        (flags, header, true, percent, true),
        (flags, header, true, none, false),
        (flags, query(), true, percent, false),
        ("needs = ['some']\nflags = ['sql.break_out']", query(), true, none, false),
        ("needs = ['some']\nflags = ['sql.break_out']", query(), true, sql, true),
        ("needs = ['some']", query(), true, none, true),
    ] {
        let hit =
            !hits(&signature("a.b", looks), &value, &reading(b"some", quiet), flags).is_empty();
        assert_eq!(hit, found, "{looks} {value:?} {quiet} {flags:?}");
    }
}

#[test]
fn a_quiet_reading_is_searched_at_every_place_for_what_it_may_hold() {
    use Place::{
        Agent, Body, Cookie, Form, Header, Json, Multipart, Path, Query, Referer, Segment, Xml,
    };
    for place in
        [Path, Segment, Query, Form, Json, Xml, Multipart, Cookie, Header, Agent, Referer, Body]
    {
        for name in ["", "q"] {
            let pack = signature("a.b", "needs = ['qj.x']");
            let value = value(place, Part::Value, name);
            let found = hits(&pack, &value, &reading(b"a-qj.x", true), Flags::default());
            assert_eq!(found, ["a.b"], "{place:?} {name}");
        }
    }
}

#[test]
fn what_stands_in_one_view_is_not_found_in_another() {
    let views = |shell| Reading {
        text: b"one",
        sql: b"two",
        shell,
        path: b"four",
        marks: Marks::default(),
        quiet: false,
    };
    let (apart, shared) = (views(b"three"), views(b"four"));
    for view in ["text", "sql", "shell", "path"] {
        for word in ["one", "two", "three", "four"] {
            let pack = signature("a.b", &format!("view = '{view}'\nneeds = ['{word}']"));
            for (reading, shown) in [(&apart, "three"), (&shared, "four")] {
                let found = !hits(&pack, &query(), reading, Flags::default()).is_empty();
                let text = match view {
                    "text" => "one",
                    "sql" => "two",
                    "shell" => shown,
                    _ => "four",
                };
                assert_eq!(found, text == word, "{view} {word} {shown}");
            }
        }
    }
}
