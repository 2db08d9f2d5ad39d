//! What follows a value that closed its place in a query.

use super::Sql;
use super::expression::{comparison, operand};
use super::statement;
use super::token::{Kind, NONE, Tokens};

/// Reads a text that stands where a number or a name would.
pub(super) fn bare(tokens: &Tokens<'_>, found: &mut Sql) {
    let mut at = 0;
    while tokens.kind(at) == Kind::Arithmetic && matches!(tokens.bytes(at), b"-" | b"+") {
        at += 1;
    }
    let number = matches!(tokens.kind(at), Kind::Number | Kind::Null | Kind::Variable);
    if number || matches!(tokens.kind(at), Kind::Word | Kind::Text) {
        at += 1;
    }
    let begin = at;
    while tokens.kind(at) == Kind::Right && tokens.get(at).mate == NONE {
        at += 1;
    }
    let closed = at > begin;
    let mut here = Sql::default();
    continues(tokens, clause(tokens, at), number || closed || at == 0, &mut here);
    if here != Sql::default() {
        here.add(if closed { Sql::BREAK_OUT } else { Sql::AFTER_VALUE });
        anywhere(tokens, true, found);
        found.add(here);
    }
    let first = usize::from(tokens.kind(0) == Kind::Left);
    if statement::begins(tokens, first, true) {
        found.add(Sql::STATEMENT);
    }
}

/// Reads what follows a quote. `before` is the text in front of it.
pub(super) fn quoted(tokens: &Tokens<'_>, before: &[u8], found: &mut Sql) {
    let mut at = 0;
    while tokens.kind(at) == Kind::Right {
        at += 1;
    }
    let mut here = Sql::default();
    continues(tokens, clause(tokens, at), true, &mut here);
    let mut weak = Sql::default();
    match tokens.kind(at) {
        Kind::Comment if hides(tokens, at, before) => weak.add(Sql::QUOTE_COMMENT),
        Kind::Semicolon if hides(tokens, at + 1, before) => weak.add(Sql::QUOTE_COMMENT),
        Kind::Arithmetic | Kind::Compare | Kind::Like | Kind::Or => {
            if let Some(next) = operand(tokens, at + 1) {
                if next.call {
                    weak.add(Sql::CONCATENATION);
                } else if next.constant
                    && matches!(tokens.kind(next.end), Kind::End | Kind::Comment)
                {
                    weak.add(Sql::QUOTE_MATH);
                }
            }
        }
        _ => {}
    }
    if matches!(
        tokens.kind(at),
        Kind::And
            | Kind::Or
            | Kind::Union
            | Kind::Having
            | Kind::Order
            | Kind::Group
            | Kind::Limit
            | Kind::Like
    ) && tokens.len <= 12
        && !elided(tokens, before)
    {
        weak.add(Sql::OPEN_KEYWORD);
    }
    if here != Sql::default() {
        here.add(Sql::BREAK_OUT);
        anywhere(tokens, true, found);
    }
    found.add(here);
    found.add(weak);
}

/// Whether the quote stands for a vowel in front of a French word: `d'or`, `l'or`.
fn elided(tokens: &Tokens<'_>, before: &[u8]) -> bool {
    let letters = before.iter().rev().take_while(|byte| byte.is_ascii_alphanumeric()).count();
    let article = letters == 1 && matches!(before, [.., b'd' | b'l']);
    article && tokens.is(0, b"or") && tokens.get(0).start == 0
}

/// Whether a comment at `at` hides what the program would have put after the value.
fn hides(tokens: &Tokens<'_>, at: usize, before: &[u8]) -> bool {
    let comment = tokens.bytes(at);
    let rest = comment.strip_prefix(b"#").or_else(|| comment.get(2..)).unwrap_or_default();
    tokens.kind(at) == Kind::Comment
        && before.len() < 64
        && !before.contains(&b' ')
        && rest.len() < 24
        && (rest.len() < 3
            || !rest[0].is_ascii_alphanumeric() && rest[0] != b'[' && rest[0] != b'!')
}

/// The token after what a query may have between a closed place and the next clause: `as t`, `in boolean mode`.
fn clause(tokens: &Tokens<'_>, mut at: usize) -> usize {
    if tokens.kind(at) == Kind::As && matches!(tokens.kind(at + 2), Kind::Where | Kind::Right) {
        at += 2;
    } else if tokens.kind(at) == Kind::In
        && tokens.is(at + 1, b"boolean")
        && tokens.is(at + 2, b"mode")
    {
        at += 3;
    }
    while tokens.kind(at) == Kind::Right && tokens.get(at).mate == NONE {
        at += 1;
    }
    at
}

/// Whether SQL goes on at `at`, and how. `firm`: what stands before is surely not a word of a sentence.
fn continues(tokens: &Tokens<'_>, at: usize, firm: bool, found: &mut Sql) {
    match tokens.kind(at) {
        Kind::And | Kind::Or | Kind::Where => logic(tokens, at, firm, found),
        Kind::Left
            if firm
                && tokens.kind(at + 1) == Kind::Select
                && statement::begins(tokens, at + 1, false) =>
        {
            found.add(Sql::SUBQUERY);
        }
        Kind::Delay if firm && tokens.kind(at + 2) == Kind::Number && delays(tokens, at) => {
            found.add(Sql::TIME_DELAY);
        }
        Kind::If if firm && (at + 2..at + 24).any(|index| tokens.kind(index) == Kind::Delay) => {
            found.add(Sql::TIME_DELAY);
        }
        Kind::Union if union(tokens, at, !firm || at == 0) => {
            found.add(Sql::UNION_SELECT);
        }
        Kind::Semicolon if statement::begins(tokens, at + 1, false) => {
            found.add(Sql::STACKED);
        }
        Kind::Waitfor if statement::waits(tokens, at) => found.add(Sql::TIME_DELAY),
        Kind::Order | Kind::Group if tokens.kind(at + 1) == Kind::By => {
            sorted(tokens, at, firm, found)
        }
        Kind::Having if comparison(tokens, at + 1).is_some() => found.add(Sql::GROUP_PROBE),
        Kind::Into if tokens.kind(at + 1) == Kind::Outfile => found.add(Sql::FILE),
        Kind::Procedure if tokens.is(at + 1, b"analyse") && tokens.kind(at + 2) == Kind::Left => {
            found.add(Sql::FUNCTION_CALL);
        }
        Kind::Limit if firm && tokens.kind(at + 1) == Kind::Number => {
            if matches!(
                tokens.kind(at + 2),
                Kind::Comment | Kind::Into | Kind::Union | Kind::Procedure
            ) {
                found.add(Sql::GROUP_PROBE);
            }
        }
        Kind::Like if firm && at > 0 && has_sql_call(tokens, at + 1) => found.add(Sql::CONDITION),
        Kind::Select if firm && at == 0 && statement::begins(tokens, at, true) => {
            found.add(Sql::STATEMENT)
        }
        Kind::Comma | Kind::Arithmetic
            if firm
                && operand(tokens, at + 1).is_some_and(|next| next.call)
                && has_sql_call(tokens, at + 1) =>
        {
            found.add(Sql::CONCATENATION);
        }
        _ => {}
    }
    if *found != Sql::default()
        && (at..tokens.len).rev().take(1).any(|last| tokens.kind(last) == Kind::Comment)
    {
        found.add(Sql::COMMENT_TAIL);
    }
}

/// Whether one of the next few tokens calls a function or asks a subquery that is SQL's alone.
fn has_sql_call(tokens: &Tokens<'_>, at: usize) -> bool {
    (at..at + 8).any(|index| match tokens.kind(index) {
        Kind::Function | Kind::Delay => matches!(tokens.kind(index + 1), Kind::Left | Kind::Dot),
        Kind::Left => {
            tokens.kind(index + 1) == Kind::Select && statement::begins(tokens, index + 1, false)
        }
        Kind::Case => true,
        Kind::Variable => tokens.bytes(index).starts_with(b"@@"),
        _ => false,
    })
}

/// Whether what stands at `at` is called as a database is told to wait: `(8 hours)` is a remark, and so is a year.
fn delays(tokens: &Tokens<'_>, at: usize) -> bool {
    let number = tokens.kind(at + 2) == Kind::Number;
    match (tokens.kind(at + 1), tokens.kind(at + 3)) {
        (Kind::Dot, _) => true,
        (Kind::Left, Kind::Word) => !number,
        (Kind::Left, Kind::Right) => !(number && tokens.is(at, b"benchmark")),
        (Kind::Left, _) => true,
        _ => false,
    }
}

fn logic(tokens: &Tokens<'_>, at: usize, firm: bool, found: &mut Sql) {
    if let Some(compared) = comparison(tokens, at + 1) {
        if compared.constant {
            found.add(Sql::TAUTOLOGY);
        } else if firm {
            found.add(Sql::CONDITION);
        }
        return;
    }
    if !firm {
        return;
    }
    let Some(next) = operand(tokens, at + 1) else { return };
    let mut end = next.end;
    while tokens.kind(end) == Kind::Right {
        end += 1;
    }
    if next.call && (has_sql_call(tokens, at + 1) || tokens.kind(end) == Kind::Comment) {
        found.add(Sql::CONDITION);
    } else if next.constant && tokens.kind(end) == Kind::Comment {
        found.add(Sql::BARE_TRUTH);
    }
}

fn sorted(tokens: &Tokens<'_>, at: usize, firm: bool, found: &mut Sql) {
    let Some(column) = operand(tokens, at + 2) else { return };
    let ends = matches!(
        tokens.kind(column.end),
        Kind::End | Kind::Comment | Kind::Comma | Kind::Having | Kind::Semicolon
    );
    let probes = tokens.kind(at + 2) == Kind::Number
        || column.call
        || tokens.kind(column.end) == Kind::Comment;
    if !firm || !ends || !probes {
        return;
    }
    found.add(if tokens.kind(at) == Kind::Order { Sql::ORDER_PROBE } else { Sql::GROUP_PROBE });
}

/// `union [all] [(] select` with a list or table behind it.
/// `strict`: nothing before it says that this is SQL.
fn union(tokens: &Tokens<'_>, at: usize, strict: bool) -> bool {
    let mut next = at + 1;
    while matches!(tokens.kind(next), Kind::All | Kind::Left) {
        next += 1;
    }
    if tokens.kind(next) == Kind::Values {
        return tokens.kind(next + 1) == Kind::Left && next > at + 1;
    }
    if tokens.kind(next) != Kind::Select {
        return false;
    }
    let item = next + 1 + usize::from(tokens.kind(next + 1) == Kind::All);
    let star = tokens.is(item, b"*");
    let Some(first) = operand(tokens, item) else { return star };
    star || first.constant
        || first.call
        || matches!(tokens.kind(first.end), Kind::Comma | Kind::From)
        || !strict && matches!(tokens.kind(first.end), Kind::Comment | Kind::End | Kind::Right)
}

/// The kinds of tokens with which something that is SQL wherever it stands may begin.
const TELLING: u64 = Kind::And.bit()
    | Kind::Or.bit()
    | Kind::Union.bit()
    | Kind::Semicolon.bit()
    | Kind::Left.bit()
    | Kind::Delay.bit()
    | Kind::Waitfor.bit()
    | Kind::Function.bit()
    | Kind::Common.bit()
    | Kind::Catalogue.bit()
    | Kind::Into.bit()
    | Kind::Table.bit()
    | Kind::If.bit()
    | Kind::Case.bit()
    | Kind::Variable.bit();

/// What is SQL wherever it stands. `inside`: it is known to go on from a value, so less of it is enough.
pub(super) fn anywhere(tokens: &Tokens<'_>, inside: bool, found: &mut Sql) {
    // A parenthesis tells something only before a select.
    let select = tokens.kinds & Kind::Select.bit() != 0;
    let telling = if select { TELLING } else { TELLING & !Kind::Left.bit() };
    for at in (0..tokens.len).filter(|at| tokens.kind(*at).bit() & telling != 0) {
        match tokens.kind(at) {
            Kind::And | Kind::Or
                if comparison(tokens, at + 1).is_some_and(|compared| compared.constant) =>
            {
                found.add(Sql::TAUTOLOGY);
                if tokens.kind(at) == Kind::And {
                    found.add(Sql::BOOLEAN_PROBE);
                }
            }
            Kind::Union if union(tokens, at, !inside) => found.add(Sql::UNION_SELECT),
            Kind::Semicolon if statement::begins(tokens, at + 1, !inside) => {
                found.add(Sql::STACKED)
            }
            Kind::Left
                if tokens.kind(at + 1) == Kind::Select
                    && statement::begins(tokens, at + 1, false) =>
            {
                found.add(Sql::SUBQUERY);
            }
            Kind::Delay if delays(tokens, at) && (inside || !tokens.is(at, b"sleep")) => {
                found.add(Sql::TIME_DELAY);
            }
            Kind::Waitfor if statement::waits(tokens, at) => found.add(Sql::TIME_DELAY),
            Kind::Function
                if matches!(tokens.kind(at + 1), Kind::Left | Kind::Dot) && tokens.touch(at) =>
            {
                branches(tokens, at, found);
                if inside || tokens.bytes(at).len() > 7 {
                    found.add(Sql::FUNCTION_CALL);
                }
                if tokens.is(at, b"load_file") {
                    found.add(Sql::FILE);
                }
            }
            Kind::Common if tokens.kind(at + 1) == Kind::Left => common(tokens, at, inside, found),
            Kind::Catalogue
                if matches!(
                    tokens.kind(at.wrapping_sub(1)),
                    Kind::From | Kind::Comma | Kind::Dot
                ) =>
            {
                found.add(Sql::SCHEMA);
            }
            Kind::Into
                if tokens.kind(at + 1) == Kind::Outfile && tokens.kind(at + 2) != Kind::End =>
            {
                found.add(Sql::FILE);
            }
            Kind::Table
                if inside
                    && tokens.kind(at + 1) == Kind::Left
                    && tokens.kind(at + 2) == Kind::Right =>
            {
                found.add(Sql::FUNCTION_CALL);
            }
            Kind::If if tokens.touch(at) => branches(tokens, at, found),
            Kind::Case => choice(tokens, at, inside, found),
            Kind::Variable if tokens.bytes(at).starts_with(b"@@") && tokens.bytes(at).len() > 4 => {
                found.add(Sql::VARIABLE);
            }
            _ => {}
        }
    }
}

/// `case when …`: with a constant comparison, or inside of what is known to be SQL.
fn choice(tokens: &Tokens<'_>, at: usize, inside: bool, found: &mut Sql) {
    if tokens.kind(at + 1) == Kind::When
        && comparison(tokens, at + 2).is_some_and(|branch| branch.constant)
    {
        found.add(Sql::CASE_WHEN);
        found.add(Sql::TAUTOLOGY);
    }
    let when = (at + 1..at + 6).find(|&index| tokens.kind(index) == Kind::When);
    if inside && when.is_some_and(|when| operand(tokens, when + 1).is_some()) {
        found.add(Sql::CASE_WHEN);
    }
}

/// `if(1=1, …)`, `elt(1=1, …)`: a call that chooses by a constant comparison.
fn branches(tokens: &Tokens<'_>, at: usize, found: &mut Sql) {
    let branch = (tokens.kind(at + 1) == Kind::Left).then(|| comparison(tokens, at + 2)).flatten();
    if branch.is_some_and(|branch| branch.constant && tokens.kind(branch.end) == Kind::Comma) {
        found.add(Sql::CASE_WHEN);
        found.add(Sql::TAUTOLOGY);
    }
}

/// A function that other languages have too counts where it builds strings from codes, or after a value.
fn common(tokens: &Tokens<'_>, at: usize, inside: bool, found: &mut Sql) {
    let code = matches!(tokens.bytes(at), b"char" | b"chr" | b"nchar" | b"unhex")
        && matches!(tokens.kind(at + 2), Kind::Number)
        && matches!(tokens.kind(at + 3), Kind::Right | Kind::Comma);
    if code {
        found.add(Sql::CHAR_BUILDING);
    }
    if inside {
        found.add(Sql::FUNCTION_CALL);
    }
}

/// A quote without a partner at the start or the end of a short text.
pub(super) fn loose(text: &[u8], quote: u8, first: usize, found: &mut Sql) {
    let rest = &text[first + 1..];
    if text.len() > 64 || memchr::memchr(quote, rest).is_some() {
        return;
    }
    if rest.is_empty() || first == 0 {
        found.add(Sql::LOOSE_QUOTE);
    }
}
