//! HAProxy's HTTP log, bare or after a syslog prefix.

use std::borrow::Cow;

use schemas::Millis;

use super::syslog;
use super::text::{address_and_port, excerpt, hex, request_of, set_request, status, undone, word};
use super::time::{Dates, clf};
use crate::Trusted;
use crate::observation::{Dead, Line};

/// `ADDRESS:PORT [TIME] frontend backend/server timers status … "REQUEST"`.
pub(super) fn observe(
    line: &str,
    dates: Dates,
    trusted: &Trusted,
    received_at: Millis,
) -> Result<Line, Dead> {
    let message = message(line, dates, received_at);
    let malformed = || Dead::malformed(format!("not HAProxy's HTTP log: '{}'", excerpt(line)));
    let (peer, rest) = word(message).ok_or_else(malformed)?;
    let Some((time, rest)) = rest.strip_prefix('[').and_then(|rest| rest.split_once("] ")) else {
        // Its notes about itself: started, reloaded, a server is down.
        return if message.len() < line.len() { Ok(Line::Nothing) } else { Err(malformed()) };
    };
    let peer = address_and_port(peer)?;
    let at = clf(time, dates)
        .ok_or_else(|| Dead::no_time(format!("'{}' is not a time", excerpt(time))))?;
    if rest.split(' ').nth(1).is_none_or(|backend| !backend.contains('/')) {
        // A connection that ended before it was a request, for example in the handshake.
        return Ok(Line::Nothing);
    }
    let mut words = rest.splitn(5, ' ').skip(3);
    let (code, rest) = (words.next().ok_or_else(malformed)?, words.next().ok_or_else(malformed)?);
    // HAProxy encodes every quote inside a captured header or a request as `#22`.
    let (_, request) = rest.split_once(" \"").ok_or_else(malformed)?;
    let request = request.strip_suffix('"').unwrap_or(request);
    let mut observation = request_of(peer, None, trusted);
    observation.observed_at = Some(at);
    observation.status = status(code);
    // It says so itself where what came was no request, or nothing.
    if request != "<BADREQ>" {
        set_request(&mut observation, request, decoded);
    }
    Ok(Line::Event(observation))
}

/// `text` with `#HH` as the byte it stands for: so HAProxy writes quotes, what is not ASCII, and `#` itself.
fn decoded(text: &str) -> Cow<'_, str> {
    undone(text, b'#', |after| match after {
        [high, low, ..] => hex(*high, *low).map(|byte| (byte, 2)),
        _ => None,
    })
}

/// The line without a syslog prefix, if it has one.
fn message(line: &str, dates: Dates, received_at: Millis) -> &str {
    match syslog::split(line, dates, received_at) {
        Some(entry) if entry.tag == "haproxy" => entry.message,
        _ => line,
    }
}
