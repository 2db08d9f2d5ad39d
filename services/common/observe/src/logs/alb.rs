//! The access log of an AWS application load balancer.

use super::text::{
    address_and_port, excerpt, field, quoted, request_of, split_request, status, unescaped, word,
};
use super::time::{Dates, iso};
use crate::Trusted;
use crate::observation::{Dead, Line};

/// `TYPE TIME LB CLIENT:PORT TARGET … STATUS … "REQUEST" "AGENT" …`; the balancer itself writes the client,
/// an IPv6 address without brackets.
pub(super) fn observe(line: &str, dates: Dates, trusted: &Trusted) -> Result<Line, Dead> {
    let malformed = || Dead::malformed(format!("not a load balancer's line: '{}'", excerpt(line)));
    let (numbers, texts) = line.split_at(line.find('"').ok_or_else(malformed)?);
    let fields: Vec<&str> = numbers.trim_end().split(' ').collect();
    let [_type, time, _balancer, client, _target, _, _, _, code, ..] = fields[..] else {
        return Err(malformed());
    };
    if fields.len() != 12 {
        return Err(malformed());
    }
    let at = iso(time, dates)
        .ok_or_else(|| Dead::no_time(format!("'{}' is not a time", excerpt(time))))?;
    let (request, rest) = quoted(texts).ok_or_else(malformed)?;
    let mut observation = request_of(address_and_port(client)?, None, trusted);
    observation.observed_at = Some(at);
    observation.status = status(code);
    let (method, host, path) = asked(request);
    observation.method = method.to_owned();
    observation.host = host.and_then(field);
    observation.uri = unescaped(path).into_owned();
    observation.agent = rest.strip_prefix(' ').and_then(quoted).and_then(|(agent, _)| field(agent));
    Ok(Line::Event(observation))
}

/// Method, host and path of `GET https://shop.example:443/a?b=c HTTP/1.1`.
///
/// The balancer writes `-` for each part that never came, so that `- http://shop.example:80- -` is a connection which
/// ended before its request. Those dashes are nobody's: left in the host, they would make it odd and convict a client.
fn asked(request: &str) -> (&str, Option<&str>, &str) {
    let request = request.trim_end();
    let (method, uri) = split_request(request.strip_suffix(" -").unwrap_or(request));
    let (host, path) = absolute(uri);
    let method = if path.is_empty() && method == "-" { "" } else { method };
    (method, host, path)
}

/// Host and path of `https://shop.example:443/a?b=c`, or of `https://shop.example:443-`, which has no path.
fn absolute(uri: &str) -> (Option<&str>, &str) {
    let Some((_, rest)) = uri.split_once("://") else { return (None, uri) };
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    match authority.strip_suffix('-').filter(|host| ends_with_port(host)) {
        Some(host) if path.is_empty() => (Some(host), ""),
        _ => (Some(authority), path),
    }
}

/// Whether a host has its port, as the balancer always writes it.
fn ends_with_port(host: &str) -> bool {
    host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok())
}

/// Whether a line begins like one of these.
pub(super) fn leads(line: &str) -> bool {
    let kind = word(line).map(|(kind, _)| kind);
    kind.is_some_and(|kind| ["http", "https", "h2", "grpcs", "ws", "wss"].contains(&kind))
}
