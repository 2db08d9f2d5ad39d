//! How each form of a body is taken apart, by the rules of its grammar.

use crate::splitting::check_body;

#[test]
fn a_body_without_a_name_is_what_it_begins_like() {
    let long = "n".repeat(63);
    let late = format!("a={}", "b".repeat(1021));
    for (body, value) in [
        ("a=1", "Form a=1"),
        ("=1", "Body ==1"),
        ("a b=1", "Body =a b=1"),
        ("a=1\nb", "Body =a=1\nb"),
        ("[\"a\"]", "Json =a"),
        (" [\"a\"]", "Json =a"),
        ("<a>b", "Body =<a>b"),
        ("<!doctyp", "Body =<!doctyp"),
        ("a</b", "Body =a</b"),
    ] {
        check_body("", body, &[value]);
    }
    check_body("", &format!("{long}=1"), &[&format!("Form {long}=1")]);
    check_body("", &format!("n{long}=1"), &[&format!("Body =n{long}=1")]);
    check_body("", &format!("{late}\n"), &[&format!("Body ={late}\n")]);
    check_body("", &format!("{late}c\n"), &[&format!("Form {late}c\n")]);
    check_body("", "<a>b</a>", &["Xml document=<a>b</a>", "Xml a=b"]);
    check_body("", "<!DOCTYPE", &["Xml document=<!DOCTYPE"]);
    check_body("", "<?xml?>", &["Xml document=<?xml?>"]);
    check_body("text/XML", "b", &["Xml document=b", "Xml =b"]);
    check_body("a/json", "\"b\"", &["Json =b"]);
    check_body("application/x-www-form-urlencoded", "a b", &["Form =a b"]);
}

#[test]
fn json_is_read_as_long_as_it_keeps_to_its_words() {
    for (body, values) in [
        (r#"{"a" : "b" , "c":["d"]}"#, &["Json a=b", "Json c=d"][..]),
        (r#"{"a b":"c"}"#, &["Json* a b=a b", "Json a b=c"]),
        (r#"{"a":"b\\","c":"d\""}"#, &[r"Json a=b\\", r#"Json c=d\""#]),
        (r#"{"a":"b\"#, &[r"Json a=b\"]),
        (r#"{"a":true,"b":false,"c":null,"d":-1.5e+3}"#, &[]),
        (r#"{"a":"b","c":tru"#, &["Json a=b"]),
        (r#"{"a":"b"}"#, &["Json a=b"]),
    ] {
        check_body("", body, values);
    }
    for broken in [
        r#"{"a":trux}"#,
        r#"{"a":tru}"#,
        r#"{"a":1x}"#,
        r#"{"a":x"#,
        r#"{"a":"b""c"}"#,
        r#"{"a":"b"{}}"#,
        r#"{"a":1}}"#,
        r#"{"a":'b'}"#,
        r#"{"a":_}"#,
    ] {
        check_body("", broken, &[&format!("Body ={broken}")]);
    }
    let deep = |depth| format!("{}\"a\"", "[".repeat(depth));
    check_body("", &deep(64), &["Json =a"]);
    check_body("", &deep(65), &[&format!("Body ={}", deep(65))]);
}

/// A body of one part, whose head and content are these.
fn part(boundary: &str, head: &str, content: &str) -> String {
    format!(
        "--{boundary}\r\nContent-Disposition: form-data{head}\r\n\r\n{content}\r\n--{boundary}--\r\n"
    )
}

#[test]
fn parts_lie_between_the_boundary_that_is_named_or_that_the_body_begins_with() {
    let body = part("B", "; name=\"f\"", "hello");
    for kind in [
        "multipart/form-data; boundary=B",
        "Multipart/Form-Data; Boundary=B",
        "multipart/form-data; boundary=\"B\"",
        "multipart/form-data; boundary=\"B\"; charset=x",
        "multipart/form-data; boundary=B; charset=x",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=other",
        "multipart/form-data",
    ] {
        check_body(kind, &body, &["Multipart f=hello"]);
    }
    let kind = "multipart/form-data";
    let (near, far) = ("B".repeat(200), "B".repeat(201));
    check_body(kind, &part(&near, "; name=\"f\"", "hello"), &["Multipart f=hello"]);
    let body = part(&far, "; name=\"f\"", "hello");
    check_body(kind, &body, &[&format!("Body ={body}")]);
    check_body(
        "multipart/form-data; boundary=---",
        &part("---", "; name=\"f\"", "-----x"),
        &["Multipart f=-----x"],
    );
    check_body(kind, "plain words", &["Body =plain words"]);
    check_body(kind, "--\na", &["Body =--\na"]);
}

#[test]
fn a_part_has_a_name_and_perhaps_that_of_a_file() {
    for (head, values) in [
        ("; name=\"f\"", &["Multipart f=hello"][..]),
        (";name=\"f\"", &["Multipart f=hello"]),
        ("; NAME=f; x", &["Multipart f=hello"]),
        ("; name=\"a b\"", &["Multipart* a b=a b", "Multipart a b=hello"]),
        ("; name=\"f\"; x=\"y\"", &["Multipart f=hello"]),
        ("; surname=\"f\"", &["Multipart =hello"]),
        ("", &["Multipart =hello"]),
        ("; filename=\"a.b\"", &["Multipart filename=a.b", "Multipart =hello"]),
        ("; filename=\"a\"b.c\"; x", &["Multipart filename=a\"b.c", "Multipart =hello"]),
        ("; filename=\"a\"b.c\"", &["Multipart filename=a\"b.c", "Multipart =hello"]),
        ("; filename*=a.b", &["Multipart filename=a.b", "Multipart =hello"]),
        ("; name=f\r\nX: filename=a", &["Multipart =X: filename=a", "Multipart f=hello"]),
        (
            "; filename=\"a.png\"; filename=\"a.php\"",
            &["Multipart filename=a.png", "Multipart filename=a.php", "Multipart =hello"],
        ),
        ("\r\nname=f", &["Multipart =name=f", "Multipart =hello"]),
        // What stands in the quotes of another parameter is no name of the field, though some servers may take it for
        // that of a file.
        ("; x=\"; name=a\"; name=\"f\"", &["Multipart f=hello"]),
        ("; x=\"\\\"; name=a; y=\"; name=\"f\"", &["Multipart f=hello"]),
        ("; x=\"; filename=a;\"; name=f", &["Multipart filename=a", "Multipart f=hello"]),
        ("; name=f; name=g", &["Multipart f=hello"]),
        ("; name= \"f\"; x", &["Multipart f=hello"]),
        ("; name=\"f", &["Multipart f=hello"]),
        (
            "; name=f; filename=a\r\nContent-Disposition: form-data; name=g; filename=b",
            &["Multipart filename=a", "Multipart filename=b", "Multipart f=hello"],
        ),
    ] {
        check_body("multipart/form-data; boundary=B", &part("B", head, "hello"), values);
    }
}

#[test]
fn a_part_begins_behind_its_first_empty_line() {
    let kind = "multipart/form-data; boundary=B";
    for (body, values) in [
        (
            "--B\nContent-Disposition: x; name=f\n\na\r\n\r\nb\n--B--",
            &["Multipart f=a\r\n\r\nb"][..],
        ),
        ("--B\r\nContent-Disposition: x; name=f\r\n\r\na\n\nb\r\n--B--", &["Multipart f=a\n\nb"]),
        ("--B\r\nContent-Disposition: x; name=f", &["Multipart =Content-Disposition: x; name=f"]),
        (
            "--B\r\nContent-Disposition: x; name=\"f g\"",
            &["Multipart =Content-Disposition: x; name=\"f g\""],
        ),
        (
            "--B\nContent-Disposition: x; name=f\n\na\n--B\nContent-Disposition: x; name=g\n\nb\n--B--",
            &["Multipart f=a", "Multipart g=b"],
        ),
        ("--B\nContent-Disposition: x; name=f\n\na--B\nb", &["Multipart f=a--B\nb"]),
        ("--B\nContent-Disposition: x; name=f\n\na", &["Multipart f=a"]),
        ("x y\n--B\n\na\n--B--\nz '", &["Multipart =x y", "Multipart =a", "Multipart =z '"]),
    ] {
        check_body(kind, body, values);
    }
}

#[test]
fn an_xml_document_is_its_texts_attributes_and_sections() {
    for (body, values) in [
        ("<a>b</a>", &["Xml a=b"][..]),
        ("<a> b <c>d</c>e</a>f", &["Xml a=b", "Xml c=d", "Xml c=e", "Xml c=f"]),
        ("x<a>b</a>", &["Xml =x", "Xml a=b"]),
        ("<a b=\"c\" d='e'>f</a>", &["Xml b=c", "Xml d=e", "Xml a=f"]),
        ("<a b=\"c>d\"/>e", &["Xml b=c>d", "Xml a=e"]),
        ("<a b=\"c'd\"/>", &["Xml b=c'd"]),
        ("<a b=c>d</a>", &["Xml a=d"]),
        ("<a b = \"c\">d</a>", &["Xml a=d"]),
        ("<a b=\"c", &["Xml b=c"]),
        ("<a <b>c</b>", &["Xml b=c"]),
        ("<a>b<!-- c > d --><e/>f", &["Xml a=b", "Xml e=f"]),
        ("<?a b=\"c\"?><d>e", &["Xml d=e"]),
        ("<a><![CDATA[<b>c]]>d", &["Xml a=<b>c", "Xml a=d"]),
        ("<a><![CDATA[b", &["Xml a=b"]),
        ("<!DOCTYPE a>b", &["Xml =b"]),
        ("<!DOCTYPE a [<!ENTITY b \"c\">]>d", &["Xml =d"]),
        ("<!DOCTYPE a [<!ENTITY b \"c\">] >d", &["Xml =d"]),
        ("<!DOCTYPE a []>b", &["Xml =b"]),
        ("<!DOCTYPE a [<!ENTITY b", &[]),
    ] {
        let document = format!("Xml document={body}");
        let all: Vec<&str> = std::iter::once(&document[..]).chain(values.iter().copied()).collect();
        check_body("text/xml", body, &all);
    }
}
