//! Parsers are total and bounded: any bytes give an event, nothing, or a reason of a closed set, soon.

use observe::logs::{DETECT_LINES_MAX, Dates, Format, LINE_BYTES_MAX, Parser, Template, detect};
use observe::{Dead, Line};
use proptest::prelude::*;
use schemas::event::{TEXT_BYTES_MAX, URI_BYTES_MAX};
use schemas::{Event, Record};
use uuid::Uuid;

use crate::{NOW, trusted};

const CLASSES: [&str; 5] = ["malformed", "no_address", "no_time", "too_long", "unsupported"];
const REASON_BYTES_MAX: usize = 1024;

/// Lines that are read, one or more of every format, to be cut and changed.
const LINES: [&str; 18] = [
    r#"81.2.69.142 - bob [10/Oct/2023:08:32:31 +0000] "GET /a?b=\x22c\" HTTP/1.1" 200 5 "-" "curl" "10.0.0.1""#,
    r#"shop.example 81.2.69.142 - - [10/Oct/2023:08:32:31 +0000] "GET / HTTP/1.1" 404 5"#,
    r#"81.2.69.142 - - [10/Oct/2023:08:32:31 +0000] "GET / HTTP/1.1" 200 5 "-" "curl" 7 "r@docker" "http://10.0.0.2:80" 3ms"#,
    r#"[2026-11-21T13:05:09.123Z] "GET / HTTP/1.1" 200 - 0 5 1 1 "81.2.69.142" "curl" "id" "shop.example" "10.0.0.2:80""#,
    r#"2026-11-21T13:05:09.1Z stdout F {"start_time":"2026-11-21T13:05:09Z","method":"GET","path":"/","response_code":200,"downstream_remote_address":"81.2.69.142:5"}"#,
    r#"{"ClientHost":"81.2.69.142","RequestMethod":"GET","RequestPath":"/","DownstreamStatus":404,"StartUTC":"2026-11-21T13:05:09Z"}"#,
    r#"{"level":"info","ts":1795266309.5,"logger":"http.log.access","request":{"remote_ip":"81.2.69.142","method":"GET","uri":"/","headers":{"User-Agent":["curl"]}},"status":200}"#,
    r#"{"level":"warn","ts":1795266309.5,"logger":"http.handlers.waf","msg":"[client \"81.2.69.142\"] Coraza: Warning. [id \"1\"] [msg \"x\"] [uri \"/\"]"}"#,
    r#"Nov 21 13:05:09 lb haproxy[12]: 81.2.69.142:5 [21/Nov/2026:13:05:09.123] f~ b/s 1/0/0/3/173 200 739 - - --NN 0/0/0/0/0 0/0 {shop} "GET / HTTP/1.1""#,
    "#Fields: date time c-ip cs-method cs-uri-stem cs-uri-query sc-status cs(User-Agent)",
    "2026-11-21 13:05:09 81.2.69.142 GET /a b=c 200 Mozilla/5.0+(X11)",
    "Nov 21 13:05:09 web sshd[12]: Failed password for root from 81.2.69.142 port 5 ssh2",
    r#"{"__REALTIME_TIMESTAMP":"1795266309000000","SYSLOG_IDENTIFIER":"sshd","MESSAGE":[73,110,118]}"#,
    r#"https 2026-11-21T13:05:09.1Z app/a/1 81.2.69.142:5 10.0.0.2:80 0.0 0.1 0.0 200 200 34 366 "GET https://shop.example:443/a?b HTTP/1.1" "curl" - - arn "Root=1" "-" "-" 0 x "forward" "-" "-""#,
    r#"{"timestamp":1795266309000,"action":"BLOCK","terminatingRuleId":"x","webaclId":"a","httpRequest":{"clientIp":"81.2.69.142","headers":[{"name":"Host","value":"h"}],"uri":"/","args":"a=b","httpMethod":"GET"}}"#,
    r#"{"transaction":{"client_ip":"81.2.69.142","time_stamp":"Sat Nov 21 13:05:09 2026","request":{"method":"GET","uri":"/","headers":{"Host":"h"}},"messages":[{"message":"m","details":{"ruleId":"1"}}]}}"#,
    r#"{"transaction":{"client_ip":"81.2.69.142","unix_timestamp":1795266309000000000,"request":{"uri":"/"},"response":{"status":403}},"messages":[{"data":{"id":1,"msg":"m"}}]}"#,
    r#"[Sat Nov 21 13:05:09.123456 2026] [:error] [pid 1] [client 81.2.69.142:5] [client 81.2.69.142] ModSecurity: Access denied with code 403 (phase 2). [id "1"] [msg "m"] [uri "/"]"#,
];
const TEMPLATE: &str =
    "$remote_addr - $remote_user [$time_local] \"$request\" $status $args \"$http_referer\"";

fn formats() -> Vec<Format> {
    let template = Format::Template(Template::compile(TEMPLATE).unwrap());
    Format::names().map(|name| name.parse().unwrap()).chain([template]).collect()
}

/// Every format reads the line, after one that names columns; what comes out keeps its promises.
#[track_caller]
fn check(line: &[u8]) {
    for format in formats() {
        let mut parser = Parser::new(format, trusted(), Dates::default());
        drop(parser.line(LINES[9].as_bytes(), NOW));
        for received_at in [i64::MIN, i64::MAX] {
            drop(parser.line(line, received_at));
        }
        match parser.line(line, NOW) {
            Ok(Line::Nothing) => {}
            Ok(Line::Event(observation)) => {
                let mut bytes = Vec::new();
                let event = observation.into_event(Uuid::nil(), "s".repeat(2_000), Some(0), NOW);
                event.encode(&mut bytes).unwrap();
                Event::decode(&bytes).unwrap();
            }
            Err(Dead { class, reason }) => {
                assert!(CLASSES.contains(&class), "{class}");
                assert!(reason.len() <= REASON_BYTES_MAX, "{reason}");
            }
        }
    }
    drop(detect(&[line]));
}

#[test]
fn every_line_here_is_read_and_recognised() {
    for line in LINES {
        let format = detect(&[line.as_bytes()]);
        if line.starts_with("2026-11-21 ") || line.starts_with("shop.example") {
            continue;
        }
        let format = format.unwrap_or_else(|| panic!("{line}"));
        let read =
            Parser::new(format.clone(), trusted(), Dates::default()).line(line.as_bytes(), NOW);
        assert!(read.is_ok(), "{format}: {line}: {read:?}");
    }
}

#[test]
fn a_line_over_the_limit_is_too_long_and_one_within_is_read() {
    let line = |bytes: usize| {
        let head = "81.2.69.142 - - [10/Oct/2023:08:32:31 +0000] \"GET /";
        let tail = " HTTP/1.1\" 200 5";
        format!("{head}{}{tail}", "a".repeat(bytes - head.len() - tail.len()))
    };
    let read = |bytes| crate::said(crate::read("common", &line(bytes)));
    assert!(read(LINE_BYTES_MAX).starts_with("81.2.69.142 SocketPeer"));
    assert_eq!(read(LINE_BYTES_MAX + 1), "dead: too_long");
    let event = crate::event("common", &line(LINE_BYTES_MAX));
    let event = event.into_event(Uuid::nil(), "é".repeat(TEXT_BYTES_MAX), None, NOW);
    assert_eq!((event.uri.len(), event.source.len()), (URI_BYTES_MAX, TEXT_BYTES_MAX));
}

#[test]
fn json_is_no_deeper_than_allowed() {
    let nested = |depth: usize| {
        let entry = format!("\"a\":{}1{}", "[".repeat(depth), "]".repeat(depth));
        LINES[5].replacen('{', &format!("{{{entry},"), 1)
    };
    assert!(crate::said(crate::read("traefik", &nested(31))).starts_with("81.2.69.142"));
    assert_eq!(crate::said(crate::read("traefik", &nested(32))), "dead: too_long");
    assert_eq!(crate::said(crate::read("caddy", &"[".repeat(LINE_BYTES_MAX))), "dead: too_long");
    check("{\"a\":".repeat(10_000).as_bytes());
}

#[test]
fn detection_looks_at_few_lines_and_takes_most_of_them() {
    let (common, login) = (LINES[1].as_bytes(), LINES[11].as_bytes());
    assert_eq!(detect(&[common, login, login]), Some(Format::Sshd));
    assert_eq!(detect(&[login, common, common]), Some(Format::Vhost));
    let many: Vec<&[u8]> =
        std::iter::repeat_n(&b"?"[..], DETECT_LINES_MAX).chain([login]).collect();
    assert_eq!(detect(&many), None);
    assert_eq!(detect(&[]), None);
    let long = vec![b'a'; LINE_BYTES_MAX + 1];
    assert_eq!(detect(&[&long, login]), Some(Format::Sshd));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_break_nothing(line in prop::collection::vec(any::<u8>(), 0..300)) {
        check(&line);
    }

    #[test]
    fn lines_that_look_real_break_nothing(
        line in 0..LINES.len(),
        other in 0..LINES.len(),
        places in prop::collection::vec((any::<prop::sample::Index>(), prop_oneof![
            Just("\""), Just("\\"), Just("] \""), Just(" "), Just("["), Just("é"), Just("\u{0}"), Just("{"), Just("-"),
            Just(" from "), Just("99999999999999999999"), Just(": "), Just(""),
        ], 0usize..4), 0..6),
    ) {
        let mut bytes = LINES[line].as_bytes().to_vec();
        for (place, text, removed) in places {
            let at = place.index(bytes.len() + 1);
            let end = (at + removed).min(bytes.len());
            bytes.splice(at..end, text.bytes());
        }
        check(&bytes);
        let joined = [&bytes[..bytes.len() / 2], &LINES[other].as_bytes()[LINES[other].len() / 2..]].concat();
        check(&joined);
    }

    #[test]
    fn any_template_is_compiled_or_refused_and_breaks_on_no_line(
        template in "(\\$remote_addr|\\$status|\\$request|\\$args|\\$\\{host\\}|\"| |é|\\$|-){0,12}",
        line in "[ -~é]{0,60}",
    ) {
        if let Ok(template) = Template::compile(&template) {
            let mut parser = Parser::new(Format::Template(template), trusted(), Dates::default());
            drop(parser.line(line.as_bytes(), NOW));
        }
    }
}
