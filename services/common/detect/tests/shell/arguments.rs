//! What may follow a command's name, told by a name that is an ordinary word: `x;cat …` is a command only with an
//! argument of a command's shape.

use crate::check;

const RUNS: &[&str] = &["command_after_separator"];

#[test]
fn a_flag_a_path_or_an_expansion_is_an_argument() {
    for argument in [
        "-n", "--n", "/a", "/1", "/", "/?", "/*", "/ a", "/[", "/\"", "~", "*", "\\", "$a", "${",
        "$(ls", "$(<a", "$((1", "$(/a", "$(./a", "$($a", "$( a", "$('a", "$(\"a", "$@", "$*", "<a",
        ">a", "./a", "..", ".\\a", "%a",
    ] {
        let text = format!("x;cat {argument}");
        let found = crate::flags(&text);
        assert!(found.contains(&"command_after_separator"), "{text}: {found:?}");
    }
    for word in [
        "-", "-=", "/=", "=", "$1", "$", "$(", "$(a) b", "$(lsx)", "<=", ">=", ".a", ".", "%1",
        "%", "+x", ":", "a", "1", "a b",
    ] {
        check(&[(&format!("x;cat {word}"), &[])]);
    }
}

#[test]
fn an_expansion_may_touch_the_name() {
    for (end, wanted) in [
        ("${a", RUNS),
        ("$(a", RUNS),
        ("$@", RUNS),
        ("$*", RUNS),
        ("$!", RUNS),
        ("$1", RUNS),
        ("$a", &[]),
        ("$", &[]),
        (":/a", &[]),
        (",/a", &[]),
        ("+/a", RUNS),
        ("\t/a", RUNS),
        (" +/a", &[]),
    ] {
        check(&[(&format!("x;cat{end}"), wanted)]);
    }
    check(&[("x;{cat,a}", RUNS), ("x;({cat,a}", &[])]);
}

#[test]
fn up_to_eight_blanks_and_quotes_stand_before_an_argument() {
    for (between, wanted) in
        [(" ", RUNS), ("        ", RUNS), ("         ", &[]), (" \"", RUNS), ("\t'", RUNS)]
    {
        check(&[(&format!("x;cat{between}-n"), wanted)]);
    }
}

#[test]
fn a_name_ends_at_a_sign_that_no_name_has() {
    for sign in [";", "|", "&", ")", "`", "\n", "\"", "'", "<", ">", "#", "", " ;", " #", " )"] {
        check(&[(&format!("x;uname{sign}"), RUNS)]);
    }
    for sign in [":", "=", "!", "]", "*", "a", "_", " =", " !"] {
        check(&[(&format!("x;uname{sign}"), &[])]);
    }
}

#[test]
fn addresses_are_arguments_of_what_calls_out_and_of_it_alone() {
    check(&[
        ("x;cat http://a", RUNS),
        ("x;find https://a", RUNS),
        ("x;find ftp://a", RUNS),
        ("x;find mailto:a", &[]),
        ("x;find c:", RUNS),
        ("x;find 1:", &[]),
        ("x;find c", &[]),
        ("x;host 192.0.2.1", RUNS),
        ("x;host 7", RUNS),
        ("x;host a.example", RUNS),
        ("x;host localhost", RUNS),
        ("x;host a", &[]),
        ("x;host a.", &[]),
        ("x;find 192.0.2.1", &[]),
        ("x;find localhost", &[]),
        ("x;find a.example", &[]),
        ("x;cat a.example", RUNS),
        ("x;cat a.", &[]),
        ("x;type a/b", RUNS),
    ]);
}

#[test]
fn some_commands_have_words_of_their_own() {
    check(&[
        ("x;net user", RUNS),
        ("x;net gain", &[]),
        ("x;reg query", RUNS),
        ("x;reg no", &[]),
        ("x;ver a", RUNS),
        ("ps aux", &["command_line"]),
        ("ps script", &[]),
        ("chmod 777", &["command_line"]),
        ("chmod +x", &["command_line"]),
        ("chmod a", &[]),
        ("curl +x", &[]),
    ]);
}

#[test]
fn up_to_three_words_are_arguments_and_more_are_prose() {
    check(&[
        ("x;echo a", RUNS),
        ("x;echo a b c", RUNS),
        ("x;echo a b c d", &[]),
        ("x;echo a b c;d e f", RUNS),
        ("x;echo a b c|d e f", RUNS),
        ("x;echo a b c&d e f", RUNS),
        ("x;echo a b c\nd e f", RUNS),
        ("x;echo a b c`d e f", RUNS),
        ("x;curl a b c d", &[]),
    ]);
}
