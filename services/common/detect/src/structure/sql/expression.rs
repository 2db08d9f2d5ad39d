//! Operands and comparisons: enough of SQL's expressions to tell a condition from prose.

use super::token::{Kind, NONE, Tokens};

/// Links of one operand (`1+1+1…`) that are followed.
const LINKS: usize = 8;

/// What can be compared.
#[derive(Debug, Clone, Copy)]
pub(super) struct Operand {
    /// The first token after it.
    pub(super) end: usize,
    /// It has the same value whatever the table holds.
    pub(super) constant: bool,
    /// It calls a function or asks a subquery.
    pub(super) call: bool,
}

/// Two operands and what compares them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Comparison {
    pub(super) end: usize,
    pub(super) constant: bool,
}

/// The token after `at` that is no parenthesis or sign before an operand.
fn enter(tokens: &Tokens<'_>, mut at: usize) -> usize {
    loop {
        match tokens.kind(at) {
            Kind::Left if tokens.kind(at + 1) != Kind::Select => at += 1,
            Kind::Not => at += 1,
            Kind::Arithmetic if matches!(tokens.bytes(at), b"-" | b"+" | b"~" | b"*") => at += 1,
            Kind::Word if tokens.is(at, b"binary") => at += 1,
            _ => return at,
        }
    }
}

fn leave(tokens: &Tokens<'_>, mut at: usize) -> usize {
    while tokens.kind(at) == Kind::Right {
        at += 1;
    }
    at
}

/// The end of a call's parentheses that open at `at`.
fn close(tokens: &Tokens<'_>, at: usize) -> usize {
    match tokens.get(at).mate {
        NONE => tokens.len,
        mate => usize::from(mate) + 1,
    }
}

/// Reads the operand at `at`, with signs and parentheses before it.
pub(super) fn operand(tokens: &Tokens<'_>, at: usize) -> Option<Operand> {
    let mut found = single(tokens, enter(tokens, at))?;
    for _ in 0..LINKS {
        match tokens.kind(found.end) {
            Kind::Arithmetic if !tokens.is(found.end, b"~") => {
                let Some(more) = single(tokens, enter(tokens, found.end + 1)) else { break };
                found.end = more.end;
                found.constant &= more.constant;
                found.call |= more.call;
            }
            Kind::Or if glued(tokens, found) => {
                let Some(more) = single(tokens, found.end + 1) else { break };
                found.end = more.end;
                found.constant &= more.constant;
                found.call |= more.call;
            }
            Kind::Cast => found.end += 2,
            Kind::Text | Kind::Open if matches!(tokens.kind(found.end - 1), Kind::Text) => {
                found.end += 1
            }
            _ => break,
        }
    }
    found.end = found.end.min(tokens.len);
    Some(found)
}

/// Whether `||` joins strings here: between calls and strings, not between conditions.
fn glued(tokens: &Tokens<'_>, left: Operand) -> bool {
    let part =
        |kind| matches!(kind, Kind::Common | Kind::Function | Kind::Text | Kind::Open | Kind::Left);
    tokens.is(left.end, b"||")
        && (left.call || tokens.kind(left.end - 1) == Kind::Text)
        && part(tokens.kind(left.end + 1))
}

fn single(tokens: &Tokens<'_>, at: usize) -> Option<Operand> {
    let constant = |end| Some(Operand { end, constant: true, call: false });
    match tokens.kind(at) {
        Kind::Number | Kind::Text | Kind::Open | Kind::Null => constant(at + 1),
        Kind::Variable if tokens.get(at).end - tokens.get(at).start > 1 => constant(at + 1),
        Kind::Left => Some(Operand { end: close(tokens, at), constant: false, call: true }),
        Kind::Case => {
            let end = (at + 1..tokens.len.min(at + 64)).find(|&index| tokens.is(index, b"end"))?;
            Some(Operand { end: end + 1, constant: false, call: true })
        }
        Kind::Is | Kind::All | Kind::Like
            if tokens.kind(at + 1) == Kind::Left && tokens.touch(at) =>
        {
            Some(Operand { end: close(tokens, at + 1), constant: false, call: true })
        }
        // A prefixed string, as in x'41', n'a' or e'a'.
        Kind::Word
            if matches!(tokens.kind(at + 1), Kind::Text | Kind::Open)
                && tokens.touch(at)
                && tokens.bytes(at).len() == 1 =>
        {
            constant(at + 2)
        }
        Kind::Word
        | Kind::Function
        | Kind::Delay
        | Kind::Common
        | Kind::Catalogue
        | Kind::Exists
        | Kind::If
        | Kind::Table
        | Kind::Insert => {
            let mut end = at + 1;
            while tokens.kind(end) == Kind::Dot
                && tokens.touch(end - 1)
                && tokens.touch(end)
                && end < at + 10
            {
                end += 2;
            }
            while tokens.kind(end) == Kind::Word
                && tokens.bytes(end).starts_with(b"[")
                && end < at + 10
            {
                end += 1;
            }
            let call = tokens.kind(end) == Kind::Left;
            if call {
                end = close(tokens, end);
            }
            Some(Operand { end, constant: false, call })
        }
        _ => None,
    }
}

/// Reads a comparison at `at`: two operands with an operator, `between`, `in (…)` or `is null`.
pub(super) fn comparison(tokens: &Tokens<'_>, at: usize) -> Option<Comparison> {
    let first = enter(tokens, at);
    let left = operand(tokens, first)?;
    let mut operator = leave(tokens, left.end);
    if tokens.kind(operator) == Kind::Not {
        operator += 1;
    }
    match tokens.kind(operator) {
        Kind::Compare => against(tokens, left, first, operator + 1),
        Kind::Arithmetic if tokens.is(operator, b"~") => against(tokens, left, first, operator + 1),
        Kind::Like => {
            let joined = match tokens.bytes(operator) {
                b"similar" => tokens.is(operator + 1, b"to").then_some(1)?,
                b"sounds" => (tokens.kind(operator + 1) == Kind::Like).then_some(1)?,
                _ => 0,
            };
            let like = operator + joined + usize::from(tokens.is(operator + joined + 1, b"binary"));
            against(tokens, left, first, like + 1)
        }
        Kind::Between => {
            let low = operand(tokens, operator + 1)?;
            let high = (tokens.kind(low.end) == Kind::And)
                .then(|| operand(tokens, low.end + 1))
                .flatten()?;
            Some(Comparison {
                end: high.end,
                constant: left.constant && low.constant && high.constant,
            })
        }
        Kind::In if tokens.kind(operator + 1) == Kind::Left => {
            let list = operand(tokens, operator + 2);
            let constant = left.constant && list.is_some_and(|list| list.constant);
            Some(Comparison { end: close(tokens, operator + 1), constant })
        }
        Kind::Is => {
            let value = operator + 1 + usize::from(tokens.kind(operator + 1) == Kind::Not);
            (tokens.kind(value) == Kind::Null)
                .then_some(Comparison { end: value + 1, constant: left.constant })
        }
        _ => None,
    }
}

fn against(tokens: &Tokens<'_>, left: Operand, first: usize, at: usize) -> Option<Comparison> {
    let begin = enter(tokens, at);
    let right = operand(tokens, begin)?;
    // The same name on both sides is as good as a constant: `or id=id`.
    let same = left.end == first + 1
        && right.end == begin + 1
        && tokens.kind(first) == Kind::Word
        && tokens.bytes(first) == tokens.bytes(begin);
    Some(Comparison {
        end: leave(tokens, right.end),
        constant: same || (left.constant && right.constant),
    })
}
