//! Whether a mutation still means what the attack meant, by parsers that are not ours.

use std::cell::RefCell;

use html5ever::tokenizer::{
    BufferQueue, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
};
use percent_encoding::percent_decode_str;
use sqlparser::dialect::{Dialect, GenericDialect, MsSqlDialect, MySqlDialect, PostgreSqlDialect};
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token as SqlToken, Tokenizer as SqlTokenizer};

use crate::table::Class;

/// What a parser says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// The same.
    Kept,
    /// Not the same, or one of the two cannot be parsed: the pair is left out.
    Lost,
    /// There is no parser for this class: the table vouches for it.
    Unchecked,
}

impl Meaning {
    fn when(kept: bool) -> Self {
        if kept { Self::Kept } else { Self::Lost }
    }
}

/// Compares a mutated text with the attack it was made from.
pub(crate) fn of_text(class: Class, attack: &str, mutated: &str) -> Meaning {
    match class {
        Class::Sql => Meaning::when(sql(attack, mutated)),
        Class::Markup => Meaning::when(markup(attack, mutated)),
        Class::Path => path(attack, mutated),
        Class::Shell => shell(attack, mutated),
        Class::NoSql if attack.starts_with('{') => {
            Meaning::when(serde_json::from_str::<serde_json::Value>(mutated).is_ok())
        }
        Class::Fetch => fetch(attack, mutated),
        _ => Meaning::Unchecked,
    }
}

/// Whether the query, decoded as often as it takes, gives the text back. Escapes that RFC 3986 does not have are not
/// checked.
pub(crate) fn of_wire(text: &str, wire: &str) -> Meaning {
    let once = percent_decode_str(wire).collect::<Vec<u8>>();
    let own = ["%u", "%c0", "%e0%80", "%E5%98"].iter().any(|mark| wire.contains(mark));
    if own && once != text.as_bytes() {
        return Meaning::Unchecked;
    }
    let twice = percent_encoding::percent_decode(&once).collect::<Vec<u8>>();
    Meaning::when(once == text.as_bytes() || twice == text.as_bytes())
}

const QUERIES: [(&str, &str); 7] = [
    ("SELECT a FROM t WHERE b = ", ""),
    ("SELECT a FROM t WHERE b = '", "'"),
    ("SELECT a FROM t WHERE b = \"", "\""),
    ("SELECT a FROM t WHERE (b = '", "')"),
    ("SELECT a FROM t WHERE (b = ", ")"),
    ("SELECT a FROM t WHERE b LIKE '%", "%'"),
    ("", ""),
];

/// Words that say what a statement does.
const SHAPE: [&str; 15] = [
    "select",
    "union",
    "insert",
    "update",
    "delete",
    "drop",
    "exec",
    "waitfor",
    "order",
    "group",
    "sleep",
    "benchmark",
    "case",
    "and",
    "or",
];

/// Both are statements of the same kind in at least one plausible query, and the attack is more there than a value.
fn sql(attack: &str, mutated: &str) -> bool {
    let dialects: [&dyn Dialect; 4] =
        [&MySqlDialect {}, &GenericDialect {}, &MsSqlDialect {}, &PostgreSqlDialect {}];
    dialects.iter().any(|dialect| {
        QUERIES.iter().any(|(before, after)| {
            let shape = |value: &str| shape(*dialect, &format!("{before}{value}{after}"));
            let plain = shape("1");
            shape(attack).is_some_and(|shape_of| {
                Some(&shape_of) != plain.as_ref() && shape(mutated).as_ref() == Some(&shape_of)
            })
        })
    })
}

fn shape(dialect: &dyn Dialect, query: &str) -> Option<Vec<String>> {
    let statements = Parser::parse_sql(dialect, query).ok()?;
    let text = statements.iter().map(ToString::to_string).collect::<Vec<_>>().join(";");
    let tokens = SqlTokenizer::new(dialect, &text).tokenize().ok()?;
    let names = tokens.iter().filter_map(|token| match token {
        SqlToken::Word(word) => Some(word.value.to_ascii_lowercase()),
        SqlToken::SemiColon => Some(";".to_owned()),
        SqlToken::StringConcat => Some("or".to_owned()),
        SqlToken::Overlap => Some("and".to_owned()),
        _ => None,
    });
    let mut named: Vec<String> =
        names.filter(|name| name == ";" || SHAPE.contains(&name.as_str())).collect();
    named.retain(|name| !(text.contains("BETWEEN") && name == "and"));
    Some(named)
}

const PAGES: [(&str, &str); 5] = [
    ("<p>", "</p>"),
    ("<input value=\"", "\">"),
    ("<input value='", "'>"),
    ("<a href=\"", "\">x</a>"),
    ("<textarea>", "</textarea>"),
];

/// What runs in a page: elements with a handler, addresses that are scripts, and script elements.
#[derive(Default)]
struct Running(RefCell<Vec<String>>);

impl TokenSink for Running {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        let Token::TagToken(tag) = token else { return TokenSinkResult::Continue };
        if tag.kind != TagKind::StartTag {
            return TokenSinkResult::Continue;
        }
        let mut found = self.0.borrow_mut();
        if *tag.name == *"script" {
            found.push("script".to_owned());
        }
        for attribute in &tag.attrs {
            let name = attribute.name.local.to_string();
            let value: String =
                attribute.value.chars().filter(|letter| *letter > ' ').collect::<String>();
            if name.starts_with("on") {
                found.push(format!("{} {name}", tag.name));
            } else if value.to_ascii_lowercase().starts_with("javascript:") {
                found.push(format!("{} {name} script", tag.name));
            }
        }
        TokenSinkResult::Continue
    }
}

fn running(page: &str) -> Vec<String> {
    let tokenizer = Tokenizer::new(Running::default(), TokenizerOpts::default());
    let input = BufferQueue::default();
    input.push_back(page.into());
    drop(tokenizer.feed(&input));
    tokenizer.end();
    tokenizer.sink.0.into_inner()
}

fn markup(attack: &str, mutated: &str) -> bool {
    PAGES.iter().any(|(before, after)| {
        let of = |value: &str| running(&format!("{before}{value}{after}"));
        let wanted = of(attack);
        !wanted.is_empty() && of(mutated) == wanted
    })
}

/// The file that a URL parser's resolution of dots arrives at; servers that strip or cut are vouched for by the table.
fn path(attack: &str, mutated: &str) -> Meaning {
    let end = |path: &str| {
        let base = url::Url::parse("http://h/a/b/c/d").ok()?;
        base.join(&path.replace("//", "/")).ok().map(|url| url.path().to_owned())
    };
    if mutated.contains(['\0', ';']) || mutated.contains("....") || mutated.contains("..././") {
        return Meaning::Unchecked;
    }
    if attack.contains("://") {
        return Meaning::Unchecked;
    }
    Meaning::when(end(attack).is_some() && end(attack) == end(mutated))
}

/// The same words after quoting, where nothing but quoting changed.
fn shell(attack: &str, mutated: &str) -> Meaning {
    if mutated.matches(['\'', '"', '\\']).count() == attack.matches(['\'', '"', '\\']).count() {
        return Meaning::Unchecked;
    }
    let words = |line: &str| shlex::split(line);
    match (words(attack), words(mutated)) {
        (Some(left), Some(right)) => Meaning::when(left == right),
        _ => Meaning::Lost,
    }
}

/// The same host by the standard that browsers and most libraries keep to.
fn fetch(attack: &str, mutated: &str) -> Meaning {
    let host = |text: &str| {
        let url = url::Url::parse(text).ok()?;
        match url.host()? {
            url::Host::Ipv6(address) => address.to_ipv4_mapped().map(|four| four.to_string()),
            other => Some(other.to_string()),
        }
    };
    Meaning::when(host(attack).is_some() && host(attack) == host(mutated))
}
