//! What a text is as SQL.
//!
//! A value lands in a query after a number, or inside quotes. So it is cut into tokens as it stands, and once more after
//! the first quote of each kind: if what follows there goes on as SQL would, the value breaks out. Words alone set no
//! bit: prose has them too.

mod context;
mod expression;
mod statement;
mod token;
mod words;

use token::{EMPTY, MAX, Token, Tokens};

/// What was found, a bit each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sql(pub u32);

impl Sql {
    /// Identifier of each bit, in order: never reused for another.
    pub const NAMES: &'static [&'static str] = &[
        "sql.break_out",
        "sql.after_value",
        "sql.comment_tail",
        "sql.tautology",
        "sql.boolean_probe",
        "sql.condition",
        "sql.bare_truth",
        "sql.union_select",
        "sql.stacked",
        "sql.statement",
        "sql.function_call",
        "sql.time_delay",
        "sql.schema",
        "sql.file",
        "sql.subquery",
        "sql.order_probe",
        "sql.group_probe",
        "sql.case_when",
        "sql.char_building",
        "sql.concatenation",
        "sql.quote_math",
        "sql.quote_comment",
        "sql.open_keyword",
        "sql.loose_quote",
        "sql.odd_tokens",
        "sql.variable",
    ];

    /// A quote or parenthesis closes and SQL goes on.
    pub const BREAK_OUT: Sql = Sql(1);
    /// A number or one word, and then SQL goes on.
    pub const AFTER_VALUE: Sql = Sql(1 << 1);
    /// SQL goes on after the value and a comment hides the rest.
    pub const COMMENT_TAIL: Sql = Sql(1 << 2);
    /// `or`, `and` or the like, and a comparison that no table can change.
    pub const TAUTOLOGY: Sql = Sql(1 << 3);
    /// The same with `and`: asks whether the answer changes.
    pub const BOOLEAN_PROBE: Sql = Sql(1 << 4);
    /// After the value, `or` or `and` with a comparison of columns or calls.
    pub const CONDITION: Sql = Sql(1 << 5);
    /// After a quote, `or` with a bare constant.
    pub const BARE_TRUTH: Sql = Sql(1 << 6);
    /// `union`, then a select with a list.
    pub const UNION_SELECT: Sql = Sql(1 << 7);
    /// A semicolon, then a statement.
    pub const STACKED: Sql = Sql(1 << 8);
    /// The text is a statement.
    pub const STATEMENT: Sql = Sql(1 << 9);
    /// Calls a function that hardly anything but SQL has, or compares one that others have too.
    pub const FUNCTION_CALL: Sql = Sql(1 << 10);
    /// Makes the database wait.
    pub const TIME_DELAY: Sql = Sql(1 << 11);
    /// Names a table of the catalogue where a table is named.
    pub const SCHEMA: Sql = Sql(1 << 12);
    /// Reads or writes a file.
    pub const FILE: Sql = Sql(1 << 13);
    /// A select in parentheses, with a list.
    pub const SUBQUERY: Sql = Sql(1 << 14);
    /// `order by N` after the value.
    pub const ORDER_PROBE: Sql = Sql(1 << 15);
    /// `having` or `group by` after the value.
    pub const GROUP_PROBE: Sql = Sql(1 << 16);
    /// `case when … then`.
    pub const CASE_WHEN: Sql = Sql(1 << 17);
    /// Builds a string from codes.
    pub const CHAR_BUILDING: Sql = Sql(1 << 18);
    /// After a quote, `||` or `+` with a call or subquery.
    pub const CONCATENATION: Sql = Sql(1 << 19);
    /// After a quote, an operator and a constant up to the end.
    pub const QUOTE_MATH: Sql = Sql(1 << 20);
    /// After a quote, parentheses at most, then a comment up to the end.
    pub const QUOTE_COMMENT: Sql = Sql(1 << 21);
    /// After a quote, a keyword of SQL.
    pub const OPEN_KEYWORD: Sql = Sql(1 << 22);
    /// An odd quote at the start or the end.
    pub const LOOSE_QUOTE: Sql = Sql(1 << 23);
    /// Signs that neither SQL nor prose would have next to one another.
    pub const ODD_TOKENS: Sql = Sql(1 << 24);
    /// A variable of the server (`@@version`).
    pub const VARIABLE: Sql = Sql(1 << 25);

    /// Whether all bits of `other` are set.
    #[must_use]
    pub fn has(self, other: Sql) -> bool {
        self.0 & other.0 == other.0
    }

    /// Sets the bits of `other`.
    pub(crate) fn add(&mut self, other: Sql) {
        self.0 |= other.0;
    }
}

/// Reads `text` (a view of a [reading](crate::normalise::Reading)). `steps` counts the bytes and tokens looked at.
pub fn read(text: &[u8], steps: &mut u64) -> Sql {
    match text.len() {
        0 => Sql::default(),
        1..=64 => read_with(text, &mut [EMPTY; 64], steps),
        65..=256 => read_with(text, &mut [EMPTY; 256], steps),
        _ => read_with(text, &mut [EMPTY; MAX], steps),
    }
}

fn read_with(text: &[u8], list: &mut [Token], steps: &mut u64) -> Sql {
    let mut found = Sql::default();
    {
        let tokens = Tokens::new(text, list, steps);
        context::bare(&tokens, &mut found);
        context::anywhere(&tokens, false, &mut found);
    }
    for quote in [b'\'', b'"', b'`'] {
        *steps += text.len() as u64;
        let Some(at) = closing(text, quote) else { continue };
        let tokens = Tokens::new(&text[at + 1..], list, steps);
        context::quoted(&tokens, &text[..at], &mut found);
        context::loose(text, quote, at, &mut found);
    }
    found
}

/// Where the first `quote` stands that may end a string: of those in a row each two are one inside it. Where there are only
/// such, the first.
fn closing(text: &[u8], quote: u8) -> Option<usize> {
    let first = memchr::memchr(quote, text)?;
    let mut start = first;
    loop {
        let length = text[start..].iter().take_while(|byte| **byte == quote).count();
        if length % 2 == 1 {
            return Some(start + length - 1);
        }
        match memchr::memchr(quote, &text[start + length..]) {
            Some(next) => start += length + next,
            None => return Some(first),
        }
    }
}
