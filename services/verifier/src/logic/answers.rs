//! What the answers to probes say, before Envoy's log of them is here: when to probe again, and that a block does not
//! hold.

use std::net::IpAddr;

use observe::probe::Nonce;
use schemas::{Effect, Millis};

use super::claim::{State, Tracked};
use super::envoy::SKEW_MS;
use super::{Core, schedule};

/// Most probes sent at once because the answer to another left a replica unheard. Envoy may ask the same one each time.
pub(super) const EAGER_MAX: u32 = 3;

/// What the HTTP client got, and the replica that the answer names. That is a word for when to probe again and proves
/// nothing: whatever stands behind Envoy could write it, but not into Envoy's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Refused(Option<String>),
    Passed(Option<String>),
    /// No answer, or one that is neither.
    Failed,
}

impl Core {
    pub(super) fn answered(&mut self, nonce: Nonce, answer: Answer, now: Millis) {
        let Some(sent) = self.prober.sent.get_mut(&nonce) else { return };
        if !std::mem::replace(&mut sent.answered, true) {
            self.prober.in_flight -= 1;
        }
        let (id, at, address) = (sent.decision_id, sent.at, sent.address);
        self.prober.named |= matches!(answer, Answer::Passed(Some(_)) | Answer::Refused(Some(_)));
        let Some(id) = id else {
            if matches!(answer, Answer::Passed(_)) {
                let was_fresh = self.prober.clean_passes(now);
                self.prober.clean_passed_at = Some(now);
                if !was_fresh {
                    self.prove_all(now);
                }
            }
            return;
        };
        self.with(id, now, |core, tracked| {
            if at < tracked.proof_since {
                return;
            }
            tracked.unanswered = tracked.unanswered.saturating_sub(1);
            tracked.answered_at = now;
            let (refused, point) = match answer {
                Answer::Refused(point) => (true, point),
                Answer::Passed(point) => (false, point),
                Answer::Failed => return,
            };
            match (tracked.state, refused) {
                (State::Holding, true) => core.refused(tracked, now),
                (State::Lifting, true) => tracked.contrary = true,
                _ => core.passed(tracked, at, now),
            }
            let awaited = matches!(
                (tracked.state, refused),
                (State::Holding, true) | (State::Lifting, false)
            );
            if let Some(point) = point.filter(|_| awaited && tracked.proved_at.is_none()) {
                core.hear(tracked, address, point, now);
            }
        });
    }

    /// A probe was refused: of a block that begins, the first sign that it is in force, so every replica is probed now.
    fn refused(&self, tracked: &mut Tracked, now: Millis) {
        if tracked.proved_at.is_none() && !std::mem::replace(&mut tracked.refused, true) {
            tracked.tries = tracked.tries.saturating_sub(1);
            tracked.next_probe_at = now;
        }
    }

    /// Takes the word of an awaited answer for who gave it. Where somebody is still to be heard and no other answer is
    /// under way, the next probes go out at once; where nobody is, all that is missing is Envoy's log.
    fn hear(&self, tracked: &mut Tracked, address: IpAddr, point: String, now: Millis) {
        tracked.heard.insert((address, point));
        if tracked.heard_by(self.prober.asked(now)) {
            tracked.next_probe_at = now + schedule::LOG_OVERDUE_MS;
        } else if tracked.unanswered == 0 && tracked.eager < EAGER_MAX {
            tracked.eager += 1;
            // A try that was answered costs no turn, or a block would stand behind every lift before its last probe.
            tracked.tries = tracked.tries.saturating_sub(1);
            tracked.next_probe_at = now;
        }
    }

    /// A probe passed: expected before the proof, a failure after it, the proof itself once lifted.
    fn passed(&mut self, tracked: &mut Tracked, sent_at: Millis, now: Millis) {
        if tracked.state != State::Holding {
            return;
        }
        tracked.contrary = true;
        let proved_before = tracked.proved_at.is_some_and(|proved_at| sent_at > proved_at);
        if proved_before && now < tracked.until - SKEW_MS {
            let reason = "a probe for the address passed after it had been refused everywhere";
            self.record_at_envoy(tracked, 3, Effect::Ineffective, reason.to_owned(), now);
            tracked.prove_again(now);
        }
    }
}
