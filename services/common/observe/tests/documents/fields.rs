//! The fields of a document: of another type than they should have, absent, null, and times.

use observe::documents::{Document, read};

/// Why a document with these fields beside a client and a time is dead; nothing where it is none.
fn dead(fields: &str) -> Option<(&'static str, String)> {
    let document = format!(r#"{{"client":"81.2.69.142","observed_at":1000,{fields}}}"#);
    read(document.as_bytes()).err().map(|dead| (dead.class, dead.reason))
}

#[test]
fn a_field_of_another_type_is_told_by_its_name() {
    for (fields, words) in [
        (r#""uri":5"#, "uri is a number, and must be a text"),
        (r#""method":["GET"]"#, "method is a list, and must be a text"),
        (r#""host":{"string":"h"}"#, "host is an object, and must be a text"),
        (r#""agent":true"#, "agent is a boolean, and must be a text"),
        (r#""referer":1.5"#, "referer is a number, and must be a text"),
        (r#""account":7"#, "account is a number, and must be a text"),
        (r#""finding":{}"#, "finding is an object, and must be a text"),
        (r#""source":7,"position":1"#, "source is a number, and must be a text"),
        (r#""source":"s","position":"first""#, "position is a text, and must be a whole number"),
        (r#""status":{"int":200}"#, "status is an object, and must be a whole number"),
        (r#""status":200.5"#, "status is a number, and must be a whole number"),
        (r#""headers":{"Cookie":5}"#, "headers.Cookie is a number, and must be a text"),
        (r#""headers":{"a":["1",2]}"#, "headers.a is a list, and must be a text"),
        (r#""headers":[{"name":"a","value":1}]"#, "headers: an entry of the list"),
        (r#""headers":["a: b"]"#, "headers: an entry of the list"),
        (r#""headers":"a: b""#, "headers is a text, and must be an object of texts"),
        (r#""headers":7"#, "headers is a number, and must be an object of texts"),
        (r#""body":5"#, "body: "),
        (r#""succeeded":"yes""#, "succeeded: "),
        (r#""cut":"uri""#, "cut: "),
    ] {
        let (class, reason) = dead(fields).unwrap_or_else(|| panic!("{fields} was passed over"));
        assert_eq!(class, "malformed", "{fields}");
        assert!(reason.starts_with(words), "{fields}: {reason}");
    }
}

#[test]
fn null_is_absent_and_a_number_may_be_written_as_text() {
    for fields in [
        r#""uri":null,"method":null,"host":null,"agent":null,"referer":null,"status":null"#,
        r#""account":null,"finding":null,"source":null,"position":null,"headers":null"#,
        r#""body":null,"cut":null,"succeeded":null,"activity":null,"event_id":null"#,
        r#""headers":{"a":null,"b":["1",null]},"status":"200""#,
        r#""headers":[{"name":"a","value":null},{"table_size_update":1}],"status":"-""#,
    ] {
        assert_eq!(dead(fields), None, "{fields}");
    }
}

#[test]
fn what_others_write_is_held_to_its_types_too() {
    for (document, words) in [
        (
            r#"{"class_uid":4002,"time":1000,"src_endpoint":{"ip":"81.2.69.142"},"http_request":{"url":{"path":7}}}"#,
            "http_request.url.path is a number",
        ),
        (
            r#"{"class_uid":4002,"time":1000,"src_endpoint":{"ip":"81.2.69.142"},"http_request":"GET /"}"#,
            "http_request is a text, and must be an object",
        ),
        (
            r#"{"event_type":"http","timestamp":"2026-01-01T00:00:00Z","src_ip":"81.2.69.142","http":{"url":{}}}"#,
            "http.url is an object",
        ),
        (
            r#"{"rule":"a","time":"2026-01-01T00:00:00Z","output_fields":{"fd.cip":"81.2.69.142","user.name":0}}"#,
            "output_fields.user.name is a number",
        ),
    ] {
        let dead = read(document.as_bytes()).unwrap_err();
        assert_eq!(dead.class, "malformed", "{document}");
        assert!(dead.reason.starts_with(words), "{document}: {}", dead.reason);
    }
}

/// What is made of a time: a moment, or why it is none.
fn moment(time: &str) -> Result<i64, String> {
    let document = format!(r#"{{"client":"81.2.69.142","observed_at":{time}}}"#);
    match read(document.as_bytes()) {
        Ok(Document::Own(own)) => Ok(own.observation.observed_at.unwrap()),
        Ok(Document::Observed(_)) => panic!("{document}"),
        Err(dead) => {
            assert_eq!(dead.class, "no_time", "{document}");
            Err(dead.reason)
        }
    }
}

#[test]
fn a_time_is_milliseconds_or_has_a_zone() {
    const AT: i64 = 1_795_266_309_123;
    for (time, expected) in [
        ("1795266309123", Ok(AT)),
        (r#""2026-11-21T13:05:09.123Z""#, Ok(AT)),
        (r#""2026-11-21T15:05:09.123+02:00""#, Ok(AT)),
        (r#""2026-11-21 13:05:09.123 +0000""#, Ok(AT)),
        ("0", Ok(0)),
        (r#""2026-11-21T15:05:09.123""#, Err("observed_at has no zone; write for example")),
        ("1795266309", Err("observed_at looks like seconds since 1970; write milliseconds")),
        ("1795266309.123", Err("observed_at is no whole number of milliseconds")),
        ("1795266309123456", Err("observed_at is no whole number of milliseconds")),
        ("-1", Err("observed_at is no whole number of milliseconds")),
        (r#""noon""#, Err("observed_at is no time such as")),
        ("null", Err("observed_at is missing")),
    ] {
        match (moment(time), expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{time}"),
            (Err(reason), Err(words)) => assert!(reason.starts_with(words), "{time}: {reason}"),
            (found, _) => panic!("{time}: {found:?}"),
        }
    }
}
