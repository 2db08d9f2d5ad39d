//! The W3C extended log of IIS, whose columns a `#Fields:` line names.

use super::text::{address, excerpt, present, request_of, status};
use super::time::{Dates, iso};
use crate::Trusted;
use crate::observation::{Dead, Line};

/// Most columns that are looked at.
const COLUMNS_MAX: usize = 128;

/// The columns that the newest `#Fields:` line named.
#[derive(Debug, Clone, Default)]
pub(super) struct Columns(Vec<String>);

impl Columns {
    /// Reads one line: a `#` line tells of the file, any other is a request. The times are in UTC.
    pub(super) fn observe(&mut self, line: &str, trusted: &Trusted) -> Result<Line, Dead> {
        if let Some(comment) = line.strip_prefix('#') {
            if let Some(names) = comment.strip_prefix("Fields:") {
                let names = names.split_ascii_whitespace().take(COLUMNS_MAX);
                self.0 = names.map(str::to_ascii_lowercase).collect();
            }
            return Ok(Line::Nothing);
        }
        if self.0.is_empty() {
            return Err(Dead::malformed("no #Fields line came before; its columns have no names"));
        }
        let values: Vec<&str> = line.split(' ').take(COLUMNS_MAX + 1).collect();
        if values.len() != self.0.len() {
            return Err(Dead::malformed(format!(
                "{} values for {} columns: '{}'",
                values.len(),
                self.0.len(),
                excerpt(line)
            )));
        }
        let value = |name: &str| {
            let index = self.0.iter().position(|column| column == name)?;
            present(values[index])
        };
        let client = value("c-ip").ok_or_else(|| Dead::no_address("no c-ip"))?;
        let forwarded_for = value("x-forwarded-for").map(decoded);
        let mut observation = request_of(address(client)?, forwarded_for.as_deref(), trusted);
        observation.observed_at = match (value("date"), value("time")) {
            (Some(date), Some(time)) => {
                let written = format!("{date} {time}");
                let at = iso(&written, Dates::default());
                Some(
                    at.ok_or_else(|| Dead::no_time(format!("'{}' is no time", excerpt(&written))))?,
                )
            }
            _ => return Err(Dead::no_time("no date and time")),
        };
        observation.method = value("cs-method").unwrap_or_default().to_owned();
        let path = value("cs-uri-stem").unwrap_or_default();
        observation.uri = match value("cs-uri-query") {
            Some(query) => format!("{path}?{query}"),
            None => path.to_owned(),
        };
        observation.host = value("cs-host").map(str::to_owned);
        observation.status = value("sc-status").and_then(status);
        observation.agent = value("cs(user-agent)").map(decoded);
        observation.referer = value("cs(referer)").map(str::to_owned);
        Ok(Line::Event(observation))
    }
}

/// A header as it was sent: IIS writes its spaces as plus signs.
fn decoded(text: &str) -> String {
    text.replace('+', " ")
}
