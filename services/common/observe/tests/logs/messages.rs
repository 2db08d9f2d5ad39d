//! Messages over syslog: what is read of whose, in which prefix, and that no program lends its voice to a client.

use observe::Line;
use observe::logs::{Dates, Forwarded, Messages};

use crate::{NOW, said, trusted};

const ACCESS: &str =
    "81.2.69.142 - - [21/Nov/2026:13:05:09 +0000] \"GET /a HTTP/1.1\" 200 2 \"-\" \"curl\"";
const ASKED: &str = "81.2.69.142 SocketPeer HttpRequest GET /a 200 agent=curl at=1795266309000";
const LOGIN: &str = "Failed password for root from 81.2.69.142 port 5 ssh2";
const LOGGED_IN: &str =
    "81.2.69.142 SocketPeer Login account=root succeeded=false at=1795266309000";

fn messages(format: &str, program: Option<&str>) -> Messages {
    let format = Some(format).filter(|format| *format != "auto");
    let forwarded = Forwarded {
        format: format.map(|format| format.parse().unwrap_or_else(|error| panic!("{error}"))),
        program: program.map(str::to_owned),
    };
    Messages::new(forwarded, trusted(), Dates::default())
}

#[track_caller]
fn check(format: &str, message: &str, expected: &str) {
    let read = messages(format, None).message(message.as_bytes(), NOW);
    assert_eq!(said(read), expected, "{format}: {message}");
}

/// The prefixes in which a daemon may send what `program` says.
fn prefixes(program: &str) -> Vec<String> {
    vec![
        format!("<190>Nov 21 13:05:09 web {program}: "),
        format!("<190>Nov 21 13:05:09 web {program}[12]: "),
        format!("<190>Nov 21 13:05:09 {program}[12]: "),
        format!("<190>2026-11-21T14:05:09+01:00 web {program}: "),
        format!("<190>1 2026-11-21T13:05:09.000Z web {program} 12 - - "),
        format!("<190>1 2026-11-21T13:05:09Z web {program} 12 ID47 [x@1 a=\"\\] \"][y] \u{FEFF}"),
    ]
}

#[test]
fn every_prefix_carries_the_same_line() {
    for prefix in prefixes("nginx") {
        for format in ["auto", "combined"] {
            check(format, &format!("{prefix}{ACCESS}"), ASKED);
            check(format, &format!("{prefix}{ACCESS}\n\0"), ASKED);
        }
    }
    for prefix in prefixes("sshd") {
        for format in ["auto", "sshd"] {
            check(format, &format!("{prefix}{LOGIN}"), LOGGED_IN);
        }
    }
    let proxied = "81.2.69.142:5 [21/Nov/2026:13:05:09.000] f b/s 1/0/0/3/1 200 7 - - ---- 0/0/0/0/0 0/0 \"GET /a HTTP/1.1\"";
    let expected = "81.2.69.142 SocketPeer HttpRequest GET /a 200 at=1795266309000";
    for prefix in prefixes("haproxy") {
        for format in ["auto", "haproxy"] {
            check(format, &format!("{prefix}{proxied}"), expected);
            check(format, &format!("{prefix}Proxy f started."), "nothing");
        }
    }
    let by_anybody = expected.replace("SocketPeer", "LogText");
    for prefix in prefixes("edge") {
        let message = format!("{prefix}{proxied}");
        check("haproxy", &message, &by_anybody);
        let declared = messages("haproxy", Some("edge")).message(message.as_bytes(), NOW);
        assert_eq!(said(declared), expected, "{message}");
        check("haproxy", &format!("{prefix}Started a session."), "nothing");
        check("auto", &format!("{prefix}{proxied}"), "nothing");
    }
}

#[test]
fn a_line_without_a_time_happened_when_the_daemon_wrote_it() {
    let line = "<190>1 2026-11-21T13:05:08Z web app - - - 81.2.69.142 404";
    let expected = "81.2.69.142 SocketPeer HttpRequest 404 at=1795266308000";
    check("$remote_addr $status", line, expected);
    check(
        "$remote_addr $status",
        &line.replace("2026-11-21T13:05:08Z", "-"),
        "81.2.69.142 SocketPeer HttpRequest 404 at=-",
    );
}

/// Row S1: most programs repeat a client's text, and that may look like a line of any server's.
#[test]
fn without_a_declared_format_a_program_that_is_not_known_says_nothing() {
    for program in ["app", "postfix/smtpd", "sudo", "CRON", "nginx-exporter"] {
        for prefix in prefixes(program) {
            for text in [ACCESS, LOGIN, &format!("Nov 21 13:05:09 web sshd[1]: {LOGIN}")] {
                check("auto", &format!("{prefix}{text}"), "nothing");
                check("sshd", &format!("{prefix}{text}"), "nothing");
            }
        }
    }
    for prefix in prefixes("nginx") {
        check("auto", &format!("{prefix}a note of its own"), "nothing");
        check("auto", &format!("{prefix}Nov 21 13:05:09 web sshd[1]: {LOGIN}"), "nothing");
    }
}

#[test]
fn of_a_sender_with_one_program_no_other_is_read() {
    let mut messages = messages("combined", Some("nginx"));
    for (program, expected) in [("nginx", ASKED), ("app", "nothing")] {
        for prefix in prefixes(program) {
            let message = format!("{prefix}{ACCESS}");
            assert_eq!(said(messages.message(message.as_bytes(), NOW)), expected, "{message}");
        }
    }
}

#[test]
fn what_is_no_syslog_or_not_the_declared_format_is_dead() {
    check("auto", "hello", "dead: malformed");
    check("combined", ACCESS, "dead: malformed");
    check("combined", "<190>Nov 21 13:05:09 web nginx: hello", "dead: malformed");
    check("auto", "<190>1 2026-11-21T13:05:09Z web nginx 1 - [open", "dead: malformed");
    check("auto", "\r\n", "nothing");
    let long = format!("<190>Nov 21 13:05:09 web nginx: {}", "x".repeat(70_000));
    check("combined", &long, "dead: too_long");
}

/// Read as one, the second's address would end the first's account.
#[test]
fn two_lines_that_come_as_one_are_dead_and_no_account_is_made_of_both() {
    let second =
        "<38>Nov 21 13:05:09 web sshd[2]: Failed password for ann from 81.2.69.144 port 5 ssh2";
    for prefix in prefixes("sshd") {
        let first = format!("{prefix}{LOGIN}");
        for format in ["auto", "sshd"] {
            check(format, &format!("{first}\n{second}"), "dead: malformed");
            check(format, &format!("{first}\r\n{LOGIN}"), "dead: malformed");
            check(format, &format!("{first}\r\n\n"), LOGGED_IN);
        }
    }
    for prefix in prefixes("app") {
        // What another program says over several lines is nobody's login, unless it hides a message.
        check("auto", &format!("{prefix}a panic\n  at main\n  at start"), "nothing");
        check("auto", &format!("{prefix}a note\n{second}"), "dead: malformed");
    }
    for format in ["common", "combined", "vhost", "nginx", "traefik", "aws-alb", "envoy"] {
        let read = crate::read(format, &format!("{ACCESS}\n{ACCESS}"));
        assert_eq!(said(read), "dead: malformed", "{format}");
    }
    let json = "{\n\"downstream_remote_address\":\"81.2.69.142:5\"\n}\n";
    assert_eq!(said(crate::read("envoy", json)), "81.2.69.142 SocketPeer HttpRequest at=-");
}

#[test]
fn any_bytes_are_read_without_a_panic() {
    let whole = format!("<190>1 2026-11-21T13:05:09Z web nginx 1 - [a b=\"c\"] {ACCESS}");
    for end in 0..whole.len() {
        let mut cut = whole.as_bytes()[..end].to_vec();
        cut.extend([0xff, b'"', 0x80]);
        for format in ["auto", "combined", "sshd", "haproxy"] {
            let read = messages(format, None).message(&cut, NOW);
            assert!(
                !matches!(read, Ok(Line::Event(event)) if event.client.to_string() != "81.2.69.142")
            );
        }
    }
}
