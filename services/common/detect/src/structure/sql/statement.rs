//! Whether whole statements stand in a text: the words with what must come after them.

use super::expression::{comparison, operand};
use super::token::{Kind, Tokens};

/// Whether a statement begins at `at`. `strict`: nothing before it says that this is SQL, so more of it must be there.
pub(super) fn begins(tokens: &Tokens<'_>, at: usize, strict: bool) -> bool {
    match tokens.kind(at) {
        Kind::Select => select(tokens, at, strict),
        Kind::Insert => insert(tokens, at),
        Kind::Update => update(tokens, at),
        Kind::Delete => delete(tokens, at, strict),
        Kind::Drop => drop(tokens, at, strict),
        Kind::Create => create(tokens, at, strict),
        Kind::Alter => {
            tokens.kind(at + 1) == Kind::Table
                && named(tokens, at + 2).is_some_and(|end| {
                    matches!(tokens.kind(end), Kind::Drop | Kind::Set)
                        || [&b"add"[..], b"modify", b"rename", b"identified", b"with", b"change"]
                            .iter()
                            .any(|word| tokens.is(end, word))
                })
        }
        Kind::Execute => execute(tokens, at, strict),
        Kind::Declare => tokens.kind(at + 1) == Kind::Variable,
        Kind::Waitfor => waits(tokens, at),
        Kind::Verb => verb(tokens, at, strict),
        Kind::If => comparison(tokens, at + 1).is_some_and(|found| {
            let then = tokens.kind(found.end);
            !strict
                && matches!(
                    then,
                    Kind::Waitfor | Kind::Select | Kind::Drop | Kind::Execute | Kind::Comma
                )
        }),
        Kind::Left => {
            !strict && tokens.kind(at + 1) == Kind::Select && select(tokens, at + 1, false)
        }
        Kind::Delay => !strict && tokens.kind(at + 1) == Kind::Left,
        Kind::Set => tokens.kind(at + 1) == Kind::Variable && tokens.kind(at + 2) == Kind::Compare,
        _ => false,
    }
}

/// `waitfor delay '…'` or `waitfor time '…'`.
pub(super) fn waits(tokens: &Tokens<'_>, at: usize) -> bool {
    let when = at + 2 + usize::from(tokens.is(at + 2, b"+"));
    (tokens.is(at + 1, b"delay") || tokens.is(at + 1, b"time"))
        && matches!(tokens.kind(when), Kind::Text | Kind::Open | Kind::Variable | Kind::Left)
}

/// A name with its dots; answers the token after it.
fn named(tokens: &Tokens<'_>, mut at: usize) -> Option<usize> {
    let name = |kind| {
        matches!(
            kind,
            Kind::Word
                | Kind::Catalogue
                | Kind::Table
                | Kind::Common
                | Kind::Function
                | Kind::Delay
                | Kind::Variable
        )
    };
    if !name(tokens.kind(at)) {
        return None;
    }
    at += 1;
    while tokens.kind(at) == Kind::Dot
        && (name(tokens.kind(at + 1)) || tokens.kind(at + 1) == Kind::Dot)
    {
        at += 2;
    }
    Some(at)
}

/// Nothing more comes, or what comes is cut off.
fn finished(tokens: &Tokens<'_>, at: usize, strict: bool) -> bool {
    match tokens.kind(at) {
        Kind::Semicolon | Kind::Comment => true,
        Kind::End => !strict,
        _ => false,
    }
}

fn condition(tokens: &Tokens<'_>, at: usize) -> bool {
    tokens.kind(at) == Kind::Where && comparison(tokens, at + 1).is_some()
}

/// `select` with a list that prose would not have, or with a table and a condition.
fn select(tokens: &Tokens<'_>, at: usize, strict: bool) -> bool {
    let mut item = at + 1 + usize::from(tokens.kind(at + 1) == Kind::All);
    let mut certain = false;
    for _ in 0..16 {
        if tokens.kind(item) == Kind::Arithmetic && tokens.is(item, b"*") {
            certain = true;
            item += 1;
        } else {
            let Some(found) = operand(tokens, item) else { return false };
            certain |=
                found.call || (found.constant && !strict) || tokens.kind(item) == Kind::Variable;
            item = found.end;
        }
        if tokens.kind(item) == Kind::As {
            item += 2;
        }
        if tokens.kind(item) != Kind::Comma {
            break;
        }
        certain |= !strict;
        item += 1;
    }
    match tokens.kind(item) {
        Kind::From => {
            if tokens.kind(item + 1) == Kind::Left && tokens.kind(item + 2) == Kind::Select {
                return true;
            }
            let Some(end) = named(tokens, item + 1) else {
                return certain && matches!(tokens.kind(item + 1), Kind::Left | Kind::Text);
            };
            let end = if tokens.kind(item + 1) == Kind::Catalogue { return true } else { end };
            certain && (!strict || ends_table(tokens, end))
                || condition(tokens, end)
                || !strict && (tokens.kind(end) == Kind::Right || narrowed(tokens, end))
        }
        Kind::Where => comparison(tokens, item + 1).is_some_and(|found| !strict || found.constant),
        Kind::End | Kind::Comment | Kind::Semicolon | Kind::Right => certain && !strict,
        _ => false,
    }
}

/// `limit 8`, `order by …` or `group by …`.
fn narrowed(tokens: &Tokens<'_>, at: usize) -> bool {
    match tokens.kind(at) {
        Kind::Limit => tokens.kind(at + 1) == Kind::Number,
        Kind::Order | Kind::Group => tokens.kind(at + 1) == Kind::By,
        _ => false,
    }
}

fn ends_table(tokens: &Tokens<'_>, at: usize) -> bool {
    matches!(
        tokens.kind(at),
        Kind::End
            | Kind::Where
            | Kind::Semicolon
            | Kind::Comment
            | Kind::Limit
            | Kind::Order
            | Kind::Group
            | Kind::Right
            | Kind::Union
            | Kind::Comma
    )
}

fn insert(tokens: &Tokens<'_>, at: usize) -> bool {
    if tokens.kind(at + 1) != Kind::Into {
        return false;
    }
    let Some(end) = named(tokens, at + 2) else { return false };
    let list = match (tokens.kind(end), tokens.get(end).mate) {
        (Kind::Left, mate) if mate != super::token::NONE => usize::from(mate) + 1,
        _ => end,
    };
    match tokens.kind(list) {
        Kind::Values => tokens.kind(list + 1) == Kind::Left,
        Kind::Select | Kind::Execute => true,
        _ => false,
    }
}

fn update(tokens: &Tokens<'_>, at: usize) -> bool {
    named(tokens, at + 1).is_some_and(|end| {
        tokens.kind(end) == Kind::Set
            && named(tokens, end + 1).is_some_and(|column| {
                tokens.is(column, b"=") && operand(tokens, column + 1).is_some()
            })
    })
}

fn delete(tokens: &Tokens<'_>, at: usize, strict: bool) -> bool {
    tokens.kind(at + 1) == Kind::From
        && named(tokens, at + 2)
            .is_some_and(|end| condition(tokens, end) || finished(tokens, end, strict))
}

fn drop(tokens: &Tokens<'_>, at: usize, strict: bool) -> bool {
    if !matches!(tokens.kind(at + 1), Kind::Table | Kind::Procedure) {
        return tokens.is(at, b"truncate")
            && named(tokens, at + 1).is_some_and(|end| finished(tokens, end, false) && !strict);
    }
    let sure = tokens.kind(at + 2) == Kind::If && tokens.kind(at + 3) == Kind::Exists;
    let name = if sure { at + 4 } else { at + 2 };
    named(tokens, name).is_some_and(|end| sure || finished(tokens, end, strict))
}

fn create(tokens: &Tokens<'_>, at: usize, strict: bool) -> bool {
    let mut table = at + 1;
    if tokens.kind(table) == Kind::Or && tokens.kind(table + 1) == Kind::Insert {
        table += 2;
    }
    if !matches!(tokens.kind(table), Kind::Table | Kind::Procedure)
        && !tokens.is(table, b"temporary")
    {
        return false;
    }
    named(tokens, table + 1).is_some_and(|end| match tokens.kind(end) {
        Kind::Left => {
            matches!(tokens.kind(end + 2), Kind::Word | Kind::Common | Kind::Table) || !strict
        }
        Kind::As => tokens.kind(end + 1) == Kind::Select || !strict,
        _ => {
            tokens.is(end, b"identified")
                || (tokens.is(end, b"with") && tokens.is(end + 1, b"password"))
                || !strict && finished(tokens, end, false)
        }
    })
}

fn execute(tokens: &Tokens<'_>, at: usize, strict: bool) -> bool {
    if tokens.is(at + 1, b"immediate") {
        return matches!(
            tokens.kind(at + 2),
            Kind::Text | Kind::Open | Kind::Word | Kind::Variable
        );
    }
    let procedure = (at + 1..at + 6).any(|index| {
        let name = tokens.bytes(index);
        name.starts_with(b"xp_") || name.starts_with(b"sp_")
    });
    let call = tokens.kind(at + 1) == Kind::Left
        && matches!(tokens.kind(at + 2), Kind::Text | Kind::Variable | Kind::Common | Kind::Open);
    procedure || (call && !strict) || (!strict && tokens.kind(at + 1) == Kind::Variable)
}

fn verb(tokens: &Tokens<'_>, at: usize, strict: bool) -> bool {
    let second = tokens.bytes(at + 1);
    match tokens.bytes(at) {
        b"shutdown" | b"reconfigure" | b"commit" | b"rollback" => {
            !strict && finished(tokens, at + 1, false)
        }
        b"grant" | b"revoke" => {
            tokens.kind(at + 1) == Kind::All
                && matches!(tokens.bytes(at + 2), b"on" | b"privileges")
        }
        b"copy" => named(tokens, at + 1).is_some_and(|end| {
            matches!(tokens.bytes(end), b"from" | b"to")
                && (tokens.is(end + 1, b"program") || tokens.kind(end + 1) == Kind::Text)
        }),
        b"handler" => {
            named(tokens, at + 1).is_some_and(|end| matches!(tokens.bytes(end), b"open" | b"read"))
        }
        b"prepare" => named(tokens, at + 1).is_some_and(|end| {
            tokens.kind(end) == Kind::From
                && matches!(tokens.kind(end + 1), Kind::Text | Kind::Open | Kind::Variable)
        }),
        b"load" => {
            second == b"data" && (tokens.is(at + 2, b"infile") || tokens.is(at + 3, b"infile"))
        }
        b"bulk" => tokens.kind(at + 1) == Kind::Insert,
        b"attach" => {
            second == b"database" && matches!(tokens.kind(at + 2), Kind::Text | Kind::Open)
        }
        b"rename" | b"backup" => tokens.kind(at + 1) == Kind::Table && !strict,
        b"call" | b"do" | b"perform" => {
            let known = matches!(tokens.kind(at + 1), Kind::Function | Kind::Delay);
            (known || !strict) && tokens.kind(at + 2) == Kind::Left && tokens.touch(at + 1)
        }
        b"explain" => tokens.kind(at + 1) == Kind::Select && select(tokens, at + 1, strict),
        b"begin" => {
            tokens.kind(at + 1) != Kind::Verb && begins(tokens, at + 1, true)
                || !strict && operand(tokens, at + 1).is_some_and(|found| found.call)
        }
        b"use" | b"kill" | b"dbcc" | b"pragma" | b"show" | b"describe" => {
            !strict && named(tokens, at + 1).is_some_and(|end| finished(tokens, end, false))
        }
        _ => false,
    }
}
