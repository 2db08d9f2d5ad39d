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
        // A signature says so of these.
        ("ldap://host.example/ou=q", &[]),
        ("file:///home/q/a.txt", &[]),
        ("http://192.168.1.10/admin", &[]),
        ("http://172.16.0.1/admin", &[]),
        ("http://172.32.0.1/admin", &["shell.remote_number"]),
        ("http://127.0.0.1:8080/", &[]),
        ("http://10.0.0.5/tool.sh", &[]),
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

#[test]
fn a_segment_climbs_if_it_is_dots_and_what_a_wrong_decoder_takes_for_them() {
    let (climb, odd) = (&["shell.climb"][..], &["shell.odd_climb"][..]);
    for (text, wanted) in [
        ("../a", &[][..]),
        ("../../a", climb),
        ("..\\..\\a", climb),
        (".../a", odd),
        ("..;/a", odd),
        ("..%/a", odd),
        ("..\u{ff}/a", odd),
        ("..a/b", &[]),
        (".;/a", &[]),
        ("./a", &[]),
        ("0x2e0x2e/a", odd),
        ("0x2ea/b", &[]),
        ("a0x2e/b", &[]),
    ] {
        check(text, wanted);
    }
}

#[test]
fn a_file_of_the_system_begins_a_path_or_follows_a_climb_or_a_sign() {
    let system = &["shell.system_file"][..];
    for (text, wanted) in [
        ("etc/a", system),
        ("q=etc/a", &[]),
        ("q=/etc/a", system),
        ("a/etc/b", &[]),
        ("../etc/a", system),
        ("a /proc/b", &["shell.system_file"]),
        ("etc/", &[]),
        ("etc/.", &[]),
        ("etc", &[]),
        ("var/log", system),
        ("var/cache", &[]),
        ("windows/system32", system),
        ("windows/win.ini.bak", system),
        ("windows/fonts", &[]),
        ("win.ini", system),
        ("boot.ini.bak", system),
        ("myboot.ini", &[]),
        ("winnt/a", system),
        ("winter/a", &[]),
    ] {
        check(text, wanted);
    }
}

#[test]
fn a_whole_path_goes_from_a_known_root_into_it_without_a_blank() {
    let whole = &["shell.whole_path"][..];
    for (text, wanted) in [
        ("/opt/a", whole),
        (" /opt/a ", whole),
        ("/opt/.a", whole),
        ("/opt/-a", &[]),
        ("/opt/", &[]),
        ("/opt", &[]),
        ("opt/a", &[]),
        ("/opt/a b", &[]),
        ("/data/a", &[]),
        ("q=/opt/a", &[]),
    ] {
        check(text, wanted);
    }
}

#[test]
fn an_address_of_a_script_has_a_number_a_cut_or_a_name_that_tells() {
    let (script, number) = (&["shell.remote_script"][..], &["shell.remote_number"][..]);
    for (text, wanted) in [
        ("http://198.18.0.4/", number),
        ("http://198.18.0.4:80/a", number),
        ("http://198.18.0.4", &[]),
        ("http://198.18.0.4/a b", &[]),
        ("http://198.18.0.4.example/a.php", &[]),
        ("http://a.example/b.php?", script),
        ("ftp://a.example/b.txt?", script),
        ("http://a.example/b.html?", &[]),
        ("http://a.example/b.php?c", &[]),
        ("http://a.example/b?", &[]),
        ("http://a.example/c99.php", script),
        ("http://a.example/shell.html", &[]),
        ("http://a.example/shell/b.php", &[]),
        ("mailto://198.18.0.4/a", &[]),
        ("jar:a", &["shell.wrapper"]),
        ("ssh2.a", &["shell.wrapper"]),
        ("data:text/plain,a", &["shell.wrapper"]),
        ("data:text/html,a", &[]),
        ("a php://b", &[]),
        ("php:/a", &[]),
    ] {
        check(text, wanted);
    }
}

#[test]
fn a_lookup_reads_and_a_walk_ends_where_code_runs() {
    let (lookup, walk) = (&["shell.lookup"][..], &["shell.object_walk"][..]);
    for (text, wanted) in [
        ("a ${env:b}", lookup),
        ("${ env:b}", lookup),
        ("${${a}}", lookup),
        ("${a:${b}jndi:c}", lookup),
        ("$ {env:a}", &[]),
        ("{env:a}", &[]),
        ("${a:env:b}", &[]),
        ("$", &[]),
        // An attribute's name by itself is what people search for.
        ("__class__", &[]),
        ("__class__.a", walk),
        ("a.__class__", walk),
        ("__a.mro__", walk),
        ("_class__", &[]),
        ("__class_", &[]),
        ("a.getclass(b", walk),
        ("getclass(", walk),
        ("a java.lang.b", walk),
        ("java.lang", &[]),
        ("classloader", &[]),
        ("a.classloader", walk),
    ] {
        check(text, wanted);
    }
}
