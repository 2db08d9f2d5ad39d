//! A log format of the user's own, written as nginx's `log_format` is: text with `$variables`.
//!
//! Compiled once. The whole line must match, from its first byte to its last; a variable reaches to the first place
//! where the text after it stands, and holds no quote that is not escaped.

use std::borrow::Cow;

use schemas::{Millis, Provenance};

use super::text::{
    address, excerpt, present, request_of, set_request, status, unescaped, unescaped_json,
    unescaped_quote,
};
use super::time::{Dates, clf, iso, seconds};
use crate::Trusted;
use crate::observation::{Dead, Observation};

/// Most variables of one template.
pub(super) const VARIABLES_MAX: usize = 64;
/// Longest template, in bytes.
pub(super) const TEMPLATE_BYTES_MAX: usize = 4 * 1024;

/// A compiled template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    source: String,
    /// What the line begins with.
    leading: String,
    parts: Vec<Part>,
    /// It writes JSON, so its values are escaped as JSON is.
    json: bool,
    /// How well a client could have forged the address by what it sends before it.
    provenance: Provenance,
}

/// Why a template cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    #[error("the template has more than {TEMPLATE_BYTES_MAX} bytes or {VARIABLES_MAX} variables")]
    TooLong,
    #[error("the template has no $remote_addr, so no line of it names a client; add it")]
    NoAddress,
    #[error("nothing stands between ${first} and the variable after it; write a space or a quote")]
    Adjacent { first: String },
    #[error(
        "a $ is followed by no name; write a variable such as $remote_addr or ${{remote_addr}}"
    )]
    NoName,
}

/// A variable, and the text after it; empty at the end of the line.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    variable: Variable,
    until: String,
}

/// What a variable means for an observation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Variable {
    Peer,
    ForwardedFor,
    TimeLocal,
    TimeIso,
    Seconds,
    Request,
    Method,
    Uri,
    Query,
    Host,
    Status,
    Agent,
    Referer,
    /// Any other: `client` says whether its text is the client's.
    Other {
        client: bool,
    },
}

impl Variable {
    fn named(name: &str) -> Variable {
        match name {
            "remote_addr" => Variable::Peer,
            "http_x_forwarded_for" | "proxy_add_x_forwarded_for" => Variable::ForwardedFor,
            "time_local" => Variable::TimeLocal,
            "time_iso8601" => Variable::TimeIso,
            "msec" => Variable::Seconds,
            "request" => Variable::Request,
            "request_method" => Variable::Method,
            "request_uri" | "uri" | "document_uri" => Variable::Uri,
            "args" | "query_string" => Variable::Query,
            "host" | "http_host" => Variable::Host,
            "status" => Variable::Status,
            "http_user_agent" => Variable::Agent,
            "http_referer" => Variable::Referer,
            other => {
                let parts = ["http_", "cookie_", "arg_", "sent_http_", "upstream_http_"];
                let client = parts.iter().any(|part| other.starts_with(part));
                Variable::Other {
                    client: client
                        || ["remote_user", "request_body", "ssl_server_name"].contains(&other),
                }
            }
        }
    }

    /// Whether a client decides what stands here.
    fn by_client(self) -> bool {
        !matches!(
            self,
            Variable::Peer
                | Variable::TimeLocal
                | Variable::TimeIso
                | Variable::Seconds
                | Variable::Status
                | Variable::Other { client: false }
        )
    }
}

impl Template {
    /// Compiles the text of a `log_format`.
    pub fn compile(source: &str) -> Result<Template, TemplateError> {
        if source.len() > TEMPLATE_BYTES_MAX {
            return Err(TemplateError::TooLong);
        }
        let (leading, mut rest) = source.split_at(source.find('$').unwrap_or(source.len()));
        let mut parts: Vec<Part> = Vec::new();
        while !rest.is_empty() {
            let (name, after) = name(rest).ok_or(TemplateError::NoName)?;
            let (until, next) = after.split_at(after.find('$').unwrap_or(after.len()));
            if until.is_empty() && !next.is_empty() {
                return Err(TemplateError::Adjacent { first: name.to_owned() });
            }
            parts.push(Part { variable: Variable::named(name), until: until.to_owned() });
            rest = next;
        }
        if parts.len() > VARIABLES_MAX {
            return Err(TemplateError::TooLong);
        }
        let peer = parts.iter().position(|part| part.variable == Variable::Peer);
        let before = &parts[..peer.ok_or(TemplateError::NoAddress)?];
        // No client's text holds a bare quote, so text with a quote ends it for certain, and other text does not.
        let proved =
            before.iter().all(|part| !part.variable.by_client() || part.until.contains('"'));
        let provenance = if proved { Provenance::SocketPeer } else { Provenance::LogText };
        let object = leading.trim_start().strip_prefix('{');
        let json = object.is_some_and(|inside| inside.trim_start().starts_with('"'));
        let (source, leading) = (source.to_owned(), leading.to_owned());
        Ok(Template { source, leading, parts, json, provenance })
    }

    /// The text it was compiled from.
    pub fn source(&self) -> &str {
        &self.source
    }

    pub(super) fn observe(
        &self,
        line: &str,
        dates: Dates,
        trusted: &Trusted,
    ) -> Result<Observation, Dead> {
        let values = self.values(line).ok_or_else(|| {
            Dead::malformed(format!("does not follow the template: '{}'", excerpt(line)))
        })?;
        let value = |wanted: Variable| {
            let mut found = values.iter().filter(|(variable, _)| *variable == wanted);
            found.find_map(|(_, text)| present(text))
        };
        let undo: fn(&str) -> Cow<'_, str> = if self.json { unescaped_json } else { unescaped };
        let text = |wanted: Variable| value(wanted).map(|text| undo(text).into_owned());
        let peer = address(value(Variable::Peer).unwrap_or_default())?;
        let mut observation = request_of(peer, value(Variable::ForwardedFor), trusted);
        if self.provenance == Provenance::LogText {
            observation.provenance = Provenance::LogText;
        }
        observation.observed_at = time(&values, dates)?;
        if let Some(request) = value(Variable::Request) {
            set_request(&mut observation, request, undo);
        }
        if let Some(method) = value(Variable::Method) {
            observation.method = method.to_owned();
        }
        if let Some(uri) = text(Variable::Uri) {
            observation.uri = uri;
        }
        if let Some(query) = text(Variable::Query).filter(|_| !observation.uri.contains('?')) {
            observation.uri = format!("{}?{query}", observation.uri);
        }
        observation.host = text(Variable::Host);
        observation.status = value(Variable::Status).and_then(status);
        observation.agent = text(Variable::Agent);
        observation.referer = text(Variable::Referer);
        Ok(observation)
    }

    fn values<'a>(&self, line: &'a str) -> Option<Vec<(Variable, &'a str)>> {
        let mut rest = line.strip_prefix(self.leading.as_str())?;
        let mut values = Vec::with_capacity(self.parts.len());
        for part in &self.parts {
            let end = if part.until.is_empty() { rest.len() } else { find(rest, &part.until)? };
            let value = &rest[..end];
            // Every quote of the line is the template's own or escaped; else a client wrote fields of its own.
            if unescaped_quote(value).is_some() {
                return None;
            }
            values.push((part.variable, value));
            rest = &rest[end + part.until.len()..];
        }
        rest.is_empty().then_some(values)
    }
}

/// Where the text after a variable stands. A quote that is escaped is the variable's own.
fn find(text: &str, until: &str) -> Option<usize> {
    if !until.starts_with('"') {
        return text.find(until);
    }
    let end = unescaped_quote(text)?;
    text[end..].starts_with(until).then_some(end)
}

/// The first time of the line; nothing where the template has none. A dash is none that can be read.
fn time(values: &[(Variable, &str)], dates: Dates) -> Result<Option<Millis>, Dead> {
    let mut written = values.iter().filter_map(|(variable, text)| match variable {
        Variable::TimeLocal => Some((*text, clf(text, dates))),
        Variable::TimeIso => Some((*text, iso(text, dates))),
        Variable::Seconds => Some((*text, seconds(text))),
        _ => None,
    });
    match written.next() {
        None => Ok(None),
        Some((_, Some(at))) => Ok(Some(at)),
        Some((text, None)) => Err(Dead::no_time(format!("'{}' is not a time", excerpt(text)))),
    }
}

/// The name that follows a `$`, bare or in braces, and what follows it.
fn name(text: &str) -> Option<(&str, &str)> {
    let text = text.strip_prefix('$')?;
    let (name, rest) = match text.strip_prefix('{') {
        Some(braced) => braced.split_once('}')?,
        None => text.split_at(
            text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len()),
        ),
    };
    if name.is_empty() { None } else { Some((name, rest)) }
}
