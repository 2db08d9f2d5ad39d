//! What a form's part is, a field or a file, and what is read of either.

use detect::split::WINDOW_BYTES;
use detect::{Detector, Header, Reader, Request};

use crate::splitting::{check_body, values};

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
        r#"name="id"; filename="a"; filename ="""#,
        "name=id; filename=a\r\n x",
        "name=id; filename=a\r\nContent-Disposition:\r\n\tform-data; name=id",
        "name=id; filename=a\r\nContent-Disposition : form-data; name=id",
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
