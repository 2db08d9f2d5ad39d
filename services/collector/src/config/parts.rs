//! What several of the files say in the same way: a sender's name, what its word is worth, a log's format and dates.

use observe::logs::{Dates, Format};
use serde::Deserialize;

const NAME_BYTES_MAX: usize = 64;
const OFFSET_MINUTES_MAX: i16 = 14 * 60;

/// What a sender's word about an address is worth.
#[derive(Deserialize, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(super) enum Word {
    SocketPeer,
    #[default]
    ExternalFeed,
}

impl Word {
    /// Whether an address is believed as if we had seen the connection.
    pub(super) fn authoritative(self) -> bool {
        self == Word::SocketPeer
    }
}

/// A sender's name, fit to be a part of a source's.
pub(super) fn name(name: String) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(plain) {
        return Err(format!(
            "the sender's name '{name}' must have 1 to {NAME_BYTES_MAX} letters, digits, dots, dashes or underscores"
        ));
    }
    Ok(name)
}

/// The format that is named; `None` for `auto`.
pub(super) fn format(named: &str, of: &str) -> Result<Option<Format>, String> {
    match named {
        "auto" => Ok(None),
        named => named.parse().map(Some).map_err(|error| format!("format of {of}: {error}")),
    }
}

pub(super) fn dates(year: Option<u16>, utc_offset_minutes: i16, of: &str) -> Result<Dates, String> {
    if utc_offset_minutes.abs() > OFFSET_MINUTES_MAX {
        return Err(format!(
            "utc_offset_minutes of {of} must lie between -{OFFSET_MINUTES_MAX} and {OFFSET_MINUTES_MAX}"
        ));
    }
    Ok(Dates { year, offset_minutes: utc_offset_minutes })
}

/// A sender's SPIFFE URI.
pub(super) fn identity(identity: String, of: &str) -> Result<String, String> {
    if identity.starts_with("spiffe://") {
        return Ok(identity);
    }
    Err(format!("identity of {of} must be a SPIFFE URI, spiffe://…"))
}

pub(super) fn auto() -> String {
    "auto".to_owned()
}
