//! Each kind of document becomes what it says, or dies of a true reason.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails its test by unwrapping")]

mod alerts;
mod fields;

use observe::documents::{DOCUMENT_BYTES_MAX, Document, read, split};
use schemas::event::{BODY_BYTES_MAX, Cut, HEADERS_MAX, Part, TEXT_BYTES_MAX, URI_BYTES_MAX};
use schemas::{Activity, Provenance, Record};

/// Reads a document and says what is there of it: activity, time, client, method, host, uri, status, agent, referer,
/// account, finding, success, and whether it is unsure whose the address is.
#[track_caller]
fn check(document: &str, expected: &str) {
    let said = match read(document.as_bytes()) {
        Ok(Document::Observed(observed)) => {
            let each = observed.into_iter().map(|seen| {
                let seen = match seen {
                    Ok(seen) => seen.observation,
                    Err(dead) => return format!("dead: {}", dead.class),
                };
                let unsure = match seen.provenance {
                    Provenance::ExternalFeed => "",
                    Provenance::LogText => "unsure",
                    other => panic!("nobody but a document's sender makes it {other:?}"),
                };
                let activity = match seen.activity {
                    Activity::HttpRequest => "request",
                    Activity::Login => "login",
                    Activity::Finding => "finding",
                };
                let texts = [
                    activity.to_owned(),
                    seen.observed_at.unwrap().to_string(),
                    seen.client.to_string(),
                    seen.method,
                    seen.host.unwrap_or_default(),
                    seen.uri,
                    seen.status.map(|status| status.to_string()).unwrap_or_default(),
                    seen.agent.unwrap_or_default(),
                    seen.referer.unwrap_or_default(),
                    seen.account.unwrap_or_default(),
                    seen.finding.unwrap_or_default(),
                    seen.succeeded.map(|yes| yes.to_string()).unwrap_or_default(),
                    unsure.to_owned(),
                ];
                texts.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ")
            });
            each.collect::<Vec<_>>().join(" | ")
        }
        Ok(Document::Own(own)) => format!("own {}", own.observation.client),
        Err(dead) => format!("dead: {}", dead.class),
    };
    assert_eq!(said, expected, "{document}");
}

#[test]
fn ocsf_is_read_by_its_class() {
    let base = r#""time":1000,"src_endpoint":{"ip":"81.2.69.142"}"#;
    for (document, expected) in [
        (
            format!(
                r#"{{"class_uid":4002,{base},"http_request":{{"http_method":"GET","user_agent":"curl","referrer":"/from",
                "url":{{"hostname":"shop.example","path":"/a","query_string":"b=c"}}}},"http_response":{{"code":404}}}}"#
            ),
            "request 1000 81.2.69.142 GET shop.example /a?b=c 404 curl /from",
        ),
        (
            format!(r#"{{"class_uid":4002,{base},"http_request":{{"url":{{"path":"/a"}}}}}}"#),
            "request 1000 81.2.69.142 /a",
        ),
        (
            format!(
                r#"{{"class_uid":"4002",{base},"http_request":{{"url":{{"url_string":"https://x/a"}}}}}}"#
            ),
            "request 1000 81.2.69.142 https://x/a",
        ),
        (
            format!(r#"{{"class_uid":4002,{base},"http_response":{{"code":9000}}}}"#),
            "request 1000 81.2.69.142",
        ),
        (
            format!(
                r#"{{"class_uid":3002,"activity_id":1,{base},"status_id":1,"user":{{"name":"ann"}}}}"#
            ),
            "login 1000 81.2.69.142 ann true",
        ),
        (
            format!(
                r#"{{"class_uid":3002,"activity_id":1,{base},"status_id":2,"user":{{"name":"ann"}}}}"#
            ),
            "login 1000 81.2.69.142 ann false",
        ),
        (
            format!(
                r#"{{"class_uid":3002,"activity_id":1,{base},"status_id":99,"user":{{"name":"ann"}}}}"#
            ),
            "login 1000 81.2.69.142 ann",
        ),
        (
            r#"{"class_uid":2004,"time":"1970-01-01T00:00:01Z","finding_info":{"title":"scan"},
               "evidences":[{"process":{}},{"src_endpoint":{"ip":"2a00:1450::1"}}]}"#
                .to_owned(),
            "finding 1000 2a00:1450::1 scan",
        ),
        (
            format!(r#"{{"class_uid":2004,{base},"finding_info":{{"title":"scan"}}}}"#),
            "finding 1000 81.2.69.142 scan",
        ),
    ] {
        check(&document, expected);
    }
}

/// Of Kerberos' tickets many fail on the way to a login that succeeds, and whoever leaves has come before.
#[test]
fn of_ocsf_only_a_logon_is_a_login() {
    let document = |activity: &str| {
        format!(
            r#"{{"class_uid":3002,{activity}"time":1000,"status_id":2,"src_endpoint":{{"ip":"81.2.69.142"}}}}"#
        )
    };
    for id in ["1", "\"1\""] {
        let logon = document(&format!(r#""activity_id":{id},"#));
        check(&logon, "login 1000 81.2.69.142 false");
    }
    for id in [0, 2, 3, 4, 5, 6, 7, 99] {
        check(&document(&format!(r#""activity_id":{id},"#)), "");
    }
    check(&document(""), "dead: malformed");
}

#[test]
fn ocsf_without_a_known_class_an_address_or_a_time_is_dead() {
    for (document, expected) in [
        (
            r#"{"class_uid":6003,"time":1000,"src_endpoint":{"ip":"81.2.69.142"}}"#,
            "dead: unsupported",
        ),
        (
            r#"{"class_uid":null,"time":1000,"src_endpoint":{"ip":"81.2.69.142"}}"#,
            "dead: unsupported",
        ),
        (r#"{"class_uid":4002,"time":1000}"#, "dead: no_address"),
        (
            r#"{"class_uid":3002,"activity_id":1,"time":1000,"src_endpoint":{"ip":"host"}}"#,
            "dead: no_address",
        ),
        (r#"{"class_uid":2004,"time":1000,"evidences":[{}]}"#, "dead: no_address"),
        (r#"{"class_uid":4002,"src_endpoint":{"ip":"81.2.69.142"}}"#, "dead: no_time"),
        (
            r#"{"class_uid":4002,"time":"noon","src_endpoint":{"ip":"81.2.69.142"}}"#,
            "dead: no_time",
        ),
    ] {
        check(document, expected);
    }
}

#[test]
fn our_own_form_is_strict() {
    check(r#"{"observed_at":1000,"client":"81.2.69.142"}"#, "own 81.2.69.142");
    check(r#"{"observed_at":1000,"client":"81.2.69.142","clint":1}"#, "dead: malformed");
    check(r#"{"observed_at":1000,"client":"81.2.69.142","position":1}"#, "dead: malformed");
    check(r#"{"observed_at":1000,"client":"localhost"}"#, "dead: no_address");
    check(r#"{"observed_at":1e300,"client":"81.2.69.142"}"#, "dead: no_time");
    check("[1]", "dead: malformed");
    check("{}", "dead: unsupported");
    check(&format!("{{\"a\":\"{}\"}}", "x".repeat(DOCUMENT_BYTES_MAX)), "dead: too_long");
    check(&format!("{}1{}", r#"{"a":"#.repeat(33), "}".repeat(33)), "dead: too_long");
}

#[test]
fn a_body_is_lines_an_array_or_one_document() {
    let cut = |body: &'static str| {
        let documents = split(body.as_bytes()).map_err(|error| error.line)?;
        let text =
            |(line, bytes): (usize, &[u8])| format!("{line}:{}", String::from_utf8_lossy(bytes));
        Ok::<_, usize>(documents.into_iter().map(text).collect::<Vec<_>>())
    };
    assert_eq!(cut("{1}\n\nbad\n{2}").unwrap(), ["1:{1}", "3:bad", "4:{2}"]);
    assert_eq!(cut("[{\"a\":\"],\"},\n [1,2]]\n").unwrap(), ["1:{\"a\":\"],\"}", "2:[1,2]"]);
    assert_eq!(cut("\n{\n\"a\": 1\n}\n").unwrap(), ["2:{\n\"a\": 1\n}"]);
    assert_eq!(cut("\u{FEFF}{1}\n{2}").unwrap(), ["1:{1}", "2:{2}"]);
    assert_eq!(cut("\u{FEFF}[{1},{2}]").unwrap(), ["1:{1}", "1:{2}"]);
    assert_eq!(cut("[]").unwrap(), [""; 0]);
    assert_eq!(cut("\n[{}, {}"), Err(2));
}

/// The event that one document becomes.
fn event(document: &str) -> schemas::Event {
    let observation = match read(document.as_bytes()).unwrap() {
        Document::Own(own) => own.observation,
        Document::Observed(mut all) => all.remove(0).unwrap().observation,
    };
    observation.into_event(uuid::Uuid::nil(), "s".to_owned(), None, 1)
}

#[test]
fn headers_and_body_are_carried_where_the_source_shows_them() {
    let ours = |more: &str| format!(r#"{{"client":"81.2.69.142","observed_at":1000{more}}}"#);
    let suricata = r#"{"event_type":"http","timestamp":"2026-01-01T00:00:00Z","src_ip":"81.2.69.142","http":{
        "hostname":"h.example","http_user_agent":"curl","http_request_body_printable":"a=b","request_headers":[
        {"name":"Host","value":"H.example:8080"},{"name":"User-Agent","value":"curl"},{"name":"X-A","value":"1"}]}}"#;
    let ocsf = r#"{"class_uid":4002,"time":1000,"src_endpoint":{"ip":"81.2.69.142"},
        "http_request":{"http_headers":[{"name":"X-A","value":"1"}]}}"#;
    for (document, headers, body) in [
        (ours(""), None, None),
        (ours(r#","headers":{},"body":"""#), Some(""), Some("")),
        (
            ours(r#","host":"h","headers":{"Host":"h","x-a":"1","x-b":["2","3"]}"#),
            Some("x-a=1 x-b=2 x-b=3"),
            None,
        ),
        (ours(r#","headers":{"Host":"h","x-a":"1"}"#), Some("Host=h x-a=1"), None),
        (
            ours(r#","headers":[{"name":"X-A","value":"1"}],"body":"a=b""#),
            Some("X-A=1"),
            Some("a=b"),
        ),
        (suricata.to_owned(), Some("X-A=1"), Some("a=b")),
        (ocsf.to_owned(), Some("X-A=1"), None),
    ] {
        let event = event(&document);
        let found = event.headers.map(|headers| {
            let each = headers.iter().map(|header| format!("{}={}", header.name, header.value));
            each.collect::<Vec<_>>().join(" ")
        });
        assert_eq!(found.as_deref(), headers, "{document}");
        assert_eq!(event.body.as_deref(), body.map(str::as_bytes), "{document}");
        assert_eq!(event.cut, Cut::default(), "{document}");
    }
}

#[test]
fn what_is_longer_than_an_event_carries_is_cut_and_said() {
    let many: Vec<String> = (0..HEADERS_MAX).map(|n| format!(r#""x-{n}":"1""#)).collect();
    let many = format!(r#""headers":{{{},"content-type":"text/xml"}}"#, many.join(","));
    for (more, parts) in [
        (format!(r#""uri":"/{}""#, "a".repeat(URI_BYTES_MAX - 1)), vec![]),
        (format!(r#""uri":"/{}""#, "a".repeat(URI_BYTES_MAX)), vec![Part::Uri]),
        (format!(r#""agent":"{}é""#, "a".repeat(TEXT_BYTES_MAX - 1)), vec![Part::Agent]),
        (format!(r#""referer":"{}""#, "a".repeat(TEXT_BYTES_MAX + 1)), vec![Part::Referer]),
        (format!(r#""headers":{{"x":"{}"}}"#, "a".repeat(TEXT_BYTES_MAX + 1)), vec![Part::Headers]),
        (many, vec![Part::Headers]),
        (format!(r#""body":"{}""#, "a".repeat(BODY_BYTES_MAX + 1)), vec![Part::Body]),
        (r#""cut":["agent","body"]"#.to_owned(), vec![Part::Agent, Part::Body]),
    ] {
        let event = event(&format!(r#"{{"client":"81.2.69.142","observed_at":1000,{more}}}"#));
        assert_eq!(event.cut.iter().collect::<Vec<_>>(), parts, "{}", &more[..40.min(more.len())]);
        let mut bytes = Vec::new();
        event.encode(&mut bytes).unwrap();
        assert_eq!(schemas::Event::decode(&bytes).unwrap().to_event(), event);
        if event.headers.as_ref().is_some_and(|headers| headers.len() > 1) {
            assert_eq!(event.headers.unwrap()[0].name, "content-type");
        }
    }
}

#[test]
fn a_header_that_was_sent_twice_stays_beside_the_field_that_tells_one_of_them() {
    for (own, sent, kept) in [
        (r#""agent":"b""#, r#""User-Agent":["a","b"]"#, "User-Agent=a"),
        (r#""agent":"b""#, r#""User-Agent":["b","b"]"#, "User-Agent=b"),
        (r#""agent":"b""#, r#""User-Agent":"a","user-agent":"b""#, "User-Agent=a"),
        (r#""agent":"b""#, r#""User-Agent":"a","User-Agent":"b""#, "User-Agent=a"),
        (r#""agent":"c""#, r#""User-Agent":"a""#, "User-Agent=a"),
        (r#""referer":"/a""#, r#""Referer":["/a","/b"]"#, "Referer=/b"),
        (r#""host":"a.example""#, r#""Host":["a.example","b.example"]"#, "Host=b.example"),
        (r#""host":"a.example""#, r#""Host":["a.example:443","a.example"]"#, "Host=a.example:443"),
        (r#""host":"a.example""#, r#""Host":"A.example:443""#, ""),
        (r#""host":"[::1]""#, r#""Host":"[::1]:80""#, ""),
        (r#""host":"a.example""#, r#""Host":"b.example""#, ""),
        (r#""agent":"a""#, r#""Host":"a","Referer":"a""#, "Host=a Referer=a"),
    ] {
        let document =
            format!(r#"{{"client":"81.2.69.142","observed_at":1000,{own},"headers":{{{sent}}}}}"#);
        let event = event(&document);
        let found: Vec<String> = event
            .headers
            .iter()
            .flatten()
            .map(|header| format!("{}={}", header.name, header.value))
            .collect();
        assert_eq!(found.join(" "), kept, "{document}");
        assert_eq!(event.cut, Cut::default(), "{document}");
    }
}

#[test]
fn only_among_headers_does_a_name_that_stands_twice_keep_both() {
    check(r#"{"client":"81.2.69.1","client":"81.2.69.142","observed_at":1000}"#, "own 81.2.69.142");
}
