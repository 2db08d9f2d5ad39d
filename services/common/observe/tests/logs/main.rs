//! What each log format says, that no client can choose a victim, that no line breaks a parser, and what becomes of
//! real logs.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod data;
mod dates;
mod formats;
mod injection;
mod logins;
mod messages;
mod repeated;
mod total;
mod written;

use observe::logs::{Dates, Format, Parser};
use observe::{Dead, Line, Observation, Trusted};

/// 2026-11-21 13:05:09Z.
pub(crate) const NOW: i64 = 1_795_266_309_000;
/// The proxy that is trusted in every test here.
pub(crate) const PROXY: &str = "10.0.0.7";

pub(crate) fn parser(format: &str) -> Parser {
    let format: Format = format.parse().unwrap_or_else(|error| panic!("{error}"));
    Parser::new(format, trusted(), Dates::default())
}

pub(crate) fn trusted() -> Trusted {
    Trusted::new(&[format!("{PROXY}/32").parse().unwrap()], [])
}

pub(crate) fn read(format: &str, line: &str) -> Result<Line, Dead> {
    parser(format).line(line.as_bytes(), NOW)
}

#[track_caller]
pub(crate) fn event(format: &str, line: &str) -> Observation {
    match read(format, line) {
        Ok(Line::Event(observation)) => observation,
        other => panic!("{line}: {other:?}"),
    }
}

/// What a line says, in a few words: who, how that is known, what, and when.
pub(crate) fn said(read: Result<Line, Dead>) -> String {
    let observation = match read {
        Ok(Line::Event(observation)) => observation,
        Ok(Line::Nothing) => return "nothing".to_owned(),
        Err(dead) => return format!("dead: {}", dead.class),
    };
    let at = observation.observed_at.map_or("-".to_owned(), |at| at.to_string());
    let mut words = vec![
        observation.client.to_string(),
        format!("{:?}", observation.provenance),
        format!("{:?}", observation.activity),
        observation.method,
        observation.uri,
    ];
    words.extend(observation.status.map(|status| status.to_string()));
    words.extend(observation.host.map(|host| format!("host={host}")));
    words.extend(observation.agent.map(|agent| format!("agent={agent}")));
    words.extend(observation.referer.map(|referer| format!("referer={referer}")));
    words.extend(observation.account.map(|account| format!("account={account}")));
    words.extend(observation.succeeded.map(|succeeded| format!("succeeded={succeeded}")));
    words.extend(observation.finding.map(|finding| format!("finding={finding}")));
    words.extend(observation.refused_by_us.then(|| "refused_by_us".to_owned()));
    words.push(format!("at={at}"));
    words.retain(|word| !word.is_empty());
    words.join(" ")
}

#[track_caller]
pub(crate) fn check(format: &str, line: &str, expected: &str) {
    assert_eq!(said(read(format, line)), expected, "{format}: {line}");
}
