//! `perimeter replay`: what would have been decided over a recorded log.

use std::collections::BTreeMap;

use observe::logs::{Dates, LINE_BYTES_MAX, Parser};
use observe::{Dead, Line, Policy, Trusted};
use schemas::{Decision, Event, Millis, Mode};
use serde_json::{Value, json};
use uuid::Uuid;

use super::config::read_policy;
use super::show::{self, word};
use crate::args;
use crate::failure::{Failure, Outcome};
use crate::input::Lines;
use crate::output::{Printer, Progress};
use crate::replay::{Replay, Summary};

/// What is decided by without a policy file: the defaults, with the routes on which most applications let people in.
const WITHOUT_POLICY: &str = r#"
mode = "enforced"
[logins]
routes = ["/login", "/signin", "/api/login", "/user/login", "/users/sign_in", "/wp-login.php", "/admin/login"]
"#;

pub(crate) fn run(arguments: &args::Replay, printer: &Printer) -> Outcome {
    let policy = policy(arguments, printer)?;
    let trusted = Trusted::new(policy.trusted(), []);
    let mut lines = Lines::open(&arguments.file, LINE_BYTES_MAX + 1)?;
    let mut parser = Parser::new(arguments.format.clone(), trusted, Dates::default());
    let mut replay = Replay::new(policy);
    let (mut summary, mut decisions) = (Summary::default(), Vec::new());
    let (mut read, mut unread) = (0_u64, BTreeMap::<&str, (u64, u64, String)>::new());
    let (now, mut progress) = (show::now(), Progress::new("lines"));
    while let Some(line) = lines.next()? {
        progress.advance()?;
        match event(&mut parser, line.bytes, &arguments.file, line.number, now) {
            Ok(None) => {}
            Ok(Some(event)) => {
                read += 1;
                summary.event(&event);
                // A line counts as received when it happened, so none lies in the future.
                if replay.event(&event.view(), &mut decisions).is_err() {
                    continue;
                }
            }
            Err(dead) => {
                let (count, _, _) =
                    unread.entry(dead.class).or_insert((0, line.number, dead.reason));
                *count += 1;
            }
        }
        for decision in decisions.drain(..) {
            summary.decision(&decision);
            if !arguments.summary {
                printer.json_line(&answer(line.number, &decision))?;
            }
        }
    }
    progress.end()?;
    let unread_count: u64 = unread.values().map(|(count, _, _)| count).sum();
    if arguments.summary {
        summary.print(unread_count, arguments.top, printer)?;
    }
    for (class, (count, first, reason)) in &unread {
        printer.note(&format!(
            "{count} line(s) not read, {class}; the first is line {first}: {reason}"
        ))?;
    }
    if read == 0 && unread_count > 0 {
        return Err(Failure::Findings(format!(
            "no line of {} is in the format {}; `perimeter parse` shows which it may be",
            arguments.file,
            parser.format()
        )));
    }
    Ok(())
}

fn policy(arguments: &args::Replay, printer: &Printer) -> Result<Policy, Failure> {
    let mut policy = match &arguments.policy {
        Some(file) => read_policy(file)?,
        None => Policy::parse(WITHOUT_POLICY)
            .map_err(|error| Failure::Configuration(error.to_string()))?,
    };
    if arguments.enforced {
        policy.mode = Mode::Enforced;
    }
    if policy.mode == Mode::Simulated {
        printer.note(
            "the policy is simulated, so no block stands and no strike counts; --enforced shows what enforcing would do",
        )?;
    }
    Ok(policy)
}

/// The event that a line speaks of, received when it happened.
fn event(
    parser: &mut Parser,
    line: &[u8],
    source: &str,
    number: u64,
    now: Millis,
) -> Result<Option<Event>, Dead> {
    let Line::Event(observation) = parser.line(line, now)? else { return Ok(None) };
    let Some(observed_at) = observation.observed_at else {
        return Err(Dead::no_time("the line does not say when it happened"));
    };
    let event_id = Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("{source}/{number}").as_bytes());
    let position = i64::try_from(number).ok();
    Ok(Some(observation.into_event(event_id, source.to_owned(), position, observed_at)))
}

fn answer(line: u64, decision: &Decision) -> Value {
    json!({
        "line": line,
        "observable": decision.observable.to_string(),
        "action": word(decision.action),
        "category": decision.category,
        "at": decision.detected_at,
        "until": decision.until,
        "strikes": decision.strikes,
        "reason": word(decision.reason),
        "explanation": decision.explanation,
    })
}
