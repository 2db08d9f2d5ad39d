//! Logins that sshd reports, through syslog or the journal.
//!
//! A user name is the client's own text and may hold spaces, addresses and whole lines of sshd's. So a message is read
//! from both ends: sshd's own words lead, the address that sshd wrote ends it, and the name is what is between.

use std::net::IpAddr;

use schemas::{Activity, Millis, Provenance};
use serde_json::Value;

use super::json::{number, object, text};
use super::syslog;
use super::text::{address, excerpt};
use super::time::Dates;
use crate::observation::{Dead, Line, Observation};

/// The programs that write the lines of sshd; since 9.8 it is several.
const PROGRAMS: [&str; 3] = ["sshd", "sshd-session", "sshd-auth"];

/// What a message says about a login.
#[derive(Debug, PartialEq)]
struct Login<'a> {
    account: &'a str,
    client: &'a str,
    succeeded: bool,
}

/// One line of a syslog file or of `journalctl --output json`.
pub(super) fn observe(line: &str, dates: Dates, received_at: Millis) -> Result<Line, Dead> {
    if line.starts_with('{') {
        return journal(line);
    }
    let entry = syslog::split(line, dates, received_at)
        .ok_or_else(|| Dead::malformed(format!("no syslog prefix leads: '{}'", excerpt(line))))?;
    if !is_sshd(entry.tag) {
        return Ok(Line::Nothing);
    }
    let at = entry.at.ok_or_else(|| Dead::no_time(format!("no time: '{}'", excerpt(line))))?;
    message(entry.message, at)
}

/// Whether a program of this name writes the lines of sshd.
pub(super) fn is_sshd(tag: &str) -> bool {
    PROGRAMS.contains(&tag)
}

/// The program that wrote an entry of the journal: as the kernel knows it, before what it says of itself.
pub(super) fn program(entry: &Value) -> Option<&str> {
    text(entry, &["_COMM"]).or_else(|| text(entry, &["SYSLOG_IDENTIFIER"]))
}

/// One entry of the journal, whose fields journald itself keeps apart.
fn journal(line: &str) -> Result<Line, Dead> {
    let entry = object(line)?;
    let program = program(&entry);
    if !program.is_some_and(is_sshd) {
        return Ok(Line::Nothing);
    }
    let microseconds = number(&entry, &["_SOURCE_REALTIME_TIMESTAMP"])
        .or_else(|| number(&entry, &["__REALTIME_TIMESTAMP"]))
        .ok_or_else(|| Dead::no_time("no __REALTIME_TIMESTAMP"))?;
    let said = match entry.get("MESSAGE") {
        Some(Value::String(said)) => said.clone(),
        // What is not UTF-8 is written as an array of its bytes.
        Some(Value::Array(bytes)) => {
            let bytes = bytes.iter().filter_map(Value::as_u64).filter_map(|b| u8::try_from(b).ok());
            String::from_utf8_lossy(&bytes.collect::<Vec<u8>>()).into_owned()
        }
        _ => return Ok(Line::Nothing),
    };
    message(&said, microseconds / 1_000)
}

fn message(text: &str, at: Millis) -> Result<Line, Dead> {
    let Some(login) = login(repeated(text)) else { return Ok(Line::Nothing) };
    let client: IpAddr = address(login.client)?;
    // After `ssh2:` stands what a client may have written, and in a name too: nobody can say which address is whose.
    let ambiguous = [" ssh1:", " ssh2:"].iter().any(|mark| login.account.contains(mark));
    let provenance = if ambiguous { Provenance::LogText } else { Provenance::SocketPeer };
    let mut observation = Observation::new(Activity::Login, client, provenance);
    observation.observed_at = Some(at);
    observation.account = Some(login.account.to_owned()).filter(|name| !name.is_empty());
    observation.succeeded = Some(login.succeeded);
    Ok(Line::Event(observation))
}

/// The message inside `message repeated 5 times: [ … ]`, which rsyslog writes: one event, however often.
fn repeated(text: &str) -> &str {
    let inside = || {
        let rest = text.strip_prefix("message repeated ")?;
        let (times, rest) = rest.split_once(" times: [ ")?;
        times.bytes().all(|byte| byte.is_ascii_digit()).then_some(rest)?.strip_suffix(']')
    };
    inside().unwrap_or(text)
}

/// The login that a message is about. `None` for all else that sshd says.
///
/// A key that is refused is no failed login of an account that exists: clients offer each of their keys.
fn login(text: &str) -> Option<Login<'_>> {
    let text = text.strip_suffix(" [preauth]").unwrap_or(text);
    let text = text.strip_prefix("error: ").unwrap_or(text);
    if let Some(rest) = text.strip_prefix("Invalid user ") {
        let (account, client) = ends_with_address(rest)?;
        return Some(Login { account, client, succeeded: false });
    }
    if let Some(rest) = text.strip_prefix("maximum authentication attempts exceeded for ") {
        let (account, client) = ends_with_port(rest)?;
        let account = account.strip_prefix("invalid user ").unwrap_or(account);
        return Some(Login { account, client, succeeded: false });
    }
    if let Some(rest) = text.strip_prefix("User ") {
        return not_allowed(rest);
    }
    let (succeeded, rest) = match text.strip_prefix("Accepted ") {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix("Failed ")?),
    };
    let (method, rest) = rest.split_once(" for ")?;
    let (account, client) = ends_with_port(without_key(rest))?;
    let known = account.strip_prefix("invalid user ");
    let offered = matches!(method, "none" | "publickey") && known.is_none() && !succeeded;
    if method.contains(' ') || offered {
        return None;
    }
    Some(Login { account: known.unwrap_or(account), client, succeeded })
}

/// `NAME from ADDRESS not allowed because …`.
fn not_allowed(text: &str) -> Option<Login<'_>> {
    let (rest, because) = text.rsplit_once(" not allowed because ")?;
    let reasons = ["not listed in AllowUsers", "listed in DenyUsers", "not in any group"];
    let groups =
        ["a group is listed in DenyGroups", "none of user's groups are listed in AllowGroups"];
    if !reasons.iter().chain(&groups).any(|reason| because == *reason) {
        return None;
    }
    let (account, client) = rest.rsplit_once(" from ")?;
    (!client.contains(' ')).then_some(Login { account, client, succeeded: false })
}

/// Cuts `: RSA SHA256:…` from the end. A certificate's text is the client's own, and such lines are left as they are:
/// they end with no address and so say nothing.
fn without_key(text: &str) -> &str {
    let Some((before, key)) = text.rsplit_once(": ") else { return text };
    let mut words = key.split(' ');
    let (kind, print, end) = (words.next(), words.next(), words.next());
    let is_key = kind
        .is_some_and(|kind| kind.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'))
        && print.is_some_and(|print| {
            print.starts_with("SHA256:") || print.starts_with("MD5:") || is_old_print(print)
        })
        && end.is_none();
    if is_key { before } else { text }
}

/// `8c:e3:aa:…`, a fingerprint as it was written before OpenSSH 6.8.
fn is_old_print(text: &str) -> bool {
    text.len() == 47 && text.split(':').all(|pair| pair.len() == 2)
}

/// `NAME from ADDRESS port N`, with or without the port (before OpenSSH 7.2).
fn ends_with_address(text: &str) -> Option<(&str, &str)> {
    ends_with_port(text).or_else(|| {
        let (account, client) = from(text)?;
        (!client.contains(' ')).then_some((account, client))
    })
}

/// `NAME from ADDRESS port N`, and the protocol.
fn ends_with_port(text: &str) -> Option<(&str, &str)> {
    let text = text.strip_suffix(" ssh2").or_else(|| text.strip_suffix(" ssh1")).unwrap_or(text);
    let (text, port) = text.rsplit_once(" port ")?;
    port.parse::<u16>().ok()?;
    let (account, client) = from(text)?;
    (!client.contains(' ')).then_some((account, client))
}

/// The last ` from `. An empty name leaves none before it.
fn from(text: &str) -> Option<(&str, &str)> {
    text.rsplit_once(" from ").or_else(|| Some(("", text.strip_prefix("from ")?)))
}
