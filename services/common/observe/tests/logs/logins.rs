//! What sshd's lines say about logins, through every way they come.

use crate::{NOW, check, parser, read, said};

#[track_caller]
fn says(message: &str, expected: &str) {
    let (at, line) = (1_795_266_309_000_i64, format!("web sshd[12]: {message}"));
    let expected = match expected {
        "nothing" => expected.to_owned(),
        _ if expected.starts_with("dead") => expected.to_owned(),
        login => format!("81.2.69.142 SocketPeer Login {login} at={at}"),
    };
    check("sshd", &format!("Nov 21 13:05:09 {line}"), &expected);
    check("sshd", &format!("<38>Nov 21 13:05:09 {line}"), &expected);
    check("sshd", &format!("2026-11-21T14:05:09.000000+01:00 {line}"), &expected);
    for structured in ["-", "[meta id=\"1 \\] 2\"]", "[a b=\"c\"][d]"] {
        let line = format!("<38>1 2026-11-21T13:05:09Z web sshd 12 - {structured} {message}");
        check("sshd", &line, &expected);
    }
    let entry = |message: serde_json::Value| {
        let entry = serde_json::json!({
            "__REALTIME_TIMESTAMP": "1795266309000123", "SYSLOG_IDENTIFIER": "sshd-session",
            "_COMM": "sshd", "MESSAGE": message, "PRIORITY": "6",
        });
        check("sshd", &entry.to_string(), &expected);
    };
    entry(message.into());
    entry(message.as_bytes().to_vec().into());
}

const FROM: &str = "from 81.2.69.142 port 50273";

#[test]
fn logins_that_fail() {
    for (message, expected) in [
        (format!("Failed password for root {FROM} ssh2"), "account=root succeeded=false"),
        (
            format!("Failed password for invalid user {FROM} ssh2"),
            "account=invalid user succeeded=false",
        ),
        (format!("Failed password for invalid user  {FROM} ssh2"), "succeeded=false"),
        (
            format!("Failed password for invalid user a b {FROM} ssh2"),
            "account=a b succeeded=false",
        ),
        (
            format!("Failed keyboard-interactive/pam for invalid user x {FROM} ssh2"),
            "account=x succeeded=false",
        ),
        (
            format!("Failed publickey for invalid user x {FROM} ssh2: RSA SHA256:v3dp"),
            "account=x succeeded=false",
        ),
        (format!("Invalid user tutu {FROM}"), "account=tutu succeeded=false"),
        ("Invalid user tutu from 81.2.69.142".to_owned(), "account=tutu succeeded=false"),
        (
            format!(
                "error: maximum authentication attempts exceeded for root {FROM} ssh2 [preauth]"
            ),
            "account=root succeeded=false",
        ),
        (
            format!(
                "error: maximum authentication attempts exceeded for invalid user x {FROM} ssh2 [preauth]"
            ),
            "account=x succeeded=false",
        ),
        (
            "User root from 81.2.69.142 not allowed because listed in DenyUsers".to_owned(),
            "account=root succeeded=false",
        ),
        (
            format!("message repeated 5 times: [ Failed password for root {FROM} ssh2]"),
            "account=root succeeded=false",
        ),
        (
            format!("Failed keyboard-interactive/pam for root {FROM} ssh2"),
            "account=root succeeded=false",
        ),
        (
            "Failed password for root from ::ffff:81.2.69.142 port 5 ssh2".to_owned(),
            "account=root succeeded=false",
        ),
    ] {
        says(&message, expected);
    }
}

#[test]
fn a_login_that_only_pam_tells_of_fails() {
    for (message, expected) in [
        (
            "error: PAM: Authentication failure for root from 81.2.69.142",
            "account=root succeeded=false",
        ),
        (
            "error: PAM: Authentication failure for illegal user a b from 81.2.69.142",
            "account=a b succeeded=false",
        ),
        ("error: PAM: authentication error for invalid user  from 81.2.69.142", "succeeded=false"),
        (
            "error: PAM: User not known to the underlying authentication module for illegal user x from 81.2.69.142",
            "account=x succeeded=false",
        ),
        (
            "error: PAM: Have exhausted maximum number of retries for service for root from 81.2.69.142",
            "account=root succeeded=false",
        ),
    ] {
        says(message, expected);
    }
}

#[test]
fn logins_that_succeed() {
    for (message, expected) in [
        (format!("Accepted password for test {FROM} ssh2"), "account=test succeeded=true"),
        (
            format!("Accepted publickey for test {FROM} ssh2: RSA SHA256:1M4R/86u+x"),
            "account=test succeeded=true",
        ),
        (
            format!(
                "Accepted publickey for test {FROM} ssh2: DSA 01:c0:79:41:91:31:9a:7d:95:23:91:ac:b1:6d:59:81"
            ),
            "account=test succeeded=true",
        ),
        (
            format!("Accepted gssapi-with-mic for bob {FROM} ssh2: bob@REALM"),
            "account=bob succeeded=true",
        ),
        (
            format!(
                "Accepted publickey for bob {FROM} ssh2: RSA-CERT SHA256:xyz ID bob (serial 0) CA RSA SHA256:abc"
            ),
            "account=bob succeeded=true",
        ),
        (
            format!("Accepted publickey for bob {FROM} ssh2: RSA 3e:ab:cd:01"),
            "account=bob succeeded=true",
        ),
        (
            format!(
                "Accepted hostbased for bob {FROM} ssh2: RSA SHA256:xxx, client user \"bob\", client host \"h\""
            ),
            "account=bob succeeded=true",
        ),
        (format!("Accepted password for a b {FROM} ssh2"), "account=a b succeeded=true"),
    ] {
        says(&message, expected);
    }
}

#[test]
fn what_sshd_says_besides_is_nothing() {
    for message in [
        "Server listening on :: port 22.",
        "Connection closed by 81.2.69.142 port 5 [preauth]",
        "Connection closed by authenticating user root 81.2.69.142 port 5 [preauth]",
        "Received disconnect from 81.2.69.142 port 5:11: Bye Bye [preauth]",
        "Disconnected from user ansible 81.2.69.142 port 5",
        "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=81.2.69.142  user=root",
        "Did not receive identification string from 81.2.69.142",
        "refused connect from example.com (81.2.69.142)",
        // A client offers each of its keys, and asks once without any.
        "Failed publickey for git from 81.2.69.142 port 5 ssh2: RSA SHA256:v3dp",
        "Failed none for git from 81.2.69.142 port 5 ssh2",
        "User root not allowed because account is locked",
        "Failed password for root",
        "Accepted password for root",
        "Postponed keyboard-interactive for bob from 81.2.69.142 port 5 ssh2 [preauth]",
        "error: PAM: pam_open_session(): Authentication failure",
        "error: PAM: User account has expired for root from 81.2.69.142",
        "error: PAM: Authentication failure for root",
        "",
    ] {
        says(message, "nothing");
    }
    says("error: PAM: Authentication failure for root from host.example", "dead: no_address");
    says("Invalid user x from host.example port 5", "dead: no_address");
}

#[test]
fn lines_of_other_programs_are_nothing_and_other_lines_are_malformed() {
    for line in [
        "Nov 21 13:05:09 web CRON[12]: pam_unix(cron:session): session opened for user root by (uid=0)",
        "Nov 21 13:05:09 web https[12]: Failed password for root from 81.2.69.142 port 5 ssh2",
        "Nov 21 13:05:09 web last message repeated 2 times",
        "{\"__REALTIME_TIMESTAMP\":\"1\",\"SYSLOG_IDENTIFIER\":\"cron\",\"MESSAGE\":\"x\"}",
    ] {
        check("sshd", line, "nothing");
    }
    for (line, class) in [
        ("Failed password for root from 81.2.69.142 port 5 ssh2", "malformed"),
        ("Foo 21 13:05:09 web sshd[12]: Invalid user x from 81.2.69.142", "malformed"),
        ("<38>1 - web sshd 12 - - Invalid user x from 81.2.69.142 port 5", "no_time"),
        ("{\"SYSLOG_IDENTIFIER\":\"sshd\",\"MESSAGE\":\"x\"}", "no_time"),
        ("{\"a\":", "malformed"),
    ] {
        assert_eq!(said(read("sshd", line)), format!("dead: {class}"), "{line} at {NOW}");
    }
}

/// How many logins these messages of sshd's are, each a number of seconds after a full minute.
#[track_caller]
fn counted(messages: &[(u8, &str)], expected: usize) {
    let mut parser = parser("sshd");
    let logins = messages.iter().filter(|(second, message)| {
        let line = format!("Nov 21 13:05:{second:02} web sshd[12]: {message}");
        said(parser.line(line.as_bytes(), NOW)).contains(" Login ")
    });
    assert_eq!(logins.count(), expected, "{messages:?}");
}

#[test]
fn a_try_that_pam_and_sshd_tell_of_is_one() {
    const BY_PAM: &str = "error: PAM: Authentication failure for root from 81.2.69.142";
    const SSHD: &str = "Failed keyboard-interactive/pam for root from 81.2.69.142 port 5 ssh2";
    const OTHER: &str = "Failed keyboard-interactive/pam for root from 81.2.69.143 port 5 ssh2";
    const UNKNOWN: &str = "error: PAM: Authentication failure for illegal user x from 81.2.69.142";
    const SSHD_UNKNOWN: &str =
        "Failed keyboard-interactive/pam for invalid user x from 81.2.69.142 port 5 ssh2";
    // Either may be the only trace.
    counted(&[(0, BY_PAM), (2, BY_PAM), (4, BY_PAM)], 3);
    counted(&[(0, SSHD), (2, SSHD)], 2);
    counted(&[(0, BY_PAM), (0, SSHD)], 1);
    counted(&[(0, UNKNOWN), (1, SSHD_UNKNOWN), (3, UNKNOWN), (3, SSHD_UNKNOWN)], 2);
    // Two connections at once, whose lines come mixed.
    counted(&[(0, BY_PAM), (0, BY_PAM), (1, SSHD), (1, SSHD)], 2);
    // What PAM did not tell just before, of the same account and the same client, is a try of its own.
    counted(&[(0, BY_PAM), (0, SSHD), (1, SSHD)], 2);
    counted(&[(0, BY_PAM), (5, SSHD)], 2);
    counted(&[(0, BY_PAM), (0, SSHD_UNKNOWN)], 2);
    counted(&[(0, BY_PAM), (0, OTHER)], 2);
    counted(&[(5, BY_PAM), (0, SSHD)], 2);
    // A password that is wrong is told once.
    counted(&[(0, BY_PAM), (0, "Failed password for root from 81.2.69.142 port 5 ssh2")], 2);
    let many: Vec<(u8, &str)> = std::iter::repeat_n((0, BY_PAM), 200).collect();
    counted(&many, 200);
}
