//! The views of a text.

use crate::{Read, read};
use detect::Place;

fn check(pick: fn(&Read) -> &str, raw: &str, view: &str, mark: Option<&str>) {
    let all = read(Place::Body, raw.as_bytes());
    assert_eq!(pick(&all[0]), view, "{raw}");
    assert_eq!(all[0].marks.first().copied(), mark, "{raw}");
}

#[test]
fn sql_comments_and_joined_literals_are_taken_out() {
    for (raw, view, mark) in [
        ("union/**/select", "union select", Some("sql_comment")),
        ("union /* a */ select", "union select", Some("sql_comment")),
        ("1/*!50000union*/select", "1 union select", Some("sql_comment")),
        ("1 /*!union*/ /*!select*/ 2", "1 union select 2", Some("sql_comment")),
        ("a /* open", "a /* open", None),
        ("x = 'a'||'b'", "x = 'ab'", Some("sql_concat")),
        ("x = 'a' + 'b' 'c'", "x = 'abc'", Some("sql_concat")),
        ("' or '1'='1", "' or '1'='1", None),
        ("union --abc\nselect", "union select", None),
        ("1'#x\nor 1", "1' or 1", None),
        ("1' -- ", "1' -- ", None),
    ] {
        check(|read| &read.sql, raw, view, mark);
    }
}

#[test]
fn what_a_shell_takes_out_is_taken_out() {
    for (raw, view, mark) in [
        ("c''at /etc/hosts", "cat /etc/hosts", Some("shell_quote")),
        ("c\"a\"t x", "cat x", Some("shell_quote")),
        (r"c\at x", "cat x", None),
        ("cat$IFS/etc/hosts", "cat /etc/hosts", Some("shell_quote")),
        ("cat${IFS}x", "cat x", Some("shell_quote")),
        ("cat$IFS$9x", "cat x", Some("shell_quote")),
        ("wh$@oami", "whoami", Some("shell_quote")),
        ("who$()ami", "whoami", Some("shell_quote")),
        ("who$(:)ami", "whoami", Some("shell_quote")),
        ("cost$(true)", "cost$(true)", None),
        ("cat ${HOME:0:1}etc", "cat /etc", Some("shell_quote")),
        ("{cat,/etc/hosts}", "cat /etc/hosts", Some("shell_brace")),
        ("who^ami", "whoami", None),
        ("don't", "dont", None),
        ("costs $5 or ${name}", "costs $5 or ${name}", None),
        ("${jndi:ldap}", "${jndi:ldap}", None),
    ] {
        check(|read| &read.shell, raw, view, mark);
    }
}

#[test]
fn paths_are_resolved_but_for_their_climbs() {
    for (raw, view, mark) in [
        ("a//b/./c", "a/b/c", Some("path_dot")),
        ("a\\b", "a/b", None),
        ("/a/b/../c", "/a/b/../c", None),
        ("/a/../../c", "/a/../../c", Some("path_up")),
        ("../../etc", "../../etc", Some("path_up")),
        ("..", "..", Some("path_up")),
        ("a/../..", "a/../..", Some("path_up")),
        ("a/b/c/..", "a/b/c/..", None),
        ("file=../etc", "file=../etc", Some("path_up")),
        ("/a/..;/..;x=1/b", "/a/../../b", Some("path_dot")),
        ("....//....//etc", "../../etc", Some("path_dot")),
        ("http://a.example//b", "http://a.example/b", None),
        ("./make && wait...", "./make && wait...", None),
        ("from v1..v2", "from v1..v2", None),
    ] {
        check(|read| &read.path, raw, view, mark);
    }
}
