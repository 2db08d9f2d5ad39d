//! The table of mutations: which class each belongs to, and where its idea is published.

use crate::chance::Chance;
use crate::{mutate_code, mutate_markup, mutate_net, mutate_paths, mutate_shell, mutate_sql, wire};

/// What kind of program the payload is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    Sql,
    Markup,
    Path,
    Shell,
    Php,
    Template,
    NoSql,
    Jndi,
    Xml,
    Fetch,
    Lines,
    Ldap,
}

pub(crate) const CLASSES: [Class; 12] = [
    Class::Sql,
    Class::Markup,
    Class::Path,
    Class::Shell,
    Class::Php,
    Class::Template,
    Class::NoSql,
    Class::Jndi,
    Class::Xml,
    Class::Fetch,
    Class::Lines,
    Class::Ldap,
];

/// What is rewritten.
#[derive(Clone, Copy)]
pub(crate) enum Rewrite {
    /// The text, as the attacked program gets it.
    Text(fn(&str, &mut Chance) -> Option<String>),
    /// How the text is written into the query.
    Wire(fn(&str, &mut Chance) -> Option<String>),
}

/// One way to write an attack differently.
#[derive(Clone, Copy)]
pub(crate) struct Mutation {
    pub(crate) name: &'static str,
    /// Where the idea is published: a number of [`SOURCES`].
    pub(crate) source: usize,
    pub(crate) rewrite: Rewrite,
}

/// Publications the ideas are from. Their facts are used, not their words or code.
pub(crate) const SOURCES: [&str; 12] = [
    "RFC 3986, uniform resource identifiers",
    "sqlmap, user's manual: tamper scripts",
    "OWASP, SQL injection bypassing WAF",
    "OWASP, XSS filter evasion cheat sheet",
    "OWASP, path traversal",
    "GNU, Bash reference manual: quoting and expansions",
    "PHP manual: functions, strings and tags",
    "Jinja documentation: expressions and filters",
    "MongoDB manual: query operators; RFC 8259, JSON",
    "Apache Log4j manual: lookups",
    "W3C, XML 1.0: document type declaration",
    "WHATWG, URL standard; RFC 9110 and RFC 4515",
];

/// All mutations of a class.
pub(crate) fn of(class: Class) -> Vec<Mutation> {
    let own = match class {
        Class::Sql => mutate_sql::TABLE,
        Class::Markup => mutate_markup::TABLE,
        Class::Path => mutate_paths::TABLE,
        Class::Shell => mutate_shell::TABLE,
        Class::Php => mutate_code::PHP,
        Class::Template => mutate_code::TEMPLATE,
        Class::NoSql => mutate_code::NOSQL,
        Class::Jndi => mutate_net::JNDI,
        Class::Xml => mutate_net::XML,
        Class::Fetch => mutate_net::FETCH,
        Class::Lines => mutate_net::LINES,
        Class::Ldap => mutate_net::LDAP,
    };
    own.iter().chain(wire::TABLE).copied().collect()
}

/// The class of a row of the data, by its category.
pub(crate) fn class_of(category: &str) -> Option<Class> {
    Some(match category {
        "sqli" => Class::Sql,
        "xss" => Class::Markup,
        "lfi" => Class::Path,
        "rce" => Class::Shell,
        "php-injection" => Class::Php,
        "ssti" => Class::Template,
        "nosqli" => Class::NoSql,
        "log4shell" => Class::Jndi,
        "xxe" => Class::Xml,
        "rfi" => Class::Fetch,
        "crlf" => Class::Lines,
        "ldapi" => Class::Ldap,
        _ => return None,
    })
}

/// Shorthand for the tables.
pub(crate) const fn text(
    name: &'static str,
    source: usize,
    rewrite: fn(&str, &mut Chance) -> Option<String>,
) -> Mutation {
    Mutation { name, source, rewrite: Rewrite::Text(rewrite) }
}

/// Shorthand for the tables.
pub(crate) const fn wire(
    name: &'static str,
    source: usize,
    rewrite: fn(&str, &mut Chance) -> Option<String>,
) -> Mutation {
    Mutation { name, source, rewrite: Rewrite::Wire(rewrite) }
}
