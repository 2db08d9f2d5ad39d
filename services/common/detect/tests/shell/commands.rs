//! Names of commands, what leads to them and what they do together; all flags of each text.

use crate::check;

const RUNS: &[&str] = &["command_after_separator"];

#[test]
fn a_name_is_known_with_its_ending_its_version_and_its_folder() {
    check(&[
        ("x;uname", RUNS),
        ("x;unam", &[]),
        ("x;unames", &[]),
        ("x;zypper", RUNS),
        ("x;ansible", RUNS),
        ("x;7z", RUNS),
        ("x;whoami.exe", RUNS),
        ("x;whoami.com", RUNS),
        ("x;whoami.bat", RUNS),
        ("x;whoami.doc", &[]),
        ("x;invoke-expression.exe", RUNS),
        ("x;python3.11", RUNS),
        ("x;php8", RUNS),
        ("x;php8.x", &[]),
        ("x;uname3", &[]),
        ("x;.exe", &[]),
        ("x;/usr/bin/uname", &["command_after_separator", "command_with_path"]),
        ("x;./uname", &["command_after_separator", "command_with_path"]),
        ("x;/usr/share/uname", &[]),
        ("x;a/uname", &[]),
    ]);
}

#[test]
fn what_only_leads_to_a_command_is_followed_three_names_deep() {
    check(&[
        ("x;time uname", RUNS),
        ("x;time exec uname", RUNS),
        ("x;time exec eval uname", &[]),
        ("x;date uname", &[]),
        ("x;time", &["loose_command"]),
    ]);
}

#[test]
fn a_lost_blank_is_seen_where_a_sensitive_path_follows() {
    check(&[
        ("x;cat/etc/hosts", RUNS),
        ("x;cat/docs/hosts", &[]),
        ("cat/etc/hosts", &[]),
        ("x;cap/etc/hosts", &[]),
    ]);
}

#[test]
fn a_command_may_be_put_into_a_variable() {
    let assigned: &[&str] = &["assigned_command"];
    check(&[
        ("a=q;$a", assigned),
        ("x;a=q;$a", assigned),
        ("a=q;${a}", assigned),
        ("a=q;b=r;$a$b", assigned),
        ("a=q;$b", &[]),
        ("a=q;a", &[]),
        ("a=q $a", &[]),
        ("a==q;$a", &[]),
        ("x;$a", &[]),
        ("$a;a=q", &[]),
        ("ab=q;c=r;$ab", assigned),
        ("ab=q;c=r;d=s;e=t;f=u;$ab", &[]),
    ]);
}

#[test]
fn what_is_fetched_or_decoded_and_then_run_counts_together() {
    check(&[
        ("x;curl -s a|sh", &["command_after_separator", "pipe_chain", "download_and_run"]),
        ("curl -s a;sh -x", &["command_after_separator", "download_and_run", "command_line"]),
        ("curl a;sh -x", RUNS),
        ("sh -x;curl -s a", &["command_after_separator", "command_line"]),
        ("curl -s a;ls -l", &["command_after_separator", "command_line"]),
        ("x;base64 -d|sh", &["command_after_separator", "pipe_chain", "decode_and_run"]),
        ("x;base64|sh", &["command_after_separator", "pipe_chain"]),
        ("x;rev -a|sh", &["command_after_separator", "pipe_chain"]),
        ("sh -x", &["command_line"]),
    ]);
}

#[test]
fn a_wait_counts_as_a_probe_if_it_says_how_long() {
    let probe: &[&str] = &["command_after_separator", "timing_probe"];
    check(&[
        ("x;sleep 9", probe),
        ("x;ping -c 9 a", probe),
        ("x;timeout 9", probe),
        ("x;sleep a", &[]),
        ("x;ping", RUNS),
        ("x;ssh 192.0.2.1", RUNS),
        ("a $(sleep 9)", &["substitution", "timing_probe"]),
        ("sleep 9", &["loose_command"]),
    ]);
}

#[test]
fn a_sensitive_file_counts_behind_an_open_command_where_a_word_begins() {
    let reads: &[&str] = &["command_after_separator", "sensitive_argument"];
    check(&[
        ("x;echo a /etc/hosts", reads),
        ("x;echo a=/etc/hosts", reads),
        ("x;echo a:/etc/hosts", RUNS),
        ("x;echo a b c /etc/hosts", &[]),
        ("x;curl a b c /etc/hosts", &["sensitive_argument"]),
        ("curl a /etc/hosts", &[]),
        ("curl -s /etc/hosts", &["sensitive_argument", "command_line"]),
        ("x;echo a;b /etc/hosts", RUNS),
        ("x;echo a /usr/hosts", RUNS),
        ("echo -n a b /etc/hosts", &["sensitive_argument", "command_line"]),
        ("echo -n a b c /etc/hosts", &["command_line"]),
    ]);
}
