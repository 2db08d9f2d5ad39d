//! When probes go out: often at first, once in a while where all is proved, and never faster than Envoy logs them.

use schemas::Millis;

use super::ABSENT_MS;
use super::claim::{State, Tracked};

/// How often a block that is proved is probed again, by one probe (ADR 0018).
pub(super) const RECHECK_MS: Millis = 5_000;
/// Stretches that where many are proved, so that all of them together are probed about 50 times a second.
const RECHECK_PER_CLAIM_MS: Millis = 20;
/// How long the log of probes is waited for before others are sent: it is slow where a machine is busy, and more probes
/// would make it busier.
pub(super) const LOG_LATE_MS: Millis = 250;
/// How long the answer to a probe is waited for before another is sent: it may say what the other would.
pub(super) const ANSWER_LATE_MS: Millis = 250;
/// As [`LOG_LATE_MS`], where every replica gave the awaited answer: more probes would tell nothing new.
pub(super) const LOG_OVERDUE_MS: Millis = 1_000;
/// How soon after a probe its entry in Envoy's log is usually here.
const LOG_USUAL_MS: Millis = 30;
const LIFT_FIRST_MS: Millis = 200;
/// Logs tell the time in whole seconds, so what they led to ends together at one: such lifts are probed one by one over
/// so long, or the blocks that begin meanwhile wait for a core.
const LIFT_SPREAD_MS: Millis = 750;
const LIFT_INTERVAL_MS: Millis = 100;
/// A lift that is late is probed less often.
const LATE_INTERVAL_MS: Millis = 1_000;
const PROBE_INTERVAL_MS_MAX: Millis = 500;
/// Beside so many that are not proved, a block is still probed as soon as it may be in force.
const OTHERS_MAX: usize = 8;
/// Beside more, the word of the replicas is waited for, a millisecond for each of them, and at most so long.
const WORD_WAIT_MS_MAX: Millis = 500;

/// How long after its state begins the first probe of `tracked` goes out.
pub(super) fn first_after_ms(tracked: &Tracked) -> Millis {
    if tracked.state != State::Lifting {
        return offset_ms(0);
    }
    let together = tracked.until % 1_000 == 0;
    let spread = tracked.decision_id.as_u64_pair().1 % LIFT_SPREAD_MS as u64;
    LIFT_FIRST_MS + if together { spread as Millis } else { 0 }
}

/// When the probes of a block not yet proved go out: 10, 20, 40 … 320 ms, then every 500 ms.
fn offset_ms(tries: u32) -> Millis {
    match tries {
        0..6 => 10 << tries,
        _ => PROBE_INTERVAL_MS_MAX * Millis::from(tries - 5),
    }
}

/// How much longer the probe of a block waits for the replicas to say that they hold it, beside `others` that are not
/// proved either: what is in a queue is not in force after 10 ms, and guesses would make the queue longer.
pub(super) fn word_wait_ms(others: usize) -> Millis {
    let crowd = others.saturating_sub(OTHERS_MAX);
    Millis::try_from(crowd).map_or(WORD_WAIT_MS_MAX, |ms| ms.min(WORD_WAIT_MS_MAX))
}

/// When probes may go out again if all of them were logged, and were not enough.
pub(super) fn soonest(tracked: &Tracked, now: Millis) -> Millis {
    let late = now >= tracked.since + 2 * ABSENT_MS;
    let at = match tracked.state {
        State::Lifting if late => tracked.probed_at + LATE_INTERVAL_MS,
        State::Lifting => tracked.probed_at + LIFT_INTERVAL_MS,
        _ => (tracked.proof_since + offset_ms(tracked.tries)).max(now + offset_ms(0)),
    };
    at.max(now)
}

/// When probes may go out of a block that a replica has just taken in: once one was refused there are others for every
/// replica, whose log may be on its way.
pub(super) fn taken_in(tracked: &Tracked, now: Millis) -> Millis {
    if tracked.refused { (tracked.probed_at + LOG_USUAL_MS).max(now) } else { now }
}

/// When probes go out again after those of `now`, one of `claims` that are watched; of a block that no probe has found
/// in force yet, without waiting for the log.
pub(super) fn again_at(tracked: &Tracked, claims: usize, now: Millis) -> Millis {
    if tracked.proved_at.is_some() {
        let claims = Millis::try_from(claims).unwrap_or(Millis::MAX);
        return now + RECHECK_MS.max(claims.saturating_mul(RECHECK_PER_CLAIM_MS));
    }
    let begins = tracked.state == State::Holding && !tracked.refused;
    soonest(tracked, now).max(if begins { now } else { now + LOG_LATE_MS })
}
