//! Words and signs that mean something to a shell wherever they stand; all flags of each text.

use crate::check;
use detect::structure::shell::read;

#[test]
fn phrases_count_where_a_word_begins() {
    check(&[
        ("a nc -e b", &["reverse_shell"]),
        ("a/nc -e b", &["reverse_shell"]),
        ("anc -e b", &[]),
        ("a nc e b", &[]),
        ("a cmd.exe", &["windows"]),
        ("cmd.exe b", &["windows"]),
        ("cmd.exe", &[]),
        ("a cmd.ex", &[]),
        ("a net user b /add", &["windows"]),
        ("a net user ", &["windows"]),
        ("a .net user guide", &[]),
        ("a perl -e 'b'", &["interpreter"]),
        ("a perl -e b", &[]),
        ("a sh -c b", &["interpreter"]),
        (&format!("a perl -e {};", "b".repeat(62)), &["interpreter"]),
        (&format!("a perl -e {};", "b".repeat(63)), &[]),
        ("a /dev/tcp/b", &["reverse_shell"]),
        ("a .perl -e $b", &["interpreter"]),
        ("a_perl -e b", &[]),
    ]);
}

#[test]
fn wildcards_count_in_paths_of_two_slashes() {
    let globs: &[&str] = &["glob_path"];
    check(&[
        ("/bin/c?t", globs),
        ("/etc/*", globs),
        ("/usr/bin/[a]", globs),
        ("/etc/cat", &[]),
        ("/opt/c?t", &[]),
        ("/opt/c??", globs),
        ("/opt?/c?", globs),
        ("/c??", &[]),
        ("/opt/c?d=e?", &[]),
        ("/opt/c?&e?", &[]),
        ("/opt/a ??", &[]),
        ("/opt/-_.]??", globs),
        (&format!("/opt/{}??", "a".repeat(33)), globs),
        (&format!("/opt/{}??", "a".repeat(34)), &[]),
        ("x;ls /a*/b", &["command_after_separator", "glob_path"]),
        ("x;ls /a*", &["command_after_separator"]),
        ("x;ls /a/b", &["command_after_separator"]),
    ]);
}

#[test]
fn variables_are_expanded_to_hide_what_they_spell() {
    let expands: &[&str] = &["env_expansion"];
    check(&[
        ("${a:1}", expands),
        ("${a_1:~1}", expands),
        ("${a:b}", &[]),
        ("${:1}", &[]),
        ("${abc}", &[]),
        ("${ifs}", expands),
        ("${path}", expands),
        ("${!a}", expands),
        (&format!("${{{}:1}}", "a".repeat(24)), expands),
        (&format!("${{{}:1}}", "a".repeat(25)), &[]),
        ("a$@b", expands),
        ("a$*b", expands),
        ("$@b", &[]),
        ("a$@", &[]),
        (".$@b", &[]),
        ("a$ifs", expands),
        ("a$if", &[]),
        ("a$'\\x", expands),
        ("a$'x", &[]),
        ("a$((1", expands),
        ("a$(1", &[]),
        ("a$1", &[]),
    ]);
}

#[test]
fn variables_of_windows_stand_between_percent_signs() {
    check(&[
        ("%comspec%", &["windows"]),
        ("a %windir%", &["windows"]),
        ("%comspec", &[]),
        ("%compec%", &[]),
        ("%ab:~1", &["env_expansion"]),
        ("%a:~1", &[]),
        ("%ab:1", &[]),
        (&format!("%{}:~1", "a_".repeat(10)), &["env_expansion"]),
        (&format!("%{}a:~1", "a_".repeat(10)), &[]),
    ]);
}

#[test]
fn output_goes_to_a_known_folder_or_behind_a_command_to_any_path() {
    let writes: &[&str] = &["redirect_to_path"];
    let runs_and_writes: &[&str] = &["command_after_separator", "redirect_to_path"];
    check(&[
        ("a >/tmp/b", writes),
        ("a >> /var/b", writes),
        ("a >   /tmp/b", writes),
        ("a >    /tmp/b", &[]),
        ("a </tmp/b", &[]),
        ("a >/b", &[]),
        ("a 2>&1", writes),
        ("a 2>&b", &[]),
        ("a 2> 1", &[]),
        ("x;echo a>/b", runs_and_writes),
        ("x;echo a>./b", runs_and_writes),
        ("x;echo a>~b", runs_and_writes),
        ("x;echo a>$b", runs_and_writes),
        ("x;echo a>b", &["command_after_separator"]),
        ("x;echo a</b", &["command_after_separator"]),
        ("x;echo a<.env", &["command_after_separator", "redirect_to_path", "sensitive_argument"]),
        ("a <.env", &[]),
    ]);
}

#[test]
fn a_function_with_an_empty_body_or_a_command_behind_it_is_shellshock() {
    let shock: &[&str] = &["shellshock"];
    check(&[
        ("() { :; }", shock),
        ("f() { :; }", shock),
        ("f() { :;   }", shock),
        ("f() { :;    }", &[]),
        ("f() { ; }", &[]),
        ("f() { : a }", &[]),
        ("() { a;}; b", shock),
        ("() { a;} > b", shock),
        ("() { a;}   ; b", shock),
        ("() { a;}    ; b", &[]),
        ("() { a;} b", &[]),
        ("() a;}; b", &[]),
        ("( { a;}; b", &[]),
        ("()    { a;}; b", shock),
        ("()     { a;}; b", &[]),
        ("\" ' () { a;}; b", shock),
        ("     () { a;}; b", &[]),
        ("f() { a;}; b", &[]),
        (&format!("() {{{}}}; b", "a".repeat(30)), shock),
        (&format!("() {{{}}}; b", "a".repeat(31)), &[]),
        ("() {", &[]),
    ]);
}

#[test]
fn work_is_each_byte_and_what_is_looked_at_once_more() {
    for (text, steps) in [
        ("", 0),
        // Every byte, the beginning of the word, the name of a command, and four passes for files.
        ("aaaa", 4 + 1 + 4 + 4 * 4),
        ("a_b c", 5 + 2 + 3 + 4 * 5),
        ("; ;", 3 + 2 + 4 * 3),
        // Behind a separator there may be a command once more.
        ("a;bc", 4 + 2 + (1 + 2) + 4 * 4),
        ("  ", 2),
    ] {
        let mut counted = 0;
        read(text.as_bytes(), &mut counted);
        assert_eq!(counted, steps, "{text:?}");
    }
}
