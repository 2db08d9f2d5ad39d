//! Which flags a text sets.

use detect::structure::markup::{Markup, read};

fn names(text: &str) -> Vec<&'static str> {
    let mut steps = 0;
    let Markup(found) = read(text.to_lowercase().as_bytes(), &mut steps);
    let names = Markup::NAMES.iter().enumerate();
    names
        .filter(|(bit, _)| found & (1 << bit) != 0)
        .map(|(_, name)| name.trim_start_matches("markup."))
        .collect()
}

#[track_caller]
fn check(cases: &[(&str, &[&str])]) {
    for (text, wanted) in cases {
        let found = names(text);
        for flag in *wanted {
            assert!(found.contains(flag), "{text:?} lacks {flag}: {found:?}");
        }
    }
}

/// Flags that convict, or nearly.
const TELLING: &[&str] = &[
    "script_body",
    "active_tag",
    "event_handler",
    "unclosed_handler",
    "handler_break_out",
    "loose_handler",
    "attribute_break_out",
    "script_uri",
    "data_uri",
    "css_script",
    "js_probe",
    "js_computed",
    "js_break_out",
    "template",
    "angular",
    "symbols",
    "doctype",
    "entity",
    "server_include",
];

#[test]
fn every_bit_has_a_name() {
    assert_eq!(Markup::NAMES.len(), 32);
}

#[test]
fn tags_open_and_run() {
    check(&[
        (
            "<script>alert(7)</script>",
            &["script_tag", "script_body", "script_close", "js_probe", "leading_tag"],
        ),
        (
            "\"><svg/onload=prompt(2)>",
            &["attribute_break_out", "event_handler", "js_probe", "leading_tag"],
        ),
        ("<img src=q onerror=confirm`3`", &["event_handler", "unclosed_handler", "js_probe"]),
        ("<iframe srcdoc='hello'>", &["active_tag"]),
        ("<script src=//evil.example/x></script>", &["script_body", "remote_source"]),
        ("<base href=https://evil.example/>", &["active_tag", "remote_source"]),
        ("<custom onfocusin=go() tabindex=1>", &["event_handler"]),
        ("<a href=\"java\tscript:go()\">", &["script_uri", "format_tag"]),
    ]);
}

#[test]
fn attributes_and_strings_are_left() {
    check(&[
        ("\" autofocus onfocus=alert(1) x=\"", &["handler_break_out", "js_probe"]),
        ("x' onmouseover='go()", &["handler_break_out"]),
        ("onpointerenter=eval(name)", &["loose_handler", "js_exec"]),
        ("'-alert(1)-'", &["js_break_out", "js_probe"]),
        ("\"; document.cookie='a' //", &["js_member", "js_break_out"]),
        ("javascript:alert(document.domain)", &["script_uri", "js_probe", "js_member"]),
        ("data:text/html,<b onclick=go()>", &["data_uri", "event_handler"]),
        ("${alert(1)}", &["template", "js_probe"]),
        ("{{constructor.constructor('go()')()}}", &["angular", "js_exec"]),
        ("self['al'+'ert'](1)", &["js_computed"]),
        ("width: expression(go())", &["css_script"]),
        ("[][(![]+[])[+[]]+(![]+[])[!+[]+!+[]]]", &["symbols"]),
        ("[8].find(alert)", &["js_probe"]),
    ]);
}

#[test]
fn declarations_are_seen() {
    check(&[
        ("<!DOCTYPE r [<!ENTITY x SYSTEM 'file:///q'>]>", &["doctype", "entity"]),
        ("<!--#exec cmd='id'-->", &["server_include"]),
        ("order <?xml version='1.0'?><![CDATA[x]]>", &["processing", "cdata"]),
        ("\\u003cimg", &["encoded_again"]),
    ]);
}

#[test]
fn benign_text_sets_no_telling_flag() {
    for text in [
        "once=call(me), only=if(it.rains), ones=a.b",
        "Return a Vec<u8> instead of Option<Body>",
        "if a < b && c > d { x -> y }",
        "mail me at <ada@example.org> or <https://example.org/>",
        "impl<T: Into<String>> From<T> for Link<Form>",
        "<b>bold</b><br><code>let x = 1;</code> and <a href=\"https://example.org\">a link</a>",
        "The `<script>` tag is stripped, as are `<iframe>` and `<style>` (see below)",
        "set online = true once only = 1",
        "see [the book](https://example.org/javascript: the good parts)",
        "JavaScript: The Good Parts (2008)",
        "Prompt (y/n) for confirm() and alert about it",
        "regular expression (regex) support",
        "el.onclick = handler; const top = 3",
        "<Button onClick={handler}>Go</Button>",
        "use `eval` and `alert`, not both",
        "Hello {{name}}, your order ${id} is ready",
        "5 + 3 - (2 * 4) = 0 [x] {y}",
        "<!DOCTYPE html><p>Hi",
        "data: text and more",
        "O'Brien & Sons; \"quoted\" - text",
    ] {
        let found = names(text);
        assert!(!found.iter().any(|flag| TELLING.contains(flag)), "{text:?}: {found:?}");
    }
}

#[test]
fn steps_grow_with_the_text_only() {
    for piece in [
        "<a b=\"",
        "<svg onload=",
        "<svg<g",
        "<g<svg/a=",
        "<a href=b<a ",
        "<a onx={<a ",
        "javascript:",
        "(((",
        "'\"><",
        "on=on=",
        "self[",
        "&lt;\\x3c",
    ] {
        let count = |times: usize| {
            let mut steps = 0;
            read(piece.repeat(times).as_bytes(), &mut steps);
            steps
        };
        assert!(
            count(4000) <= count(400) * 21 / 2,
            "{piece:?}: {} and {}",
            count(400),
            count(4000)
        );
    }
}
