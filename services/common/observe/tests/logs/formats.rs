//! What is read of each format, and whom it is held to.

use observe::logs::{Format, Template, TemplateError, detect};

use crate::{PROXY, check, parser, said};

/// 2026-11-21 13:05:09Z, as access logs write it.
const CLF: &str = "21/Nov/2026:14:05:09 +0100";
const AT: &str = "at=1795266309000";

#[test]
fn access_logs_of_the_common_family() {
    let line =
        |peer: &str, rest: &str| format!("{peer} - - [{CLF}] \"GET /a?b=c HTTP/1.1\" 200 5{rest}");
    let plain = format!("81.2.69.142 SocketPeer HttpRequest GET /a?b=c 200 {AT}");
    let full = format!(
        "81.2.69.142 SocketPeer HttpRequest GET /a?b=c 200 agent=curl referer=http://x/ {AT}"
    );
    for format in ["common", "combined", "nginx", "traefik"] {
        check(format, &line("81.2.69.142", ""), &plain);
        check(format, &line("81.2.69.142", "\r\n"), &plain);
        check(format, &line("81.2.69.142", " \"http://x/\" \"curl\""), &full);
        check(format, &line("::ffff:81.2.69.142", " \"-\" \"-\" 7 \"r\" \"u\" 3ms"), &plain);
        check(format, &line("web.example", ""), "dead: no_address");
        check(format, "", "nothing");
        check(format, "81.2.69.142 is up", "dead: malformed");
        check(format, &format!("81.2.69.142 - - [{CLF}] \"GET / HTTP/1.1"), "dead: malformed");
    }
    let vhost = format!("shop.example:443 {}", line("2a00:1450::5", ""));
    check(
        "vhost",
        &vhost,
        &format!("2a00:1450::5 SocketPeer HttpRequest GET /a?b=c 200 host=shop.example:443 {AT}"),
    );
    check("combined", &vhost, "dead: malformed");
    check("vhost", &line("81.2.69.142", ""), "dead: no_address");
    let user = line("81.2.69.142", "").replace("- - ", "- a [21/Nov] b ");
    check("common", &user, &plain);
}

#[test]
fn a_request_is_read_as_it_was_sent() {
    for (request, expected) in [
        ("GET / HTTP/1.1", "GET /"),
        ("GET /a b HTTP/1.1", "GET /a b"),
        ("GET /a%20b?c=%27 HTTP/1.1", "GET /a%20b?c=%27"),
        ("GET /a", "GET /a"),
        ("PROPFIND /x HTTP/2.0", "PROPFIND /x"),
        (r"GET /?q=\x22\x5Cx41\xC3\xA9\xFF HTTP/1.1", "GET /?q=\"\\x41é\u{FFFD}"),
        (r#"GET /?q=\"a\\b HTTP/1.1"#, r#"GET /?q="a\b"#),
        (r"GET /..\..\boot.ini HTTP/1.1", r"GET /..\..\boot.ini"),
        ("-", ""),
        ("", ""),
        ("lv|'|Win XP|'|x", "lv|'|Win XP|'|x"),
        (r"\x16\x03\x01", "\u{16}\u{3}\u{1}"),
    ] {
        let line = format!("81.2.69.142 - - [{CLF}] \"{request}\" 400 5 \"-\" \"-\"");
        let observation = crate::event("combined", &line);
        let found = format!("{} {}", observation.method, observation.uri);
        assert_eq!(found.trim_start(), expected, "{request}");
    }
}

#[test]
fn who_is_behind_a_trusted_proxy_is_asserted_by_it() {
    let nginx = |peer: &str, forwarded: &str| {
        format!("{peer} - - [{CLF}] \"GET / HTTP/1.1\" 200 5 \"-\" \"-\" \"{forwarded}\"")
    };
    let who = |format: &str, line: &str| {
        let observation = crate::event(format, line);
        format!("{} {:?}", observation.client, observation.provenance)
    };
    assert_eq!(
        who("nginx", &nginx(PROXY, "203.0.113.9, 81.2.69.142")),
        "81.2.69.142 ProxyAsserted"
    );
    assert_eq!(who("nginx", &nginx("81.2.69.142", "203.0.113.9")), "81.2.69.142 SocketPeer");
    assert_eq!(who("nginx", &nginx(PROXY, "-")), "10.0.0.7 SocketPeer");
    assert_eq!(who("combined", &nginx(PROXY, "81.2.69.142")), "10.0.0.7 SocketPeer");
    let template = "$remote_addr [$time_local] \"$request\" $status \"$http_x_forwarded_for\"";
    let line = format!("{PROXY} [{CLF}] \"GET / HTTP/1.1\" 200 \"81.2.69.142\"");
    assert_eq!(who(template, &line), "81.2.69.142 ProxyAsserted");
    let caddy = format!(
        r#"{{"ts":1.5,"logger":"http.log.access","request":{{"remote_ip":"{PROXY}","headers":{{"x-forwarded-for":["81.2.69.142"]}}}}}}"#
    );
    assert_eq!(who("caddy", &caddy), "81.2.69.142 ProxyAsserted");
    let traefik = format!(
        r#"{{"ClientHost":"{PROXY}","RequestMethod":"GET","request_X-Forwarded-For":"81.2.69.142"}}"#
    );
    assert_eq!(who("traefik", &traefik), "81.2.69.142 ProxyAsserted");
    let envoy =
        format!(r#"{{"downstream_remote_address":"{PROXY}:5","x_forwarded_for":"81.2.69.142"}}"#);
    assert_eq!(who("envoy", &envoy), "81.2.69.142 ProxyAsserted");
    let waf = format!(
        r#"{{"timestamp":1,"action":"ALLOW","httpRequest":{{"clientIp":"{PROXY}","headers":[{{"name":"X-Forwarded-For","value":"81.2.69.142"}}]}}}}"#
    );
    assert_eq!(who("aws-waf", &waf), "81.2.69.142 ProxyAsserted");
}

#[test]
fn templates_of_ones_own() {
    let template = "[$time_local] ${host} \"$request\" [Client $remote_addr] $status $unknown";
    let line = format!("[{CLF}] shop.example \"GET /a HTTP/2.0\" [Client 81.2.69.142] 401 x y");
    check(
        template,
        &line,
        &format!("81.2.69.142 SocketPeer HttpRequest GET /a 401 host=shop.example {AT}"),
    );
    check(template, &line[1..], "dead: malformed");
    check(template, &line.replace(CLF, "yesterday"), "dead: no_time");
    check(template, &line.replace("81.2.69.142", "-"), "dead: no_address");
    check(template, &format!("{line}\"x"), "dead: malformed");
    let parts = "$remote_addr|$request_method|$uri|$args|$status|$http_user_agent|";
    check(
        parts,
        "81.2.69.142|GET|/a|b=c|200|curl|",
        "81.2.69.142 SocketPeer HttpRequest GET /a?b=c 200 agent=curl at=-",
    );
    check(parts, "81.2.69.142|GET|/a|b=c|200|curl|more", "dead: malformed");
    let refused = |source: &str| Template::compile(source).unwrap_err();
    assert_eq!(refused("$time_local"), TemplateError::NoAddress);
    assert_eq!(
        refused("$remote_addr$status"),
        TemplateError::Adjacent { first: "remote_addr".to_owned() }
    );
    assert_eq!(refused("$remote_addr $ "), TemplateError::NoName);
    assert_eq!(refused(&"$remote_addr ".repeat(65)), TemplateError::TooLong);
    assert_eq!(refused(&"a".repeat(5_000)), TemplateError::TooLong);
}

#[test]
fn proxies_in_their_own_formats() {
    check(
        "envoy",
        r#"[2026-11-21T13:05:09.000Z] "GET /a?b HTTP/1.1" 503 UF 0 5 1 - "203.0.113.9,81.2.69.142" "curl" "id" "shop.example" "10.0.0.2:80""#,
        &format!(
            "81.2.69.142 HeaderUntrusted HttpRequest GET /a?b 503 host=shop.example agent=curl {AT}"
        ),
    );
    check(
        "envoy",
        r#"[2026-11-21T13:05:09.000Z] "GET / HTTP/1.1" 200 - 0 5 1 1 "-" "-" "id" "h" "u""#,
        "dead: no_address",
    );
    let envoy = r#"{"start_time":"2026-11-21T13:05:09.000Z","method":"GET","path":"/a","x-envoy-original-path":"/forged","response_code":403,"response_code_details":"ext_authz_denied","user_agent":"curl","authority":"shop.example","downstream_remote_address":"[2a00:1450::5]:61234"}"#;
    let expected = format!(
        "2a00:1450::5 SocketPeer HttpRequest GET /a 403 host=shop.example agent=curl refused_by_us {AT}"
    );
    check("envoy", envoy, &expected);
    check("envoy", &format!("2026-11-21T13:05:10.1Z stdout F {envoy}"), &expected);
    check("envoy", r#"{"method":"GET"}"#, "dead: no_address");
    check(
        "traefik",
        r#"{"ClientHost":"81.2.69.142","DownstreamStatus":404,"RequestHost":"shop.example","RequestMethod":"GET","RequestPath":"/a?b","StartUTC":"2026-11-21T13:05:09.000000001Z","request_User-Agent":"Nikto"}"#,
        &format!(
            "81.2.69.142 SocketPeer HttpRequest GET /a?b 404 host=shop.example agent=Nikto {AT}"
        ),
    );
    check("traefik", r#"{"level":"info","msg":"Configuration loaded","time":"x"}"#, "nothing");
    check(
        "caddy",
        r#"{"level":"error","ts":1795266309.0001,"logger":"http.log.access.log0","request":{"remote_ip":"81.2.69.142","method":"GET","host":"h","uri":"/a","headers":{"User-Agent":["curl"],"Referer":["r"]}},"status":401}"#,
        &format!("81.2.69.142 SocketPeer HttpRequest GET /a 401 host=h agent=curl referer=r {AT}"),
    );
    check(
        "caddy",
        r#"{"level":"info","ts":1795266309,"logger":"tls.cache","msg":"started"}"#,
        "nothing",
    );
    check("caddy", r#"{"ts":1,"a":"b"}"#, "dead: malformed");
    let haproxy = |prefix: &str, rest: &str| {
        format!("{prefix}81.2.69.142:14853 [21/Nov/2026:13:05:09.000] {rest}")
    };
    let request = "https-in~ app/node_1 170/0/0/3/173 404 739 - - --NN 0/0/0/0/0 0/0 {a#22b|c} \"GET /a b HTTP/1.1\"";
    let expected = format!("81.2.69.142 SocketPeer HttpRequest GET /a b 404 {AT}");
    check("haproxy", &haproxy("", request), &expected);
    check("haproxy", &haproxy("Nov 21 13:05:09 lb haproxy[3946303]: ", request), &expected);
    check("haproxy", &haproxy("", "f/b: SSL handshake failure"), "nothing");
    check("haproxy", "Nov 21 13:05:09 lb haproxy[3]: Proxy web started.", "nothing");
    check("haproxy", "81.2.69.142 is up", "dead: malformed");
    check("haproxy", &haproxy("", request).replace(":14853", ""), "dead: no_address");
}

#[test]
fn the_columns_of_iis_are_those_that_the_file_names() {
    let mut parser = parser("iis");
    let mut read = |line: &str| said(parser.line(line.as_bytes(), crate::NOW));
    let line = "2026-11-21 13:05:09 10.0.0.1 GET /a b=c 443 - 81.2.69.142 Mozilla/5.0+(X11) - 404";
    assert_eq!(read(line), "dead: malformed", "no columns are named yet");
    assert_eq!(read("#Software: Microsoft Internet Information Services 10.0"), "nothing");
    assert_eq!(
        read(
            "#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) cs(Referer) sc-status"
        ),
        "nothing"
    );
    assert_eq!(
        read(line),
        format!("81.2.69.142 SocketPeer HttpRequest GET /a?b=c 404 agent=Mozilla/5.0 (X11) {AT}")
    );
    assert_eq!(read(&format!("{line} 5")), "dead: malformed");
    assert_eq!(read("#Fields: date time c-ip X-Forwarded-For"), "nothing");
    assert_eq!(
        read(&format!("2026-11-21 13:05:09 {PROXY} 203.0.113.9,+81.2.69.142")),
        format!("81.2.69.142 ProxyAsserted HttpRequest {AT}")
    );
    assert_eq!(read("2026-11-21 13:05:09 - -"), "dead: no_address");
}

#[test]
fn aws() {
    let alb = r#"https 2026-11-21T13:05:09.000000Z app/shop/1 81.2.69.142:50337 10.0.0.2:80 0.001 0.1 0.0 404 404 152 13911 "GET https://shop.example:443/a?b=\x22 HTTP/1.1" "curl" - - arn "Root=1" "-" "-" 0 2026-11-21T13:05:08Z "forward" "-" "-""#;
    check(
        "aws-alb",
        alb,
        &format!(
            "81.2.69.142 SocketPeer HttpRequest GET /a?b=\" 404 host=shop.example:443 agent=curl {AT}"
        ),
    );
    check("aws-alb", &alb.replace("81.2.69.142:50337", "x.0.0.0:5"), "dead: no_address");
    check("aws-alb", &alb[6..], "dead: malformed");
    let waf = |action: &str, rule: &str, more: &str| {
        format!(
            r#"{{"timestamp":1795266309000,"webaclId":"arn","action":"{action}","terminatingRuleId":"{rule}"{more},"httpRequest":{{"clientIp":"81.2.69.142","headers":[{{"name":"host","value":"h"}}],"uri":"/a","args":"b=c","httpMethod":"GET"}}}}"#
        )
    };
    let head = "81.2.69.142 SocketPeer";
    check(
        "aws-waf",
        &waf("ALLOW", "Default_Action", ""),
        &format!("{head} HttpRequest GET /a?b=c host=h {AT}"),
    );
    check(
        "aws-waf",
        &waf("BLOCK", "perimeter-block-v4", ""),
        &format!("{head} HttpRequest GET /a?b=c 403 host=h refused_by_us {AT}"),
    );
    check(
        "aws-waf",
        &waf(
            "BLOCK",
            "SQLi",
            r#","responseCodeSent":429,"ruleGroupList":[{"terminatingRule":{"ruleId":"SQLi_BODY"}}]"#,
        ),
        &format!("{head} Finding GET /a?b=c 429 host=h finding=SQLi SQLi_BODY {AT}"),
    );
    check(
        "aws-waf",
        &waf(
            "ALLOW",
            "Default_Action",
            r#","nonTerminatingMatchingRules":[{"ruleId":"perimeter-count"},{"ruleId":"bots","action":"COUNT"}]"#,
        ),
        &format!("{head} Finding GET /a?b=c host=h finding=bots {AT}"),
    );
    // A puzzle accuses nobody, asked or solved.
    check(
        "aws-waf",
        &waf("CAPTCHA", "humans", r#","responseCodeSent":405"#),
        &format!("{head} HttpRequest GET /a?b=c 405 host=h {AT}"),
    );
    check(
        "aws-waf",
        &waf(
            "ALLOW",
            "Default_Action",
            r#","nonTerminatingMatchingRules":[{"ruleId":"humans","action":"CAPTCHA"}]"#,
        ),
        &format!("{head} HttpRequest GET /a?b=c host=h {AT}"),
    );
    check("aws-waf", r#"{"timestamp":1,"httpRequest":{"clientIp":"X.X.X.X"}}"#, "dead: no_address");
}

#[test]
fn modsecurity_and_coraza() {
    let (head, tail) =
        ("81.2.69.142 SocketPeer Finding", format!("finding=942100 SQL Injection {AT}"));
    check(
        "modsecurity",
        r#"{"transaction":{"client_ip":"81.2.69.142","time_stamp":"Sat Nov 21 13:05:09 2026","request":{"method":"GET","uri":"/a","headers":{"Host":"h","User-Agent":"curl"}},"response":{"http_code":403},"messages":[{"message":"SQL Injection","details":{"ruleId":"942100"}}]}}"#,
        &format!("{head} GET /a 403 host=h agent=curl {tail}"),
    );
    check(
        "coraza",
        r#"{"transaction":{"client_ip":"81.2.69.142","unix_timestamp":1795266309000000000,"request":{"method":"GET","uri":"/a","headers":{"host":["h"]}},"response":{"status":403}},"messages":[{"message":"SQL Injection","data":{"id":942100}}]}"#,
        &format!("{head} GET /a 403 host=h {tail}"),
    );
    check(
        "coraza",
        r#"{"transaction":{"client_ip":"81.2.69.142","timestamp":"2026/11/21 13:05:09"}}"#,
        &format!("81.2.69.142 SocketPeer HttpRequest {AT}"),
    );
    let note = r#"ModSecurity: Access denied with code 403 (phase 2). Matched [id "1"] at ARGS. [file "x"] [id "942100"] [msg "SQL Injection"] [data "[uri \"/forged\"]"] [hostname "h"] [uri "/a"] [unique_id "x"]"#;
    let note = note.replace(" Matched [id \"1\"] at ARGS.", "");
    let expected = format!("{head} /a 403 host=h {tail}");
    check(
        "modsecurity",
        &format!(
            "[Sat Nov 21 13:05:09.000964 2026] [:error] [pid 1:tid 2] [client 81.2.69.142:37752] [client 81.2.69.142] {note}"
        ),
        &expected,
    );
    check(
        "modsecurity",
        &format!(
            "[Sat Nov 21 13:05:09 2026] [error] [remote 81.2.69.142:0] [client 81.2.69.142] {note}"
        ),
        &expected,
    );
    check(
        "modsecurity",
        &format!(
            "2026/11/21 13:05:09 [error] 40#40: *42 [client 81.2.69.142] {note}, client: 81.2.69.142"
        ),
        &expected,
    );
    check(
        "modsecurity",
        "2026/11/21 13:05:09 [error] 40#40: *42 open() \"/x\" failed, client: 81.2.69.142",
        "nothing",
    );
    check(
        "modsecurity",
        "[Sat Nov 21 13:05:09 2026] [error] [pid 1] AH00128: no such file",
        "nothing",
    );
    check(
        "modsecurity",
        "[Sat Nov 21 13:05:09 2026] [error] [pid 1] ModSecurity: loaded",
        "dead: no_address",
    );
    check("modsecurity", "hello", "dead: malformed");
    let caddy = serde_json::json!({ "ts": 1_795_266_309.0, "logger": "http.handlers.waf",
        "msg": r#"[client "81.2.69.142"] Coraza: Warning. x [id "942100"] [msg "SQL Injection"] [hostname ""] [uri "/a"]"# });
    check("caddy", &caddy.to_string(), &format!("{head} /a {tail}"));
}

#[test]
fn a_format_has_one_name_and_is_found_by_it() {
    for name in Format::names() {
        let format: Format = name.parse().unwrap();
        assert_eq!((format.name(), format.to_string()), (name, name.to_owned()));
    }
    let template: Format = "$remote_addr $status".parse().unwrap();
    assert_eq!(
        (template.name(), template.to_string()),
        ("template", "$remote_addr $status".to_owned())
    );
    let unknown = "apache".parse::<Format>().unwrap_err().to_string();
    assert!(unknown.contains("'apache' is no format") && unknown.contains("vhost"), "{unknown}");
    let common = b"81.2.69.142 - - [21/Nov/2026:14:05:09 +0100] \"GET / HTTP/1.1\" 200 5";
    assert_eq!(detect(&[b"# a comment", common]), Some(Format::Common));
}
