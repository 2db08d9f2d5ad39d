//! Where a command may stand: at the start, behind each separator, in back-ticks and in `$(…)`; all flags of each text.

use crate::check;

const RUNS: &[&str] = &["command_after_separator"];
const LOOSE: &[&str] = &["loose_command"];

#[test]
fn at_the_start_a_command_needs_more_than_its_name() {
    check(&[
        ("ls -l", &["command_line"]),
        ("curl -v", &["command_line"]),
        ("cat -n", LOOSE),
        ("curl a", &[]),
        ("ls a", &[]),
        ("cat a", &[]),
        ("whoami", &["bare_command"]),
        ("curl", &[]),
        ("ls", &[]),
        ("/usr/bin/ls", &["command_with_path", "bare_command"]),
        ("/usr/bin/ls -l", &["command_with_path", "command_line"]),
        ("/usr/share/ls -l", &[]),
    ]);
}

#[test]
fn a_name_behind_a_separator_counts_by_how_ordinary_it_is() {
    check(&[
        // Hardly ever written but to run it.
        ("x;uname", RUNS),
        ("x;uname a", RUNS),
        ("x; uname", RUNS),
        // Everyday talk among developers.
        ("x;ls", RUNS),
        ("x; ls", LOOSE),
        ("x;ls;y", LOOSE),
        ("x;ls a", LOOSE),
        (";ls a", RUNS),
        (";ls;y", RUNS),
        ("x; /bin/ls", &["command_after_separator", "command_with_path"]),
        // An ordinary word.
        ("x;date", LOOSE),
        ("x; date", &[]),
        ("x;date a", &[]),
        (";date", RUNS),
        (";date;y", LOOSE),
        ("; date", RUNS),
    ]);
}

#[test]
fn nothing_but_signs_before_and_behind_means_eight_and_twelve_bytes() {
    check(&[
        (";;;;;;;;date", RUNS),
        (";;;;;;;;;date", LOOSE),
        ("a;;;;;;;date", LOOSE),
        (";date;;;;;;;;;;;;", RUNS),
        (";date;;;;;;;;;;;;;", LOOSE),
    ]);
}

#[test]
fn doubled_and_single_signs_part_commands_in_their_own_way() {
    check(&[
        ("x||date", RUNS),
        ("x&&date", RUNS),
        ("x|| date", &[]),
        ("x||date y", &[]),
        ("x|date", LOOSE),
        ("x&date", LOOSE),
        ("x|&date", LOOSE),
        ("x>&date", &[]),
        ("x&>date", &[]),
        ("x\nuname", LOOSE),
        ("x\nuname -a", RUNS),
        ("x uname -a", &[]),
    ]);
}

#[test]
fn a_pipe_from_a_command_makes_a_chain() {
    check(&[
        ("x|wc -l", RUNS),
        ("ls -l|wc", &["command_after_separator", "pipe_chain", "command_line"]),
        ("ls -l|wc -l", &["command_after_separator", "pipe_chain", "command_line"]),
        ("ls -l;wc -l", &["command_after_separator", "command_line"]),
        ("ls -l|x|wc -l", &["command_after_separator", "command_line"]),
        ("ls a|wc -l", RUNS),
        ("x;ls -l|wc a", &["command_after_separator", "pipe_chain"]),
        ("x;ls a|wc a", &["command_after_separator", "pipe_chain", "loose_command"]),
        ("x;ls a b c d|wc a", LOOSE),
    ]);
}

#[test]
fn a_quote_before_the_separator_breaks_out() {
    check(&[
        ("';date", &["command_after_separator", "break_out"]),
        ("a\";date", &["command_after_separator", "break_out"]),
        ("a' ;|&&date", &["command_after_separator", "break_out"]),
        ("a';ls a", &["command_after_separator", "break_out"]),
        ("a';ls;y", &["command_after_separator", "break_out"]),
        ("a'$(uname)", &["substitution", "break_out"]),
        ("a'b;date", LOOSE),
        ("a'; date", &[]),
    ]);
}

#[test]
fn behind_five_words_a_command_is_quoted_more_often_than_run() {
    check(&[
        ("a b c d ;uname", RUNS),
        ("a b c d e ;uname", &["command_in_text"]),
        ("a, b. c, d. e, ;uname", &["command_in_text"]),
        ("a - - - - - - ;uname", RUNS),
        ("a b c d e $(uname)", &["command_in_text"]),
        ("a b c d $(uname)", &["substitution"]),
        ("a b c d e f';uname", &["command_in_text"]),
    ]);
}

#[test]
fn back_ticks_run_what_they_hold_if_they_stand_alone_or_are_glued() {
    let (near, far) = ("a".repeat(22), "a".repeat(23));
    let text: &[&str] = &["command_in_text"];
    let runs: &[&str] = &["substitution"];
    check(&[
        ("`uname`", runs),
        ("`date a`", runs),
        ("`date a b c d`", &[]),
        ("((`uname`", runs),
        ("(((`uname`", &[]),
        ("`uname`...", runs),
        ("`uname`....", &[]),
        ("x`uname`.....", runs),
        ("a=`uname`.....", runs),
        ("a+(`uname`.....", &[]),
        ("x`date a`.....", &[]),
        ("x`ls a`......", runs),
        ("`uname", &[]),
        ("`x`uname`", &[]),
        ("say `ls -l`", runs),
        ("say it so `ls -l`", text),
        (&format!("say `ls -l` {near}"), runs),
        (&format!("say `ls -l` {far}"), text),
        ("say `ls` now", &[]),
        (&format!("`ls {}`", "a".repeat(156)), runs),
        (&format!("`ls {}`", "a".repeat(157)), &[]),
    ]);
}

#[test]
fn a_dollar_and_parenthesis_run_what_they_hold() {
    let runs: &[&str] = &["substitution"];
    check(&[
        ("a $(date)", runs),
        ("a $(date -u)", runs),
        ("a $(date a)", &[]),
        ("a $(ls a)", runs),
        ("a $(ls a b c d)", &[]),
        ("a $(</b)", runs),
        ("a <(date)", runs),
        ("a >(date)", runs),
        ("a ((date)", &[]),
        ("a $(cat)/bin/ls)", runs),
        ("a $(/bin/ls)", &["command_with_path", "substitution"]),
    ]);
}

#[test]
fn up_to_sixteen_signs_stand_before_a_name() {
    for (signs, wanted) in [
        ("({@!\\+^'\"\t\r ", RUNS),
        ("                ", RUNS),
        ("                 ", &[]),
        ("[", &[]),
        ("*", &[]),
    ] {
        check(&[(&format!("x;{signs}uname"), wanted)]);
    }
}
