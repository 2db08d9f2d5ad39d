//! What must not hide a payload from the splitter, and what is no payload at all.

use detect::Request;
use detect::split::WINDOW_BYTES;

use crate::splitting::{check_body, values};

/// Whether one value has all of `words`.
#[track_caller]
fn together(request: &Request<'_>, words: &[&str]) {
    let (all, unread) = values(request);
    let found = all.iter().any(|one| words.iter().all(|word| one.contains(word)));
    assert!(found && unread == 0, "{words:?} in {} values", all.len());
}

#[test]
fn blanks_and_comments_do_not_part_what_they_stand_between() {
    for filling in ["+", "%20", "%09", "%0a", "/**/", "/*x*/+"] {
        let filling = filling.repeat(2100 / filling.len());
        let uri = format!("/x?id=1'{filling}union{filling}select{filling}null");
        let request = Request { uri: uri.as_bytes(), ..Request::default() };
        together(&request, &["1'", "union"]);
        together(&request, &["union", "select", "null"]);
    }
    let comment = format!("/x?id=1'/*{}*/or/**/1=1", "a".repeat(3 * WINDOW_BYTES));
    together(&Request { uri: comment.as_bytes(), ..Request::default() }, &["1'", "or/**/1=1"]);
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
        let headers = [detect::Header { name: b"content-type", value: b"text/xml" }];
        let request =
            Request { headers: &headers, body: Some(body.as_bytes()), ..Request::default() };
        let (all, _) = values(&request);
        assert!(all.iter().any(|one| *one == format!("Xml document={part}")), "{part}");
    }
}

#[test]
fn many_values_of_a_query_do_not_crowd_out_what_comes_after_it() {
    let uri = format!("/?{}", "a=.&".repeat(300));
    let headers = [detect::Header { name: b"Cookie", value: b"c=1'" }];
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
fn both_names_together_are_read_where_json_pollutes_a_prototype() {
    check_body(
        "",
        r#"{"constructor":{"prototype":{"a":1}}}"#,
        &[r#"Json* prototype=constructor":{"prototype"#],
    );
    check_body("", r#"{"prototype":{"constructor":{"a":1}}}"#, &[]);
}

/// A body of one file with this content, of which these values are read.
#[track_caller]
fn check_file(content: &[u8], expected: &[&str]) {
    let head = "--B\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a.b\"\r\n\r\n";
    let body = [head.as_bytes(), content, b"\r\n--B--\r\n"].concat();
    let headers =
        [detect::Header { name: b"content-type", value: b"multipart/form-data; boundary=B" }];
    let request = Request { headers: &headers, body: Some(&body), ..Request::default() };
    let (all, _) = values(&request);
    let all: Vec<&str> =
        all.iter().map(String::as_str).filter(|one| one.starts_with("Multipart f=")).collect();
    let expected: Vec<String> = expected.iter().map(|one| format!("Multipart f={one}")).collect();
    assert_eq!(all, expected, "{}", content.escape_ascii());
}

#[test]
fn of_a_picture_only_the_programs_in_it_are_read() {
    check_file(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR' or 1=1 and so on", &[]);
    check_file(
        b"\xff\xd8\xff\xe0\0\x10JFIF\0<?php system($_GET[1]); ?>\x01<? xpacket begin='x'?>",
        &["<?php system($_GET[1]); ?>"],
    );
    check_file(b"GIF89a;<?php x();?>", &["GIF89a;<?php x();?>"]);
    check_file(b"PK\x03\x04\0\0<%", &[]);
}

#[test]
fn of_other_bytes_that_are_no_text_the_texts_inside_are_read() {
    check_file(b"\x0a\0\x0e1' or 1=1-- - \0\x12\x03abc", &["1' or 1=1-- - "]);
    check_file(b"just words", &["just words"]);
    // The objects of Java, and text of two bytes a character, are read as they are.
    check_file(b"\xac\xed\0\x05sr\0", &["\u{fffd}\u{fffd}\0\u{5}sr\0"]);
    check_file(b"a\0b\0c\0d\0", &["a\0b\0c\0d\0"]);
}
