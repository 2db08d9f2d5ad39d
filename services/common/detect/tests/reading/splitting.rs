//! What a request is split into.

use detect::split::{VALUES_MAX, WINDOWS_MAX, split};
use detect::{Header, Part, Request};

pub(crate) fn values(request: &Request<'_>) -> (Vec<String>, usize) {
    let mut all = Vec::new();
    let unread = split(request, |value| {
        let part = if value.part == Part::Name { "*" } else { "" };
        let (name, raw) = (String::from_utf8_lossy(value.name), String::from_utf8_lossy(value.raw));
        all.push(format!("{:?}{part} {name}={raw}", value.place));
    });
    (all, unread)
}

pub(crate) fn check(request: &Request<'_>, expected: &[&str]) {
    assert_eq!(values(request), (expected.iter().map(ToString::to_string).collect(), 0));
}

pub(crate) fn check_body(kind: &str, body: &str, expected: &[&str]) {
    let headers = [Header { name: b"Content-Type", value: kind.as_bytes() }];
    let headers = if kind.is_empty() { &headers[..0] } else { &headers };
    let (all, unread) =
        values(&Request { headers, body: Some(body.as_bytes()), ..Request::default() });
    let all: Vec<_> = all.into_iter().filter(|one| !one.starts_with("Header")).collect();
    assert_eq!(
        (&all[..], unread),
        (&expected.iter().map(ToString::to_string).collect::<Vec<_>>()[..], 0),
        "{body}"
    );
}

pub(crate) fn check_uri(uri: &str, expected: &[&str]) {
    check(&Request { uri: uri.as_bytes(), ..Request::default() }, expected);
}

#[test]
fn a_uri_is_its_path_its_odd_segments_and_its_pairs() {
    check_uri("/a/b.html", &["Path =/a/b.html"]);
    check_uri("/a/b%27/c", &["Path =/a/b%27/c", "Segment =b%27"]);
    check_uri("/?a=1&b=2=3&c", &["Path =/", "Query a=1", "Query b=2=3", "Query =c"]);
    check_uri("/?u[$ne]=1", &["Path =/", "Query* u[$ne]=u[$ne]", "Query u[$ne]=1"]);
    check_uri("/?a' or 1=1", &["Path =/", "Query* a' or 1=a' or 1=1", "Query a' or 1=1"]);
    check_uri("/?a=1;b=2&c=3;x", &["Path =/", "Query a=1", "Query b=2", "Query c=3;x"]);
    check_uri("/?a=1&&id&b=2", &["Path =/", "Query a=1&&id", "Query b=2"]);
    check_uri(
        "/?a=&lt;b&amp;c=2",
        &["Path =/", "Query a=&lt;b", "Query* amp;c=amp;c=2", "Query amp;c=2"],
    );
}

#[test]
fn an_absolute_target_is_its_path_and_its_query_and_as_sent_an_address_and_a_host() {
    check_uri(
        "http://shop.example:8080/a/b%27?c=1",
        &[
            "Path =/a/b%27",
            "Path =http://shop.example:8080/a/b%27",
            "Header host=shop.example:8080",
            "Segment =b%27",
            "Query c=1",
        ],
    );
    check_uri(
        "HTTPS://me:word@shop.example?c=/1",
        &["Path =HTTPS://me:word@shop.example", "Header host=shop.example", "Query c=/1"],
    );
    check_uri(
        "http://shop.example",
        &["Path =/", "Path =http://shop.example", "Header host=shop.example"],
    );
    check_uri("file:///etc/passwd", &["Path =/etc/passwd", "Path =file:///etc/passwd"]);
    check_uri("/go?to=http://shop.example/", &["Path =/go", "Query to=http://shop.example/"]);
    check_uri("/http://a/b", &["Path =/http://a/b", "Segment =http:"]);
    check_uri("shop.example:443", &["Path =shop.example:443", "Segment =shop.example:443"]);
    check_uri("*", &["Path =*", "Segment =*"]);
}

#[test]
fn headers_are_values_and_cookies_and_referers_pairs_too() {
    let headers = [
        Header { name: b"cookie", value: b"a=1; b' =2" },
        Header { name: b"X-Api", value: b"y" },
        Header { name: b"X-'", value: b"z" },
    ];
    let request = Request {
        agent: Some(b"curl"),
        referer: Some(b"http://a/?q=1"),
        headers: &headers,
        ..Request::default()
    };
    let expected = [
        "Agent =curl",
        "Referer =http://a/?q=1",
        "Header X-Api=y",
        "Header* X-'=X-'",
        "Header X-'=z",
        "Cookie a=1",
        "Cookie* b' =b' =2",
        "Cookie b' =2",
        "Referer q=1",
    ];
    check(&request, &expected);
}

#[test]
fn a_body_is_split_by_its_form() {
    check_body("application/x-www-form-urlencoded", "a=1&b=2", &["Form a=1", "Form b=2"]);
    check_body("", "a=1&b=2", &["Form a=1", "Form b=2"]);
    check_body("", "plain words", &["Body =plain words"]);
    check_body(
        "application/json",
        r#"{"a":"x\"y","b":[1,true,"z"],"$c":{"d":"w"}}"#,
        &[r#"Json a=x\"y"#, "Json b=z", "Json* $c=$c", "Json d=w"],
    );
    check_body("", r#"{"a":"cut of"#, &["Json a=cut of"]);
    check_body("application/json", r#"{"a":"x"y"}"#, &[r#"Body ={"a":"x"y"}"#]);
    check_body("application/json", "{'a':1}", &["Body ={'a':1}"]);
    let xml = r#"<?xml version="1.0"?><!DOCTYPE a [<!ENTITY e "v">]><a b="c">t<![CDATA[<d>]]></a>"#;
    check_body(
        "text/xml",
        xml,
        &[&format!("Xml document={xml}"), "Xml b=c", "Xml a=t", "Xml a=<d>"],
    );
    let multipart = "--B\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a.php\"\r\n\r\nhello\r\n--B\r\n\
                     content-disposition: form-data; name=\"g'\"\n\nworld\r\n--B--\r\n";
    check_body(
        "multipart/form-data; boundary=B",
        multipart,
        &[
            "Multipart filename=a.php",
            "Multipart f=hello",
            "Multipart* g'=g'",
            "Multipart g'=world",
        ],
    );
}

#[test]
fn what_stands_behind_long_padding_is_read() {
    for padding in [8, 16, 32] {
        let uri = format!("/?a={}union select&b=2", "xy".repeat(padding * 512));
        let (all, unread) = values(&Request { uri: uri.as_bytes(), ..Request::default() });
        assert!(all.iter().any(|one| one.ends_with("union select")), "{padding} KiB");
        assert_eq!(
            (unread, all[2].as_str()),
            (0, "Query b=2"),
            "every value comes once before any comes twice"
        );
    }
}

#[test]
fn what_is_not_read_is_counted() {
    let uri = format!("/?{}", "a=1'&".repeat(300));
    let (all, unread) = values(&Request { uri: uri.as_bytes(), ..Request::default() });
    assert_eq!((all.len(), unread), (VALUES_MAX, 301 - VALUES_MAX));
    let body = "some words ".repeat(20_000);
    let (all, unread) = values(&Request { body: Some(body.as_bytes()), ..Request::default() });
    assert_eq!(
        (all.len(), unread),
        (1 + WINDOWS_MAX, (body.len() - 2048).div_ceil(1920) - WINDOWS_MAX)
    );
}

#[test]
fn plain_words_do_not_crowd_out_a_payload() {
    let uri = format!("/?{}b=1'", "a=1&".repeat(1000));
    let (all, unread) = values(&Request { uri: uri.as_bytes(), ..Request::default() });
    assert_eq!((all.last().map(String::as_str), unread > 0), (Some("Query b=1'"), true));
}
