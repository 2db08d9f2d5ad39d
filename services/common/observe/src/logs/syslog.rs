//! The prefix that a syslog daemon writes before a message: RFC 3164, RFC 5424, or RFC 3164 with a full date.

use schemas::Millis;

use super::text::word;
use super::time::{Dates, iso, syslog};

/// Most bytes of structured data that are looked at.
const STRUCTURED_BYTES_MAX: usize = 4 * 1024;

/// One message and who wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry<'a> {
    /// When the daemon wrote it; nothing where the date cannot be read.
    pub(super) at: Option<Millis>,
    /// The program, without its process id; empty where none is named.
    pub(super) tag: &'a str,
    pub(super) message: &'a str,
}

/// Splits a line into its prefix and message. Nothing if no such prefix leads.
pub(super) fn split(line: &str, dates: Dates, received_at: Millis) -> Option<Entry<'_>> {
    let rest = after_priority(line);
    if let Some(rest) = rest.strip_prefix("1 ").filter(|_| rest.len() < line.len()) {
        return rfc5424(rest, dates);
    }
    let (at, rest) = if rest.as_bytes().first()?.is_ascii_digit() {
        let (time, rest) = word(rest)?;
        (Some(iso(time, dates)?), rest)
    } else {
        // `Jan  5 01:31:41`, fifteen bytes whatever the day.
        let (time, rest) = rest.split_at_checked(15)?;
        (Some(syslog(time, dates, received_at)?), rest.strip_prefix(' ')?)
    };
    let (host, after) = word(rest)?;
    // HAProxy writes no host unless it is told to.
    let rest = if host.strip_suffix(':').and_then(program).is_some() { rest } else { after };
    let named = rest.split_once(": ").and_then(|(tag, message)| Some((program(tag)?, message)));
    let (tag, message) = named.unwrap_or(("", rest));
    Some(Entry { at, tag, message })
}

/// `TIME HOST PROGRAM PROCESS ID STRUCTURED MESSAGE`.
fn rfc5424(text: &str, dates: Dates) -> Option<Entry<'_>> {
    let mut words = text.splitn(6, ' ');
    let (time, _host, tag, _process, _id, rest) =
        (words.next()?, words.next()?, words.next()?, words.next()?, words.next()?, words.next()?);
    let message = after_structured(rest)?;
    let message = message.strip_prefix('\u{FEFF}').unwrap_or(message);
    Some(Entry { at: iso(time, dates), tag, message })
}

/// What follows `-` or `[id name="value"]…`, in which `\]` ends nothing.
fn after_structured(text: &str) -> Option<&str> {
    if let Some(rest) = text.strip_prefix('-') {
        return Some(rest.trim_start_matches(' '));
    }
    let (mut inside, mut escaped) = (false, false);
    for (index, byte) in text.bytes().enumerate().take(STRUCTURED_BYTES_MAX) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'[' if !inside => inside = true,
            b']' if inside => inside = false,
            b' ' if !inside => return text.get(index + 1..),
            _ if !inside => return None,
            _ => {}
        }
    }
    None
}

/// Whether a message begins here, as `<38>` does.
pub(super) fn leads(line: &str) -> bool {
    after_priority(line).len() < line.len()
}

/// The line without `<38>`.
fn after_priority(line: &str) -> &str {
    let rest = line.strip_prefix('<').and_then(|rest| rest.split_once('>'));
    match rest {
        Some((priority, rest)) if priority.len() <= 3 && priority.parse::<u8>().is_ok() => rest,
        _ => line,
    }
}

/// `sshd` of `sshd[1291]`.
fn program(tag: &str) -> Option<&str> {
    let name = match tag.split_once('[') {
        Some((name, process)) => {
            let number = process.strip_suffix(']')?;
            number.bytes().all(|byte| byte.is_ascii_digit()).then_some(name)?
        }
        None => tag,
    };
    (!name.is_empty() && !name.contains(' ')).then_some(name)
}
