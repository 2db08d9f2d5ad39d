//! Tags, declarations and attributes: all flags of each text.

use crate::{check, flags};

#[test]
fn declarations_are_told_by_their_first_word() {
    let outside = "a".repeat(150);
    check(&[
        ("<!--a", &["comment"]),
        ("<!--#a", &["server_include"]),
        ("<!-a", &[]),
        ("<![cdata[a", &["cdata"]),
        ("<![cdata", &[]),
        ("<!entity a", &["entity"]),
        ("<!entitya", &[]),
        ("<!entity", &[]),
        ("<!doctype a [", &["doctype"]),
        ("<!doctype a system 'b'", &["doctype"]),
        ("<!doctype a public 'b'", &["doctype"]),
        ("<!doctype a", &[]),
        ("<!doctype html public '-//w3c//dtd html' [", &[]),
        (&format!("<!doctype {outside} ["), &["doctype"]),
        (&format!("<!doctype {outside}  ["), &[]),
        ("<?xml a", &["processing"]),
        ("<?xml-stylesheet", &["processing"]),
        ("<?php a", &[]),
        ("<", &[]),
        ("<1", &[]),
    ]);
}

#[test]
fn elements_are_told_by_what_they_do() {
    check(&[
        ("<script>", &["script_tag", "leading_tag"]),
        ("<svg:script>", &["script_tag", "leading_tag"]),
        ("< script>", &["script_tag", "leading_tag"]),
        ("< svg>", &[]),
        ("<svg>", &["tag", "leading_tag"]),
        ("<svg a=b>", &["active_tag", "leading_tag"]),
        ("<img>", &["tag", "leading_tag"]),
        ("<img a=b>", &["tag", "leading_tag"]),
        ("<b>", &["format_tag"]),
        ("<b a=b>", &["format_tag"]),
        ("<b", &[]),
        ("<nothing>", &[]),
        ("<nothing a=b>", &[]),
        ("</script", &["script_close"]),
        ("</ script", &["script_close"]),
        ("</svg", &["close_tag"]),
        ("</img", &["close_tag"]),
        ("</b", &[]),
        ("</nothing", &[]),
    ]);
}

#[test]
fn a_name_ends_at_a_blank_a_bracket_or_a_slash() {
    for end in ["", ">", " ", "/", "\n", "<", "\"", "'", "`"] {
        check(&[(&format!("<svg{end}"), &["tag", "leading_tag"])]);
    }
    for end in ["=", ".", "(", ";", "&"] {
        check(&[(&format!("<svg{end}"), &[])]);
    }
    check(&[
        ("<x-y\"onload=a()>", &["handler_break_out"]),
        ("<x-y onload=a()>", &["event_handler"]),
    ]);
}

#[test]
fn a_tag_leads_behind_at_most_twelve_signs() {
    check(&[
        ("\"'>)}];-+*/ <img", &["tag", "leading_tag"]),
        ("............<img", &["tag", "leading_tag"]),
        (".............<img", &["tag"]),
        ("`<img", &["tag"]),
        ("a <img", &["tag"]),
        (". <b>", &["format_tag"]),
    ]);
}

#[test]
fn a_bracket_glued_to_a_word_is_a_generic_argument_unless_it_has_attributes() {
    check(&[
        ("vec<form>", &[]),
        ("a::<form>", &[]),
        ("vec<img>", &[]),
        ("vec <img>", &["tag"]),
        ("vec<form a=b>", &["active_tag"]),
        ("vec<img a=b>", &["tag"]),
    ]);
}

#[test]
fn a_script_has_a_body_if_code_a_source_or_its_end_follows() {
    let body: &[&str] = &["script_tag", "script_body", "leading_tag"];
    let empty: &[&str] = &["script_tag", "leading_tag"];
    for (rest, wanted) in [
        ("</a", body),
        ("//", body),
        ("/*", body),
        ("/", empty),
        ("{", body),
        ("[", body),
        ("(", body),
        ("!", body),
        ("+", body),
        ("~", body),
        ("\\", body),
        ("-", empty),
        ("", empty),
        ("let", body),
        ("let x", body),
        ("a", empty),
        ("a b", empty),
        ("a(", body),
        ("a=", body),
        ("a[", body),
        ("a`", body),
        ("a\\", body),
        ("a.b", body),
        ("a.", empty),
        ("  a(", body),
    ] {
        check(&[(&format!("<script>{rest}"), wanted)]);
    }
    check(&[
        ("<script a>b", empty),
        ("<script src=a>", body),
        ("<script a(", empty),
        ("<script>a <", empty),
    ]);
}

#[test]
fn an_address_of_another_host_is_remote_but_in_a_link() {
    let remote: &[&str] = &["tag", "leading_tag", "remote_source"];
    for (attribute, wanted) in [
        ("src=//a", remote),
        ("src=http:a", remote),
        ("src=https:a", remote),
        ("src=ftp:a", remote),
        ("src=\\\\a", remote),
        ("src='//a'", remote),
        ("src = //a", remote),
        ("src=/a", &["tag", "leading_tag"]),
        ("src=a//b", &["tag", "leading_tag"]),
        ("alt=//a", &["tag", "leading_tag"]),
        ("src= //a", remote),
    ] {
        let mut wanted = wanted.to_vec();
        wanted.sort_by_key(|flag| {
            ["tag", "leading_tag", "remote_source"].iter().position(|one| one == flag)
        });
        check(&[(&format!("<img {attribute}>"), &wanted)]);
    }
    check(&[("<a href=//b>", &["format_tag"]), ("<x src=//b>", &[])]);
}

#[test]
fn a_picture_that_runs_and_loads_nothing_is_no_markup() {
    let named = "<svg xmlns='http://www.w3.org/2000/svg' viewbox='0 0 9 9'>";
    for (text, wanted) in [
        ("<title>a</title><path d='m1 1'/></svg>", &[][..]),
        ("<style>.a{fill:red}</style><g class=a></g></svg>", &[]),
        ("</svg><iframe src=/a.html></iframe>", &["active_tag", "leading_tag"]),
        ("<use href='/a.svg#x'/></svg>", &["active_tag", "leading_tag"]),
        ("<a href=//a><rect/></a></svg>", &["active_tag", "leading_tag"]),
        ("<g></g>", &["active_tag", "leading_tag"]),
        ("<g onload=a></g></svg>", &["active_tag", "leading_tag", "event_handler"]),
        ("<script>a()</script></svg>", &["script_tag", "script_body", "script_close"]),
        ("<image href='//a'/></svg>", &["tag", "active_tag", "leading_tag", "remote_source"]),
    ] {
        let found = flags(&format!("{named}{text}"));
        assert!(wanted.iter().all(|flag| found.contains(flag)), "{text}: {found:?}");
        assert_eq!(found.is_empty(), wanted.is_empty(), "{text}: {found:?}");
    }
    assert!(
        !flags("<svg viewbox='0 0 9 9'><g></g></svg>").is_empty(),
        "it does not say what it is"
    );
    let drawn = "<?xml version='1.0'?>\n<!-- drawn by hand -->\n<!-- twice -->\n";
    check(&[(&format!("{drawn}{named}<g></g></svg>"), &[])]);
    for hidden in [
        "<!--><base href=/a/><form action=/b>-->",
        "<!---><base href=/a/>-->",
        "<!--a--!><base href=/a/>-->",
        "<!--<base href=/a/>-->",
    ] {
        assert!(!flags(&format!("{hidden}{named}<g></g></svg>")).is_empty(), "{hidden}");
    }
    for loads in ["url(//a.example)", "url( 'http://a.example')", "url(\\\\a.example\\b)"] {
        let styled = format!("{named}<style>.a{{fill:{loads}}}</style></svg>");
        assert!(!flags(&styled).is_empty(), "{styled}");
    }
    for loads in [r"u\72l(//a.example)", "image-set('//a.example' 1x)"] {
        let styled = format!("{named}<style>.a{{fill:{loads}}}</style></svg>");
        assert!(!flags(&styled).is_empty(), "{styled}");
    }
    let prefixed = format!("{named}<g:iframe src='a.html'/></svg>");
    assert!(!flags(&prefixed).is_empty(), "{prefixed}");
    let local = format!("{named}<style>.a{{fill:url(#b)}}</style></svg>");
    assert!(flags(&local).is_empty(), "{local}");
}

#[test]
fn a_page_that_runs_and_loads_nothing_is_no_markup() {
    let begun = "<html><head><meta http-equiv='content-type' content='text/html'><style>p {margin:0}</style>";
    for (text, wanted) in [
        ("</head><body dir=ltr><div>We meet on Monday.</div></body></html>", &[][..]),
        ("</head><body>We meet on Monday.<img src='cid:1'></body></html>", &[]),
        ("</head><body></body></html>", &["active_tag"]),
        ("</head><body class=` onload=a `>We meet on Monday.</body></html>", &["active_tag"]),
        ("</head><!--><base href=/a>-->We meet on Monday.</html>", &["active_tag"]),
        ("</head><body>We meet on Monday.</body></html><style>a{}", &["active_tag"]),
        ("</head><body>We meet on Monday.<form action=/a></form></body></html>", &["active_tag"]),
        ("<meta http-equiv=refresh content=0>We meet on Monday.</html>", &["active_tag"]),
        ("</head><body onload=a>We meet on Monday.</body></html>", &["event_handler"]),
        ("</head><body>We meet.<script>a()</script></body></html>", &["script_body"]),
        ("</head><body>We meet on Monday.<img src=//a></body></html>", &["remote_source"]),
    ] {
        let found = flags(&format!("{begun}{text}"));
        assert!(wanted.iter().all(|flag| found.contains(flag)), "{text}: {found:?}");
        assert_eq!(found.is_empty(), wanted.is_empty(), "{text}: {found:?}");
    }
}

#[test]
fn a_handler_is_an_attribute_whose_value_a_browser_would_run() {
    let closed: &[&str] = &["event_handler"];
    check(&[
        ("<x onload=a>", closed),
        ("<x onload=a", &["event_handler", "unclosed_handler"]),
        ("<x/onload=a/>", closed),
        ("<x y onload=a>", closed),
        ("<x y=z onload=a>", closed),
        ("<x y='z'onload=a>", closed),
        ("<x y='z' onload='a>b'>", closed),
        ("<x 'onload=a>", closed),
        ("<x ;onload=a>", closed),
        ("<x .onload=a>", &[]),
        ("<x onload = a>", closed),
        ("<x onload=>", &[]),
        ("<x onload>", &[]),
        ("<x onload=''>", &[]),
        ("<x onload={a}>", &[]),
        ("<x onload={a()}>", closed),
        ("<x onload={a`b`}>", closed),
        ("<x onabc=a>", closed),
        ("<x onab=a>", &[]),
        ("<x on1bc=a>", &[]),
        ("<x load=a>", &[]),
        ("<x y=onload=a>", &[]),
        ("<x y=\"onload=a\">", &[]),
    ]);
}

#[test]
fn a_document_inside_an_attribute_runs_whatever_has_it() {
    check(&[
        ("<b srcdoc=a>", &["format_tag", "active_tag"]),
        ("<img srcdoc=a>", &["tag", "active_tag", "leading_tag"]),
        ("<img src=a>", &["tag", "leading_tag"]),
        ("<x srcdoc=a>", &[]),
    ]);
}

#[test]
fn a_quote_and_bracket_before_a_tag_leave_an_attribute() {
    let leaves: &[&str] = &["attribute_break_out"];
    for (text, wanted) in [
        ("a\"><b", leaves),
        ("a'><b", leaves),
        ("a\" ><b", leaves),
        ("a\"/><b", leaves),
        ("a\"//><b", leaves),
        ("a\"///><b", &[]),
        ("a\"> <b", leaves),
        ("a\"><!a", leaves),
        ("a\"><?a", leaves),
        ("a\"></b", leaves),
        ("a\"><1", &[]),
        ("a\">b", &[]),
        ("a\"<b", &[]),
        // Here the quote only ends the attribute of the tag it stands in.
        ("<x y=\"a\"><c", &[]),
    ] {
        check(&[(text, wanted)]);
    }
}
