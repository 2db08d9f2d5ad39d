//! What firewalls write: AWS WAF's logs, the audit logs of ModSecurity and Coraza, and their lines in error logs.

use std::borrow::Cow;
use std::net::IpAddr;

use schemas::{Activity, Millis, Provenance};
use serde_json::Value;

use super::json::{self, at, header, number, object, text};
use super::proxies::valid_status;
use super::text::{address, address_and_port, excerpt, field, request_of, set_request, status};
use super::time::{Dates, asctime, clf, iso, moment};
use crate::Trusted;
use crate::observation::{Dead, Line, Observation};

/// What the names of Perimeter's own rules begin with.
/// The action of a rule that only counts.
const COUNT: &str = "COUNT";
const OUR_RULES: &str = "perimeter";
const NANOSECONDS_PER_MS: i64 = 1_000_000;

/// One line of AWS WAF's log.
pub(super) fn aws(line: &str, trusted: &Trusted) -> Result<Line, Dead> {
    let entry = object(line)?;
    let request = entry
        .get("httpRequest")
        .ok_or_else(|| Dead::malformed("no httpRequest: not a line of AWS WAF's"))?;
    let peer = text(request, &["clientIp"]).ok_or_else(|| Dead::no_address("no clientIp"))?;
    let headers = request.get("headers").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let header = |name: &str| {
        let named = |header: &&Value| {
            text(header, &["name"]).is_some_and(|found| found.eq_ignore_ascii_case(name))
        };
        headers.iter().rfind(named).and_then(|header| text(header, &["value"]))
    };
    let mut observation = request_of(address(peer)?, header("X-Forwarded-For"), trusted);
    let time = number(&entry, &["timestamp"]).ok_or_else(|| Dead::no_time("no timestamp"))?;
    observation.observed_at = Some(time);
    observation.method = text(request, &["httpMethod"]).unwrap_or_default().to_owned();
    observation.host = header("Host").map(str::to_owned);
    let uri = text(request, &["uri"]).unwrap_or_default();
    observation.uri = match text(request, &["args"]) {
        Some(query) => format!("{uri}?{query}"),
        None => uri.to_owned(),
    };
    observation.agent = header("User-Agent").map(str::to_owned);
    observation.referer = header("Referer").map(str::to_owned);
    observation.headers = request.get("headers").and_then(json::headers);
    let blocked = text(&entry, &["action"]) == Some("BLOCK");
    let answered = number(&entry, &["responseCodeSent"]).or(blocked.then_some(403));
    observation.status = answered.and_then(valid_status);
    let rule = text(&entry, &["terminatingRuleId"]).unwrap_or_default();
    if blocked && ours(rule) {
        observation.refused_by_us = true;
    } else if let Some(finding) = aws_finding(&entry, rule) {
        observation.activity = Activity::Finding;
        observation.finding = Some(finding);
    }
    Ok(Line::Event(observation))
}

/// The rule that blocked the request, with the rule inside its group; else the first that counted it. A puzzle (CAPTCHA,
/// CHALLENGE) accuses nobody: it is asked of people, too, and they solve it.
fn aws_finding(entry: &Value, rule: &str) -> Option<String> {
    let groups = entry.get("ruleGroupList").and_then(Value::as_array);
    if text(entry, &["action"]) == Some("BLOCK") {
        let inside = groups
            .into_iter()
            .flatten()
            .find_map(|group| text(group, &["terminatingRule", "ruleId"]));
        return Some(inside.map_or_else(|| rule.to_owned(), |inside| format!("{rule} {inside}")));
    }
    let counted = |group: &Value| {
        let rules = group.get("nonTerminatingMatchingRules")?.as_array()?;
        let counted = rules.iter().filter(|rule| text(rule, &["action"]).unwrap_or(COUNT) == COUNT);
        let named = counted.filter_map(|rule| text(rule, &["ruleId"]));
        named.filter(|rule| !ours(rule)).map(str::to_owned).next()
    };
    counted(entry).or_else(|| groups.into_iter().flatten().find_map(counted))
}

fn ours(rule: &str) -> bool {
    rule.get(..OUR_RULES.len()).is_some_and(|start| start.eq_ignore_ascii_case(OUR_RULES))
}

/// One transaction of an audit log in JSON, ModSecurity's or Coraza's, or a line of theirs in an error log.
pub(super) fn modsecurity(line: &str, dates: Dates, trusted: &Trusted) -> Result<Line, Dead> {
    if !line.starts_with('{') {
        return error_log(line, dates);
    }
    let entry = object(line)?;
    let transaction = entry
        .get("transaction")
        .ok_or_else(|| Dead::malformed("no transaction: not an audit log"))?;
    if let Some(peer) = text(transaction, &["remote_address"]) {
        return audit_of_apache(&entry, peer, dates, trusted);
    }
    let peer = text(transaction, &["client_ip"])
        .ok_or_else(|| Dead::no_address("neither client_ip nor remote_address"))?;
    let request = transaction.get("request").unwrap_or(&Value::Null);
    let mut observation = audited(address(peer)?, request, trusted);
    observation.observed_at = Some(audit_time(transaction, dates)?);
    observation.method = text(request, &["method"]).unwrap_or_default().to_owned();
    observation.uri = text(request, &["uri"]).unwrap_or_default().to_owned();
    let code = number(transaction, &["response", "http_code"])
        .or_else(|| number(transaction, &["response", "status"]));
    observation.status = code.and_then(valid_status);
    let messages = transaction.get("messages").or_else(|| entry.get("messages"));
    if let Some(finding) = messages.and_then(Value::as_array).and_then(|all| audit_finding(all)) {
        observation.activity = Activity::Finding;
        observation.finding = Some(finding);
    }
    Ok(Line::Event(observation))
}

/// A transaction of ModSecurity 2.9, Apache's: request, response and what matched stand beside it, the request as a
/// line and each match as the note that an error log has.
fn audit_of_apache(
    entry: &Value,
    peer: &str,
    dates: Dates,
    trusted: &Trusted,
) -> Result<Line, Dead> {
    let written = text(entry, &["transaction", "time"])
        .ok_or_else(|| Dead::no_time("the transaction has no time"))?;
    let time = clf(written, dates)
        .ok_or_else(|| Dead::no_time(format!("'{}' is not a time", excerpt(written))))?;
    let request = entry.get("request").unwrap_or(&Value::Null);
    let mut observation = audited(address(peer)?, request, trusted);
    observation.observed_at = Some(time);
    let line = text(request, &["request_line"]).unwrap_or_default();
    set_request(&mut observation, line, Cow::Borrowed);
    observation.status = number(entry, &["response", "status"]).and_then(valid_status);
    let notes = at(entry, &["audit_data", "messages"]).and_then(Value::as_array);
    let mut found = notes.into_iter().flatten().filter_map(Value::as_str).map(rule_of);
    if let Some(finding) = found.find(|finding| !finding.is_empty()) {
        observation.activity = Activity::Finding;
        observation.finding = Some(finding);
    }
    Ok(Line::Event(observation))
}

/// What an audit log tells of a request in the same way whoever writes it: its headers and its body.
fn audited(peer: IpAddr, request: &Value, trusted: &Trusted) -> Observation {
    let headers = request.get("headers").unwrap_or(&Value::Null);
    let mut observation = request_of(peer, header(headers, "X-Forwarded-For"), trusted);
    observation.host = header(headers, "Host").map(str::to_owned);
    observation.agent = header(headers, "User-Agent").map(str::to_owned);
    observation.referer = header(headers, "Referer").map(str::to_owned);
    observation.headers = json::headers(headers);
    observation.body = match request.get("body") {
        Some(Value::String(body)) => Some(body.as_bytes().to_vec()),
        // ModSecurity 2.9 writes it in the pieces in which it came.
        Some(Value::Array(pieces)) => {
            let pieces: Vec<&str> = pieces.iter().filter_map(Value::as_str).collect();
            Some(pieces.concat().into_bytes()).filter(|body| !body.is_empty())
        }
        _ => None,
    };
    observation
}

/// The first rule that matched: its id and message, as ModSecurity and as Coraza write them.
fn audit_finding(messages: &[Value]) -> Option<String> {
    messages.iter().find_map(|message| {
        let details = message.get("details").or_else(|| message.get("data"))?;
        let id = number(details, &["ruleId"]).or_else(|| number(details, &["id"]))?;
        let title = text(message, &["message"]).or_else(|| text(details, &["msg"]));
        Some(format!("{id} {}", title.unwrap_or_default()).trim_end().to_owned())
    })
}

fn audit_time(transaction: &Value, dates: Dates) -> Result<Millis, Dead> {
    if let Some(nanoseconds) = number(transaction, &["unix_timestamp"]) {
        return Ok(nanoseconds / NANOSECONDS_PER_MS);
    }
    let written = text(transaction, &["time_stamp"]).or_else(|| text(transaction, &["timestamp"]));
    let written = written.ok_or_else(|| Dead::no_time("the transaction has no time"))?;
    asctime(written, dates)
        .or_else(|| moment(written, dates))
        .ok_or_else(|| Dead::no_time(format!("'{}' is not a time", excerpt(written))))
}

/// A line of ModSecurity's in Apache's or nginx's error log. All other lines there say nothing for us.
fn error_log(line: &str, dates: Dates) -> Result<Line, Dead> {
    let malformed = || Dead::malformed(format!("not an error log: '{}'", excerpt(line)));
    let (time, written, rest) = match line.strip_prefix('[') {
        Some(inside) => {
            let (written, rest) = inside.split_once("] ").ok_or_else(malformed)?;
            (asctime(written, dates), written, Some(rest))
        }
        None => {
            let (written, rest) = line.split_at_checked(19).ok_or_else(malformed)?;
            (iso(written, dates), written, after_connection(rest))
        }
    };
    let no_time = || Dead::no_time(format!("'{}' is not a time", excerpt(written)));
    let time = time.ok_or_else(no_time)?;
    // Only brackets that the server itself wrote stand before the name; all else is another module's line, in which
    // a client may have written anything.
    let (groups, note) = rest.map(leading_groups).unwrap_or_default();
    let Some(note) = note.strip_prefix("ModSecurity: ") else { return Ok(Line::Nothing) };
    let client = client_of(&groups)?;
    Ok(Line::Event(finding(client, time, note)))
}

/// What follows ` [error] 4065777#4065777: *42952950 ` in nginx's error log.
fn after_connection(text: &str) -> Option<&str> {
    let (before, rest) = text.split_once(": *")?;
    let own = before.bytes().all(|byte| byte.is_ascii_alphanumeric() || b" []#".contains(&byte));
    let (connection, rest) = rest.split_once(' ')?;
    (own && connection.bytes().all(|byte| byte.is_ascii_digit())).then_some(rest)
}

/// The insides of the brackets that `text` begins with, and what follows them.
fn leading_groups(text: &str) -> (Vec<&str>, &str) {
    let mut groups = Vec::new();
    let mut rest = text;
    while let Some((inside, after)) =
        rest.strip_prefix('[').and_then(|inside| inside.split_once(']'))
    {
        groups.push(inside);
        rest = after.trim_start_matches(' ');
    }
    (groups, rest)
}

/// ModSecurity writes the client last, without a port; Apache before it, with one.
fn client_of(groups: &[&str]) -> Result<IpAddr, Dead> {
    let mut clients = groups.iter().rev().filter_map(|group| {
        group.strip_prefix("client ").or_else(|| group.strip_prefix("remote "))
    });
    match (clients.next(), clients.next()) {
        (Some(own), Some(_)) => address(own),
        (Some(only), None) => address_and_port(only).or_else(|_| address(only)),
        (None, _) => Err(Dead::no_address("no [client …] stands before the note")),
    }
}

/// What Coraza writes into Caddy's log: `[client "ADDRESS"] Coraza: …`.
pub(super) fn coraza_note(note: &str, time: Option<Millis>) -> Result<Line, Dead> {
    let (client, note) = note
        .strip_prefix("[client \"")
        .and_then(|rest| rest.split_once("\"] Coraza: "))
        .ok_or_else(|| Dead::malformed(format!("no client leads: '{}'", excerpt(note))))?;
    let mut observation = finding(address(client)?, 0, note);
    observation.observed_at = time;
    Ok(Line::Event(observation))
}

/// What a note in an error log found. Its rule stands first and its uri last: what is between may be the client's text.
fn finding(client: IpAddr, time: Millis, note: &str) -> Observation {
    let mut observation = Observation::new(Activity::Finding, client, Provenance::SocketPeer);
    observation.observed_at = Some(time);
    observation.finding = Some(rule_of(note));
    observation.uri = tag(note.rsplit_once("[uri \"")).unwrap_or_default();
    observation.host = tag(note.rsplit_once("[hostname \""));
    let denied = note.strip_prefix("Access denied with code ").and_then(|rest| rest.get(..3));
    observation.status = denied.and_then(status);
    observation
}

/// Id and title of the rule whose note this is; empty where it names none.
fn rule_of(note: &str) -> String {
    let id = tag(note.split_once("[id \"")).unwrap_or_default();
    let title = tag(note.split_once("[msg \"")).unwrap_or_default();
    format!("{id} {title}").trim().to_owned()
}

/// What stands in the tag of a note, up to its end.
fn tag(found: Option<(&str, &str)>) -> Option<String> {
    let (_, rest) = found?;
    field(rest.split("\"]").next()?)
}

/// Whether a line is of an audit log.
pub(super) fn is_audit(entry: &Value) -> bool {
    let has = |name| at(entry, &["transaction", name]).is_some();
    has("client_ip") || has("remote_address")
}
