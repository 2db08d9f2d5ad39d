//! What sshd's lines say about logins, through every way they come.

use crate::{NOW, check, read, said};

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

#[test]
fn logins_that_fail_and_that_succeed() {
    const FROM: &str = "from 81.2.69.142 port 50273";
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
            "Failed password for root from ::ffff:81.2.69.142 port 5 ssh2".to_owned(),
            "account=root succeeded=false",
        ),
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
        "",
    ] {
        says(message, "nothing");
    }
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
