//! What the views leave out and what they leave alone: each rule of a view at its edges.

use crate::{Read, read, read_with, value};
use detect::normalise::Normaliser;
use detect::{Place, Value};

/// The view that `pick` takes of each text, and the one mark that writing it leaves.
#[track_caller]
fn check(pick: fn(&Read) -> &str, rows: &[(&str, &str, Option<&str>)]) {
    for (raw, view, mark) in rows {
        let all = read(Place::Body, raw.as_bytes());
        assert_eq!(pick(&all[0]), *view, "{raw}");
        assert_eq!(all[0].marks, mark.iter().copied().collect::<Vec<_>>(), "{raw}");
    }
}

#[test]
fn line_comments_go_with_their_noise_however_long_it_is() {
    let noise = "x".repeat(2050);
    check(
        |read| &read.sql,
        &[
            ("a--b\nc", "a c", None),
            ("a--b c\nd", "a d", None),
            ("a#b\nc", "a c", None),
            ("a#\nb", "a b", None),
            ("a#b\r\nc", "a c", None),
            ("a#b c\nd", "a#b c d", None),
            ("a--b.c\nd", "a--b.c d", None),
            ("a-b\nc", "a-b c", None),
            ("a--b", "a--b", None),
            ("a--b_1\nc--d\ne", "a c e", None),
            ("a--\tb\nc", "a c", None),
            (&format!("a--{noise}\nb"), "a b", None),
            (&format!("a-- {noise} {noise}\nb"), "a b", None),
            (&format!("a#{noise}\nb"), "a b", None),
            (&format!("a--{noise}.\nb"), &format!("a--{noise}. b"), None),
        ],
    );
}

#[test]
fn block_comments_are_blanks_and_those_of_a_version_are_read() {
    let comment = Some("sql_comment");
    check(
        |read| &read.sql,
        &[
            ("a/**/b", "a b", comment),
            ("a/*b*/ c", "a c", comment),
            ("a/*b*/c/*d*/e", "a c e", comment),
            ("a/*b*/c/*d", "a c/*d", comment),
            ("a/*b", "a/*b", None),
            ("a/*/b", "a/*/b", None),
            ("a/*/b*/c", "a c", None),
            ("a*/b", "a*/b", None),
            ("a/*!b*/c", "a b c", comment),
            ("a/*!b*/c*/d", "a b c*/d", comment),
            ("a/*!*/b", "a b", comment),
            ("a/*!123456b*/c", "a b c", comment),
            ("a/*!1234567b*/c", "a 7b c", comment),
            ("a/b*c", "a/b*c", None),
            ("'a/*b*/c'", "'a c'", comment),
        ],
    );
}

#[test]
fn literals_are_joined_by_an_operator_or_a_blank() {
    let joined = Some("sql_concat");
    check(
        |read| &read.sql,
        &[
            ("'a'||'b'", "'ab'", joined),
            ("'a' || 'b'", "'ab'", joined),
            ("'a'+'b'", "'ab'", joined),
            ("'a' + 'b'", "'ab'", joined),
            ("'a' 'b'", "'ab'", joined),
            ("\"a\"||\"b\"", "\"ab\"", joined),
            ("'a'||'b'||'c'", "'abc'", joined),
            ("'a'|'b'", "'a'|'b'", None),
            ("'a''b'", "'a''b'", Some("shell_quote")),
            ("'a'-'b'", "'a'-'b'", None),
            ("'a'||\"b\"", "'a'||\"b\"", None),
            ("\"a'||'b\"", "\"a'||'b\"", None),
            ("'a'||", "'a'||", None),
            ("'a'||'", "'a'||'", None),
            ("'a'||'('", "'a'||'('", None),
            ("a'||'b", "a'||'b", None),
        ],
    );
    for first in [" ", "%", "/", ".", "-", "<", ">", "_", "7"] {
        check(|read| &read.sql, &[(&format!("'a'||'{first}'"), &format!("'a{first}'"), joined)]);
    }
}

#[test]
fn quotes_inside_a_word_go_and_two_of_them_are_marked() {
    let quote = Some("shell_quote");
    check(
        |read| &read.shell,
        &[
            ("a'b", "ab", None),
            ("a''b", "ab", quote),
            ("a'b'c", "abc", quote),
            ("a'b c'd", "ab cd", None),
            ("a\"b``c^d", "abcd", quote),
            ("a`b'c'd`", "a`bcd`", quote),
            ("/'b", "/b", None),
            ("a'/b", "a/b", None),
            ("'b", "'b", None),
            ("a' b", "a' b", None),
            ("a'", "a'", None),
            ("a'-b", "a'-b", None),
            ("-'b", "-'b", None),
        ],
    );
}

#[test]
fn one_backslash_goes_and_of_two_one_stays() {
    for (raw, view) in [(r"a\b", "ab"), (r"a\\b", r"a\b"), (r"a\\\b", r"a\b"), (r"a\", "a")] {
        assert_eq!(read(Place::Body, raw.as_bytes())[0].shell, view, "{raw}");
    }
}

#[test]
fn variables_that_a_shell_replaces_by_nothing_go() {
    let quote = Some("shell_quote");
    let (near, far) = ("x".repeat(39), "x".repeat(40));
    check(
        |read| &read.shell,
        &[
            ("a${x}b", "ab", quote),
            ("a${x_1@}/b", "a/b", quote),
            ("${x}b", "${x}b", None),
            ("a${x}", "a${x}", None),
            ("a${x} b", "a${x} b", None),
            ("a${x.y}b", "a${x.y}b", None),
            ("a${xb", "a${xb", None),
            ("a$@b", "ab", quote),
            ("a$*b", "ab", quote),
            ("a$!b", "ab", quote),
            ("a$1b", "ab", quote),
            ("a$xb", "a$xb", None),
            ("a$()b", "ab", quote),
            ("a$''b", "ab", quote),
            ("a$(b", "a$(b", None),
            ("a$ifsb", "a b", quote),
            ("a$ifs$9b", "a b", quote),
            ("a$ifs$@b", "a b", quote),
            ("a$ifs$xb", "a $xb", quote),
            ("a${ifs}b", "a b", quote),
            ("a ${ifs}b", "a b", quote),
            ("a${home:0:1}b", "a/b", quote),
            ("${pwd:0:1}", "/", quote),
            ("${path:1:1}", "/", quote),
            ("${shell:0:1}", "/", quote),
            ("a${q:0:1}b", "ab", quote),
            ("a${q:b:1}b", "a${q:b:1}b", None),
            ("a${q:0}b", "a${q:0}b", None),
            (&format!("a${{{near}}}b"), "ab", quote),
            (&format!("a${{{far}}}b"), &format!("a${{{far}}}b"), None),
        ],
    );
}

#[test]
fn a_list_in_braces_is_its_words() {
    let brace = Some("shell_brace");
    let (near, far) = ("x".repeat(198), "x".repeat(199));
    check(
        |read| &read.shell,
        &[
            ("{cat,a}", "cat a", brace),
            ("{cat,-n,/a.b,~,$c,d=e,*?|}", "cat -n /a.b ~ $c d=e *?|", brace),
            ("{cat}", "{cat}", None),
            ("{cat,a", "{cat,a", None),
            ("{cat,a b}", "{cat,a b}", None),
            ("{,cat}", "{,cat}", None),
            ("{1,2}", "{1,2}", None),
            ("{}", "{}", None),
            (&format!("{{a,{near}}}"), &format!("a {near}"), brace),
            (&format!("{{a,{far}}}"), &format!("{{a,{far}}}"), None),
        ],
    );
}

#[test]
fn a_path_climbs_if_it_leaves_where_it_began() {
    let (dot, up) = (Some("path_dot"), Some("path_up"));
    let (near, far) = ("x".repeat(30), "x".repeat(31));
    check(
        |read| &read.path,
        &[
            ("a/../b", "a/../b", None),
            ("a/b/../../c", "a/b/../../c", None),
            ("a/../../b", "a/../../b", up),
            ("a b/../c", "a b/../c", None),
            ("a b/../../c", "a b/../../c", up),
            ("a-b_c~d%e.f/../g", "a-b_c~d%e.f/../g", None),
            ("a=../b", "a=../b", up),
            ("a/b/..", "a/b/..", None),
            ("a/..", "a/..", None),
            ("a/../..", "a/../..", up),
            ("/..", "/..", up),
            ("a/./b", "a/b", dot),
            ("./a", "./a", None),
            ("a/.b", "a/.b", None),
            ("a/b./c", "a/b./c", None),
            ("a//b", "a/b", None),
            ("a:///b", "a://b", None),
            ("a/..;x/b", "a/../b", dot),
            ("a/..;b", "a/..;b", None),
            ("a/.;x/b", "a/.;x/b", None),
            (&format!("a/..;{near}/b"), "a/../b", dot),
            (&format!("a/..;{far}/b"), &format!("a/..;{far}/b"), None),
        ],
    );
    for (raw, view) in
        [("a/....//b", "a/../b"), ("a/..../b", "a/..../b"), ("a/.....//b", "a/...../b")]
    {
        assert_eq!(read(Place::Body, raw.as_bytes())[0].path, view, "{raw}");
    }
}

#[test]
fn some_views_are_not_taken_where_nobody_would_read_so() {
    let path = |place| read(place, br"a\b")[0].path.clone();
    assert_eq!((path(Place::Query).as_str(), path(Place::Agent).as_str()), ("a/b", r"a\b"));
    let sql = |name: &'static [u8]| {
        let value = Value { name, ..value(Place::Header, b"a/*b*/c'") };
        read_with(&mut Normaliser::default(), &value)[0].sql.clone()
    };
    assert_eq!((sql(b"x-filter").as_str(), sql(b"accept").as_str()), ("a c'", "a/*b*/c'"));
}

#[test]
fn work_is_the_bytes_of_every_pass_and_no_pass_is_made_in_vain() {
    use Place::{Agent, Body, Path, Query};
    for (place, raw, steps) in [
        (Query, "", 0),
        (Query, "abc", 3),
        // One pass over the raw bytes, and one each to write the views that may differ.
        (Query, "a'b", 3 + 3 + 3),
        (Query, "a*b", 3 + 3),
        (Query, "a$b", 3 + 3),
        (Query, "a;b", 3 + 3),
        (Agent, "a;b", 3),
        (Query, "a..b", 4 + 4),
        (Query, "a.b", 3),
        (Query, "a/b", 3),
        (Query, "a//b", 4 + 4),
        (Query, "//b", 3 + 3),
        (Query, "a://b", 5),
        (Query, "a/.b", 4 + 4),
        (Query, "a./b", 4),
        // One to look for capitals inside of words.
        (Query, "aB", 2 + 2),
        (Query, "Ab", 2),
        (Agent, "aB", 2),
        // Rounds of decoding until nothing changes, and three looks at what came out.
        (Query, "a%20b", 5 + (5 + 3) + 3 * 3),
        (Query, "a+b", 3 + 3 + 3 * 3),
        (Path, "a+b", 3),
        (Body, "a+b", 3),
        (Body, "+ADw-", 5 + (5 + 1) + 3),
        (Body, "+ADw", 4),
        (Body, "+BDw-", 5),
        (Query, "a  b", 4 + 4 + 3 * 4),
        (Query, "a b", 3),
        (Query, "a&b", 3),
        (Query, "a&bc;d", 6 + 6 + 3 * 6 + 6),
        (Query, "a&abcdefghi;", 12 + 12),
        (Query, "a&1;", 4 + 4),
        (Query, "&#1", 3 + (3 + 1) + 3),
        // A look for line comments.
        (Query, "a\nb", 3 + 3 + 3 * 3),
        (Query, "a\n-b", 4 + 4 + 3 * 4 + 4),
        (Query, "a\n#b", 4 + 4 + 3 * 4 + 4),
        // A number, its search, and the text inside.
        (Query, "0x2f65746", 9),
        (Query, "0x2f657463", 10 + 9 + 4),
        (Query, "aaaaaaaaaaaaaaa", 15),
        (Query, "aaaaaaaaaaaaaaaa", 16 + 1 + 16),
        (Query, "aaaaaaaa.aaaaaaa", 16),
    ] {
        let mut normaliser = Normaliser::default();
        normaliser.read(&value(place, raw.as_bytes()), |_| {});
        assert_eq!(normaliser.steps(), steps, "{place:?} {raw:?}");
    }
}
