//! Which expressions compare: behind `7 or`, such a one is a tautology if no table can change it, else a condition.

use crate::structure::flags;

const TAUTOLOGY: Option<&str> = Some("tautology");
const CONDITION: Option<&str> = Some("condition");

#[track_caller]
fn check(rows: &[(&str, Option<&str>)]) {
    for (text, wanted) in rows {
        let found = flags(&format!("7 or {text}"));
        let found: Vec<_> =
            found.into_iter().filter(|flag| matches!(*flag, "tautology" | "condition")).collect();
        assert_eq!(found, wanted.iter().copied().collect::<Vec<_>>(), "{text:?}");
    }
}

#[test]
fn constants_on_both_sides_or_the_same_name_are_a_tautology() {
    check(&[
        ("1=1", TAUTOLOGY),
        ("1=a", CONDITION),
        ("a=1", CONDITION),
        ("a=b", CONDITION),
        ("a=a", TAUTOLOGY),
        ("a=aa", CONDITION),
        ("a.b=a.b", CONDITION),
        ("a=a.b", CONDITION),
        ("a.b=a", CONDITION),
        ("f(1)=f(1)", CONDITION),
        ("null=true", TAUTOLOGY),
        ("@a=@b", TAUTOLOGY),
        ("@=1", None),
        ("1=", None),
        ("=1", None),
        ("1 1", None),
        ("a b=1", None),
        ("then=1", None),
        ("when=1", None),
        ("as=1", None),
    ]);
}

#[test]
fn every_operator_that_compares_is_one() {
    for operator in [
        "=",
        "<",
        ">",
        "<=",
        ">=",
        "<>",
        "!=",
        "==",
        "<=>",
        ":=",
        "^=",
        "!<",
        "!>",
        "!~",
        "~",
        "like",
        "not like",
        "rlike",
        "regexp",
        "glob",
        "similar to",
        "sounds like",
        "like binary",
    ] {
        check(&[
            (&format!("'a' {operator} 'a'"), TAUTOLOGY),
            (&format!("a {operator} 'a'"), CONDITION),
            (&format!("'a' {operator}"), None),
        ]);
    }
    for no_operator in ["->", "=>", "!", "similar", "sounds", ",", ".", ":", "as", "::"] {
        check(&[(&format!("1 {no_operator} 1"), None)]);
    }
}

#[test]
fn between_in_and_is_have_their_own_grammar() {
    check(&[
        ("5 between 1 and 9", TAUTOLOGY),
        ("5 not between 1 and 9", TAUTOLOGY),
        ("a between 1 and 9", CONDITION),
        ("5 between a and 9", CONDITION),
        ("5 between 1 and a", CONDITION),
        ("5 between 1 to 9", None),
        ("5 between and 9", None),
        ("5 between 1 and", None),
        ("1 in (1)", TAUTOLOGY),
        ("1 not in (2,3)", TAUTOLOGY),
        ("a in (1)", CONDITION),
        ("1 in (a)", CONDITION),
        ("1 in 1", None),
        ("1 is null", TAUTOLOGY),
        ("1 is not null", TAUTOLOGY),
        ("a is null", CONDITION),
        ("a is not null", CONDITION),
        ("a is b", None),
    ]);
}

#[test]
fn signs_and_parentheses_before_and_behind_an_operand_do_not_matter() {
    check(&[
        ("(1)=(1)", TAUTOLOGY),
        ("((1))=((1))", TAUTOLOGY),
        ("(1=1)", TAUTOLOGY),
        ("not 1=2", TAUTOLOGY),
        ("not not (1)=2", TAUTOLOGY),
        ("-1=+1", TAUTOLOGY),
        ("~1=*1", TAUTOLOGY),
        ("/1=1", None),
        ("binary 'a'='a'", TAUTOLOGY),
        ("(a)=(1)", CONDITION),
    ]);
}

#[test]
fn a_sum_is_one_operand_of_up_to_eight_links() {
    check(&[
        ("1+1=2", TAUTOLOGY),
        ("1+a=2", CONDITION),
        ("a+1=2", CONDITION),
        ("2=1+a", CONDITION),
        ("1+1+1+1+1+1+1+1+1=9", TAUTOLOGY),
        ("1+1+1+1+1+1+1+1+1+1=10", None),
        ("1-1=0", TAUTOLOGY),
        ("1*1=1", TAUTOLOGY),
        ("1/1=1", TAUTOLOGY),
        ("1%1=0", TAUTOLOGY),
        ("1|1=1", TAUTOLOGY),
        ("1&1=1", TAUTOLOGY),
        ("1^1=0", TAUTOLOGY),
        ("1<<1=2", TAUTOLOGY),
        ("1>>1=0", TAUTOLOGY),
        ("5 div 2=2", TAUTOLOGY),
        ("5 mod 2=1", TAUTOLOGY),
        ("1+=2", None),
        ("1::int=1", TAUTOLOGY),
        ("a::int=1", CONDITION),
        ("'a' 'b'='ab'", TAUTOLOGY),
        ("1 'b'=1", None),
    ]);
}

#[test]
fn bars_join_strings_and_calls_but_part_conditions() {
    check(&[
        ("'a'||'b'='ab'", TAUTOLOGY),
        ("'a'||f='b'", None),
        ("a||b=c", None),
        ("char(1)||char(2)='b'", CONDITION),
        ("char(1)||'b'=c", CONDITION),
        ("'a'||(select 1)='b'", CONDITION),
        ("1||'b'=c", None),
    ]);
}

#[test]
fn names_have_dots_that_touch_and_calls_have_their_parentheses() {
    check(&[
        ("a.b=1", CONDITION),
        ("a .b=1", None),
        ("a. b=1", None),
        ("a.b.c.d.e.f=1", CONDITION),
        ("a.b.c.d.e.f.g=1", None),
        ("a[b]=1", CONDITION),
        ("a[b][c]=1", CONDITION),
        ("f(1)=1", CONDITION),
        ("f(g(1),(2))=1", CONDITION),
        ("f(1", None),
        ("(select 1)=1", CONDITION),
        ("like(1,2)=1", CONDITION),
        ("like (1,2)=1", None),
        ("isnull(1)=1", CONDITION),
        ("isnull (1)=1", None),
        ("all(1)=1", CONDITION),
        ("if(1,2,3)=1", CONDITION),
        ("exists(1)=1", CONDITION),
        ("replace(1,2,3)=1", CONDITION),
        ("user()=1", CONDITION),
        ("sysobjects=1", CONDITION),
        ("case a end=1", CONDITION),
        ("case a=1", None),
        ("x'41'=1", TAUTOLOGY),
        ("x '41'=1", None),
        ("xy'41'=1", None),
        ("x'41", None),
    ]);
}

#[test]
fn the_end_of_a_case_is_looked_for_in_64_tokens() {
    for (words, wanted) in [(62, CONDITION), (63, None)] {
        check(&[(&format!("case {}end=1", "a ".repeat(words)), wanted)]);
    }
}
