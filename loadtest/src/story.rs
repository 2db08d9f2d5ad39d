//! The story as it happens, one line each, and the table at the end. Pure: facts in, text out.

use std::fmt::Write as _;
use std::time::Duration;

use schemas::{Action, Decision, Detection, Mode, Outcome, Phase};

use crate::ledger::{Ledger, News, POINT_ENVOY, POINT_WAF};
use crate::report::{Kind, Quantiles, Report, attack_name};

/// Longest quotation from a request, in characters.
const QUOTE_CHARS_MAX: usize = 60;

/// Whether to use a terminal's colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    Plain,
    Colours,
}

#[derive(Debug, Clone, Copy)]
enum Colour {
    Red = 31,
    Green = 32,
    Yellow = 33,
    Blue = 34,
    Cyan = 36,
}

/// One line for a piece of news; `None` for what would only fill the screen.
pub fn line(since_start: Duration, news: &News, paint: Paint) -> Option<String> {
    let (colour, word, who, what) = match news {
        News::Detected(detection) => {
            (Colour::Yellow, "detection", detection.observable.to_string(), detected(detection))
        }
        News::Decided(decision) => {
            (Colour::Cyan, "decision", decision.observable.to_string(), decided(decision))
        }
        News::Verified { outcome, after_ms } => {
            let (colour, what) = verified(outcome, *after_ms)?;
            return Some(told(
                since_start,
                (colour, &level(outcome)),
                &outcome.observable.to_string(),
                &what,
                paint,
            ));
        }
        News::Lost(outcome) => {
            let what =
                format!("{}: no longer effective: {}", outcome.point, printable(&outcome.reason));
            return Some(told(
                since_start,
                (Colour::Red, &level(outcome)),
                &outcome.observable.to_string(),
                &what,
                paint,
            ));
        }
        News::Troubled(enforcement) => {
            let what = format!(
                "{}: {:?}: {}",
                enforcement.point,
                enforcement.status,
                printable(&enforcement.reason)
            );
            (Colour::Red, "trouble", enforcement.observable.to_string(), what)
        }
        News::Expired { observable, after_ms } => {
            let what =
                format!("the application answers again, {after_ms} ms after the block's end");
            (Colour::Green, "expired", observable.to_string(), what)
        }
        News::Refused { address, target, detail } => {
            let what =
                format!("a good visitor was refused {}: {}", printable(target), printable(detail));
            (Colour::Red, "refused", address.to_string(), what)
        }
        News::Unreadable { topic, error } => {
            (Colour::Red, "unreadable", topic.clone(), printable(error))
        }
    };
    Some(told(since_start, (colour, word), &who, &what, paint))
}

/// What the run says about itself: begins, ends, waits.
pub fn note(since_start: Duration, what: &str, paint: Paint) -> String {
    told(since_start, (Colour::Blue, "run"), "", what, paint)
}

/// What good visitors saw so far.
pub fn visitors(since_start: Duration, ledger: &Ledger, paint: Paint) -> String {
    let good = &ledger.good;
    let what = format!(
        "{} requests, {} refused, answered in {} ms (median), {} ms (p99)",
        good.requests,
        good.refused,
        good.latency_ms.value_at_quantile(0.5),
        good.latency_ms.value_at_quantile(0.99)
    );
    told(since_start, (Colour::Blue, "visitors"), "", &what, paint)
}

/// One short line for a run without a terminal.
pub fn progress(since_start: Duration, ledger: &Ledger, canary: usize) -> String {
    let incidents: Vec<_> = ledger.incidents(canary).collect();
    let proved = incidents.iter().filter(|incident| incident.proof.is_some()).count();
    let lifted = incidents.iter().filter(|incident| incident.lift_proved_at().is_some()).count();
    format!(
        "{:4} s  {} incidents, {proved} proved, {lifted} lifted; {} good requests, {} refused",
        since_start.as_secs(),
        incidents.len(),
        ledger.good.requests,
        ledger.good.refused
    )
}

/// The table at the end, and below it what failed.
pub fn table(report: &Report, paint: Paint) -> String {
    let mut text = String::new();
    let heads = [
        "incidents",
        "proved",
        "WAF",
        "ended",
        "lifted",
        "leaked",
        "kept",
        "strikes",
        "p50 ms",
        "max ms",
    ];
    let _ = write!(text, "\n{:<19}{:<6}", "attack", "from");
    for head in heads {
        let _ = write!(text, "{head:>10}");
    }
    text.push('\n');
    for kind in report.kinds.iter().chain([&all(report)]) {
        let _ = write!(text, "{:<19}{:<6}", kind.attack, kind.family);
        for number in numbers(kind) {
            let _ = write!(text, "{number:>10}");
        }
        text.push('\n');
    }
    let Quantiles { p50, p99, max } = report.time_to_proof_ms;
    let stages = report.stages_ms;
    let _ = writeln!(text, "\ntime to proof   p50 {p50} ms, p99 {p99} ms, max {max} ms");
    let _ = writeln!(
        text,
        "of that         detect {} + decide {} + lease {} + apply {} + prove {} ms (medians)",
        stages.detected, stages.decided, stages.leased, stages.applied, stages.proved
    );
    let Quantiles { p50, p99, .. } = report.good_ms;
    let _ = writeln!(
        text,
        "good visitors   {} requests, {} refused, p50 {p50} ms, p99 {p99} ms",
        report.good_requests, report.good_refused
    );
    let unknown =
        |count: Option<i64>| count.map_or_else(|| "unknown".to_owned(), |count| count.to_string());
    let _ = writeln!(
        text,
        "events          {} observed of {} requests completed here, {} dead letters; seed {}",
        unknown(report.events_observed),
        report.requests_completed,
        unknown(report.dead_letters),
        report.seed
    );
    for failure in &report.failures {
        let _ = writeln!(
            text,
            "{}",
            painted(Colour::Red, &format!("FAILED: {}", printable_all(failure)), paint)
        );
    }
    let _ = writeln!(text, "{}", ending(report, paint));
    text
}

/// The last line: did the loop close.
fn ending(report: &Report, paint: Paint) -> String {
    match (report.interrupted, report.closed()) {
        (_, false) => painted(Colour::Red, "the loop did not close", paint),
        (true, true) => {
            painted(Colour::Yellow, "interrupted; what had ended by then was right", paint)
        }
        (false, true) => painted(
            Colour::Green,
            "the loop closed: every block proved, held and lifted on time",
            paint,
        ),
    }
}

fn numbers(kind: &Kind) -> [String; 10] {
    [
        kind.incidents.to_string(),
        kind.proved.to_string(),
        kind.waf_read_back.to_string(),
        kind.expired.to_string(),
        kind.lift_proved.to_string(),
        kind.leaked.to_string(),
        kind.kept.to_string(),
        kind.strikes_max.to_string(),
        kind.time_to_proof_ms.p50.to_string(),
        kind.time_to_proof_ms.max.to_string(),
    ]
}

fn all(report: &Report) -> Kind {
    Kind {
        attack: "all",
        family: "",
        incidents: report.incidents,
        proved: report.proved,
        waf_read_back: report.waf_read_back,
        expired: report.expired,
        lift_proved: report.lift_proved,
        leaked: report.leaked,
        kept: report.kept,
        strikes_max: report.kinds.iter().map(|kind| kind.strikes_max).max().unwrap_or_default(),
        time_to_proof_ms: report.time_to_proof_ms,
    }
}

fn detected(detection: &Detection) -> String {
    let name = attack_name(detection.category);
    let mut what =
        format!("{name}, p={:.2}, {:?}", detection.probability, detection.severity).to_owned();
    // The heaviest piece says most; the others are in the record.
    if let Some(evidence) = detection.heaviest() {
        let value = printable(&evidence.value);
        let _ = write!(what, ": {} in {}: \"{value}\"", evidence.rule, printable(&evidence.place));
        if detection.evidence.len() > 1 {
            let _ = write!(what, " and {} more", detection.evidence.len() - 1);
        }
    }
    what
}

fn decided(decision: &Decision) -> String {
    let simulated = if decision.mode == Mode::Simulated { " (simulated)" } else { "" };
    let duration =
        decision.until.zip(decision.detected_at).map(|(until, since)| (until - since) / 1000);
    let action = match (decision.action, duration) {
        (Action::Observe, _) => "observe".to_owned(),
        (action, Some(seconds)) => {
            format!("{action:?} for {seconds} s, strike {}", decision.strikes).to_lowercase()
        }
        (action, None) => format!("{action:?}").to_lowercase(),
    };
    format!("{action}{simulated}: {} ({:?})", printable_all(&decision.explanation), decision.reason)
}

/// Of a lift only the strongest proof of each point is told.
fn verified(outcome: &Outcome, after_ms: Option<i64>) -> Option<(Colour, String)> {
    let strongest =
        matches!((outcome.point.as_str(), outcome.level), (POINT_ENVOY, 3..) | (POINT_WAF, 2..));
    let how = match outcome.level {
        1 => "acknowledged",
        2 => "read back",
        3 => "probed",
        _ => "seen in traffic",
    };
    let point = &outcome.point;
    let after = after_ms.map_or_else(String::new, |ms| match outcome.phase {
        Phase::Apply => format!(" after {ms} ms"),
        Phase::Lift => format!(", {ms} ms after its end"),
    });
    match outcome.phase {
        Phase::Apply => Some((Colour::Green, format!("{point}: {how}{after}"))),
        Phase::Lift if strongest => Some((Colour::Green, format!("{point}: lift {how}{after}"))),
        Phase::Lift => None,
    }
}

fn level(outcome: &Outcome) -> String {
    format!("level {}", outcome.level)
}

fn told(
    since_start: Duration,
    (colour, word): (Colour, &str),
    who: &str,
    what: &str,
    paint: Paint,
) -> String {
    let word = painted(colour, &format!("{word:<10}"), paint);
    let seconds = since_start.as_secs_f64();
    if who.is_empty() {
        return format!("{seconds:7.1} s  {word} {what}");
    }
    format!("{seconds:7.1} s  {word} {who:<26} {what}")
}

fn painted(colour: Colour, text: &str, paint: Paint) -> String {
    match paint {
        Paint::Plain => text.to_owned(),
        Paint::Colours => format!("\x1b[{}m{text}\x1b[0m", colour as u8),
    }
}

/// A quotation that cannot drive the terminal: attackers write it.
fn printable(text: &str) -> String {
    let mut quoted: String = text.chars().take(QUOTE_CHARS_MAX).map(safe).collect();
    if text.chars().nth(QUOTE_CHARS_MAX).is_some() {
        quoted.push('…');
    }
    quoted
}

fn printable_all(text: &str) -> String {
    text.chars().map(safe).collect()
}

fn safe(letter: char) -> char {
    if letter.is_control() { '·' } else { letter }
}
