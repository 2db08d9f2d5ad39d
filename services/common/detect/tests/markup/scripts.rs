//! Script outside of tags: handlers, addresses, calls, members and escapes; all flags of each text.

use crate::check;
use detect::structure::markup::read;

#[test]
fn a_handler_outside_a_tag_assigns_code() {
    let loose: &[&str] = &["loose_handler"];
    let left: &[&str] = &["handler_break_out"];
    check(&[
        ("onload=a()", loose),
        ("a onload=a()", loose),
        ("a/onload=a()", loose),
        ("a;onload=a()", loose),
        ("a{onload=a()", loose),
        ("a`onload=a()", loose),
        ("a.onload=a()", &[]),
        ("aonload=a()", &[]),
        ("a\" onload=a()", left),
        ("a'onload=a()", left),
        ("> onload=a()", left),
        ("onload = a()", loose),
        ("onload='a()", loose),
        ("onload={(a()", loose),
        ("onload=a`", loose),
        ("onload=a.b", loose),
        ("onload=a[", loose),
        ("onload=a:b", loose),
        ("onload=a=b", loose),
        ("onload=a", &[]),
        ("onload=a b()", &[]),
        ("onload=()", &[]),
        ("onfoo=a()", &[]),
        ("once=a()", &[]),
        ("onload=alert", loose),
        ("onload=alert;", &["loose_handler", "js_probe"]),
        ("onload=alert}", &["loose_handler", "js_probe"]),
        ("onload=alert,", &["loose_handler", "js_probe"]),
        ("onload=alert)", loose),
    ]);
}

#[test]
fn an_address_with_data_holds_markup_or_script() {
    let data: &[&str] = &["data_uri"];
    for kind in [
        "text/html",
        "text/javascript",
        "application/javascript",
        "application/x-javascript",
        "text/xml",
    ] {
        check(&[(&format!("data:{kind},a"), data)]);
    }
    let (near, far) = ("a".repeat(54), "a".repeat(55));
    check(&[
        ("data: text/html,a", data),
        ("'data:text/html,a", data),
        ("adata:text/html,a", &[]),
        ("data:text/html", &[]),
        ("data:text/css,a", &[]),
        ("data:,text/html", &[]),
        (&format!("data:text/html{near},"), &["data_uri"]),
        (&format!("data:text/html{far},"), &[]),
    ]);
}

#[test]
fn an_address_with_a_scheme_of_script_stands_where_addresses_do() {
    let script: &[&str] = &["script_uri"];
    for scheme in ["javascript", "vbscript", "livescript", "java script", "java\\script"] {
        check(&[(&format!("{scheme}:a"), script)]);
    }
    for before in ["=", "\"", "'", "(", ">", ":", "\\", ","] {
        check(&[(&format!("a{before}javascript:b"), script)]);
    }
    check(&[
        ("typescript:a", &[]),
        ("ajavascript:b", &[]),
        ("script:a", &[]),
        ("javascript:", &[]),
        ("javascript: a", &[]),
        ("\"javascript:\"", &[]),
        ("a javascript:b", &[]),
        ("a javascript:b()", script),
        ("a javascript:b=c", script),
        ("a javascript:b`", script),
        ("a javascript:%62", script),
        ("a javascript://b", script),
        ("a javascript:b c()", &[]),
        ("a java script:b()", &[]),
        ("<b href='javascript: c'>", &["format_tag", "script_uri"]),
    ]);
}

#[test]
fn a_scheme_is_read_across_forty_bytes_and_a_call_behind_it_in_96() {
    let script: &[&str] = &["script_uri"];
    check(&[
        (&format!("java{}script:a", " ".repeat(30)), script),
        (&format!("java{}script:a", " ".repeat(31)), &[]),
        (&format!("a javascript:{}(", "b".repeat(95)), script),
        (&format!("a javascript:{}(", "b".repeat(96)), &[]),
    ]);
}

#[test]
fn a_probe_is_called_with_what_shows_that_a_script_runs() {
    let probe: &[&str] = &["js_probe"];
    for (text, wanted) in [
        ("alert(1)", probe),
        ("confirm(1)", probe),
        ("prompt(1)", probe),
        ("alarm(1)", &[]),
        ("alert('a')", probe),
        ("alert(/a/)", probe),
        ("alert(document)", probe),
        ("alert(a)", &[]),
        ("alert()", &[]),
        ("'alert()", probe),
        (">alert()", probe),
        ("alert(", probe),
        ("alert(-a)", probe),
        ("alert([a])", probe),
        ("alert(!a)", probe),
        ("alert($a)", probe),
        ("alert(*a)", &[]),
        ("alert`a`", probe),
        ("`alert`a", &[]),
        ("alert `a`", &[]),
        ("alert (1)", probe),
        ("alert ('a')", probe),
        ("alert (document)", &[]),
        ("(alert)(1)", probe),
        ("alert?.(1)", probe),
        ("alert))))(1)", probe),
        ("alert)))))(1)", &[]),
        ("alert(                1)", probe),
        ("alert(                 1)", &[]),
        ("a.map(alert)", probe),
        ("a.map(alarm)", &[]),
        ("a.mop(alert)", &[]),
    ] {
        check(&[(text, wanted)]);
    }
}

#[test]
fn further_code_is_run_by_some_calls_whatever_they_are_given_and_by_some_from_strings() {
    let runs: &[&str] = &["js_exec"];
    check(&[
        ("eval(a)", runs),
        ("eval('a')", runs),
        ("eval()", &[]),
        ("eval(", &[]),
        ("eval (a)", &[]),
        ("eval`a`", runs),
        ("fetch('a')", runs),
        ("fetch(`a`)", runs),
        ("fetch`a`", runs),
        ("fetch(a)", &[]),
        ("fetch ('a')", &[]),
        ("a:expression(", &["css_script"]),
        ("a: expression(", &["css_script"]),
        ("*/expression(", &["css_script"]),
        ("expression(", &[]),
        ("a expression(", &[]),
    ]);
}

#[test]
fn members_of_the_browsers_objects_are_asked_for_by_name_or_computed() {
    check(&[
        ("document.cookie", &["js_member"]),
        ("a.cookie", &[]),
        ("document.a", &[]),
        ("document. cookie", &[]),
        ("self['a']", &["js_computed"]),
        ("self[\"a", &["js_computed"]),
        ("self[/a/", &["js_computed"]),
        ("self[ 'a']", &["js_computed"]),
        ("self[a]", &[]),
        ("self[a](b)", &["js_computed"]),
        ("self[a]`b`", &["js_computed"]),
        ("self[a b](c)", &[]),
        ("a['b']", &[]),
        ("self ['a']", &[]),
    ]);
}

#[test]
fn a_call_counts_more_within_96_bytes_of_what_it_broke_out_of() {
    for (opening, flag) in [
        ("'+", Some("js_break_out")),
        ("${", Some("template")),
        ("{{", Some("angular")),
        ("'.", None),
        ("{a", None),
    ] {
        // The place of the opening's sign, and that of the call's parenthesis.
        let begin = usize::from(opening == "${");
        for (distance, near) in [(20, true), (96, true), (97, false)] {
            let gap = " ".repeat(begin + distance - opening.len() - "alert".len());
            let text = format!("{opening}{gap}alert(1)");
            let mut wanted = vec!["js_probe"];
            wanted.extend(flag.filter(|_| near));
            check(&[(&text, &wanted)]);
        }
    }
    for operator in [";", "-", "+", "*", "|", "&", "^", "?", ")", "}", "%", "/"] {
        check(&[(&format!("a' {operator} eval(b)"), &["js_exec", "js_break_out"])]);
    }
    check(&[("a' , eval(b)", &["js_exec"]), ("'+document.cookie", &["js_member", "js_break_out"])]);
}

#[test]
fn code_of_signs_alone_has_24_of_them_17_in_20_and_an_empty_list() {
    let symbols: &[&str] = &["symbols"];
    check(&[
        (&format!("[]{}", "+!".repeat(11)), symbols),
        (&format!("[]{}", "+!".repeat(10)), &[]),
        (&format!("[]+{}", "+!".repeat(10)), &[]),
        (&format!("[ ]{}", "+!".repeat(12)), &[]),
        (&format!("[]{}aaaa", "+!".repeat(11)), symbols),
        (&format!("[]{}aaaaa", "+!".repeat(11)), &[]),
        (&format!("[]{}", "(){}+!]".repeat(4)), symbols),
    ]);
}

#[test]
fn brackets_and_quotes_may_be_escaped_even_now() {
    let again: &[&str] = &["encoded_again"];
    for text in [
        "\\x3c", "\\x3e", "\\u003c", "\\u003e", "\\u0022", "\\u0027", "\\x22", "\\x27", "%3c",
        "%3e", "&lt;", "&#60;", "&#x3c",
    ] {
        check(&[(&format!("a{text}"), again)]);
    }
    for text in ["\\3c", "&3c", "x3c", "%4c", "\\", "&gt;", "%"] {
        check(&[(&format!("a{text}"), &[])]);
    }
}

#[test]
fn blanks_are_skipped_sixteen_at_a_time_and_words_are_read_to_32_bytes() {
    check(&[
        (&format!("onload{}=a()", " ".repeat(16)), &["loose_handler"]),
        (&format!("onload{}=a()", " ".repeat(17)), &[]),
        (&format!("onload={}()", "a".repeat(32)), &["loose_handler"]),
        (&format!("onload={}()", "a".repeat(33)), &[]),
    ]);
}

#[test]
fn work_is_at_least_a_step_for_each_byte_and_more_where_there_is_something_to_look_at() {
    for (text, more) in [
        ("", 0),
        ("plain words", 0),
        // The blanks and the word that are looked at before it.
        ("a=", 1 + 2),
        ("onload=ab()", (1 + 7) + (1 + 3) + (1 + 3) + 1),
        ("&&&", 3),
        ("document.a", 9 + 2),
    ] {
        let mut steps = 0;
        read(text.as_bytes(), &mut steps);
        assert_eq!(steps, (text.len() + more) as u64, "{text:?}");
    }
}
