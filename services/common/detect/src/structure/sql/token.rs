//! Cuts a text into SQL tokens, without allocation and at most [`MAX`] of them.

use super::words;

/// Tokens read of a text; what comes after them is not looked at.
pub(super) const MAX: usize = 512;

/// Bytes read of a text, so that offsets fit in 16 bits.
const BYTES: usize = 32 * 1024;

/// No matching parenthesis.
pub(super) const NONE: u16 = u16::MAX;

/// What a token is. Words that SQL reserves have a kind of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    End,
    Number,
    Text,
    /// A string that is not closed.
    Open,
    Variable,
    Word,
    /// A function that hardly anything but SQL has.
    Function,
    /// A function whose only purpose in an injection is to wait.
    Delay,
    /// A function that other languages have too.
    Common,
    /// A table or view of the catalogue.
    Catalogue,
    Compare,
    /// `like`, `regexp` and their kin.
    Like,
    And,
    Or,
    Arithmetic,
    Left,
    Right,
    Comma,
    Semicolon,
    Dot,
    Comment,
    Cast,
    Other,
    Not,
    Null,
    Union,
    All,
    Select,
    From,
    Where,
    Into,
    Values,
    Set,
    Table,
    Insert,
    Update,
    Delete,
    Drop,
    Create,
    Alter,
    Execute,
    Declare,
    /// A statement's first word that needs nothing special after it.
    Verb,
    Having,
    Group,
    Order,
    By,
    Limit,
    Between,
    In,
    Is,
    Case,
    When,
    Then,
    If,
    Exists,
    Waitfor,
    Procedure,
    As,
    Outfile,
}

impl Kind {
    /// The bit of this kind: there are fewer than 64.
    pub(super) const fn bit(self) -> u64 {
        1 << self as u32
    }
}

/// One token: where it stands and which parenthesis closes or opens it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) start: u16,
    pub(super) end: u16,
    pub(super) mate: u16,
}

pub(super) const EMPTY: Token = Token { kind: Kind::End, start: 0, end: 0, mate: NONE };

/// The tokens of one text.
pub(super) struct Tokens<'a> {
    pub(super) text: &'a [u8],
    list: &'a mut [Token],
    pub(super) len: usize,
    /// The kinds of them, a bit each.
    pub(super) kinds: u64,
}

impl<'a> Tokens<'a> {
    /// Cuts `text` into `list`, which must have room for a token for each byte, or for [`MAX`]; `steps` grows by the
    /// bytes and tokens seen.
    pub(super) fn new(text: &'a [u8], list: &'a mut [Token], steps: &mut u64) -> Self {
        let text = &text[..text.len().min(BYTES)];
        let mut tokens = Tokens { text, list, len: 0, kinds: 0 };
        let mut at = 0;
        let mut open = NONE;
        while at < text.len() && tokens.len < MAX {
            if text[at] <= b' ' {
                at += 1;
                continue;
            }
            let (kind, end) = next(text, at);
            if tokens.blank(at, kind, end) {
                at = end;
                continue;
            }
            let index = tokens.len;
            let mut token = Token { kind, start: narrow(at), end: narrow(end), mate: NONE };
            if kind == Kind::Left {
                // Until it is closed, an open parenthesis points to the one that was opened before it.
                token.mate = open;
                open = narrow(index);
            } else if kind == Kind::Right && open != NONE {
                token.mate = open;
                let opener = &mut tokens.list[usize::from(open)];
                open = opener.mate;
                opener.mate = narrow(index);
            }
            tokens.list[index] = token;
            tokens.len += 1;
            tokens.kinds |= kind.bit();
            at = end;
        }
        while open != NONE {
            let opener = &mut tokens.list[usize::from(open)];
            open = opener.mate;
            opener.mate = NONE;
        }
        *steps += (at + tokens.len) as u64;
        tokens
    }

    /// A plus that stands for a blank next to a keyword, and `1.e` before anything but digits, which MySQL drops.
    fn blank(&self, at: usize, kind: Kind, end: usize) -> bool {
        let after = self.text.get(end).copied().unwrap_or(0);
        if kind == Kind::Number {
            return self.text[..end].ends_with(b".e")
                && (after == b'(' || after == b'.' || self.len > 0);
        }
        if self.text[at] != b'+' {
            return false;
        }
        let before = self.len > 0 && words::structural(self.list[self.len - 1].kind);
        before
            || (after.is_ascii_alphabetic()
                && words::structural(words::kind(&self.text[end..word(self.text, end)])))
    }

    pub(super) fn get(&self, index: usize) -> Token {
        if index < self.len { self.list[index] } else { EMPTY }
    }

    pub(super) fn kind(&self, index: usize) -> Kind {
        self.get(index).kind
    }

    pub(super) fn bytes(&self, index: usize) -> &'a [u8] {
        let token = self.get(index);
        &self.text[usize::from(token.start)..usize::from(token.end)]
    }

    pub(super) fn is(&self, index: usize, word: &[u8]) -> bool {
        self.bytes(index) == word
    }

    /// Whether two tokens touch, with no blank between them.
    pub(super) fn touch(&self, index: usize) -> bool {
        index + 1 < self.len && self.get(index).end == self.get(index + 1).start
    }
}

fn narrow(offset: usize) -> u16 {
    u16::try_from(offset).unwrap_or(NONE)
}

/// The token at `at` and where it ends: always at least one byte on.
fn next(text: &[u8], at: usize) -> (Kind, usize) {
    let rest = &text[at..];
    let second = rest.get(1).copied().unwrap_or(0);
    match rest[0] {
        b'\'' | b'"' => string(text, at),
        b'`' => quoted(text, at, b'`'),
        b'[' => quoted(text, at, b']'),
        b'0'..=b'9' => (Kind::Number, number(text, at)),
        b'.' if second.is_ascii_digit() => (Kind::Number, number(text, at)),
        b'@' if second == b'>' => (Kind::Compare, at + 2),
        b'@' => (Kind::Variable, variable(text, at)),
        b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'$' | 0x80.. => {
            let end = word(text, at);
            (words::kind(&text[at..end]), end)
        }
        b'(' => (Kind::Left, at + 1),
        b')' => (Kind::Right, at + 1),
        b',' => (Kind::Comma, at + 1),
        b';' => (Kind::Semicolon, at + 1),
        b'.' => (Kind::Dot, at + 1),
        b'#' => (Kind::Comment, text.len()),
        b'-' if second == b'-' => (Kind::Comment, text.len()),
        b'/' if second == b'*' => (Kind::Comment, text.len()),
        b':' if second == b':' => (Kind::Cast, at + 2),
        b'-' | b'=' if second == b'>' => (Kind::Other, at + 2),
        _ => operator(rest, at),
    }
}

fn operator(rest: &[u8], at: usize) -> (Kind, usize) {
    let second = rest.get(1).copied().unwrap_or(0);
    match (rest[0], second) {
        (b'<', b'=') if rest.get(2) == Some(&b'>') => (Kind::Compare, at + 3),
        (b'<', b'=' | b'>' | b'@')
        | (b'>' | b'!' | b'=' | b':' | b'^', b'=')
        | (b'!', b'~' | b'<' | b'>') => (Kind::Compare, at + 2),
        (b'<', b'<') | (b'>', b'>') => (Kind::Arithmetic, at + 2),
        (b'<' | b'>' | b'=', _) => (Kind::Compare, at + 1),
        (b'|', b'|') => (Kind::Or, at + 2),
        (b'&', b'&') => (Kind::And, at + 2),
        (b'!', _) => (Kind::Not, at + 1),
        (b'+' | b'-' | b'*' | b'/' | b'%' | b'|' | b'&' | b'^' | b'~', _) => {
            (Kind::Arithmetic, at + 1)
        }
        _ => (Kind::Other, at + 1),
    }
}

/// A string: a doubled quote or a backslash keeps it open.
fn string(text: &[u8], at: usize) -> (Kind, usize) {
    let quote = text[at];
    let mut end = at + 1;
    while end < text.len() {
        if text[end] == b'\\' {
            end += 1;
        } else if text[end] == quote {
            if text.get(end + 1) != Some(&quote) || end == at + 1 {
                return (Kind::Text, end + 1);
            }
            end += 1;
        }
        end += 1;
    }
    (Kind::Open, text.len())
}

/// A quoted identifier; without its end the quote is only a sign.
fn quoted(text: &[u8], at: usize, close: u8) -> (Kind, usize) {
    let name = |byte: &u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b' ' | b'$' | b'.' | b'-')
    };
    let length = text[at + 1..].iter().take(64).take_while(|byte| name(byte)).count();
    match text.get(at + 1 + length) {
        Some(&byte) if byte == close && length > 0 => (Kind::Word, at + length + 2),
        _ => (Kind::Other, at + 1),
    }
}

fn number(text: &[u8], at: usize) -> usize {
    let digits =
        |from: usize| from + text[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    if text[at] == b'0' && matches!(text.get(at + 1), Some(b'x')) {
        let end =
            at + 2 + text[at + 2..].iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        if end > at + 2 {
            return end;
        }
    }
    let mut end = digits(at);
    let mut point = false;
    if text.get(end) == Some(&b'.') && text.get(end + 1) != Some(&b'.') {
        point = true;
        end = digits(end + 1);
    }
    if text.get(end) == Some(&b'e') {
        let sign = usize::from(matches!(text.get(end + 1), Some(b'+' | b'-')));
        let after = digits((end + 1 + sign).min(text.len()));
        if after > end + 1 + sign {
            return after;
        }
        // MySQL takes `1.e` for a number and goes on after it.
        if point && !text.get(end + 1).is_some_and(u8::is_ascii_alphabetic) {
            return end + 1;
        }
    }
    end
}

fn variable(text: &[u8], at: usize) -> usize {
    let signs = text[at..].iter().take(2).take_while(|byte| **byte == b'@').count();
    word(text, at + signs).max(at + 1)
}

fn word(text: &[u8], at: usize) -> usize {
    at + text[at..].iter().take_while(|byte| WORD[usize::from(**byte)]).count()
}

/// The bytes of words.
static WORD: [bool; 256] = {
    let (mut word, mut at) = ([false; 256], 0);
    while at < 256 {
        word[at] = (at as u8).is_ascii_alphanumeric() || matches!(at as u8, b'_' | b'$' | 0x80..);
        at += 1;
    }
    word
};
