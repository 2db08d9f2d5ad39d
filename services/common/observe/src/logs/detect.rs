//! Which format a file is in, by its first lines.

use serde_json::Value;

use super::clf::{self, Kind};
use super::json::{object, text};
use super::text::quoted;
use super::time::Dates;
use super::{Format, LINE_BYTES_MAX, alb, haproxy, sshd, syslog, waf, without_mark};
use crate::Trusted;
use crate::observation::Line;

/// Most lines that are looked at.
pub const DETECT_LINES_MAX: usize = 200;

/// The format that most of these lines are in. `None` if they are in none that is known.
///
/// A wrong guess costs events and chooses no victim: a format reads the client only from its own fixed place, which is
/// the peer's unless the server was told to write a header there.
pub fn detect(first_lines: &[&[u8]]) -> Option<Format> {
    let mut claims: Vec<(Format, usize)> = Vec::new();
    for line in first_lines.iter().take(DETECT_LINES_MAX) {
        if line.len() > LINE_BYTES_MAX {
            continue;
        }
        let line = String::from_utf8_lossy(without_mark(line));
        let Some(format) = format_of(line.trim_end()) else { continue };
        // What names its columns is in no other format, however few lines follow.
        if format == Format::Iis {
            return Some(format);
        }
        match claims.iter_mut().find(|(claimed, _)| *claimed == format) {
            Some((_, lines)) => *lines += 1,
            None => claims.push((format, 1)),
        }
    }
    let most = claims.iter().map(|(_, lines)| *lines).max()?;
    claims.into_iter().find(|(_, lines)| *lines == most).map(|(format, _)| format)
}

fn format_of(line: &str) -> Option<Format> {
    if line.starts_with("#Fields:") || line.starts_with("#Software: Microsoft Internet Information")
    {
        return Some(Format::Iis);
    }
    if let Ok(entry) = object(line) {
        return format_of_object(&entry);
    }
    if is_error_log(line) {
        return Some(Format::ModSecurity);
    }
    if let Some(inside) = line.strip_prefix('[') {
        let (time, rest) = inside.split_once("] ")?;
        let envoy = rest.starts_with('"') && super::time::iso(time, Dates::default()).is_some();
        return envoy.then_some(Format::Envoy);
    }
    if alb::leads(line) {
        return Some(Format::AwsAlb);
    }
    // The year of a date without one does not matter here.
    if let Some(entry) = syslog::split(line, Dates { year: Some(2000), ..Dates::default() }, 0) {
        return match entry.tag {
            tag if haproxy::is_haproxy(tag) => Some(Format::HaProxy),
            tag if sshd::is_sshd(tag) => Some(Format::Sshd),
            _ => is_http_of_haproxy(entry.message).then_some(Format::HaProxy),
        };
    }
    let (dates, trusted) = (Dates::default(), Trusted::default());
    if is_http_of_haproxy(line) {
        return Some(Format::HaProxy);
    }
    if clf::observe(line, Kind::Plain, dates, &trusted).is_ok() {
        return Some(member_of_clf(line));
    }
    clf::observe(line, Kind::Vhost, dates, &trusted).is_ok().then_some(Format::Vhost)
}

fn format_of_object(entry: &Value) -> Option<Format> {
    let has = |name: &str| entry.get(name).is_some();
    let logger = text(entry, &["logger"]).unwrap_or_default();
    if waf::is_audit(entry) {
        // Coraza lists what matched beside the transaction, ModSecurity inside it.
        return Some(if has("messages") { Format::Coraza } else { Format::ModSecurity });
    }
    if has("httpRequest") && has("webaclId") {
        return Some(Format::AwsWaf);
    }
    if logger.starts_with("http.log.access") || logger == "http.handlers.waf" {
        return Some(Format::Caddy);
    }
    if has("ClientHost") && has("RequestMethod") {
        return Some(Format::Traefik);
    }
    if has("downstream_remote_address") || has("downstream_direct_remote_address") {
        return Some(Format::Envoy);
    }
    let sshd = sshd::program(entry).is_some_and(sshd::is_sshd);
    (sshd && has("__REALTIME_TIMESTAMP")).then_some(Format::Sshd)
}

fn is_http_of_haproxy(line: &str) -> bool {
    let read = haproxy::http(line, Dates::default(), &Trusted::default());
    matches!(read, Ok(Line::Event(_)))
}

fn is_error_log(line: &str) -> bool {
    let event = waf::modsecurity(line, Dates::default(), &Trusted::default());
    !line.starts_with('{') && matches!(event, Ok(Line::Event(_)))
}

/// Which of the family a line is, by what follows the request. Never [`Format::Nginx`]: a field that follows the agent
/// may be a cookie as well as `X-Forwarded-For`, and only whoever declares the format knows.
fn member_of_clf(line: &str) -> Format {
    let agent = || {
        let (_, request) = line.split_once("] ")?;
        let (_, rest) = quoted(request)?;
        let (_, rest) = quoted(&rest[rest.find('"')?..])?;
        quoted(rest.trim_start())
    };
    match agent() {
        None => Format::Common,
        Some((_, rest)) if rest.ends_with("ms") => Format::Traefik,
        Some(_) => Format::Combined,
    }
}
