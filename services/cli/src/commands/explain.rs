//! `perimeter explain`: the whole story of one address or network, to be read from top to bottom.

use proto::v1::{Cause, Decision, Episode, ExplainReply, ExplainRequest, NotRetained, Step};
use serde_json::{Value, json};

use super::query::tone_of_action;
use super::show::{self, when};
use crate::args::Get;
use crate::connection;
use crate::duration;
use crate::failure::{Failure, Outcome};
use crate::output::{Cell, Printer, Tone, cell};

pub(crate) async fn explain(arguments: Get, printer: &Printer) -> Outcome {
    let mut client = connection::query(&arguments.connection).await?;
    let request = ExplainRequest { observable: arguments.observable };
    let reply = client.explain(request).await;
    let reply = reply.map_err(|status| Failure::from_status(&status))?.into_inner();
    if printer.json() {
        return Ok(printer.document(&document(&reply))?);
    }
    Ok(printer.text(&page(&reply, printer))?)
}

/// The reply as a page: what holds, what was said about automation, each decision with its story, what is not known.
fn page(reply: &ExplainReply, printer: &Printer) -> String {
    let mut page = printer.lines(&[
        vec![cell(&reply.observable), Cell(reply.action.clone(), tone_of_action(&reply.action))],
        vec![cell(""), cell(&reply.explanation)],
    ]);
    if reply.protected {
        page += &printer.lines(&[vec![
            cell(""),
            Cell("protected: automation never acts against it".to_owned(), Tone::Good),
        ]]);
    }
    if !reply.controls.is_empty() {
        page.push('\n');
        let rows: Vec<Vec<Cell>> = reply
            .controls
            .iter()
            .map(|told| vec![cell(show::time(told.at)), Cell(told.text.clone(), Tone::Warning)])
            .collect();
        page += &printer.tabulated(&["automation", ""], &rows);
    }
    for episode in &reply.episodes {
        page.push('\n');
        page += &story(episode, printer);
    }
    page.push('\n');
    page += &printer.lines(&beyond(reply));
    page
}

/// One decision: what it is and where it stands, then everything in the order of time.
fn story(episode: &Episode, printer: &Printer) -> String {
    let standing = match episode.standing.as_str() {
        "in force" => Tone::Bad,
        _ => Tone::Plain,
    };
    let mut head = vec![vec![
        Cell(began(episode), Tone::Faint),
        cell(&episode.observable),
        Cell(episode.standing.clone(), standing),
    ]];
    if let Some(decision) = &episode.decision {
        head.push(vec![cell(""), cell(&decision.explanation)]);
    }
    head.push(vec![cell(""), Cell(format!("decision {}", episode.decision_id), Tone::Faint)]);
    let mut rows = Vec::new();
    if let Some(cause) = &episode.cause {
        rows.extend(cause_rows(cause));
    }
    if let Some(decision) = &episode.decision {
        rows.push(decision_row(decision, episode.decided_at));
    }
    rows.extend(episode.steps.iter().map(step_row));
    printer.lines(&head) + &printer.tabulated(&["UTC", "after", "where", "what"], &rows)
}

fn began(episode: &Episode) -> String {
    let first = episode.steps.first().map_or(0, |step| step.at);
    let detected = episode.cause.as_ref().map_or(0, |cause| cause.detected_at);
    let known = [detected, episode.decided_at, first].into_iter().find(|at| *at != 0);
    show::time(known.unwrap_or(0))
}

fn cause_rows(cause: &Cause) -> Vec<Vec<Cell>> {
    let what = format!(
        "{}, {} severity, {:.1} % sure; address by {}",
        cause.category,
        cause.severity,
        cause.probability * 100.0,
        cause.provenance
    );
    let mut rows = vec![vec![
        cell(show::time_of_day(cause.detected_at)),
        cell(after(0, "")),
        Cell("detected".to_owned(), Tone::Warning),
        cell(what),
    ]];
    for piece in &cause.evidence {
        let told = |text: String, tone| vec![cell(""), cell(""), cell(""), Cell(text, tone)];
        rows.push(vec![
            cell(""),
            cell(""),
            cell(format!("weight {:+.1}", piece.weight)),
            cell(format!("{} at {}: {}", piece.rule, piece.place, piece.explanation)),
        ]);
        rows.push(told(format!("seen: {}", piece.value), Tone::Plain));
        rows.push(told(format!("event {}", piece.event_id), Tone::Faint));
    }
    rows
}

fn decision_row(decision: &Decision, decided_at: i64) -> Vec<Cell> {
    let after_ms = match decision.detected_at {
        0 => 0,
        detected_at => decided_at - detected_at,
    };
    let mut what = decision.action.clone();
    if decision.until != 0 {
        let lasts = duration::show(decision.until - decided_at);
        what += &format!(" until {}, for {lasts}", show::time(decision.until));
    }
    if decision.strikes > 0 {
        what += &format!(", strike {}", decision.strikes);
    }
    what += &format!("; reason: {}", decision.reason);
    if !decision.decided_by.is_empty() {
        what += &format!(", by {}", decision.decided_by);
    }
    vec![
        cell(show::time_of_day(decided_at)),
        cell(after(after_ms, "")),
        Cell("decided".to_owned(), tone_of_action(&decision.action)),
        cell(what),
    ]
}

fn step_row(step: &Step) -> Vec<Cell> {
    let mut what = match (step.level, step.phase.as_str()) {
        (0, _) => step.state.clone(),
        (level, "lift") => format!("lift level {level} {}", step.state),
        (level, _) => format!("level {level} {}", step.state),
    };
    if !step.reason.is_empty() {
        what += &format!("; {}", step.reason);
    }
    let tone = match step.state.as_str() {
        "failed" | "refused" | "absent" | "ineffective" | "partial" => Tone::Bad,
        "effective" => Tone::Good,
        _ => Tone::Plain,
    };
    vec![
        cell(show::time_of_day(step.at)),
        cell(after(step.after_ms, &step.since)),
        cell(&step.point),
        Cell(what, tone),
    ]
}

/// `+31 ms`, or `until +31 ms`.
fn after(after_ms: i64, since: &str) -> String {
    let from = if since == "until" { "until " } else { "" };
    format!("{from}{after_ms:+} ms")
}

/// What the page does not show.
fn beyond(reply: &ExplainReply) -> Vec<Vec<Cell>> {
    let mut rows = Vec::new();
    let mut tell = |text: String| rows.push(vec![Cell(text, Tone::Faint)]);
    let shown = i64::try_from(reply.episodes.len()).unwrap_or(i64::MAX);
    if reply.total == 0 {
        tell("nothing is retained about it".to_owned());
    } else if reply.total > shown {
        tell(format!("the newest {shown} of {} decisions", reply.total));
    }
    let Some(NotRetained { before, decision_ids }) = &reply.not_retained else { return rows };
    if *before != 0 {
        tell(format!("not retained: what happened before {}", show::time(*before)));
    }
    if !decision_ids.is_empty() {
        tell(format!("not retained: {}", decision_ids.join(", ")));
    }
    rows
}

fn document(reply: &ExplainReply) -> Value {
    let not_retained = reply.not_retained.as_ref().map(
        |beyond| json!({ "before": when(beyond.before), "decision_ids": beyond.decision_ids }),
    );
    json!({
        "observable": reply.observable,
        "action": reply.action,
        "explanation": reply.explanation,
        "protected": reply.protected,
        "episodes": reply.episodes.iter().map(episode).collect::<Vec<_>>(),
        "total": reply.total,
        "controls": reply.controls.iter().map(show::happening).collect::<Vec<_>>(),
        "not_retained": not_retained,
    })
}

fn episode(episode: &Episode) -> Value {
    let steps = episode.steps.iter().map(|step| {
        json!({
            "at": when(step.at),
            "point": step.point,
            "phase": step.phase,
            "level": step.level,
            "state": step.state,
            "reason": step.reason,
            "after_ms": step.after_ms,
            "since": step.since,
        })
    });
    json!({
        "decision_id": episode.decision_id,
        "observable": episode.observable,
        "standing": episode.standing,
        "cause": episode.cause.as_ref().map(cause),
        "decision": episode.decision.as_ref().map(show::decision),
        "decided_at": when(episode.decided_at),
        "steps": steps.collect::<Vec<_>>(),
        "points": episode.points.iter().map(show::point).collect::<Vec<_>>(),
    })
}

fn cause(cause: &Cause) -> Value {
    let evidence = cause.evidence.iter().map(|piece| {
        json!({
            "rule": piece.rule,
            "place": piece.place,
            "value": piece.value,
            "weight": piece.weight,
            "explanation": piece.explanation,
            "event_id": piece.event_id,
        })
    });
    json!({
        "detection_id": cause.detection_id,
        "detected_at": when(cause.detected_at),
        "category": cause.category,
        "severity": cause.severity,
        "probability": cause.probability,
        "provenance": cause.provenance,
        "evidence": evidence.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests;
