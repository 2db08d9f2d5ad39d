//! Reading the rows of a data file.

use detect::offline::controls::{elsewhere, escaped_otherwise};
use detect::offline::rows::{Label, Row, parse};
use detect::request::{Part, Place, Value};

fn row(places: &[&str]) -> Row {
    let places = serde_json::to_string(places).expect("words serialise");
    let line = format!(
        r#"{{"id":"a1","source":"s","label":"attack","category":"c","tier":"core","method":"POST","uri":"/a?b=c",
           "headers":{{"user-agent":"u","REFERER":"r","Cookie":"k=v","X-One":"1"}},"body":"","where":{places}}}"#
    );
    parse(&line.replace('\n', " ")).expect("the line is a row").remove(0)
}

#[test]
fn a_request_has_agent_and_referer_apart_and_no_empty_body() {
    row(&["uri"]).request(|request| {
        assert_eq!(request.agent, Some(&b"u"[..]));
        assert_eq!(request.referer, Some(&b"r"[..]));
        assert_eq!(request.headers.len(), 2);
        assert!(request.body.is_none());
    });
}

#[test]
fn a_log_shows_only_uri_agent_and_referer() {
    for (places, visible) in [
        (&["uri"][..], true),
        (&["header:user-agent", "header:Referer"], true),
        (&["uri", "body"], false),
        (&["header:Cookie"], false),
        (&["headers-other"], false),
        (&[], false),
    ] {
        assert_eq!(row(places).log_visible(), visible, "{places:?}");
    }
}

#[test]
fn the_places_of_a_row_name_its_values() {
    for (place, at, name, named) in [
        ("uri", Place::Segment, "", true),
        ("uri", Place::Form, "b", false),
        ("body", Place::Json, "b", true),
        ("header:x-one", Place::Header, "X-One", true),
        ("header:x-one", Place::Header, "X-Two", false),
        ("header:cookie", Place::Cookie, "k", true),
        ("header:User-Agent", Place::Agent, "", true),
        ("headers-other", Place::Header, "X-Two", true),
    ] {
        let value = Value { place: at, part: Part::Value, name: name.as_bytes(), raw: b"v" };
        assert_eq!(row(&[place]).names(&value), named, "{place} and {at:?} {name}");
    }
}

#[test]
fn a_line_that_is_no_row_is_named() {
    let good = r#"{"id":"a","source":"s","label":"benign","category":"c","tier":"plain","method":"GET","uri":"/"}"#;
    let error = parse(&format!("{good}\n\n{{\"id\":3}}\n")).unwrap_err();
    assert_eq!(error.line, 3);
}

#[test]
fn a_benign_value_is_taught_at_other_places_and_escaped_in_other_ways() {
    let line = r#"{"id":"a","source":"s","label":"benign","category":"c","tier":"plain","method":"GET",
        "uri":"/?q=50%25+a+b","where":["uri"]}"#;
    let benign = parse(&line.replace('\n', " ")).expect("the line is a row").remove(0);
    for (number, uri) in [
        (0, "/?q=50%2525%2520a%2520b"),
        (1, "/?q=50%u0025%u0020a%u0020b"),
        (2, "/?q=%350%25%20a%20b"),
        (3, "/?q=50%2525%2520a%2520b"),
    ] {
        let taught = escaped_otherwise(&benign, number).expect("its value is found");
        assert_eq!((taught.uri.as_str(), taught.body.as_str()), (uri, ""));
    }
    let agent = elsewhere(&benign, 0).expect("its value is found");
    assert_eq!(agent.headers["User-Agent"], "50% a b");
    let attack = Row { label: Label::Attack, ..benign };
    assert!(escaped_otherwise(&attack, 0).is_none() && elsewhere(&attack, 0).is_none());
}
