//! Logins that sshd reports, through syslog or the journal.
//!
//! A user name is the client's own text and may hold spaces, addresses and whole lines of sshd's. So a message is read
//! from both ends: sshd's own words lead, the address that sshd wrote ends it, and the name is what is between.

use std::collections::VecDeque;
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

/// How PAM's failures begin that are a password which was wrong, on Linux and on BSD.
const PAM_FAILURES: [&str; 6] = [
    "Authentication failure",
    "Authentication error",
    "authentication error",
    "User not known to the underlying authentication module",
    "Have exhausted maximum number of retries for service",
    "Maximum number of tries exceeded",
];
/// Most tries that are remembered, and for how long: sshd writes both lines of one at once.
const TRIES_MAX: usize = 64;
const TRY_MS: Millis = 2_000;

/// What a message says about a login.
#[derive(Debug, PartialEq)]
struct Login<'a> {
    account: &'a str,
    client: &'a str,
    succeeded: bool,
    told: Told,
}

/// Which of the lines that sshd may write of one try a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Alone,
    /// `PAM: Authentication failure for …`
    ByPam,
    /// `Failed keyboard-interactive/pam for …`
    AfterPam,
}

/// The tries that PAM has just told of, oldest first.
///
/// With keyboard-interactive a try may leave two lines, and either may be missing. PAM's comes first, but not where PAM
/// shows the client a text, such as that the account is locked (`sshpam_query` in auth-pam.c). sshd's own follows from
/// the same process, but at the usual log level only where the account does not exist, or where the connection has
/// failed three times before (`auth_log` in auth.c). So the first counts, and the second where no first just came.
#[derive(Debug, Clone, Default)]
pub(super) struct Tries(VecDeque<Try>);

#[derive(Debug, Clone, PartialEq)]
struct Try {
    account: String,
    client: IpAddr,
    at: Millis,
}

impl Tries {
    /// One line of a syslog file or of `journalctl --output json`.
    pub(super) fn observe(
        &mut self,
        line: &str,
        dates: Dates,
        received_at: Millis,
    ) -> Result<Line, Dead> {
        if line.starts_with('{') {
            return match journal(line)? {
                Some((said, at)) => self.message(&said, at),
                None => Ok(Line::Nothing),
            };
        }
        let entry = syslog::split(line, dates, received_at).ok_or_else(|| {
            Dead::malformed(format!("no syslog prefix leads: '{}'", excerpt(line)))
        })?;
        if !is_sshd(entry.tag) {
            return Ok(Line::Nothing);
        }
        let at = entry.at.ok_or_else(|| Dead::no_time(format!("no time: '{}'", excerpt(line))))?;
        self.message(entry.message, at)
    }

    fn message(&mut self, text: &str, at: Millis) -> Result<Line, Dead> {
        let Some(login) = login(repeated(text)) else { return Ok(Line::Nothing) };
        let client = address(login.client)?;
        if self.told(&login, client, at) {
            return Ok(Line::Nothing);
        }
        // After `ssh2:` stands what a client may have written, and in a name too: nobody can say which address is whose.
        let ambiguous = [" ssh1:", " ssh2:"].iter().any(|mark| login.account.contains(mark));
        let provenance = if ambiguous { Provenance::LogText } else { Provenance::SocketPeer };
        let mut observation = Observation::new(Activity::Login, client, provenance);
        observation.observed_at = Some(at);
        observation.account = Some(login.account.to_owned()).filter(|name| !name.is_empty());
        observation.succeeded = Some(login.succeeded);
        Ok(Line::Event(observation))
    }

    /// Whether PAM has told of the same try already.
    fn told(&mut self, login: &Login<'_>, client: IpAddr, at: Millis) -> bool {
        match login.told {
            Told::Alone => false,
            Told::ByPam => {
                if self.0.len() == TRIES_MAX {
                    self.0.pop_front();
                }
                self.0.push_back(Try { account: login.account.to_owned(), client, at });
                false
            }
            Told::AfterPam => {
                let same = |known: &Try| {
                    let just = (0..=TRY_MS).contains(&(at - known.at));
                    just && known.client == client && known.account == login.account
                };
                let found = self.0.iter().position(same);
                found.is_some_and(|index| self.0.remove(index).is_some())
            }
        }
    }
}

/// Whether a program of this name writes the lines of sshd.
pub(super) fn is_sshd(tag: &str) -> bool {
    PROGRAMS.contains(&tag)
}

/// The program that wrote an entry of the journal: as the kernel knows it, before what it says of itself.
pub(super) fn program(entry: &Value) -> Option<&str> {
    text(entry, &["_COMM"]).or_else(|| text(entry, &["SYSLOG_IDENTIFIER"]))
}

/// What sshd says in an entry of the journal, whose fields journald itself keeps apart, and when.
fn journal(line: &str) -> Result<Option<(String, Millis)>, Dead> {
    let entry = object(line)?;
    let program = program(&entry);
    if !program.is_some_and(is_sshd) {
        return Ok(None);
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
        _ => return Ok(None),
    };
    Ok(Some((said, microseconds / 1_000)))
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
    let failed = |(account, client)| Login { account, client, succeeded: false, told: Told::Alone };
    if let Some(rest) = text.strip_prefix("Accepted ") {
        return accepted(rest);
    }
    if let Some(rest) = text.strip_prefix("PAM: ") {
        return by_pam(rest);
    }
    if let Some(rest) = text.strip_prefix("Invalid user ") {
        return ends_with_address(rest).map(failed);
    }
    if let Some(rest) = text.strip_prefix("maximum authentication attempts exceeded for ") {
        let (account, client) = ends_with_port(rest)?;
        let account = account.strip_prefix("invalid user ").unwrap_or(account);
        return Some(failed((account, client)));
    }
    if let Some(rest) = text.strip_prefix("User ") {
        return not_allowed(rest).map(failed);
    }
    let (method, rest) = text.strip_prefix("Failed ")?.split_once(" for ")?;
    let (account, client) = ends_with_port(without_key(rest))?;
    let unknown = account.strip_prefix("invalid user ");
    let offered = matches!(method, "none" | "publickey") && unknown.is_none();
    if method.contains(' ') || offered {
        return None;
    }
    let told = if method == "keyboard-interactive/pam" { Told::AfterPam } else { Told::Alone };
    Some(Login { account: unknown.unwrap_or(account), client, succeeded: false, told })
}

/// `METHOD for NAME from ADDRESS port N ssh2`, and what it was proved by after a colon: a key, a certificate, a
/// principal, another host.
///
/// sshd says so only of a login that succeeded, and the name of an account has no blank. So the message is read from
/// its front, and what a certificate or the other host says at its end is not looked at. Should an account have blanks
/// in its name all the same, the message is read from both ends.
fn accepted(text: &str) -> Option<Login<'_>> {
    let words: Vec<&str> = text.splitn(9, ' ').collect();
    let (account, client) = match words[..] {
        [
            _,
            "for",
            account,
            "from",
            client,
            "port",
            port,
            "ssh1" | "ssh2" | "ssh1:" | "ssh2:",
            ..,
        ] if port.parse::<u16>().is_ok() => (account, client),
        _ => {
            let (method, rest) = text.split_once(" for ")?;
            ends_with_port(without_key(rest)).filter(|_| !method.contains(' '))?
        }
    };
    Some(Login { account, client, succeeded: true, told: Told::Alone })
}

/// `Authentication failure for NAME from ADDRESS`, which ends with the address.
fn by_pam(text: &str) -> Option<Login<'_>> {
    let rest = PAM_FAILURES.iter().find_map(|failure| text.strip_prefix(failure))?;
    let (account, client) = from(rest.strip_prefix(" for ")?)?;
    let unknown = ["illegal user ", "invalid user "];
    let account = unknown.iter().find_map(|mark| account.strip_prefix(mark)).unwrap_or(account);
    let login = Login { account, client, succeeded: false, told: Told::ByPam };
    (!client.contains(' ')).then_some(login)
}

/// The account and the address of `NAME from ADDRESS not allowed because …`.
fn not_allowed(text: &str) -> Option<(&str, &str)> {
    let (rest, because) = text.rsplit_once(" not allowed because ")?;
    let reasons = ["not listed in AllowUsers", "listed in DenyUsers", "not in any group"];
    let groups =
        ["a group is listed in DenyGroups", "none of user's groups are listed in AllowGroups"];
    if !reasons.iter().chain(&groups).any(|reason| because == *reason) {
        return None;
    }
    let (account, client) = rest.rsplit_once(" from ")?;
    (!client.contains(' ')).then_some((account, client))
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
