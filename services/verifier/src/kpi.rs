//! The key figures: how fast blocks are proved, how many are not, how many lifts are late.

use std::collections::VecDeque;

use schemas::{Effect, Millis, Outcome, Phase};
use uuid::Uuid;

use crate::logic::{AWS_WAF, ENVOY, Reach};

/// Most blocks of which it is remembered that an executor said they hold.
const SAID_MAX: usize = 4_096;

/// Counts outcomes as they are published.
pub struct Figures {
    reach: Reach,
    /// Blocks that an executor said hold somewhere: each of several points says it.
    said: VecDeque<Uuid>,
}

impl Figures {
    pub fn new(reach: Reach) -> Self {
        Figures { reach, said: VecDeque::new() }
    }

    /// Counts one published outcome.
    pub fn count(&mut self, outcome: &Outcome, published_at: Millis) {
        let labels = [
            ("point", outcome.point.clone()),
            ("level", outcome.level.to_string()),
            ("phase", format!("{:?}", outcome.phase).to_lowercase()),
            ("effect", format!("{:?}", outcome.effect).to_lowercase()),
        ];
        metrics::counter!("perimeter_outcomes_total", &labels).increment(1);
        if self.proves(outcome) {
            metrics::counter!("perimeter_proved_total").increment(1);
            // A proof that came back after an interruption says nothing about how fast the first one was, and what is
            // proved by less than a probe nothing about how fast Envoy refuses.
            if let (Some(detected_at), 0, true) =
                (outcome.detected_at, outcome.change, self.reach.envoy)
            {
                let seconds = (published_at - detected_at).max(0) as f64 / 1_000.0;
                metrics::histogram!("perimeter_time_to_proof_seconds").record(seconds);
            }
        }
        match (outcome.phase, outcome.effect) {
            (Phase::Apply, Effect::Absent | Effect::Partial) => {
                metrics::counter!("perimeter_absent_total").increment(1);
            }
            (Phase::Lift, effect) if effect != Effect::Effective => {
                metrics::counter!("perimeter_lift_late_total").increment(1);
            }
            _ => {}
        }
    }

    /// Whether it proves a block as far as this installation can: at Envoy by probes; else at the WAF by what is read back;
    /// else by the word of the first executor that says so.
    fn proves(&mut self, outcome: &Outcome) -> bool {
        if (outcome.phase, outcome.effect) != (Phase::Apply, Effect::Effective) {
            return false;
        }
        let seen_at = (outcome.point.as_str(), outcome.level);
        match self.reach {
            Reach { envoy: true, .. } => seen_at == (ENVOY, 3),
            Reach { waf: true, .. } => seen_at == (AWS_WAF, 2),
            Reach { .. } => outcome.level == 1 && self.first_said(outcome.decision_id),
        }
    }

    fn first_said(&mut self, decision_id: Uuid) -> bool {
        let first = !self.said.contains(&decision_id);
        if first {
            self.said.truncate(SAID_MAX - 1);
            self.said.push_front(decision_id);
        }
        first
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

#[cfg(test)]
mod tests {
    use schemas::{Action, Origin, Verdict};

    use super::*;

    fn outcome(point: &str, level: i32, phase: Phase) -> Outcome {
        Outcome {
            outcome_id: Uuid::nil(),
            decision_id: Uuid::from_u128(1),
            observable: "81.2.69.142".parse().unwrap(),
            point: point.to_owned(),
            level,
            phase,
            effect: Effect::Effective,
            change: 0,
            action: Action::Block,
            origin: Origin::Pipeline,
            until: None,
            detected_at: None,
            verified_at: 0,
            verdict: Verdict::InsufficientData,
            reason: String::new(),
        }
    }

    /// Which of the proofs of one block count, by point and level.
    #[track_caller]
    fn check(reach: Reach, expected: &[(&str, i32)]) {
        let all =
            [("envoy/0", 1), ("envoy/1", 1), (AWS_WAF, 1), (ENVOY, 2), (AWS_WAF, 2), (ENVOY, 3)];
        let mut figures = Figures::new(reach);
        let mut counts =
            |phase, (point, level): &(&str, i32)| figures.proves(&outcome(point, *level, phase));
        assert!(all.iter().all(|proof| !counts(Phase::Lift, proof)), "a lift proves no block");
        let counted: Vec<_> = all.into_iter().filter(|proof| counts(Phase::Apply, proof)).collect();
        assert_eq!(counted, expected);
    }

    #[test]
    fn a_block_is_proved_by_the_furthest_that_can_be_seen_and_once() {
        check(Reach { envoy: true, waf: true }, &[(ENVOY, 3)]);
        check(Reach { envoy: false, waf: true }, &[(AWS_WAF, 2)]);
        check(Reach { envoy: false, waf: false }, &[("envoy/0", 1)]);
    }

    #[test]
    fn of_many_blocks_the_latest_are_remembered() {
        let mut figures = Figures::new(Reach::default());
        let blocks = 1..=SAID_MAX as u128 + 1;
        assert!(blocks.clone().all(|id| figures.first_said(Uuid::from_u128(id))));
        assert!(blocks.skip(1).all(|id| !figures.first_said(Uuid::from_u128(id))));
    }
}
