//! Syslog messages as they come over a network: the prefix that a daemon wrote, and behind it a line of some log.
//!
//! A sender forwards what many programs say, and most of them repeat a client's text. So without a declared format only
//! those programs are read that write the beginning of their lines themselves.

use schemas::{Millis, Provenance};

use super::syslog::{self, Entry};
use super::text::excerpt;
use super::{Dates, Format, Parser, detect, haproxy, sshd};
use crate::Trusted;
use crate::observation::{Dead, Line};

/// Servers whose lines are read in whichever format they are, under the name that they give themselves.
const SERVERS: [&str; 6] = ["nginx", "apache2", "httpd", "envoy", "traefik", "caddy"];

/// What the messages of a sender are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Forwarded {
    /// `None` is found out by program and message.
    pub format: Option<Format>,
    /// The only program that is read; all others are passed over.
    pub program: Option<String>,
}

/// Reads the messages of one sender, in their order.
#[derive(Debug, Clone)]
pub struct Messages {
    forwarded: Forwarded,
    /// Its format is the one declared, or that of the last message.
    parser: Parser,
}

impl Messages {
    /// `trusted` and `dates` as for [`Parser::new`].
    pub fn new(forwarded: Forwarded, trusted: Trusted, dates: Dates) -> Self {
        let format = forwarded.format.clone().unwrap_or(Format::Sshd);
        Messages { forwarded, parser: Parser::new(format, trusted, dates) }
    }

    /// Reads one message. Where its line has no time, it happened when the daemon wrote it.
    pub fn message(&mut self, message: &[u8], received_at: Millis) -> Result<Line, Dead> {
        let text = String::from_utf8_lossy(message);
        let text = text.trim_end_matches(['\r', '\n', '\0']);
        if text.trim().is_empty() {
            return Ok(Line::Nothing);
        }
        let mut further = text.split('\n').skip(1);
        if further.any(syslog::leads) {
            return Err(Dead::malformed("several messages came as one; send each by itself"));
        }
        let entry = syslog::split(text, self.parser.dates, received_at).ok_or_else(|| {
            Dead::malformed(format!("neither RFC 3164 nor RFC 5424: '{}'", excerpt(text)))
        })?;
        if self.forwarded.program.as_ref().is_some_and(|program| program != entry.tag) {
            return Ok(Line::Nothing);
        }
        if self.forwarded.format.is_none() {
            let Some(format) = format_of(&entry) else { return Ok(Line::Nothing) };
            self.parser.format = format;
        }
        // These two tell by the prefix what is theirs.
        let whole = match self.parser.format {
            Format::Sshd => true,
            Format::HaProxy => haproxy::is_haproxy(entry.tag),
            _ => false,
        };
        let line = if whole { text } else { entry.message };
        let mut line = match self.parser.line(line.as_bytes(), received_at) {
            // HAProxy may have any name, so what another name says need not be its log.
            Err(_) if !whole && self.parser.format == Format::HaProxy => return Ok(Line::Nothing),
            read => read?,
        };
        // Another program may begin with a client's text, unless whoever runs this one says that it is HAProxy.
        let unnamed =
            !whole && self.parser.format == Format::HaProxy && self.forwarded.program.is_none();
        if let Line::Event(observation) = &mut line {
            observation.observed_at = observation.observed_at.or(entry.at);
            if unnamed {
                observation.provenance = Provenance::LogText;
            }
        }
        Ok(line)
    }
}

fn format_of(entry: &Entry<'_>) -> Option<Format> {
    match entry.tag {
        tag if sshd::is_sshd(tag) => Some(Format::Sshd),
        tag if haproxy::is_haproxy(tag) => Some(Format::HaProxy),
        tag if SERVERS.contains(&tag) => detect(&[entry.message.as_bytes()]),
        _ => None,
    }
}
