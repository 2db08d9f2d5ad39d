//! The log formats that are read: one line in, one [`Observation`](crate::Observation) or a true reason out.
//!
//! A client decides what stands in most fields of a log, so each format takes the address from one fixed place that
//! the server itself wrote, and from nowhere else. What is not here: files, rotation, ids.

mod alb;
mod clf;
mod detect;
mod format;
mod haproxy;
mod iis;
pub(crate) mod json;
mod message;
mod proxies;
mod sshd;
mod syslog;
mod template;
pub(crate) mod text;
pub(crate) mod time;
mod waf;

use schemas::Millis;

use crate::Trusted;
use crate::observation::{Dead, Line};
use clf::Kind;
pub use detect::{DETECT_LINES_MAX, detect};
pub use format::{Format, FormatError};
pub use message::{Forwarded, Messages};
pub use template::{Template, TemplateError};
pub use time::Dates;

/// Longest line that is read, in bytes, without its end.
pub const LINE_BYTES_MAX: usize = 64 * 1024;

/// What some editors and servers of Windows write before the first line of a file; it belongs to no line.
pub const BYTE_ORDER_MARK: &[u8] = "\u{FEFF}".as_bytes();

/// Reads the lines of one file or stream, in their order.
#[derive(Debug, Clone)]
pub struct Parser {
    format: Format,
    trusted: Trusted,
    dates: Dates,
    /// What an IIS file said of its columns.
    columns: iis::Columns,
    /// What PAM said of logins just now.
    tries: sshd::Tries,
}

impl Parser {
    /// `trusted` are the proxies whose `X-Forwarded-For` is believed, where the format has it.
    pub fn new(format: Format, trusted: Trusted, dates: Dates) -> Self {
        let (columns, tries) = (iis::Columns::default(), sshd::Tries::default());
        Parser { format, trusted, dates, columns, tries }
    }

    pub fn format(&self) -> &Format {
        &self.format
    }

    /// Reads one line, with or without its end; of what has several nothing is read. What is not UTF-8 is replaced.
    /// `received_at` gives a year to dates that have none.
    pub fn line(&mut self, line: &[u8], received_at: Millis) -> Result<Line, Dead> {
        if line.len() > LINE_BYTES_MAX {
            // A reader keeps no more of a line than shows that it is too long.
            return Err(Dead::too_long(format!(
                "the line has {} bytes or more, and {LINE_BYTES_MAX} are allowed",
                line.len()
            )));
        }
        let text = text::lossy(without_mark(line));
        let text = text.trim_end_matches(['\r', '\n']);
        if text.trim().is_empty() {
            return Ok(Line::Nothing);
        }
        // A second line would be read as the end of the first. JSON may stand on several, and has an end of its own.
        let json = self.format.may_be_json() && text.trim_start().starts_with('{');
        if !json && memchr::memchr(b'\n', text.as_bytes()).is_some() {
            return Err(Dead::malformed("several lines came as one; send each by itself"));
        }
        let (dates, trusted) = (self.dates, &self.trusted);
        let clf = |kind| clf::observe(text, kind, dates, trusted).map(Line::Event);
        match &self.format {
            Format::Common | Format::Combined => clf(Kind::Plain),
            Format::Vhost => clf(Kind::Vhost),
            Format::Nginx => clf(Kind::Nginx),
            Format::Template(template) => template.observe(text, dates, trusted).map(Line::Event),
            Format::Envoy => proxies::envoy(text, dates, trusted),
            Format::Traefik if text.starts_with('{') => proxies::traefik(text, dates, trusted),
            Format::Traefik => clf(Kind::Plain),
            Format::Caddy => proxies::caddy(text, dates, trusted),
            Format::HaProxy => haproxy::observe(text, dates, trusted, received_at),
            Format::Iis => self.columns.observe(text, trusted),
            Format::Sshd => self.tries.observe(text, dates, received_at),
            Format::AwsAlb => alb::observe(text, dates, trusted),
            Format::AwsWaf => waf::aws(text, trusted),
            Format::ModSecurity | Format::Coraza => waf::modsecurity(text, dates, trusted),
        }
    }
}

/// The line without a byte order mark, which leads only where a file begins, also inside files that were joined.
fn without_mark(line: &[u8]) -> &[u8] {
    line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line)
}
