//! What follows a value that closed its place in a query, and what is SQL wherever it stands: all flags of each text.

use crate::structure::flags;

#[track_caller]
fn check(rows: &[(&str, &[&str])]) {
    for (text, wanted) in rows {
        assert_eq!(flags(text), *wanted, "{text:?}");
    }
}

#[test]
fn a_value_is_a_number_or_a_word_and_may_close_parentheses() {
    check(&[
        ("7 or a=1", &["after_value", "condition"]),
        ("-7 or a=1", &["after_value", "condition"]),
        ("+-7 or a=1", &["after_value", "condition"]),
        ("*7 or a=1", &[]),
        ("null or a=1", &["after_value", "condition"]),
        ("@v or a=1", &["after_value", "condition"]),
        ("or a=1", &["after_value", "condition"]),
        // A word may belong to a sentence, so more is asked of what follows.
        ("q or a=1", &[]),
        ("q or 1=1", &["after_value", "tautology"]),
        ("q) or a=1", &["break_out", "condition"]),
        ("7) or a=1", &["break_out", "condition"]),
        ("7))) or a=1", &["break_out", "condition"]),
        ("(7) or a=1", &[]),
        ("f(7) or a=1", &[]),
        ("7 7 or a=1", &[]),
        ("7 where a=1", &["after_value", "condition"]),
        ("7 and a=1", &["after_value", "condition"]),
        ("7 as t) or a=1", &["after_value", "condition"]),
        ("7 in boolean mode) or a=1", &["after_value", "condition"]),
        ("7 in natural mode) or a=1", &[]),
        ("7 in boolean value) or a=1", &[]),
    ]);
}

#[test]
fn a_quote_leaves_a_string_and_what_follows_may_go_on() {
    check(&[
        ("x' or a=1", &["break_out", "condition", "open_keyword"]),
        ("x\" or a=1", &["break_out", "condition", "open_keyword"]),
        ("x` or a=1", &["break_out", "condition", "open_keyword"]),
        ("x')) or a=1", &["break_out", "condition", "open_keyword"]),
        ("x' as t where a=1", &["break_out", "condition"]),
        ("x' as t) or a=1", &["break_out", "condition"]),
        ("x' as t or a=1", &[]),
        ("x' in boolean mode) or a=1", &["break_out", "condition"]),
        ("x' in natural mode) or a=1", &[]),
        ("x' q or a=1", &[]),
        ("x' q or 1=1", &[]),
    ]);
}

#[test]
fn a_comment_behind_a_quote_hides_the_rest_if_both_are_short() {
    let (near, far) = ("a".repeat(63), "a".repeat(64));
    let hides: &[&str] = &["quote_comment"];
    for (text, wanted) in [
        ("x'--", hides),
        ("x' --", hides),
        ("x')--", hides),
        ("x'#", hides),
        ("x'/*", hides),
        ("x';--", hides),
        ("x' y--", &[]),
        ("x'--ab", hides),
        ("x'--abc", &[]),
        ("x'-- abc", hides),
        ("x'#[ab", &[]),
        ("x'#!ab", &[]),
        ("x'#(ab", hides),
        ("it is'--", &[]),
        (&format!("{near}'--"), hides),
        (&format!("{far}'--"), &[]),
        (&format!("x'--{}", "(".repeat(23)), hides),
        (&format!("x'--{}", "(".repeat(24)), &[]),
    ] {
        check(&[(text, wanted)]);
    }
}

#[test]
fn an_operator_behind_a_quote_has_a_constant_or_a_call_behind_it() {
    check(&[
        ("x'+1", &["quote_math"]),
        ("x')+1", &["quote_math"]),
        ("x'<1--", &["quote_math"]),
        ("x'+1 y", &[]),
        ("x'+y", &[]),
        ("x'+f(1)", &["concatenation"]),
        ("x'||f(1)", &["concatenation", "open_keyword"]),
        ("x' like 1", &["quote_math", "open_keyword"]),
        ("x' or 1", &["quote_math", "open_keyword"]),
        ("x',1", &[]),
    ]);
}

#[test]
fn a_keyword_behind_a_quote_counts_in_a_short_text() {
    for word in ["and", "or", "union", "having", "order", "group", "limit", "like"] {
        check(&[(&format!("x' {word} y"), &["open_keyword"])]);
    }
    check(&[
        ("x' select y", &[]),
        ("d'or y", &[]),
        ("pomme d'or & y", &[]),
        ("l'or y", &[]),
        ("d' or y", &["open_keyword"]),
        ("red'or y", &["open_keyword"]),
        ("x' order b c d e f g h i j k l", &["open_keyword"]),
        ("x' order b c d e f g h i j k l m", &[]),
    ]);
}

#[test]
fn a_lone_quote_stands_at_the_start_or_the_end_of_a_short_text() {
    let (short, long) = ("a".repeat(63), "a".repeat(64));
    for quote in ['\'', '"', '`'] {
        for (text, loose) in [
            (format!("{quote}"), true),
            (format!("{quote}a"), true),
            (format!("a{quote}"), true),
            (format!("a{quote}b"), false),
            (format!("{quote}a{quote}"), false),
            (format!("{short}{quote}"), true),
            (format!("{long}{quote}"), false),
        ] {
            assert_eq!(flags(&text), if loose { &["loose_quote"][..] } else { &[] }, "{text}");
        }
    }
}

#[test]
fn a_condition_may_be_no_more_than_a_constant_or_a_call() {
    check(&[
        ("7 or 1", &[]),
        ("7 or 1--", &["after_value", "comment_tail", "bare_truth"]),
        ("7 or ((1))--", &["after_value", "comment_tail", "bare_truth"]),
        ("7 or a--", &[]),
        ("q or 1--", &[]),
        ("7 or f(1)", &[]),
        ("7 or f(1)--", &["after_value", "comment_tail", "condition"]),
        ("q or f(1)--", &[]),
        ("7 or exp(1)", &["after_value", "condition", "function_call"]),
        ("7 or 1=1", &["after_value", "tautology"]),
        ("7 and 1=1", &["after_value", "tautology", "boolean_probe"]),
        ("7 or 1=1--", &["after_value", "comment_tail", "tautology"]),
        ("7 or 1=1-- x", &["after_value", "comment_tail", "tautology"]),
        ("long words or 1=1", &["tautology"]),
        ("long words and 1=1", &["tautology", "boolean_probe"]),
        ("long words or 1=1--", &["tautology"]),
        ("long words or a=1", &[]),
    ]);
}

#[test]
fn a_union_selects_a_list() {
    let firm: &[&str] = &["after_value", "union_select"];
    check(&[
        ("7 union select a", firm),
        ("7 union select a)", firm),
        ("7 union select a--", &["after_value", "comment_tail", "union_select"]),
        ("7 union select a b", &[]),
        ("7 union select", &[]),
        ("7 union", &[]),
        ("7 union delete 1", &[]),
        ("7 except all select 1", firm),
        ("7 intersect ((select distinct 1", &["after_value", "union_select", "subquery"]),
        ("7 minus select *", firm),
        ("7 union all values (1)", firm),
        ("7 union values (1)", &[]),
        ("7 union all values 1", &[]),
        ("q union select a", &[]),
        ("q union select 1", firm),
        ("q union select f(1)", firm),
        ("q union select a,b", firm),
        ("q union select a from t", firm),
        ("q union select *", firm),
        ("long words union select a", &[]),
        ("long words union select 1", &["union_select"]),
        ("union select a", &[]),
    ]);
}

#[test]
fn columns_are_probed_by_order_group_having_and_limit() {
    check(&[
        ("7 order by 3", &["after_value", "order_probe"]),
        ("7 group by 3", &["after_value", "group_probe"]),
        ("7 order by 3,4", &["after_value", "order_probe"]),
        ("7 order by 3;", &["after_value", "order_probe"]),
        ("7 order by 3 having a", &["after_value", "order_probe"]),
        ("7 order by 3--", &["after_value", "comment_tail", "order_probe"]),
        ("7 order by 3 desc", &[]),
        ("7 order by a", &[]),
        ("7 order by a--", &["after_value", "comment_tail", "order_probe"]),
        ("7 order by f(1)", &["after_value", "order_probe"]),
        ("7 order 3", &[]),
        ("7 order by", &[]),
        ("q order by 3", &[]),
        ("7 having a=b", &["after_value", "group_probe"]),
        ("q having a=b", &["after_value", "group_probe"]),
        ("7 having a", &[]),
        ("7 limit 1", &[]),
        ("7 limit 1--", &["after_value", "comment_tail", "group_probe"]),
        ("7 limit 1 into a", &["after_value", "group_probe"]),
        ("7 limit 1 procedure a", &["after_value", "group_probe"]),
        ("7 limit 1 union a", &["after_value", "group_probe"]),
        ("7 limit a--", &[]),
        ("q limit 1--", &[]),
        ("7 procedure analyse(1)", &["after_value", "function_call"]),
        ("7 procedure analyse", &[]),
        ("7 procedure a(1)", &[]),
    ]);
}

#[test]
fn a_database_is_told_to_wait_by_a_call_with_a_number() {
    check(&[
        ("7 sleep(9)", &["after_value", "time_delay"]),
        ("7 sleep(a)", &[]),
        ("7 sleep 9", &[]),
        ("q sleep(9)", &[]),
        ("long words sleep(9)", &[]),
        ("long words pg_sleep(9)", &["time_delay"]),
        ("long words pg_sleep(9 hours)", &[]),
        ("long words pg_sleep(a b)", &["time_delay"]),
        ("long words pg_sleep 9", &[]),
        ("long words dbms_lock.sleep", &["time_delay"]),
        ("long words benchmark(9)", &[]),
        ("long words benchmark(9,a)", &["time_delay"]),
        ("long words benchmark(a)", &["time_delay"]),
        ("7 waitfor delay '9'", &["after_value", "time_delay"]),
        ("long words waitfor delay '9'", &["time_delay"]),
        ("long words waitfor delay", &[]),
    ]);
}

#[test]
fn a_wait_is_looked_for_in_the_tokens_of_an_if() {
    for (words, wanted) in [(21, &["after_value", "time_delay"][..]), (22, &[])] {
        check(&[(&format!("7 if({}sleep", "a ".repeat(words)), wanted)]);
    }
    check(&[("q if(sleep", &[])]);
}

#[test]
fn what_only_sql_calls_is_looked_for_in_the_next_eight_tokens() {
    let (near, far) = ("a ".repeat(7), "a ".repeat(8));
    check(&[
        ("7 like exp(1)", &["after_value", "condition", "function_call"]),
        ("7 like exp", &[]),
        ("7 like dbms_lock.a", &["after_value", "condition", "time_delay"]),
        ("7 like (select 1)", &["after_value", "condition", "subquery"]),
        ("7 like (select a)", &[]),
        ("7 like case a", &["after_value", "condition"]),
        ("7 like @@a", &["after_value", "condition"]),
        ("7 like @a", &[]),
        ("q like case a", &[]),
        ("like case a", &[]),
        (&format!("7 like {near}case"), &["after_value", "condition"]),
        (&format!("7 like {far}case"), &[]),
        ("7,exp(1)", &["after_value", "function_call", "concatenation"]),
        ("7+exp(1)", &["after_value", "function_call", "concatenation"]),
        ("7,f(1)", &[]),
        ("7,a exp(1)", &[]),
        ("q,exp(1)", &[]),
    ]);
}

#[test]
fn selects_and_statements_count_where_a_value_ended() {
    check(&[
        ("7 (select 1)", &["after_value", "subquery"]),
        ("q (select 1)", &["subquery"]),
        ("q (select a)", &[]),
        ("7 select * from t", &[]),
        ("select * from t", &["after_value", "statement"]),
        ("(select * from t)", &["after_value", "statement", "subquery"]),
        ("7;shutdown", &["after_value", "stacked"]),
        ("q;shutdown", &["after_value", "stacked"]),
        ("long words;shutdown", &[]),
        ("long words;drop table t;", &["stacked"]),
        ("7 into outfile 'a'", &["after_value", "file"]),
        ("7 into outfile", &["after_value", "file"]),
        ("7 into a", &[]),
        ("long words into outfile 'a'", &["file"]),
        ("long words into outfile", &[]),
        ("long words into a", &[]),
    ]);
}

#[test]
fn functions_and_names_of_sql_alone_count_anywhere_if_they_are_long() {
    check(&[
        ("col_name(1)", &["function_call"]),
        ("db_name(1)", &[]),
        ("utl_http.a", &["function_call"]),
        ("col_name (1)", &[]),
        ("col_name", &[]),
        ("load_file(1)", &["function_call", "file"]),
        ("char(65)", &["char_building"]),
        ("unhex(65,66)", &["char_building"]),
        ("char(a)", &[]),
        ("char(65 66)", &[]),
        ("char 65", &[]),
        ("ascii(65)", &[]),
        ("7 or ascii(65)=a", &["after_value", "condition", "function_call"]),
        ("7 or char(65)=a", &["after_value", "condition", "function_call", "char_building"]),
        ("user()", &[]),
        ("7 or user()=a", &["after_value", "condition", "function_call"]),
        ("7 or user(1)=a", &["after_value", "condition"]),
        ("a from sysobjects", &["schema"]),
        ("a,sysobjects", &["schema"]),
        ("a.sysobjects", &["schema"]),
        ("the sysobjects", &[]),
        ("sysobjects", &[]),
        ("@@abc", &["variable"]),
        ("@@ab", &[]),
        ("@abcd", &[]),
    ]);
}

#[test]
fn a_choice_counts_if_it_is_by_a_constant_or_known_to_be_sql() {
    check(&[
        ("if(1=1,2,3)", &["tautology", "case_when"]),
        ("if (1=1,2,3)", &[]),
        ("if(1=1)", &[]),
        ("if(a=1,2,3)", &[]),
        ("elt(1=1,2)", &["tautology", "case_when"]),
        ("elt(a=1,2)", &[]),
        ("case when 1=1 then 2 end", &["tautology", "case_when"]),
        ("case when a=1 then 2 end", &[]),
        ("case a when 1=1 then 2 end", &[]),
        ("7 or case when a then 2 end=1", &["after_value", "condition", "case_when"]),
        ("7 or case a b c d when 1 end=1", &["after_value", "condition", "case_when"]),
        ("7 or case a b c d e when 1 end=1", &["after_value", "condition"]),
        ("7 or case a when then end=1", &["after_value", "condition"]),
    ]);
}
