//! Where a query, a path and a header are parted, and how much of a request is read.

use crate::splitting::{check, check_uri, values};
use detect::split::{VALUES_MAX, VALUES_ODD, WINDOW_BYTES, WINDOW_OVERLAP_BYTES, split};
use detect::{Header, Request};

#[test]
fn an_ampersand_parts_pairs_unless_it_was_meant_as_text() {
    for (query, pairs) in [
        ("q=a&b=2", &["q=a", "b=2"][..]),
        ("q=a&", &["q=a"]),
        ("&q=a", &["q=a"]),
        ("q=a&&", &["q=a", "=&"]),
        ("q=a&&b", &["q=a&&b"]),
        ("q=a>&b", &["q=a>&b"]),
        ("q=a<&b", &["q=a<&b"]),
        ("q=a& b", &["q=a& b"]),
        ("q=a&+b", &["q=a&+b"]),
        ("q=a&#60", &["q=a&#60"]),
        ("q=a&%20b", &["q=a&%20b"]),
        ("q=a&%41", &["q=a", "=%41"]),
        ("q=a&lt;b", &["q=a&lt;b"]),
        ("q=a&AMP;b", &["q=a", "=AMP;b"]),
        ("q=a&abcdefghi;b", &["q=a&abcdefghi;b"]),
        ("q=a&abcdefghij;b", &["q=a", "=abcdefghij;b"]),
        ("q=a&1;b", &["q=a", "=1;b"]),
        ("a=1;b=2", &["a=1", "b=2"]),
        ("a=1;b", &["a=1;b"]),
        ("a=1;=2", &["a=1;=2"]),
        ("a=1;b c=2", &["a=1;b c=2"]),
        ("a=1", &["a=1"]),
    ] {
        let wanted: Vec<String> = pairs.iter().map(|pair| format!("Query {pair}")).collect();
        let wanted: Vec<&str> =
            std::iter::once("Path =/").chain(wanted.iter().map(String::as_str)).collect();
        check_uri(&format!("/?{query}"), &wanted);
    }
}

#[test]
fn a_name_is_a_value_too_if_it_is_no_plain_word() {
    for (query, name) in [
        ("a.b=1", Some("a.b=a.b")),
        ("a:b=1", Some("a:b=a:b")),
        ("a[b]=1", Some("a[b]=a[b]")),
        ("$a=1", Some("$a=$a")),
        ("__a=1", Some("__a=__a")),
        ("a(b=1", Some("a(b=a(b=1")),
        ("a b=1", Some("a b=a b=1")),
        ("_a=1", None),
        ("a-b_7=1", None),
    ] {
        let pair = format!("Query {query}");
        let name = name.map(|name| format!("Query* {name}"));
        let wanted: Vec<&str> =
            std::iter::once("Path =/").chain(name.as_deref()).chain([&pair[..]]).collect();
        check_uri(&format!("/?{query}"), &wanted);
    }
}

#[test]
fn segments_with_signs_are_values_of_their_own() {
    check_uri("/a-b_c.d~e/f", &["Path =/a-b_c.d~e/f"]);
    check_uri("/a'/b/c(", &["Path =/a'/b/c(", "Segment =a'", "Segment =c("]);
    check_uri("", &[]);
    check_uri("?a=1", &["Query a=1"]);
}

#[test]
fn headers_that_have_a_place_of_their_own_are_read_there() {
    let headers = [
        Header { name: b"User-Agent", value: b"curl" },
        Header { name: b"REFERER", value: b"/a?b=1" },
        Header { name: b"Cookie", value: b"c=2;d" },
        Header { name: b"x-y_z.w~", value: b"e" },
    ];
    check(
        &Request { headers: &headers, ..Request::default() },
        &[
            "Agent =curl",
            "Referer =/a?b=1",
            "Header x-y_z.w~=e",
            "Cookie c=2",
            "Cookie =d",
            "Referer b=1",
        ],
    );
    check(&Request { body: Some(b""), ..Request::default() }, &[]);
}

#[test]
fn plain_words_are_read_up_to_their_own_limit_and_anything_else_beyond_it() {
    for (piece, most) in [("a=1&", VALUES_MAX - VALUES_ODD), ("a=1'&", VALUES_MAX)] {
        // One value is the path.
        for (pairs, unread) in [(most - 1, 0), (most, 1), (most + 6, 7)] {
            let uri = format!("/?{}", piece.repeat(pairs));
            let (all, left) = values(&Request { uri: uri.as_bytes(), ..Request::default() });
            assert_eq!((all.len(), left), (1 + pairs - unread, unread), "{piece} {pairs}");
        }
    }
    // Of a value that is not read, every window counts.
    let uri = format!("/?{}b={}", "a=1'&".repeat(VALUES_MAX), "1' ".repeat(WINDOW_BYTES));
    let (_, left) = values(&Request { uri: uri.as_bytes(), ..Request::default() });
    assert_eq!(left, 1 + 4);
}

#[test]
fn a_long_value_is_read_in_windows_that_overlap() {
    const STEP: usize = WINDOW_BYTES - WINDOW_OVERLAP_BYTES;
    let text = |length: usize| (0..length).map(|at| b'a' + (at % 23) as u8).collect::<Vec<u8>>();
    for (length, windows) in [
        (WINDOW_BYTES - 1, vec![(0, WINDOW_BYTES - 1)]),
        (WINDOW_BYTES, vec![(0, WINDOW_BYTES)]),
        (WINDOW_BYTES + 1, vec![(0, WINDOW_BYTES), (STEP, WINDOW_BYTES + 1)]),
        (STEP + WINDOW_BYTES, vec![(0, WINDOW_BYTES), (STEP, STEP + WINDOW_BYTES)]),
        (
            STEP + WINDOW_BYTES + 1,
            vec![
                (0, WINDOW_BYTES),
                (STEP, STEP + WINDOW_BYTES),
                (2 * STEP, STEP + WINDOW_BYTES + 1),
            ],
        ),
    ] {
        let body = text(length);
        let mut read = Vec::new();
        let request = Request { body: Some(&body), ..Request::default() };
        assert_eq!(split(&request, |value| read.push(value.raw.to_vec())), 0);
        let wanted: Vec<_> = windows.iter().map(|(from, to)| body[*from..*to].to_vec()).collect();
        assert!(read == wanted, "{length}: {:?}", read.iter().map(Vec::len).collect::<Vec<_>>());
    }
}

#[test]
fn windows_of_nothing_but_padding_are_passed_over() {
    for (filling, read) in [("z", 1), (" ", 1), (" \t\r\n", 1), ("zy", 3), (" .", 3)] {
        let body = format!("a;{}", filling.repeat(5_000 / filling.len()));
        let (all, unread) = values(&Request { body: Some(body.as_bytes()), ..Request::default() });
        assert_eq!((all.len(), unread), (read, 0), "{filling:?}");
    }
}
