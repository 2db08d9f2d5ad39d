//! What the tokeniser sees in a value, and what it must not see in prose.

use detect::structure::sql::{Sql, read};

/// The flags of `text`, without `sql.` in front.
pub(crate) fn flags(text: &str) -> Vec<&'static str> {
    names(text).into_iter().map(|name| name.trim_start_matches("sql.")).collect()
}

fn names(text: &str) -> Vec<&'static str> {
    let found = read(text.to_ascii_lowercase().as_bytes(), &mut 0);
    (0..Sql::NAMES.len()).filter(|bit| found.0 >> bit & 1 == 1).map(|bit| Sql::NAMES[bit]).collect()
}

fn check(text: &str, wanted: &[&str]) {
    let found = names(text);
    for name in wanted {
        assert!(found.contains(name), "{text:?} lacks {name}: {found:?}");
    }
}

#[test]
fn an_injection_shows_its_structure() {
    for (text, wanted) in [
        ("7' or '3'='3", &["sql.break_out", "sql.tautology"][..]),
        ("7') or ('3'='3", &["sql.break_out", "sql.tautology"]),
        ("7 and 4411=4411", &["sql.after_value", "sql.boolean_probe"]),
        ("7) and 2>1 -- q", &["sql.break_out", "sql.tautology", "sql.comment_tail"]),
        ("x\" or 5 between 1 and 9#", &["sql.break_out", "sql.tautology", "sql.comment_tail"]),
        (
            "-3 union all select null,@@version,3",
            &["sql.after_value", "sql.union_select", "sql.variable"],
        ),
        ("3;drop table invoices", &["sql.stacked"]),
        (
            "3'; waitfor delay '0:0:9'--",
            &["sql.break_out", "sql.stacked", "sql.time_delay", "sql.comment_tail"],
        ),
        ("3 or sleep(9)", &["sql.condition", "sql.time_delay"]),
        ("root'--", &["sql.quote_comment"]),
        ("3 order by 17-- ", &["sql.order_probe", "sql.comment_tail"]),
        ("q' having 1=1--", &["sql.group_probe"]),
        ("(select count(*) from information_schema.tables)", &["sql.subquery", "sql.schema"]),
        ("select a,b from t where c=3", &["sql.statement"]),
        ("'||(select pass from users)||'", &["sql.concatenation", "sql.subquery"]),
        ("4 and 1 in (1)", &["sql.tautology"]),
        ("4' and ascii(substr(user(),1,1))>64--", &["sql.condition", "sql.function_call"]),
        ("4 or not 1=2", &["sql.tautology"]),
        ("4 or name is not null", &["sql.condition"]),
        ("4 or 1.e(1)=1", &["sql.after_value"]),
    ] {
        check(text, wanted);
    }
}

#[test]
fn prose_and_forms_set_no_convicting_bit() {
    let weak = ["sql.loose_quote", "sql.quote_math", "sql.open_keyword", "sql.quote_comment"];
    for text in [
        "O'Reilly and sons",
        "don't select the union from the list or where it is",
        "Select your country from the list",
        "we delete from the cache and update the set of keys",
        "drop table support",
        "create table of contents",
        "either 'left' or 'right' is fine",
        "use `select` or `from` here; update docs",
        "the student union select committee meets",
        "5' or 6' tall",
        "cats and dogs; drop in any time",
        "order by phone",
        "a@example.org",
        "1 and 2 or 3",
        "black and white = classic",
        "if x == 1 && y == 2 { return; }",
        "Insert into the slot; values are kept",
        "What's up -- nothing",
        "rock'n'roll",
        "fix #12: don't panic",
        "exec the hook, then declare victory",
        "size in (small, large)",
    ] {
        let found: Vec<_> = names(text).into_iter().filter(|name| !weak.contains(name)).collect();
        assert!(found.is_empty(), "{text:?}: {found:?}");
    }
}

#[test]
fn work_grows_with_the_text_and_no_faster() {
    for unit in ["' or (", "or 1=1 ", "((", "'\"`", "select (", "case when "] {
        let steps = |times: usize| {
            let mut steps = 0;
            read(unit.repeat(times).as_bytes(), &mut steps);
            steps
        };
        assert!(steps(400) * 105 >= steps(4000) * 10, "{unit:?}");
    }
}

#[test]
fn any_bytes_are_read_without_panic() {
    let mut state = 7_u32;
    for length in 0..600 {
        let text: Vec<u8> = (0..length)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                b"' \"`()or1=.e0xand-@;/*#,select[]$\\:\xff"[(state >> 16) as usize % 36]
            })
            .collect();
        read(&text, &mut 0);
    }
}
