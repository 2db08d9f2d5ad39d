//! The family of the Common Log Format: common, combined, with a virtual host first, nginx's `main`, Traefik's text.
//!
//! The address is the first field, or the second after a virtual host, and never another one: all else is or may be
//! the client's own text.

use memchr::{memchr_iter, memrchr};
use schemas::Millis;

use super::text::{
    address, excerpt, field, present, quoted, request_of, set_request, status, unescaped, word,
};
use super::time::{Dates, clf};
use crate::Trusted;
use crate::client::hop_address;
use crate::observation::{Dead, Observation};

/// The fields of one line, as they stand.
struct Fields<'a> {
    host: Option<&'a str>,
    peer: &'a str,
    time: &'a str,
    request: &'a str,
    status: &'a str,
    referer: Option<&'a str>,
    agent: Option<&'a str>,
    /// What follows the agent.
    rest: &'a str,
}

/// Which of the family a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The address leads; what follows the agent is not read.
    Plain,
    /// The virtual host leads, and the address follows it.
    Vhost,
    /// `X-Forwarded-For` follows the agent, quoted, as in the `main` format of nginx's packages.
    Nginx,
}

/// Reads one line.
pub(super) fn observe(
    line: &str,
    kind: Kind,
    dates: Dates,
    trusted: &Trusted,
) -> Result<Observation, Dead> {
    let fields = split(line, kind == Kind::Vhost)?;
    let peer = address(fields.peer)?;
    let forwarded_for = if kind == Kind::Nginx { forwarded_for(fields.rest) } else { None };
    let mut observation = request_of(peer, forwarded_for, trusted);
    observation.observed_at = Some(time(fields.time, dates)?);
    set_request(&mut observation, fields.request, unescaped);
    observation.host = fields.host.and_then(field);
    observation.status = status(fields.status);
    observation.referer = fields.referer.and_then(field);
    observation.agent = fields.agent.and_then(field);
    Ok(observation)
}

/// `"$http_x_forwarded_for"` and nothing else. Where more follows, the field is not known to be the proxy's: a server
/// that does not escape quotes lets a client write fields of its own before it.
fn forwarded_for(rest: &str) -> Option<&str> {
    let (inside, after) = quoted(rest.strip_prefix(' ')?)?;
    if after.is_empty() { present(inside) } else { None }
}

fn time(text: &str, dates: Dates) -> Result<Millis, Dead> {
    clf(text, dates).ok_or_else(|| Dead::no_time(format!("'{}' is not a time", excerpt(text))))
}

fn split(line: &str, vhost: bool) -> Result<Fields<'_>, Dead> {
    let malformed = |what: &str| Dead::malformed(format!("{what}: '{}'", excerpt(line)));
    // A user may hold any text, but no quote that is not escaped: the time is the last bracket before the request.
    let request_at = request_at(line).ok_or_else(|| malformed("no request follows a time"))?;
    let time_at = memrchr(b'[', &line.as_bytes()[..request_at])
        .ok_or_else(|| malformed("no time is in brackets"))?;
    let head = &line[..time_at];
    let (host, head) = if vhost {
        let (host, head) = word(head).ok_or_else(|| malformed("no virtual host leads"))?;
        (Some(host), head)
    } else {
        (None, head)
    };
    let (peer, users) = word(head).ok_or_else(|| malformed("no address leads"))?;
    let (identity, _user) = word(users).ok_or_else(|| malformed("no user follows the address"))?;
    if hop_address(identity).is_some() {
        // One field more leads than this format has. It may be the client's own text, and may well be an address.
        return Err(malformed("an address stands where the identity should be"));
    }
    let (request, rest) =
        quoted(&line[request_at + 2..]).ok_or_else(|| malformed("the request does not end"))?;
    let (status, rest) = rest
        .strip_prefix(' ')
        .and_then(word)
        .ok_or_else(|| malformed("no status follows the request"))?;
    let (_bytes, rest) = rest.split_at(rest.find(' ').unwrap_or(rest.len()));
    let (referer, rest) = optional(rest);
    let (agent, rest) = if referer.is_some() { optional(rest) } else { (None, rest) };
    let time = &line[time_at + 1..request_at];
    Ok(Fields { host, peer, time, request, status, referer, agent, rest })
}

/// Where the bracket closes that the first request follows: `] "`.
fn request_at(line: &str) -> Option<usize> {
    let ends = |quote: &usize| line[..*quote].ends_with("] ");
    memchr_iter(b'"', line.as_bytes()).find(ends).map(|quote| quote - 2)
}

/// The quoted field that follows a space, if one does.
fn optional(text: &str) -> (Option<&str>, &str) {
    match text.strip_prefix(' ').and_then(quoted) {
        Some((inside, rest)) => (Some(inside), rest),
        None => (None, text),
    }
}
