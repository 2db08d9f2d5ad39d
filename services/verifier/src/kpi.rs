//! The key figures: how fast blocks are proved, how many are not, how many lifts are late.

use schemas::{Effect, Millis, Outcome, Phase};

use crate::logic::ENVOY;

/// Counts one published outcome.
pub fn count(outcome: &Outcome, published_at: Millis) {
    let labels = [
        ("point", outcome.point.clone()),
        ("level", outcome.level.to_string()),
        ("phase", format!("{:?}", outcome.phase).to_lowercase()),
        ("effect", format!("{:?}", outcome.effect).to_lowercase()),
    ];
    metrics::counter!("perimeter_outcomes_total", &labels).increment(1);
    let probed = outcome.point == ENVOY && outcome.level == 3;
    match (outcome.phase, outcome.effect) {
        (Phase::Apply, Effect::Effective) if probed => {
            metrics::counter!("perimeter_proved_total").increment(1);
            // A proof that came back after an interruption says nothing about how fast the first one was.
            if let (Some(detected_at), 0) = (outcome.detected_at, outcome.change) {
                let seconds = (published_at - detected_at).max(0) as f64 / 1_000.0;
                metrics::histogram!("perimeter_time_to_proof_seconds").record(seconds);
            }
        }
        (Phase::Apply, Effect::Absent | Effect::Partial) => {
            metrics::counter!("perimeter_absent_total").increment(1);
        }
        (Phase::Lift, effect) if effect != Effect::Effective => {
            metrics::counter!("perimeter_lift_late_total").increment(1);
        }
        _ => {}
    }
}

/// Shows every figure from the start: a counter that first appears above 0 has, to whoever watches it, never risen.
pub fn announce() {
    metrics::counter!("perimeter_proved_total").increment(0);
    metrics::counter!("perimeter_absent_total").increment(0);
    metrics::counter!("perimeter_lift_late_total").increment(0);
    drop(metrics::histogram!("perimeter_time_to_proof_seconds"));
}

/// How many blocks are being watched.
pub fn active(claims: usize) {
    metrics::gauge!("perimeter_active_claims").set(claims as f64);
}
