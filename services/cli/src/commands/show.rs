//! The answers of a decider as JSON, and times as people read them.

use pipeline::Clock;
use proto::v1::{ClaimState, Decision, Happening, ObservableState, PointState, StatusReply};
use serde::Serialize;
use serde_json::{Value, json};

const DAY_MS: i64 = 86_400_000;

/// Milliseconds, or nothing for 0.
pub(crate) fn when(at: i64) -> Value {
    if at == 0 { Value::Null } else { json!(at) }
}

/// Now, to say how far away a time is.
pub(crate) fn now() -> i64 {
    Clock::system().now()
}

/// A time in UTC, to the second: `2026-11-21 13:05:09Z`.
pub(crate) fn time(at: i64) -> String {
    if at == 0 {
        return "-".to_owned();
    }
    let (year, month, day) = date(at.div_euclid(DAY_MS));
    let seconds = at.rem_euclid(DAY_MS) / 1_000;
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}Z")
}

/// A time of day in UTC, to the millisecond.
pub(crate) fn time_of_day(at: i64) -> String {
    let ms = at.rem_euclid(DAY_MS);
    format!(
        "{:02}:{:02}:{:02}.{:03}",
        ms / 3_600_000,
        ms / 60_000 % 60,
        ms / 1_000 % 60,
        ms % 1_000
    )
}

/// A closed enum as the records write it.
pub(crate) fn word(value: impl Serialize) -> String {
    match json!(value) {
        Value::String(word) => word,
        other => other.to_string(),
    }
}

/// The civil date of a day since 1970-01-01, by Howard Hinnant's algorithm.
fn date(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// The day since 1970-01-01 of a civil date; None where the calendar has no such day.
pub(crate) fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    // Leap days and long months put the day within so many of this guess, up to the year 9999.
    let rough = (year - 1970) * 365 + (year - 1969).div_euclid(4) + (month - 1) * 30;
    (rough - 80..rough + 50).find(|days| date(*days) == (year, month, day))
}

pub(crate) fn decision(decision: &Decision) -> Value {
    json!({
        "decision_id": decision.decision_id,
        "observable": decision.observable,
        "action": decision.action,
        "until": when(decision.until),
        "origin": decision.origin,
        "strikes": decision.strikes,
        "reason": decision.reason,
        "explanation": decision.explanation,
        "mode": decision.mode,
        "frozen": decision.frozen,
        "detected_at": when(decision.detected_at),
        "decided_by": decision.decided_by,
    })
}

pub(crate) fn claim(claim: &ClaimState) -> Value {
    json!({
        "observable": claim.observable,
        "action": claim.action,
        "origin": claim.origin,
        "until": when(claim.until),
        "strikes": claim.strikes,
        "decision_id": claim.decision_id,
        "decided_at": when(claim.decided_at),
        "in_force": claim.in_force,
        "standing": claim.standing,
        "points": claim.points.iter().map(point).collect::<Vec<_>>(),
        "explanation": claim.explanation,
    })
}

pub(crate) fn point(point: &PointState) -> Value {
    json!({
        "point": point.point,
        "level": point.level,
        "phase": point.phase,
        "status": point.status,
        "effect": point.effect,
        "at": when(point.at),
        "reason": point.reason,
    })
}

pub(crate) fn happening(happening: &Happening) -> Value {
    json!({
        "at": when(happening.at),
        "kind": happening.kind,
        "observable": happening.observable,
        "decision_id": happening.decision_id,
        "text": happening.text,
    })
}

pub(crate) fn state(state: &ObservableState) -> Value {
    json!({
        "observable": state.observable,
        "action": state.action,
        "explanation": state.explanation,
        "protected": state.protected,
        "claims": state.claims.iter().map(claim).collect::<Vec<_>>(),
        "total": state.total,
        "history": state.history.iter().map(happening).collect::<Vec<_>>(),
    })
}

pub(crate) fn status(status: &StatusReply) -> Value {
    let points = status.points.iter().map(|point| {
        json!({
            "point": point.point,
            "applied": point.applied,
            "failed": point.failed,
            "proved": point.proved,
            "last_at": when(point.last_at),
        })
    });
    json!({
        "mode": status.mode,
        "policy_mode": status.policy_mode,
        "frozen": status.frozen,
        "frozen_since": when(status.frozen_since),
        "claims_in_force": status.claims_in_force,
        "points": points.collect::<Vec<_>>(),
        "problems": status.problems,
        "view_age_ms": status.view_age_ms,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_in_utc() {
        for (at, text) in [
            (1, "1970-01-01 00:00:00Z"),
            (951_782_400_000, "2000-02-29 00:00:00Z"),
            (1_795_266_309_000, "2026-11-21 13:05:09Z"),
        ] {
            assert_eq!(time(at), text);
        }
        assert_eq!(time_of_day(1_795_266_309_042), "13:05:09.042");
    }
}
