//! What a log's own writing adds to what a client sent is taken away again, and convicts nobody; what is written in an
//! unusual way is read all the same.

use observe::logs::{Format, detect};

use crate::{NOW, check, event, parser, said};

/// 2026-11-21 13:05:09Z.
const AT: &str = "at=1795266309000";

/// Method, host and uri of an event.
#[track_caller]
fn asked(format: &str, line: &str, expected: [&str; 3]) {
    let event = event(format, line);
    let host = event.host.as_deref().unwrap_or_default();
    assert_eq!([event.method.as_str(), host, event.uri.as_str()], expected, "{format}: {line}");
}

fn alb(client: &str, status: &str, request: &str) -> String {
    format!(
        r#"http 2026-11-21T13:05:09.000000Z app/shop/1 {client} - -1 -1 -1 {status} - 0 272 "{request}" "-" - - - "-" "-" "-" - 2026-11-21T13:05:08Z "-" "-" "-" "-" "-" "-" "-" TID_1"#
    )
}

#[test]
fn a_request_that_never_came_to_a_load_balancer_has_no_method_and_no_odd_host() {
    const NAME: &str = "k8s-x.us-east-1.elb.amazonaws.com:80";
    for status in ["400", "408", "460"] {
        for end in ["- -", "- - "] {
            let line = alb("81.2.69.142:5", status, &format!("- http://{NAME}{end}"));
            let expected = format!("81.2.69.142 SocketPeer HttpRequest {status} host={NAME} {AT}");
            check("aws-alb", &line, &expected);
        }
    }
    for (request, expected) in [
        ("- http://10.0.0.30:80- -", ["", "10.0.0.30:80", ""]),
        ("- https://[2001:db8::1]:443- -", ["", "[2001:db8::1]:443", ""]),
        ("- - - ", ["", "", ""]),
        ("- - -", ["", "", ""]),
        ("-", ["", "", ""]),
        ("GET http://shop.example:80- -", ["GET", "shop.example:80", ""]),
        // What a client did send is kept, whatever of it is missing.
        ("GET http://shop.example:80/a- -", ["GET", "shop.example:80", "/a-"]),
        ("- http://shop.example:80/a HTTP/1.1", ["-", "shop.example:80", "/a"]),
        ("GET http://shop.example:80/a - HTTP/1.1", ["GET", "shop.example:80", "/a -"]),
        ("GET http://shop.example:80?q=1' HTTP/1.1", ["GET", "shop.example:80", "?q=1'"]),
        ("GET http://a b:80/ HTTP/1.1", ["GET", "a b:80", "/"]),
        ("GET https://shop.example:443/ HTTP/2.0", ["GET", "shop.example:443", "/"]),
    ] {
        asked("aws-alb", &alb("81.2.69.142:5", "400", request), expected);
    }
}

#[test]
fn a_load_balancer_writes_the_port_behind_an_address_without_brackets() {
    for (client, expected) in [
        ("2a02:a33c:4538:1:bcf4:5264:e01c:f215:50718", "2a02:a33c:4538:1:bcf4:5264:e01c:f215"),
        ("2a02:a33c:4538:1::15:2718", "2a02:a33c:4538:1::15"),
        ("[2a02:a33c:4538:1::15]:2718", "2a02:a33c:4538:1::15"),
        ("::ffff:81.2.69.142:2718", "81.2.69.142"),
        ("81.2.69.142:2718", "81.2.69.142"),
    ] {
        let event = event("aws-alb", &alb(client, "200", "GET http://a:80/ HTTP/1.1"));
        assert_eq!(event.client.to_string(), expected, "{client}");
    }
    for client in ["-", "81.2.69.142", "81.2.69.142:99999", "2a02:a33c:4538:1::f215:x"] {
        check("aws-alb", &alb(client, "200", "GET http://a:80/ HTTP/1.1"), "dead: no_address");
    }
}

#[test]
fn dashes_for_a_request_that_never_came_are_no_request() {
    for request in ["-", "- - -", "- - HTTP/1.1", ""] {
        let line =
            format!("81.2.69.142 - - [21/Nov/2026:13:05:09 +0000] \"{request}\" 408 0 \"-\" \"-\"");
        for format in ["common", "combined", "traefik"] {
            asked(format, &line, ["", "", ""]);
        }
    }
    let envoy = r#"[2026-11-21T13:05:09.000Z] "- - HTTP/1.1" 400 DPE 0 11 0 - "81.2.69.142" "-" "-" "-" "-""#;
    asked("envoy", envoy, ["", "", ""]);
}

#[test]
fn the_escapes_of_apache_and_nginx_are_undone() {
    for (written, sent) in [
        (r"/a\tb\nc\rd\ve\bf\fg", "/a\tb\nc\rd\u{b}e\u{8}f\u{c}g"),
        (r"/\\t\\x41\x41", r"/\t\x41A"),
        (r#"/\"\\\""#, r#"/"\""#),
        (r"/\xC3\xA9\t", "/é\t"),
        // Where one backslash is no escape, the server escapes none: these are of a path.
        (r"/..\..\boot.ini", r"/..\..\boot.ini"),
        (r"/c:\temp\app\x41", r"/c:\temp\appA"),
        (r"/\u0041\t", r"/\u0041\t"),
        (r"/\x4", r"/\x4"),
    ] {
        let line = format!(
            r#"81.2.69.142 - - [21/Nov/2026:13:05:09 +0000] "GET {written} HTTP/1.1" 200 5 "{written}" "{written}""#
        );
        for format in [
            "combined",
            "$remote_addr - - [$time_local] \"$request\" $status $bytes \"$http_referer\" \"$http_user_agent\"",
        ] {
            let event = event(format, &line);
            assert_eq!(event.uri, sent, "{format}: {line}");
            assert_eq!(event.agent.as_deref(), Some(sent), "{format}: {line}");
            assert_eq!(event.referer.as_deref(), Some(sent), "{format}: {line}");
        }
    }
}

#[test]
fn the_escapes_of_a_template_that_writes_json_are_those_of_json() {
    let template = r#"{"at":"$time_iso8601","from":"$remote_addr","request":"$request","agent":"$http_user_agent","host":"$host"}"#;
    for (written, sent) in [
        (r"/a\tb\nc\rd\be\ff\u000bg", "/a\tb\nc\rd\u{8}e\u{c}f\u{b}g"),
        (r#"/?q=\"x\"\\y"#, r#"/?q="x"\y"#),
        (r"/?q=1\u0027\u003cé", "/?q=1'<é"),
        (r"/C:\\new\\x41\\u0041", r"/C:\new\x41\u0041"),
        (r"/\u00e9\u0100\u00", r"/\u00e9\u0100\u00"),
        (r"\/a", "/a"),
    ] {
        let line = format!(
            r#"{{"at":"2026-11-21T13:05:09Z","from":"81.2.69.142","request":"GET {written} HTTP/1.1","agent":"{written}","host":"shop.example"}}"#
        );
        asked(template, &line, ["GET", "shop.example", sent]);
        assert_eq!(event(template, &line).agent.as_deref(), Some(sent), "{line}");
    }
}

fn haproxy(request: &str) -> String {
    format!(
        "81.2.69.142:5 [21/Nov/2026:13:05:09.000] f b/s 1/0/0/3/1 200 7 - - ---- 0/0/0/0/0 0/0 {{a#22}} \"{request}\""
    )
}

#[test]
fn haproxy_s_own_escapes_are_undone_and_no_others() {
    for (written, sent) in [
        ("GET /a#22b#C3#A9 HTTP/1.1", "/a\"bé"),
        ("GET /a#2322#23#3c HTTP/1.1", "/a#22#<"),
        ("GET /a#2#zz# HTTP/1.1", "/a#2#zz#"),
        ("GET /a#FF HTTP/1.1", "/a\u{FFFD}"),
        // It escapes no backslash, so these are what was asked for.
        (r"GET /a\x41\t HTTP/1.1", r"/a\x41\t"),
    ] {
        asked("haproxy", &haproxy(written), ["GET", "", sent]);
    }
    asked("haproxy", &haproxy("<BADREQ>"), ["", "", ""]);
}

#[test]
fn haproxy_is_read_among_other_programs_and_under_any_name() {
    let request = haproxy("GET /a HTTP/1.1");
    let own = format!("81.2.69.142 SocketPeer HttpRequest GET /a 200 {AT}");
    let unnamed = own.replace("SocketPeer", "LogText");
    for (tag, expected) in [
        ("haproxy", &own),
        ("haproxy[14389]", &own),
        ("haproxy-prod[1]", &own),
        ("docker/haproxy-prod[1]", &own),
        // Whose program this is only its owner knows, and another one may repeat a client's text.
        ("edge[1]", &unnamed),
    ] {
        let line = format!("Nov 21 13:05:09 lb {tag}: {request}");
        check("haproxy", &line, expected);
        check("haproxy", &format!("<134>{line}"), expected);
        assert_eq!(detect(&[line.as_bytes()]), Some(Format::HaProxy), "{line}");
        check("haproxy", &format!("Nov 21 13:05:09 lb {tag}: Proxy web started."), "nothing");
    }
    for message in [
        "systemd[1]: Started Session 5 of user root.",
        "systemd-logind[1]: x [seat0] of y",
        "kernel: [    0.000000] Linux version 6.1.0",
        "CRON[1]: pam_unix(cron:session): session opened for user root(uid=0) by (uid=0)",
        "sshd[1]: Failed password for root from 81.2.69.142 port 1 ssh2",
        "last message repeated 3 times",
        "app[1]: 81.2.69.142:5 [21/Nov/2026:13:05:09.000] f b/s 1",
    ] {
        for time in ["Nov 21 13:05:09", "2026-11-21T13:05:09.123456+00:00"] {
            check("haproxy", &format!("{time} lb {message}"), "nothing");
        }
    }
    check("haproxy", "hello", "dead: malformed");
    let masked = request.replace("81.2.69.142", "x");
    check("haproxy", &format!("Nov 21 13:05:09 lb haproxy[1]: {masked}"), "dead: no_address");
}

/// ModSecurity 2.9 in Apache.
fn audit(time: &str, more: &str, messages: &str) -> String {
    format!(
        r#"{{"transaction":{{"time":"{time}","transaction_id":"W","remote_address":"81.2.69.142","remote_port":54321,"local_address":"10.0.0.1","local_port":80}},"request":{{"request_line":"POST /?q=<script> HTTP/1.1","headers":{{"Host":"h","User-Agent":"curl","X-A":"1"}}{more}}},"response":{{"protocol":"HTTP/1.1","status":403,"headers":{{}}}},"audit_data":{{"messages":[{messages}],"action":{{"intercepted":true,"phase":2}},"producer":"ModSecurity for Apache/2.9.7"}}}}"#
    )
}

#[test]
fn modsecurity_of_apache_is_read() {
    let message = r#""Warning. Pattern match \"(?i)<script\" at ARGS:q. [file \"/x.conf\"] [line \"1\"] [id \"941110\"] [msg \"XSS Filter\"] [severity \"CRITICAL\"]""#;
    let expected = format!(
        "81.2.69.142 SocketPeer Finding POST /?q=<script> 403 host=h agent=curl finding=941110 XSS Filter {AT}"
    );
    for (time, at) in [
        ("21/Nov/2026:14:05:09 +0100", AT.to_owned()),
        ("21/Nov/2026:14:05:09.123456 +0100", AT.replace("000", "123")),
    ] {
        let line = audit(time, "", message);
        check("modsecurity", &line, &expected.replace(AT, &at));
        assert_eq!(detect(&[line.as_bytes()]), Some(Format::ModSecurity));
    }
    let at = "21/Nov/2026:14:05:09 +0100";
    let plain =
        expected.replace("Finding", "HttpRequest").replace(" finding=941110 XSS Filter", "");
    check("modsecurity", &audit(at, "", ""), &plain);
    check("modsecurity", &audit(at, "", r#""Rule processing failed.""#), &plain);
    let other = format!("\"Rule processing failed.\", {message}");
    check("modsecurity", &audit(at, "", &other), &expected);
    for (body, expected) in [
        (r#","body":["user=a&","pass=b"]"#, Some("user=a&pass=b")),
        (r#","body":"user=a""#, Some("user=a")),
        (r#","body":[]"#, None),
        ("", None),
    ] {
        let event = event("modsecurity", &audit(at, body, message));
        assert_eq!(event.body.as_deref(), expected.map(str::as_bytes), "{body}");
        assert_eq!(event.headers.map(|headers| headers.len()), Some(3));
    }
    check("modsecurity", &audit("today", "", message), "dead: no_time");
    let nobody = audit(at, "", message).replace("81.2.69.142", "x");
    check("modsecurity", &nobody, "dead: no_address");
    check("modsecurity", r#"{"transaction":{"time":"x"}}"#, "dead: no_address");
}

#[test]
fn a_byte_order_mark_before_the_first_line_is_no_part_of_it() {
    let common = r#"81.2.69.142 - - [21/Nov/2026:13:05:09 +0000] "GET / HTTP/1.1" 200 5"#;
    for (format, line) in [
        ("common", common),
        ("$remote_addr - - [$time_local] \"$request\" $status $bytes", common),
        ("traefik", r#"{"ClientHost":"81.2.69.142","RequestMethod":"GET"}"#),
        ("caddy", r#"{"ts":1.5,"logger":"http.log.access","request":{"remote_ip":"81.2.69.142"}}"#),
        ("haproxy", haproxy("GET / HTTP/1.1").as_str()),
        ("aws-alb", alb("81.2.69.142:5", "200", "GET http://a:80/ HTTP/1.1").as_str()),
        ("sshd", "Nov 21 13:05:09 web sshd[1]: Invalid user a from 81.2.69.142 port 5"),
    ] {
        let marked = format!("\u{FEFF}{line}");
        assert_eq!(event(format, &marked), event(format, line), "{line}");
        assert_eq!(detect(&[marked.as_bytes()]), detect(&[line.as_bytes()]), "{line}");
    }
    let mut iis = parser("iis");
    let mut read = |line: &str| said(iis.line(line.as_bytes(), NOW));
    let columns = "\u{FEFF}#Fields: date time c-ip cs-method cs-uri-stem";
    assert_eq!(detect(&[columns.as_bytes()]), Some(Format::Iis));
    assert_eq!(read(columns), "nothing");
    let line = "2026-11-21 13:05:09 81.2.69.142 GET /a";
    assert_eq!(read(line), format!("81.2.69.142 SocketPeer HttpRequest GET /a {AT}"));
    check("common", "\u{FEFF}", "nothing");
}
