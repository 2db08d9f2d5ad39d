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

const FILE: &str = "name=\"f\"; filename=\"a.b\"";

/// A form of one part with this head and content.
fn form<T>(head: &str, content: &[u8], each: impl FnOnce(&Request<'_>) -> T) -> T {
    let head = format!("--B\r\nContent-Disposition: form-data; {head}\r\n\r\n");
    let body = [head.as_bytes(), content, b"\r\n--B--\r\n"].concat();
    let headers = [Header { name: b"content-type", value: b"multipart/form-data; boundary=B" }];
    each(&Request { headers: &headers, body: Some(&body), ..Request::default() })
}

/// What is read of a file with this content.
fn of_file(content: &[u8]) -> Vec<String> {
    let (mut all, _) = form(FILE, content, values);
    all.retain(|one| one.starts_with("Multipart f="));
    all
}

#[track_caller]
fn check_file(content: &[u8], expected: &[&str]) {
    let all = of_file(content);
    let expected: Vec<String> = expected.iter().map(|one| format!("Multipart f={one}")).collect();
    assert_eq!(all, expected, "{}", content.escape_ascii());
}

#[test]
fn of_a_picture_only_the_programs_and_pages_in_it_are_read() {
    check_file(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR' or 1=1 and so on", &[]);
    check_file(
        b"\xff\xd8\xff\xe0\0\x10JFIF\0<? xpacket\x01<?php /*\xc3\xa9*/ x($_GET[1]); ?>",
        &["<?php /*é*/ x($_GET[1]); ?>"],
    );
    check_file(
        b"\xff\xd8\xff\xe0\0\x10JFIF\0\x02<?php /*\xc3\xa9*/ x($_GET[1]); ?>",
        &["<?php /*é*/ x($_GET[1]); ?>"],
    );
    check_file(b"GIF89a\0\x0a<html><img src=x onerror=y>", &["<html><img src=x onerror=y>"]);
    check_file(b"GIF89a\0<?=`id`?>", &["<?=`id`?>"]);
    check_file(b"GIF89a;<?php x();?>", &["GIF89a;<?php x();?>"]);
    check_file(b"PK\x03\x04\0\0<%", &[]);
    check_file(b"PK\x03\x04\0\0<%\xfe\x02<%@ page language", &["<%@ page language"]);
}

/// Heads of files as programs write them.
const UPLOADS: [&[u8]; 9] = [
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x02\x80' or 1=1-- -",
    b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0\xff\xe1\x0a\x5ahttp://ns.adobe.com/xap/1.0/\0\
      <?xpacket begin='\xef\xbb\xbf' id='W5M0MpCehiHzreSzNTczkc9d'?>\n<x:xmpmeta xmlns:x='adobe:ns:meta/'>\
      <rdf:RDF><rdf:Description dc:format=\"image/jpeg\"/></rdf:RDF></x:xmpmeta>\n<?xpacket end='w'?>\xff\xdb",
    b"GIF89a@\x01\xf0\0\xf7\0\0' or 1=1-- -",
    b"RIFF$@\x01\0WEBPVP8 \x18\0\0\0' or 1=1-- -",
    b"PK\x03\x04\x14\0\x08\0\x08\0\0\0' or 1=1-- -",
    b"PK\x03\x04\0\0<?=\xfea<cf\x9a\x02<?\n\x03<? \0<%\x07<?=b\x80",
    b"%PDF-1.7\n%\xb5\xed\xae\xfb\n4 0 obj\n<< /Length 5 0 R /Filter /FlateDecode >>\nstream\nx\x9c\0\x01",
    b"%PDF-1.4\n%\xd3\xeb\xe9\xe1\n1 0 obj\n<</Title (The 'new' plan; a draft)\n/Creator (Mozilla/5.0 \\(X11\\))\n\
      /CreationDate (D:20260101000000+00'00')>>\nendobj\n3 0 obj\nstream\n\0",
    b"%PDF-1.3\n3 0 obj\n<</Type /Page\n/Parent 1 0 R>>\nendobj\nstream\n\0",
];

#[test]
fn nothing_is_read_of_ordinary_uploads() {
    for content in UPLOADS {
        check_file(content, &[]);
    }
}

#[test]
fn a_program_in_a_picture_is_read_to_its_end() {
    for (content, expected) in [
        (&b"GIF89a\0\x02<cf\0<?php x($_GET[1]);?>"[..], &["<?php x($_GET[1]);?>"][..]),
        (b"GIF89a\0<?PHP /*\x01*/ x/*\0*/($_GET[1]);?>", &["<?PHP /*\u{1}*/ x/*\0*/($_GET[1]);?>"]),
        (b"GIF89a\0<?=/*\x01*/x($_GET[1])?>", &["<?=/*\u{1}*/x($_GET[1])?>"]),
        (b"GIF89a\0<svg\x01<html><img src=x onerror=y>", &["<svg", "<html><img src=x onerror=y>"]),
        (b"GIF89a\0<svg>\x01<?php x();<img>", &["<?php x();<img>", "<svg>"]),
    ] {
        check_file(content, expected);
    }
    let comment = "a".repeat(2100);
    let code = format!("<?=/*{comment}*/x($_GET[1])?>");
    check_file(format!("GIF89a\0{code}").as_bytes(), &[&code]);
    let far = format!("GIF89a\0<?php {}x($_GET[1]);", "y();".repeat(2 * WINDOW_BYTES));
    assert!(of_file(far.as_bytes()).iter().any(|one| one.ends_with("x($_GET[1]);")));
    let behind_others = format!("GIF89a\0{}<?php x($_GET[1]);", "<svg\u{1}".repeat(300));
    assert_eq!(of_file(behind_others.as_bytes())[0], "Multipart f=<?php x($_GET[1]);");
}

#[test]
fn a_text_that_begins_like_media_is_read() {
    for (content, expected) in [
        (&b"GIF89a' or 1=1\0"[..], "GIF89a' or 1=1"),
        (b"GIF89a' or '\xe9'='\xe9\x01\0", "GIF89a' or '\u{fffd}'='\u{fffd}"),
        (b"PK\x03\x04' or 1=1\0", "PK\u{3}\u{4}' or 1=1"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF' or 1=1\0", "JFIF' or 1=1"),
        (b"%PDF-1.4' or 1=1\n%\xe2\0", "%PDF-1.4' or 1=1\n"),
    ] {
        check_file(content, &[expected]);
    }
    check_body("", "GIF89a' or 1=1\0", &["Body =GIF89a' or 1=1"]);
}

#[test]
fn of_other_bytes_that_are_no_text_the_texts_inside_are_read() {
    check_file(b"\x0a\0\x0e1' or 1=1-- -\0\x12\x03ab", &["1' or 1=1-- -"]);
    check_file("\0\x06\x061'/*é*/or 1=1--".as_bytes(), &["1'/*é*/or 1=1--"]);
    let random = [&[0xf3, 0x8e, 0xf1][..], &[0; 40], b"' or 1=1-- - ", &[0xc1; 40]].concat();
    check_file(&random, &["' or 1=1-- - "]);
    check_file(b"just words", &["just words"]);
    // The objects of Java, and text of two bytes a character, are read as they are.
    check_file(b"\xac\xed\0\x05sr\0", &["\u{fffd}\u{fffd}\0\u{5}sr\0"]);
    check_file(b"a\0b\0c\0d\0", &["a\0b\0c\0d\0"]);
    // Words hide no text, and nothing hides a program.
    let words = "aaaaaaaaaaaa\u{1}".repeat(40);
    let read = ["aaaaaaaaaaaa"; 32];
    let texts = ["<?php x($_GET[1]);?>", "' or 1=1-- -"];
    let end = texts.join("\0");
    check_file(format!("{words}{end}").as_bytes(), &[&[&end[..]][..], &read, &texts].concat());
    let signs = "aaaaaaaaaaa;\u{1}".repeat(40);
    let all = of_file(format!("{signs}{end}").as_bytes());
    assert_eq!((all.len(), &all[0][..]), (33, &*format!("Multipart f={end}")));
}

#[test]
fn what_a_picture_hid_suffices_alone() {
    let detector = Detector::shipped(0.001);
    let llr = |head: &str, content: &[u8]| {
        form(head, content, |request| detector.score(&mut Reader::default(), request).llr)
    };
    let sql = b"GIF89a' union select card,cvc from cards-- -\0";
    for head in ["name=\"id\"; filename=\"\"", "x=\"; filename=a\"; name=\"id\"", FILE] {
        assert!(llr(head, sql) >= detector.model.alone, "{head}: {}", llr(head, sql));
    }
    let (comment, words) = ("a".repeat(2100), "aaaaaaaaaaaa\u{1}".repeat(40));
    for content in [
        "GIF89a\0\u{2}<cf\0<?php system($_GET[1]);?>",
        &format!("GIF89a\0<?=/*{comment}*/system($_GET[1])?>"),
        &format!("{words}\0<?php system($_GET[1]);?>"),
    ] {
        let llr = llr(FILE, content.as_bytes());
        assert!(llr >= detector.model.alone, "{content:?}: {llr}");
    }
    for content in UPLOADS {
        let llr = llr(FILE, content);
        assert!(llr < detector.model.evidence, "{}: {llr}", content.escape_ascii());
    }
}

#[test]
fn a_field_is_no_file_because_another_line_of_its_head_names_one() {
    let body = "--B\r\nContent-Disposition: form-data; name=\"id\"\r\nX: filename=a\r\n\r\n1'\0\r\n--B--\r\n";
    check_body(
        "multipart/form-data; boundary=B",
        body,
        &["Multipart =X: filename=a", "Multipart id=1'\0"],
    );
}

#[test]
fn a_field_is_a_file_only_where_every_server_takes_it_for_one() {
    let field = "Multipart id=GIF89a' union select card,cvc from cards-- -\0";
    let content = field.split_once('=').expect("a name and a value").1.as_bytes();
    let is_field = |head: &str| form(head, content, values).0.iter().any(|one| one == field);
    for head in [
        r#"name="id""#,
        r#"name="id"; filename="""#,
        r#"name="id"; filename=" ""#,
        r#"name="id"; filename="#,
        r#"name="id"; filename"#,
        r#"name="id"; filename*=x"#,
        r#"name="id"; filename*=UTF-8''x"#,
        r#"name="id"; FILENAME=a"#,
        r#"name="id"; filename =a"#,
        r#"x="; filename=a"; name="id""#,
        r#"x="\"; filename=a; y="; name="id""#,
        // Of these, some servers see a file and others none.
        r#"name="id"; filename=a; filename="""#,
        r#"name="id"; x="\"; y="; filename=a; z="""#,
        r#"name="id"; x="a\\"; filename=a; y="""#,
        r#"name="id"; x="a"b"; filename=a; y=""#,
        r#"name="id"; x= "; filename=a; y=""#,
        r#"name="id"; x=a"; filename=b; y="c"#,
        r#"name="id"; x='; filename=a; y='"#,
        "name=\"id\"\rX: y; filename=a",
        "name=\"id\"\0; filename=a",
        "name=id; filename=a\r\nContent-Disposition: form-data; name=id",
        "name=id\r\nContent-Disposition: form-data; name=id; filename=a",
    ] {
        assert!(is_field(head), "{head}");
    }
    for head in [
        r#"name="id"; filename="a.png""#,
        r#"name=id; filename=a.png"#,
        r#"filename="a; b's.png"; name="id""#,
        r#"name="id"; filename="C:\pictures\a.png""#,
        r#"name="id"; filename="a.png"; filename*=UTF-8''a.png"#,
        r#"name="id" ; filename="a.png" ;"#,
    ] {
        assert!(!is_field(head), "{head}");
    }
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
