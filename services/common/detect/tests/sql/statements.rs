//! What makes a row of words a statement: alone, where prose may look like one, and behind `3;`, where less is enough.

use crate::structure::flags;

/// Whether `text` is a statement alone, and whether it is one behind a value and a semicolon.
#[track_caller]
fn check(rows: &[(&str, bool, bool)]) {
    for (text, alone, behind) in rows {
        let found =
            (flags(text).contains(&"statement"), flags(&format!("3;{text}")).contains(&"stacked"));
        assert_eq!(found, (*alone, *behind), "{text:?}");
    }
}

#[test]
fn a_select_needs_a_list_and_a_table_that_prose_would_not_have() {
    check(&[
        ("select * from t", true, true),
        ("select * from t please", false, true),
        ("select all * from t", true, true),
        ("select distinct a from t where b=1", true, true),
        ("select a,b from t", false, true),
        ("select a, from t", false, false),
        ("select a from t", false, false),
        ("select a from t where b=1", true, true),
        ("select a from t where b", false, false),
        ("(select a from t)", false, true),
        ("select count(*) from t", true, true),
        ("select count(*) as n from t", true, true),
        ("select count(*) n from t", false, false),
        ("select a as b from t where c=1", true, true),
        ("select 1 from t", false, true),
        ("select @@version from t", true, true),
        ("select a from (select b from c)", true, true),
        ("select a from (b)", false, false),
        ("select * from (t)", true, true),
        ("select * from 'x'", true, true),
        ("select a from 'x'", false, false),
        ("select * from 5", false, false),
        ("select a from sysobjects", true, true),
        ("select a from the sysobjects", false, false),
        ("select 1 where 2=2", true, true),
        ("select 1 where a=2", false, true),
        ("select 1 where a", false, false),
        ("select where 1=1", false, false),
        ("select 1", false, true),
        ("select 1--", false, true),
        ("select 1;", false, true),
        ("(select 1)", false, true),
        ("select a", false, false),
        ("select", false, false),
    ]);
}

#[test]
fn behind_a_table_stands_its_end_or_the_next_clause() {
    for next in
        ["", "where", ";", "-- x", "limit 1", "order by a", "group by a", ")", "union all", ", u"]
    {
        check(&[(&format!("select * from t {next}"), true, true)]);
    }
    for next in ["a", "5", "and", "=", "from"] {
        check(&[(&format!("select * from t {next}"), false, true)]);
    }
}

#[test]
fn a_list_is_followed_for_sixteen_items() {
    for (items, behind) in [(1, true), (15, true), (16, true), (17, false)] {
        let list = vec!["1"; items].join(",");
        check(&[(&format!("select {list} from t"), false, behind)]);
    }
}

#[test]
fn what_changes_rows_names_a_table_and_says_how() {
    check(&[
        ("insert into t values (1)", true, true),
        ("insert into t(a,b) values(1,2)", true, true),
        ("insert into t(a values (1)", false, false),
        ("insert into t select 1", true, true),
        ("insert into t exec p", true, true),
        ("insert into t values 1", false, false),
        ("insert into t", false, false),
        ("insert into (a) values (1)", false, false),
        ("insert t values (1)", false, false),
        ("replace into t values (1)", true, true),
        ("update t set a=1", true, true),
        ("update s.t set a=1", true, true),
        ("update s.t.u set a=1", true, true),
        ("update s. set a=1", false, false),
        ("update t set a>1", false, false),
        ("update t set a=", false, false),
        ("update t set a", false, false),
        ("update t a=1", false, false),
        ("update set a=1", false, false),
        ("delete from t where a=1", true, true),
        ("delete from t where", false, false),
        ("delete from t", false, true),
        ("delete from t;", true, true),
        ("delete from t--", true, true),
        ("delete from t now", false, false),
        ("delete t where a=1", false, false),
        ("delete from where a=1", false, false),
    ]);
}

#[test]
fn what_changes_tables_says_which_kind_and_name() {
    check(&[
        ("drop table t", false, true),
        ("drop table t;", true, true),
        ("drop table t--", true, true),
        ("drop table t cascade", false, false),
        ("drop table if exists t", true, true),
        ("drop table if exists", false, false),
        ("drop table if t", false, false),
        ("drop table exists;", false, false),
        ("drop procedure p;", true, true),
        ("drop t;", false, false),
        ("drop table user;", true, true),
        ("drop table count;", true, true),
        ("drop table sysusers;", true, true),
        ("drop table 5;", false, false),
        ("truncate t", false, true),
        ("truncate t now", false, false),
        ("truncate table t;", true, true),
        ("create table t(a int)", true, true),
        ("create table t(1)", false, true),
        ("create table t", false, true),
        ("create table of contents", false, false),
        ("create t (a int)", false, false),
        ("create view v as select 1", true, true),
        ("create view v as a", false, true),
        ("create procedure p as select 1", true, true),
        ("create or replace function f as select 1", true, true),
        ("create or function f as select 1", false, false),
        ("create user u identified by p", true, true),
        ("create login l with password", true, true),
        ("create login l with care", false, false),
        ("alter table t add c", true, true),
        ("alter table t drop c", true, true),
        ("alter table t modify c", true, true),
        ("alter table t rename u", true, true),
        ("alter table t change c d", true, true),
        ("alter user u identified by p", true, true),
        ("alter login l with password", true, true),
        ("alter database d set a", true, true),
        ("alter table t now", false, false),
        ("alter table t", false, false),
        ("alter t add c", false, false),
    ]);
}

#[test]
fn what_runs_code_names_it() {
    check(&[
        ("exec xp_cmdshell 'a'", true, true),
        ("exec a b c d sp_e", true, true),
        ("exec a b c d e sp_f", false, false),
        ("exec immediate 'a'", true, true),
        ("execute immediate a", true, true),
        ("execute immediate @a", true, true),
        ("execute immediate", false, false),
        ("execute immediate 5", false, false),
        ("exec('a')", false, true),
        ("exec(@a)", false, true),
        ("exec(char(1))", false, true),
        ("exec(a)", false, false),
        ("exec @a", false, true),
        ("exec a", false, false),
        ("declare @a int", true, true),
        ("declare a int", false, false),
        ("set @a=1", true, true),
        ("set @a 1", false, false),
        ("set a=1", false, false),
        ("waitfor delay '0:0:9'", true, true),
        ("waitfor time '9:00'", true, true),
        ("waitfor delay + '0:0:9'", true, true),
        ("waitfor delay @a", true, true),
        ("waitfor delay (1)", true, true),
        ("waitfor delay 9", false, false),
        ("waitfor '0:0:9'", false, false),
        ("waitfor delay", false, false),
        ("sleep(9)", false, true),
        ("sleep 9", false, false),
        ("if 1=1 select 2", false, true),
        ("if 1=1 drop table t", false, true),
        ("if 1=1 exec a", false, true),
        ("if 1=1 waitfor a", false, true),
        ("if(1=1,2,3)", false, true),
        ("if 1=1 begin", false, false),
        ("if 1", false, false),
    ]);
}

#[test]
fn other_verbs_need_what_their_grammar_puts_behind_them() {
    check(&[
        ("shutdown", false, true),
        ("reconfigure--", false, true),
        ("commit;", false, true),
        ("rollback", false, true),
        ("shutdown now", false, false),
        ("grant all on t", true, true),
        ("revoke all privileges", true, true),
        ("grant all of it", false, false),
        ("grant it on t", false, false),
        ("copy t from program 'a'", true, true),
        ("copy t to 'a'", true, true),
        ("copy t from a", false, false),
        ("copy t 'a'", false, false),
        ("copy t as 'a'", false, false),
        ("handler t open", true, true),
        ("handler t read", true, true),
        ("handler t", false, false),
        ("prepare s from 'a'", true, true),
        ("prepare s from @a", true, true),
        ("prepare s from a", false, false),
        ("prepare s 'a'", false, false),
        ("load data infile", true, true),
        ("load data local infile", true, true),
        ("load data from a", false, false),
        ("load infile infile", false, false),
        ("bulk insert t", true, true),
        ("bulk t", false, false),
        ("attach database 'a'", true, true),
        ("attach database a", false, false),
        ("attach a 'b'", false, false),
        ("rename table t", false, true),
        ("backup database d", false, true),
        ("rename t", false, false),
        ("call sleep(9)", true, true),
        ("perform pg_sleep(9)", true, true),
        ("do f(9)", false, true),
        ("do f (9)", false, false),
        ("do f", false, false),
        ("explain select * from t", true, true),
        ("explain select a", false, false),
        ("explain t", false, false),
        ("begin drop table t;", true, true),
        ("begin f(9)", false, true),
        ("begin commit", false, false),
        ("begin f", false, false),
        ("use d", false, true),
        ("kill p", false, true),
        ("dbcc p", false, true),
        ("pragma p", false, true),
        ("show t", false, true),
        ("describe t", false, true),
        ("show t now", false, false),
        ("vacuum t", false, false),
    ]);
}
