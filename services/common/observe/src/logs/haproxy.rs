//! HAProxy's HTTP log, bare or after a syslog prefix.

use std::borrow::Cow;

use schemas::{Millis, Provenance};

use super::syslog;
use super::text::{address_and_port, excerpt, hex, request_of, set_request, status, undone, word};
use super::time::{Dates, clf};
use crate::Trusted;
use crate::observation::{Dead, Line};

/// One line, bare or of a file that other programs write too.
pub(super) fn observe(
    line: &str,
    dates: Dates,
    trusted: &Trusted,
    received_at: Millis,
) -> Result<Line, Dead> {
    let Some(entry) = syslog::split(line, dates, received_at) else {
        return http(line, dates, trusted);
    };
    if is_haproxy(entry.tag) {
        // Its notes about itself have no time of their own: started, reloaded, a server is down.
        let note = leading(entry.message).is_none();
        return if note { Ok(Line::Nothing) } else { http(entry.message, dates, trusted) };
    }
    // Its owner may call it anything (`log-tag`). But another program may begin its message with a client's text, so the
    // address alone convicts nobody.
    match http(entry.message, dates, trusted) {
        Ok(Line::Event(mut observation)) => {
            observation.provenance = Provenance::LogText;
            Ok(Line::Event(observation))
        }
        _ => Ok(Line::Nothing),
    }
}

/// Whether a program of this name is HAProxy: `haproxy`, `haproxy-prod`, `docker/haproxy`.
pub(super) fn is_haproxy(tag: &str) -> bool {
    tag.contains("haproxy")
}

/// `ADDRESS:PORT [TIME] frontend backend/server timers status … "REQUEST"`.
pub(super) fn http(line: &str, dates: Dates, trusted: &Trusted) -> Result<Line, Dead> {
    let malformed = || Dead::malformed(format!("not HAProxy's HTTP log: '{}'", excerpt(line)));
    let (peer, time, rest) = leading(line).ok_or_else(malformed)?;
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

/// The peer and the time that lead a line, and what follows them.
fn leading(line: &str) -> Option<(&str, &str, &str)> {
    let (peer, rest) = word(line)?;
    let (time, rest) = rest.strip_prefix('[')?.split_once("] ")?;
    Some((peer, time, rest))
}
