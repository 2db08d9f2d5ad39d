//! What is known of one incident. Pure: records and answers in, judgements out.

use std::collections::BTreeMap;

use schemas::{
    Action, Decision, Detection, Effect, Enforcement, Millis, Mode, Origin, Outcome, Phase, Status,
};
use uuid::Uuid;

use crate::traffic::http::Answer;
use crate::traffic::plan::IncidentPlan;

/// The point under which levels 2 and 3 at Envoy are published.
pub const POINT_ENVOY: &str = "envoy";
/// The AWS WAF's point.
pub const POINT_WAF: &str = "aws-waf";
/// How much before `until` an answer from the application is not yet a leak: the clocks' and the wire's share.
const LEAK_SLACK_MS: Millis = 200;
/// By when after `until` the block must be gone.
pub const LIFT_MS_MAX: Millis = 2_000;

/// The block that was decided on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decided {
    pub decision_id: Uuid,
    pub until: Millis,
    pub strikes: i32,
    pub published_at: Millis,
}

/// The block proved at level 3 at Envoy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proof {
    pub decision_id: Uuid,
    /// Event time of the request that completed the detection.
    pub detected_at: Millis,
    pub verified_at: Millis,
    pub published_at: Millis,
    pub until: Millis,
}

impl Proof {
    /// From the request that completed the detection until anybody could read that the block is proved.
    pub fn time_ms(&self) -> Millis {
        self.verified_at.max(self.published_at) - self.detected_at
    }
}

/// When each step was published or done; what stages took is the difference of two of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Steps {
    pub detected_at: Millis,
    pub detection_published_at: Millis,
    pub decided_at: Millis,
    pub leased_at: Millis,
    pub applied_at: Millis,
    pub proved_at: Millis,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    sent_at: Millis,
    answered_at: Millis,
    by_application: bool,
}

/// One attack from one address, as far as it has become known.
#[derive(Debug)]
pub struct Incident {
    pub plan: IncidentPlan,
    pub begun_at: Millis,
    /// Event time and publishing time of the first detection.
    pub detected: Option<(Millis, Millis)>,
    /// Every block decided in this incident; more than one only when the first was not proved in time.
    pub decided: Vec<Decided>,
    /// The last answer that was not a block, in words.
    pub declined: Option<String>,
    leased_at: Option<Millis>,
    /// Time of the first application at each point.
    applied: BTreeMap<String, Millis>,
    /// First time that each level was effective at each point.
    verified: BTreeMap<(String, i32, Phase), Millis>,
    pub proof: Option<Proof>,
    /// When the application first answered again after `until`.
    pub freed_at: Option<Millis>,
    /// What an enforcement point said when it could not.
    pub trouble: Option<String>,
    samples: Vec<Sample>,
}

impl Incident {
    pub fn new(plan: IncidentPlan, begun_at: Millis) -> Self {
        Incident {
            plan,
            begun_at,
            detected: None,
            decided: Vec::new(),
            declined: None,
            leased_at: None,
            applied: BTreeMap::new(),
            verified: BTreeMap::new(),
            proof: None,
            freed_at: None,
            trouble: None,
            samples: Vec::new(),
        }
    }

    /// Takes a detection in; true for the first.
    pub fn detection(&mut self, detection: &Detection, published_at: Millis) -> bool {
        if self.detected.is_some() {
            return false;
        }
        self.detected = Some((detection.detected_at, published_at));
        true
    }

    /// Takes a decision in; true when it is news.
    pub fn decision(&mut self, decision: &Decision, published_at: Millis) -> bool {
        let enforced = decision.action == Action::Block && decision.mode == Mode::Enforced;
        let until = decision.until.filter(|_| enforced && decision.origin == Origin::Pipeline);
        let Some(until) = until else {
            // While our own block stands, each further detection is answered with "in force": no news.
            let news = self.decided.is_empty() && self.declined.is_none();
            if self.decided.is_empty() {
                self.declined = Some(match decision.mode {
                    Mode::Simulated => "simulated, as the policy file's mode says".to_owned(),
                    Mode::Enforced => format!("{} ({:?})", decision.explanation, decision.reason),
                });
            }
            return news;
        };
        if self.decided.iter().any(|known| known.decision_id == decision.decision_id) {
            return false;
        }
        let decision_id = decision.decision_id;
        self.decided.push(Decided { decision_id, until, strikes: decision.strikes, published_at });
        true
    }

    /// Takes in that a lease claims the decision.
    pub fn lease(&mut self, published_at: Millis) {
        self.leased_at.get_or_insert(published_at);
    }

    /// Takes an enforcement in; true when a point could not, for the first time.
    pub fn enforcement(&mut self, enforcement: &Enforcement) -> bool {
        match enforcement.status {
            Status::Applied => {
                self.applied.entry(enforcement.point.clone()).or_insert(enforcement.enforced_at);
                false
            }
            Status::Failed | Status::Refused => {
                let first = self.trouble.is_none();
                self.trouble = Some(format!("{}: {}", enforcement.point, enforcement.reason));
                first
            }
            Status::Lifted | Status::Superseded | Status::Other => false,
        }
    }

    /// Takes an outcome in; true when it is the first effective one of its level, point and phase.
    pub fn outcome(&mut self, outcome: &Outcome, published_at: Millis) -> bool {
        if outcome.effect != Effect::Effective {
            return false;
        }
        let key = (outcome.point.clone(), outcome.level, outcome.phase);
        if self.verified.contains_key(&key) {
            return false;
        }
        self.verified.insert(key, outcome.verified_at);
        if (outcome.point.as_str(), outcome.level, outcome.phase) == (POINT_ENVOY, 3, Phase::Apply)
        {
            let decided =
                self.decided.iter().find(|decided| decided.decision_id == outcome.decision_id);
            let until = outcome.until.or(decided.map(|decided| decided.until));
            let detected_at =
                outcome.detected_at.or(self.detected.map(|(detected_at, _)| detected_at));
            self.proof = until.zip(detected_at).map(|(until, detected_at)| Proof {
                decision_id: outcome.decision_id,
                detected_at,
                verified_at: outcome.verified_at,
                published_at,
                until,
            });
        }
        true
    }

    /// Takes an answer to one of the attacker's requests in; true when it is the first after `until`.
    pub fn answer(&mut self, answer: &Answer) -> bool {
        let Answer { sent_at, answered_at, by_application, .. } = *answer;
        self.samples.push(Sample { sent_at, answered_at, by_application });
        let ended = self.proof.is_some_and(|proof| answered_at > proof.until);
        if !ended || !by_application || self.freed_at.is_some() {
            return false;
        }
        self.freed_at = Some(answered_at);
        true
    }

    /// When a level was first effective.
    pub fn verified_at(&self, point: &str, level: i32, phase: Phase) -> Option<Millis> {
        self.verified.get(&(point.to_owned(), level, phase)).copied()
    }

    /// The highest level reached at a point; `envoy` includes its replicas.
    pub fn level(&self, point: &str, phase: Phase) -> i32 {
        let at_point = |name: &str| {
            name == point || name.strip_prefix(point).is_some_and(|rest| rest.starts_with('/'))
        };
        let levels = self.verified.keys().filter(|(name, _, of)| at_point(name) && *of == phase);
        levels.map(|(_, level, _)| *level).max().unwrap_or_default()
    }

    pub fn waf_read_back_at(&self) -> Option<Millis> {
        self.verified_at(POINT_WAF, 2, Phase::Apply)
    }

    pub fn lift_proved_at(&self) -> Option<Millis> {
        self.verified_at(POINT_ENVOY, 3, Phase::Lift)
    }

    /// Whether the block was gone in time, by our own requests.
    pub fn expired(&self) -> bool {
        self.proof
            .zip(self.freed_at)
            .is_some_and(|(proof, freed_at)| freed_at <= proof.until + LIFT_MS_MAX)
    }

    /// Nothing more is to be expected of it.
    pub fn complete(&self) -> bool {
        self.proof.is_some()
            && self.waf_read_back_at().is_some()
            && self.lift_proved_at().is_some()
            && self.freed_at.is_some()
    }

    /// Requests that the application answered although the block was proved and had not ended.
    pub fn leaked(&self) -> usize {
        let Some(proof) = self.proof else { return 0 };
        let leaked = |sample: &&Sample| {
            sample.by_application
                // Within one millisecond nobody can say which was first.
                && sample.sent_at > proof.verified_at
                && sample.answered_at <= proof.until - LEAK_SLACK_MS
        };
        self.samples.iter().filter(leaked).count()
    }

    /// Requests that were refused although the block had ended.
    ///
    /// Without a proof the attack never stopped, so what came after `until` may rightly be blocked again.
    pub fn kept(&self) -> usize {
        let Some(proof) = self.proof else { return 0 };
        let kept = |sample: &&Sample| {
            !sample.by_application && sample.sent_at >= proof.until + LIFT_MS_MAX
        };
        self.samples.iter().filter(kept).count()
    }

    /// The times of all steps, when every one is known.
    pub fn steps(&self) -> Option<Steps> {
        let proof = self.proof?;
        let (_, detection_published_at) = self.detected?;
        let decided =
            self.decided.iter().find(|decided| decided.decision_id == proof.decision_id)?;
        let at_envoy = self.applied.iter().filter(|(point, _)| point.starts_with(POINT_ENVOY));
        Some(Steps {
            detected_at: proof.detected_at,
            detection_published_at,
            decided_at: decided.published_at,
            leased_at: self.leased_at?,
            applied_at: at_envoy.map(|(_, at)| *at).max()?,
            proved_at: proof.verified_at,
        })
    }

    /// What is missing or wrong, one sentence each; empty when the loop closed.
    pub fn failures(&self) -> Vec<String> {
        let mut failures = self.missing();
        let (leaked, kept) = (self.leaked(), self.kept());
        if leaked > 0 {
            failures.push(format!(
                "{leaked} requests were answered by the application while the block was proved"
            ));
        }
        if kept > 0 {
            failures.push(format!(
                "{kept} requests were refused more than {LIFT_MS_MAX} ms after the block's end"
            ));
        }
        failures
    }

    /// The steps that did not happen, the first one first.
    pub fn missing(&self) -> Vec<String> {
        let trouble =
            self.trouble.as_ref().map_or_else(String::new, |trouble| format!(" ({trouble})"));
        let mut missing = Vec::new();
        if self.proof.is_none() {
            missing.push(match (&self.detected, self.decided.is_empty(), &self.declined) {
                (None, true, _) => "it was not detected: nothing in topic detections".to_owned(),
                (Some(_), true, None) => {
                    "it was detected, but nothing was decided: nothing in topic decisions"
                        .to_owned()
                }
                (_, true, Some(declined)) => {
                    format!("it was not blocked, the decision was: {declined}")
                }
                _ if self.leased_at.is_none() => {
                    format!("the decision became no lease: nothing in topic leases{trouble}")
                }
                _ => {
                    let level = self.level(POINT_ENVOY, Phase::Apply);
                    format!(
                        "the block was not proved at Envoy: level {} is missing{trouble}",
                        level + 1
                    )
                }
            });
            return missing;
        }
        if self.waf_read_back_at().is_none() {
            let level = self.level(POINT_WAF, Phase::Apply);
            missing.push(format!(
                "the block was not proved in the WAF: level {} is missing{trouble}",
                level + 1
            ));
        }
        if self.freed_at.is_none() {
            missing.push(
                "no request was answered by the application after the block's end".to_owned(),
            );
        } else if !self.expired() {
            missing.push(format!("the application answered again only more than {LIFT_MS_MAX} ms after the block's end"));
        }
        if self.lift_proved_at().is_none() {
            let level = self.level(POINT_ENVOY, Phase::Lift);
            missing.push(format!(
                "the lift was not proved at Envoy: level {} is missing{trouble}",
                level + 1
            ));
        }
        missing
    }
}
