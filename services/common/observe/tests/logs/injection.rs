//! Row S1: whatever a client sends, the address that is acted against is the one the server wrote.
//!
//! The first cases are fail2ban's own, published with its filters; the others are generated.

use std::net::IpAddr;

use observe::Line;
use observe::logs::{Format, detect};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::{PROXY, read};

/// Who really asked, and whom the client names.
const CLIENT: &str = "81.2.69.142";
const VICTIM: &str = "203.0.113.9";
const GENERATED: u32 = 200;

/// No event of the line could lead to an automatic block of anybody but who really asked.
#[track_caller]
fn check(format: &str, line: &str) {
    if let Ok(Line::Event(observation)) = read(format, line) {
        let honest: [IpAddr; 2] = [CLIENT.parse().unwrap(), PROXY.parse().unwrap()];
        let acted = observation.provenance.may_convict();
        assert!(
            !acted || honest.contains(&observation.client),
            "{format}: {line}: {observation:?}"
        );
    }
}

/// As [`check`], and the attack itself is not lost.
#[track_caller]
fn seen(format: &str, line: &str) {
    check(format, line);
    let Ok(Line::Event(observation)) = read(format, line) else { panic!("lost: {line}") };
    assert_eq!(observation.client.to_string(), CLIENT, "{format}: {line}");
}

fn sshd(message: &str) -> String {
    format!("Sep 29 17:15:02 spaceman sshd[12946]: {message}")
}

#[test]
fn s1_the_published_cases_of_fail2ban_choose_no_victim() {
    // 1. A suffix that looks like sshd's own.
    for name in [
        format!("from {VICTIM}"),
        format!("test from {VICTIM} port 55555 ssh2"),
        format!("root from {VICTIM} port 1 ssh2 from {VICTIM} port 2 ssh2"),
        format!("Failed password for root from {VICTIM} port 20000 ssh1"),
    ] {
        seen(
            "sshd",
            &sshd(&format!(
                "Failed password for invalid user {name} from {CLIENT} port 58946 ssh2"
            )),
        );
        seen("sshd", &sshd(&format!("Invalid user {name} from {CLIENT} port 58946")));
        seen("sshd", &sshd(&format!("Invalid user {name} from {CLIENT}")));
        let failure = format!("error: PAM: Authentication failure for illegal user {name}");
        seen("sshd", &sshd(&format!("{failure} from {CLIENT}")));
    }
    // 2. A pattern without an anchor, met by a path that is asked for.
    let path =
        format!("[client {VICTIM}] ModSecurity: Access denied with code 403 user root not found");
    check(
        "modsecurity",
        &format!(
            "[Sat Jun 01 02:17:42 2013] [error] [client {CLIENT}] File does not exist: /srv/http/site/{path}"
        ),
    );
    check(
        "modsecurity",
        &format!(
            "2021/12/02 11:53:15 [error] 40#40: *42 open() \"/srv/{path}\" failed, client: {CLIENT}, server: _"
        ),
    );
    check(
        "modsecurity",
        &format!(
            "2021/12/02 11:53:15 [error] 40#40: *42 user \"x\": *1 [client {VICTIM}] ModSecurity: x\", client: {CLIENT}"
        ),
    );
    // 3. A server that does not escape a quote.
    let line = |request: &str, agent: &str, forwarded: &str| {
        format!(
            "{PROXY} - - [10/Oct/2023:08:32:31 +0000] \"{request}\" 401 5 \"-\" \"{agent}\" \"{forwarded}\""
        )
    };
    let honest = line("GET / HTTP/1.1", "curl", CLIENT);
    seen("nginx", &honest);
    check(
        "nginx",
        &line(&format!("GET /\" 401 5 \"-\" \"-\" \"{VICTIM}\" HTTP/1.1"), "curl", CLIENT),
    );
    check("nginx", &line("GET / HTTP/1.1", &format!("curl\" \"{VICTIM}"), CLIENT));
    check("nginx", &line("GET / HTTP/1.1", &format!("curl\" \"{VICTIM}\" \""), CLIENT));
}

#[test]
fn s1_what_sshd_writes_behind_the_address_chooses_no_victim() {
    // What follows the address is the client's own: greedy matching takes the last.
    for info in [
        format!("ruser from {VICTIM}"),
        format!("from {VICTIM} port 55555 ssh2"),
        format!("ruser {} from {VICTIM} port 1 ssh1", "X".repeat(100)),
        format!("RSA SHA256:abc from {VICTIM} port 5 ssh2"),
        format!("RSA-CERT SHA256:abc ID x from {VICTIM} port 5 ssh2 (serial 0) CA RSA SHA256:def"),
    ] {
        for protocol in ["ssh1", "ssh2"] {
            check(
                "sshd",
                &sshd(&format!(
                    "Failed password for user from {CLIENT} port 20000 {protocol}: {info}"
                )),
            );
        }
    }
    // A certificate and a host that vouches for its user say something too, and sshd believes the login, not that.
    for end in [
        format!("RSA-CERT SHA256:a ID x from {VICTIM} port 5 ssh2 (serial 0) CA RSA SHA256:b"),
        format!("RSA SHA256:a, client user \"x from {VICTIM} port 5 ssh2\", client host \"h\""),
        format!("x from {VICTIM} port 5 ssh2: RSA SHA256:a"),
    ] {
        seen(
            "sshd",
            &sshd(&format!("Accepted hostbased for bob from {CLIENT} port 5 ssh2: {end}")),
        );
    }
}

#[test]
fn a_virtual_host_that_is_an_address_is_not_the_client() {
    let rest = format!(
        "{CLIENT} - - [10/Oct/2023:08:32:31 +0000] \"GET / HTTP/1.1\" 401 5 \"-\" \"curl\""
    );
    let line = format!("{VICTIM} {rest}");
    for format in ["common", "combined", "nginx", "traefik"] {
        check(format, &line);
    }
    seen("vhost", &line);
    check(
        "vhost",
        &format!("x {VICTIM} {CLIENT} - - [10/Oct/2023:08:32:31 +0000] \"GET / HTTP/1.1\" 401 5"),
    );
}

#[test]
fn a_last_field_is_believed_only_where_it_was_declared() {
    let cookie = format!(
        "{PROXY} - - [10/Oct/2023:08:32:31 +0000] \"GET / HTTP/1.1\" 401 5 \"-\" \"curl\" \"{VICTIM}\""
    );
    let guessed = detect(&[cookie.as_bytes()]).unwrap();
    assert_eq!(guessed, Format::Combined);
    check(guessed.name(), &cookie);
}

#[test]
fn a_template_whose_client_writes_first_convicts_nobody() {
    for (template, line) in [
        ("$http_user_agent $remote_addr $status", format!("curl {VICTIM} 401 {CLIENT} 401")),
        ("$remote_user $remote_addr $status", format!("{VICTIM} {CLIENT} 401")),
        ("$host $remote_addr $status", format!("x {VICTIM} 401")),
    ] {
        check(template, &line);
    }
    let quoted = "\"$http_user_agent\" $remote_addr $status";
    seen(quoted, &format!("\"curl \\\" {VICTIM} 401\" {CLIENT} 401"));
    seen(quoted, &format!("\"curl\" {CLIENT} 401"));
    check(quoted, &format!("\"x\" {VICTIM} 401\" {CLIENT} 401"));
}

/// Pieces that servers write around an address, put together by a client.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just(format!(" from {VICTIM}")),
        Just(format!(" from {VICTIM} port 22 ssh2")),
        Just(format!("from {VICTIM} port 22")),
        Just(VICTIM.to_owned()),
        Just(format!("[client {VICTIM}]")),
        Just(format!("{VICTIM} - - [10/Oct/2023:08:32:31 +0000] ")),
        Just(": RSA SHA256:abc".to_owned()),
        Just(" ssh2: ".to_owned()),
        Just("Failed password for root".to_owned()),
        Just("invalid user ".to_owned()),
        Just("Accepted password for ".to_owned()),
        Just(" [preauth]".to_owned()),
        Just(" not allowed because listed in DenyUsers".to_owned()),
        Just("message repeated 5 times: [ ".to_owned()),
        Just("] ".to_owned()),
        Just(" ModSecurity: ".to_owned()),
        Just(" HTTP/1.1".to_owned()),
        Just("{}/:,#| ".to_owned()),
        "[ -~&&[^\"\\\\]]{0,12}",
    ];
    proptest::collection::vec(piece, 1..6).prop_map(|pieces| pieces.concat())
}

#[test]
fn s1_two_hundred_generated_injections_choose_no_victim() {
    let config = Config { cases: GENERATED, failure_persistence: None, ..Config::default() };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let run = runner.run(&hostile(), |text| {
        for message in [
            format!("Failed password for invalid user {text} from {CLIENT} port 58946 ssh2"),
            format!("Failed password for {text} from {CLIENT} port 58946 ssh2"),
            format!("Invalid user {text} from {CLIENT} port 58946"),
            format!("maximum authentication attempts exceeded for {text} from {CLIENT} port 5 ssh2 [preauth]"),
            format!("Failed publickey for {text} from {CLIENT} port 5 ssh2: RSA SHA256:abc"),
            format!("Failed password for root from {CLIENT} port 5 ssh2: {text}"),
            format!("message repeated 3 times: [ Invalid user {text} from {CLIENT} port 5]"),
            format!("error: PAM: Authentication failure for illegal user {text} from {CLIENT}"),
            format!("Accepted hostbased for bob from {CLIENT} port 5 ssh2: RSA SHA256:a, client user \"{text}\""),
            format!("Accepted publickey for bob from {CLIENT} port 5 ssh2: {text}"),
            format!("input_userauth_request: invalid user {text}"),
            format!("Connection closed by invalid user {text} {CLIENT} port 5 [preauth]"),
        ] {
            check("sshd", &sshd(&message));
            let entry = serde_json::json!({ "SYSLOG_IDENTIFIER": "sshd", "MESSAGE": message, "__REALTIME_TIMESTAMP": "1795266309000000" });
            check("sshd", &entry.to_string());
        }
        for format in ["sshd", "haproxy"] {
            check(format, &format!("Sep 29 17:15:02 spaceman other[1]: {text}"));
        }
        let forged = format!("{VICTIM}:5 [14/Jan/2015:12:48:57.127] f b/s 1/0/0/3/1 401 7 - - ---- 0/0/0/0/0 0/0 \"{text}\"");
        check("haproxy", &format!("Sep 29 17:15:02 spaceman other[1]: {forged}"));
        for (request, referer, agent) in [(&*text, "-", "-"), ("-", &text, "-"), ("-", "-", &text)] {
            let line = format!("{CLIENT} - {} [10/Oct/2023:08:32:31 +0000] \"{request}\" 401 5 \"{referer}\" \"{agent}\"", text.replace('"', ""));
            for format in ["common", "combined", "nginx", "traefik"] {
                check(format, &line);
            }
            check("nginx", &format!("{} \"{CLIENT}\"", line.replacen(CLIENT, PROXY, 1)));
            check("$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent \"$http_referer\" \"$http_user_agent\"", &line);
        }
        check("haproxy", &format!("{CLIENT}:5 [14/Jan/2015:12:48:57.127] f b/s 1/0/0/3/1 401 7 - - ---- 0/0/0/0/0 0/0 {{{text}}} \"{text}\""));
        check("modsecurity", &format!("[Sat Jun 01 02:17:42 2013] [error] [client {CLIENT}:5] AH00128: not found: {text}"));
        check("modsecurity", &format!("2021/12/02 11:53:15 [error] 40#40: *42 FastCGI sent in stderr: \"{text}\", client: {CLIENT}"));
        Ok(())
    });
    run.unwrap();
}
