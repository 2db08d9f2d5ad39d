//! What must not hide a payload from the splitter, and what is no payload at all.

use detect::split::{VALUES_MAX, WINDOW_BYTES};
use detect::{Detector, Header, Reader, Request};

use crate::splitting::{check_body, values};

/// Whether one value has all of `words`.
#[track_caller]
fn together(request: &Request<'_>, words: &[&str]) {
    let (all, unread) = values(request);
    let found = all.iter().any(|one| words.iter().all(|word| one.contains(word)));
    assert!(found && unread == 0, "{words:?} in {} values", all.len());
}

/// A blank or a comment as it stands in a URI, repeated until it is longer than a window.
fn filled(blank: &str) -> String {
    blank.repeat(2100 / blank.len())
}

/// A comment that is longer than a window.
fn commented(open: &str, close: &str) -> String {
    format!("{open}{}{close}", "a".repeat(2050))
}

#[test]
fn blanks_and_comments_do_not_part_what_they_stand_between() {
    let blanks = [
        "+",
        "%20",
        "%09",
        "%0a",
        "%00",
        "%0B",
        "%a0",
        "%2520",
        "%25250a",
        "%%32%30",
        "%25%32%30",
        "&#32;",
        "&#x0a;",
        "/**/",
        "/*x*/+",
        "%2f*x%2a/",
        "#a%0a",
    ];
    let comments = [
        ("/*", "*/"),
        ("%2f%2a", "%2a%2f"),
        ("%2F*", "*%2F"),
        ("%252f%252A", "%252A%252f"),
        ("/%2a", "&#42;/"),
        ("--+", "%0a"),
        ("%2d-%09", "%0D"),
        ("%23", "%0a"),
        ("#", "%250a"),
    ];
    let comments = comments.map(|(open, close)| commented(open, close));
    for filling in blanks.map(filled).into_iter().chain(comments) {
        let uri = format!("/x?id=1'{filling}union{filling}select{filling}null");
        let request = Request { uri: uri.as_bytes(), ..Request::default() };
        together(&request, &["1'", "union", "select", "null"]);
    }
    let comment = format!("/x?id=1'/*{}*/or/**/1=1", "a".repeat(3 * WINDOW_BYTES));
    together(&Request { uri: comment.as_bytes(), ..Request::default() }, &["1'", "or/**/1=1"]);
}

#[test]
fn nor_do_they_as_json_escapes_them() {
    let blanks =
        [" ", r"\n", r"\t", r"\r", r"\f", r"\u0020", r"\u000A", r"\/**\/", r"\u002f\u002a*\/"];
    let comments = [commented(r"\/*", r"*\/"), commented("-- ", r"\n"), commented("#", r"\u000d")];
    for filling in blanks.map(filled).into_iter().chain(comments) {
        let body = format!(r#"{{"id":"1'{filling}union{filling}select{filling}null"}}"#);
        let request = Request { body: Some(body.as_bytes()), ..Request::default() };
        together(&request, &["1'", "union", "select", "null"]);
    }
}

#[test]
fn a_comment_that_never_ends_and_a_line_of_more_than_words_are_no_filling() {
    let long = "ab".repeat(3 * WINDOW_BYTES / 2);
    for (open, close) in [("/*", "*"), ("--+", ""), ("--+", "'%0a"), ("#", "+%0a"), ("-", "%0a")] {
        let uri = format!("/x?id={open}{long}{close}union");
        let (all, _) = values(&Request { uri: uri.as_bytes(), ..Request::default() });
        assert_eq!(all.len(), 1 + 4, "{open} {close}");
    }
}

#[test]
fn windows_share_what_stands_around_a_filling() {
    let filling = commented("/*", "*/");
    for before in 1800..2100 {
        let uri = format!("/x?id={}1'{filling}or{filling}x", "ab,".repeat(700).split_at(before).0);
        let request = Request { uri: uri.as_bytes(), ..Request::default() };
        together(&request, &["1'", "*/or"]);
    }
}

#[test]
fn an_attack_that_is_filled_with_blanks_or_comments_is_evidence() {
    let detector = Detector::shipped(0.001);
    let check = |request: &Request<'_>, what: &str| {
        let llr = detector.score(&mut Reader::default(), request).llr;
        assert!(llr >= detector.model.evidence, "{what}: {llr}");
    };
    let encoded = commented("%2f%2a", "%2a%2f");
    let uri = format!("/x?id=1{encoded}union+select{encoded}card,cvc+from+cards");
    check(&Request { uri: uri.as_bytes(), ..Request::default() }, "encoded comments");
    let fillings =
        [commented("--+", "%0a"), commented("%23", "%0a"), filled("%2520"), filled("%0a")];
    for filling in fillings {
        let uri = format!("/x?id=1{filling}union{filling}select{filling}card+from+cards");
        check(&Request { uri: uri.as_bytes(), ..Request::default() }, &filling[..8]);
    }
    for blank in [r"\n", r"\u0020"] {
        let filling = blank.repeat(1500);
        let body = format!(r#"{{"id":"1{filling}union{filling}select{filling}card from cards"}}"#);
        check(&Request { body: Some(body.as_bytes()), ..Request::default() }, blank);
    }
}

#[test]
fn a_boundary_that_stands_in_the_payload_cuts_nothing() {
    let body =
        "--1\r\nContent-Disposition: form-data; name=\"id\"\r\n\r\n1' or 1=1-- -\r\n--1--\r\n";
    check_body("multipart/form-data; boundary=1", body, &["Multipart id=1' or 1=1-- -"]);
}

#[test]
fn a_declared_form_is_one_whatever_it_begins_with() {
    let kind = "application/x-www-form-urlencoded";
    check_body(kind, "{=a&id=1'", &["Form* {={=a", "Form {=a", "Form id=1'"]);
    check_body("", "[x]=a&id=1'", &["Form* [x]=[x]", "Form [x]=a", "Form id=1'"]);
    check_body(kind, "{\"a\":\"b\"}", &["Json a=b"]);
    let both = "<a>b</a>x&id=1'";
    check_body(
        kind,
        both,
        &[
            &format!("Xml document={both}"),
            "Xml a=b",
            "Xml a=x&id=1'",
            "Form =<a>b</a>x",
            "Form id=1'",
        ],
    );
}

#[test]
fn what_stands_far_inside_a_document_is_read_too() {
    let far = " ".repeat(5 * WINDOW_BYTES);
    for part in
        ["<!DOCTYPE a [<!ENTITY e SYSTEM \"file:///x\">]>", "<?php x ?>", "<img src=x onerror=y>"]
    {
        let body = format!("<?xml version=\"1.0\"?><a>{}</a>{far}{part}<b/>", "b ".repeat(9000));
        let headers = [Header { name: b"content-type", value: b"text/xml" }];
        let request =
            Request { headers: &headers, body: Some(body.as_bytes()), ..Request::default() };
        let (all, _) = values(&request);
        assert!(all.iter().any(|one| *one == format!("Xml document={part}")), "{part}");
    }
}

#[test]
fn many_values_of_a_query_do_not_crowd_out_what_comes_after_it() {
    let uri = format!("/?{}", "a=.&".repeat(300));
    let headers = [Header { name: b"Cookie", value: b"c=1'" }];
    let request = Request {
        uri: uri.as_bytes(),
        agent: Some(b"${jndi:x}"),
        headers: &headers,
        body: Some(b"d=2'"),
        ..Request::default()
    };
    let (all, unread) = values(&request);
    for wanted in ["Agent =${jndi:x}", "Cookie c=1'", "Form d=2'"] {
        assert!(all.iter().any(|one| one == wanted), "{wanted}");
    }
    assert!(unread > 0);
}

#[test]
fn many_values_anywhere_do_not_crowd_out_the_rest() {
    let many = ".&".repeat(300);
    let (path, referer) = (format!("/{}?q=1'", "a,b/".repeat(300)), format!("/?{many}"));
    let cookie = format!("c=1'; {}", ".;".repeat(300));
    let odd: Vec<Header<'_>> = (0..300).map(|_| Header { name: b"x'", value: b"." }).collect();
    let own = [Header { name: b"Cookie", value: cookie.as_bytes() }];
    let headers = [&odd[..], &own].concat();
    let request = Request {
        uri: path.as_bytes(),
        referer: Some(referer.as_bytes()),
        headers: &headers,
        body: Some(b"d=2'"),
        ..Request::default()
    };
    let (all, _) = values(&request);
    for wanted in ["Query q=1'", "Cookie c=1'", "Form d=2'"] {
        assert!(all.iter().any(|one| one == wanted), "{wanted}");
    }
}

#[test]
fn room_that_other_places_leave_is_for_the_values_that_found_none() {
    let headers = [
        Header { name: b"Cookie", value: b"a=b" },
        Header { name: b"Referer", value: b"/" },
        Header { name: b"X-A", value: b"c" },
    ];
    let attack = "id=1'+union+select+card,cvc+from+cards--+-";
    for (many, headers, body) in [
        (206, &headers[..2], None),
        (200, &headers[..0], Some(&b"."[..])),
        (150, &headers[..], Some(&b"."[..])),
        (254, &headers[..0], None),
    ] {
        let uri = format!("/x?{}{attack}", ".&".repeat(many));
        let request = Request { uri: uri.as_bytes(), headers, body, ..Request::default() };
        let (all, _) = values(&request);
        let found = all.iter().filter(|one| one.strip_prefix("Query ") == Some(attack));
        assert_eq!(found.count(), 1, "{many} values of {}", all.len());
    }
}

#[test]
fn of_a_value_that_found_room_later_every_window_is_read_and_no_value_is_read_twice() {
    let cookie = [Header { name: b"Cookie", value: b"a='" }];
    let far = format!("{}1'", "some words ".repeat(500));
    let uri = format!("/a,b?{}id={far}", "x='&".repeat(222));
    let request = Request { uri: uri.as_bytes(), headers: &cookie, ..Request::default() };
    let (all, unread) = values(&request);
    let count = |one: &dyn Fn(&str) -> bool| all.iter().filter(|found| one(found)).count();
    assert_eq!(count(&|one| one == "Query x='"), 222);
    assert_eq!(count(&|one| one == "Cookie a='"), 1);
    assert_eq!(count(&|one| one.starts_with("Query id=")), 3);
    assert_eq!(count(&|one| one.ends_with("words 1'")), 1);
    assert_eq!((unread, all.len()), (0, 2 + 222 + 1 + 3));
    // More than there is room for in all.
    let uri = format!("/?{}", "x='&".repeat(300));
    let (all, unread) = values(&Request { uri: uri.as_bytes(), ..request });
    assert_eq!((all.len(), unread), (VALUES_MAX, 302 - VALUES_MAX));
}

#[test]
fn both_names_together_are_read_where_json_pollutes_a_prototype() {
    let found = "Json* prototype=constructor.prototype";
    for (body, expected) in [
        (r#"{"constructor":{"prototype":{"a":1}}}"#, &[found][..]),
        (r#"[{"a":{"constructor":{"b":1,"prototype":{"c":1}}}}]"#, &[found]),
        (r#"{"constructor":{"x":{},"prototype":{"a":1}}}"#, &[found]),
        (r#"{"constructor":{"x":{"y":[{}]},"prototype":{"a":1}}}"#, &[found]),
        (r#"{"constructor":{"constructor":1,"prototype":{"a":1}}}"#, &[found]),
        (r#"{"constructor":{"constructor":{"prototype":1},"prototype":2}}"#, &[found, found]),
        (
            r#"{"\u0063onstr\u0075ctor":{"prototype":{"a":1}}}"#,
            &[r"Json* \u0063onstr\u0075ctor=\u0063onstr\u0075ctor", found],
        ),
        (
            r#"{"constructor":{"pr\u006Ftotype":{"a":1}}}"#,
            &[
                r"Json* pr\u006Ftotype=pr\u006Ftotype",
                r"Json* pr\u006Ftotype=constructor.prototype",
            ],
        ),
        (r#"{"prototype":{"constructor":{"a":1}}}"#, &[]),
        (r#"{"constructor":1,"prototype":{"a":1}}"#, &[]),
        (r#"{"constructor":1,"a":{"prototype":1}}"#, &[]),
        (r#"{"constructor":{"a":{"prototype":1}}}"#, &[]),
        (r#"{"a":{"constructor":1},"b":{"prototype":1}}"#, &[]),
        (r#"{"constructors":{"prototype":1},"constructo":{"prototype":1}}"#, &[]),
    ] {
        check_body("", body, expected);
    }
    let detector = Detector::shipped(0.001);
    let body = br#"{"\u0063onstructor":{"x":{},"prototype":{"admin":1}}}"#;
    let request = Request { body: Some(body), ..Request::default() };
    let llr = detector.score(&mut Reader::default(), &request).llr;
    assert!(llr >= detector.model.evidence, "{llr}");
}

#[test]
fn what_a_false_boundary_would_make_a_head_of_is_read_all_the_same() {
    let field = |content: &str| {
        format!("--A\r\nContent-Disposition: form-data; name=\"f\"\r\n\r\n{content}\r\n--A--\r\n")
    };
    let kind = "multipart/form-data; boundary=A";
    check_body(
        kind,
        &field("x\r\n--Az\r\n<b>\r\n\r\nc"),
        &["Multipart f=x\r\n--Az\r\n<b>\r\n\r\nc"],
    );
    check_body(
        kind,
        &field("x\n--A\n<b>\n\nc"),
        &["Multipart f=x", "Multipart =<b>", "Multipart =c"],
    );
    check_body(
        "multipart/form-data; x-boundary=B; boundary=A",
        &field("x\r\n--B\r\n<b>\r\n\r\nc"),
        &["Multipart f=x\r\n--B\r\n<b>\r\n\r\nc"],
    );
}

#[test]
fn a_window_never_ends_between_a_word_and_what_follows_behind_blanks() {
    for before in 1900..2080 {
        let uri = format!("/x?a={}1' union{}select b from c", "a".repeat(before), " ".repeat(300));
        together(&Request { uri: uri.as_bytes(), ..Request::default() }, &["1' union", "select b"]);
    }
}

#[test]
fn of_open_comments_without_end_no_more_windows_are_read_than_of_other_bytes() {
    let body = " /*".repeat(1 << 20);
    let request = Request { body: Some(body.as_bytes()), ..Request::default() };
    let (all, unread) = values(&request);
    assert_eq!((all.len(), unread > 0), (1 + detect::split::WINDOWS_MAX, true));
}

/// To compare every boundary in these with the rest of its line would take hours.
#[test]
fn a_line_full_of_boundaries_is_looked_at_once() {
    for line in ["--a".repeat(1 << 20), format!("x{}", "--a".repeat(1 << 20))] {
        let body = format!("--a\r\n{line}");
        let headers = [Header { name: b"content-type", value: b"multipart/form-data; boundary=a" }];
        let body = Some(body.as_bytes());
        let (all, unread) = values(&Request { headers: &headers, body, ..Request::default() });
        // One is the header.
        assert_eq!((all.len(), unread > 0), (2 + detect::split::WINDOWS_MAX, true));
    }
}
