//! What is known of a run: every incident, and every answer to a good visitor. Pure: no I/O, no clock.
//!
//! Each call answers what of it is news, for the story. The same record told twice is news once.

mod incident;

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use hdrhistogram::Histogram;
use schemas::{
    Action, Decision, Detection, Effect, Enforcement, Millis, Observable, Origin, Outcome, Phase,
    Reason,
};
use uuid::Uuid;

pub use incident::{Incident, LIFT_MS_MAX, POINT_ENVOY, POINT_WAF, Proof, Steps};

use crate::traffic::attackers::Progress;
use crate::traffic::http::Answer;
use crate::traffic::plan::IncidentPlan;
use crate::watch::{Seeable, Seen};

/// Event times come from Envoy's clock cut to milliseconds, so an incident's first event may seem a little older.
const CLOCK_SLACK_MS: Millis = 50;
/// So many refusals of good visitors are told; the report counts them all.
const REFUSALS_TOLD_MAX: u64 = 20;

/// Something worth a line.
#[derive(Debug, Clone, PartialEq)]
pub enum News {
    Detected(Box<Detection>),
    Decided(Box<Decision>),
    /// A level was reached; `after_ms` counts from the detection, or from `until` for a lift.
    Verified {
        outcome: Box<Outcome>,
        after_ms: Option<Millis>,
    },
    /// A level that was effective is so no more, before the block's end.
    Lost(Box<Outcome>),
    /// A point could not do what it was asked to.
    Troubled(Box<Enforcement>),
    /// The application answered an attacker again.
    Expired {
        observable: Observable,
        after_ms: Millis,
    },
    /// A good visitor was refused.
    Refused {
        address: IpAddr,
        target: String,
        detail: String,
    },
    Unreadable {
        topic: String,
        error: String,
    },
}

/// What good visitors saw.
#[derive(Debug)]
pub struct Good {
    pub requests: u64,
    pub refused: u64,
    pub latency_ms: Histogram<u64>,
    /// The first refusal, in words.
    pub first_refusal: Option<String>,
}

/// Everything known so far.
#[derive(Debug)]
pub struct Ledger {
    incidents: BTreeMap<usize, Incident>,
    /// The incident that is going on at each attacker's observable.
    by_observable: HashMap<Observable, usize>,
    by_decision: HashMap<Uuid, usize>,
    pub good: Good,
    /// Answers of any kind, whoever gave them.
    pub requests_completed: u64,
    pub unreadable: Vec<String>,
}

impl Default for Ledger {
    fn default() -> Self {
        Ledger {
            incidents: BTreeMap::new(),
            by_observable: HashMap::new(),
            by_decision: HashMap::new(),
            good: Good { requests: 0, refused: 0, latency_ms: histogram(), first_refusal: None },
            requests_completed: 0,
            unreadable: Vec::new(),
        }
    }
}

/// A histogram of milliseconds that grows as needed.
pub fn histogram() -> Histogram<u64> {
    Histogram::new(3).expect("three significant digits are allowed")
}

impl Ledger {
    /// An attacker begins.
    pub fn begin(&mut self, plan: IncidentPlan, at: Millis) {
        self.by_observable.insert(plan.observable(), plan.id);
        self.incidents.insert(plan.id, Incident::new(plan, at));
    }

    /// A good visitor got an answer, or none.
    pub fn good(&mut self, address: IpAddr, target: &str, answer: &Answer) -> Option<News> {
        self.requests_completed += u64::from(answer.status.is_some());
        self.good.requests += 1;
        self.good.latency_ms.saturating_record(
            u64::try_from(answer.answered_at - answer.sent_at).unwrap_or_default(),
        );
        if answer.by_application {
            return None;
        }
        self.good.refused += 1;
        let (target, detail) = (target.to_owned(), answer.detail.clone());
        self.good.first_refusal.get_or_insert_with(|| format!("{target} from {address}: {detail}"));
        (self.good.refused <= REFUSALS_TOLD_MAX).then_some(News::Refused {
            address,
            target,
            detail,
        })
    }

    /// An attacker got an answer, or none.
    pub fn attacker(&mut self, id: usize, answer: &Answer) -> Option<News> {
        self.requests_completed += u64::from(answer.status.is_some());
        let incident = self.incidents.get_mut(&id)?;
        let freed = incident.answer(answer);
        let proof = incident.proof.filter(|_| freed)?;
        let observable = incident.plan.observable();
        Some(News::Expired { observable, after_ms: answer.answered_at - proof.until })
    }

    /// The pipeline published something.
    pub fn seen(&mut self, seen: Seen) -> Option<News> {
        match seen.record {
            Seeable::Detection(detection) => self.detection(detection, seen.published_at),
            Seeable::Decision(decision) => self.decision(decision, seen.published_at),
            Seeable::Lease(lease) => {
                for claim in &lease.claims {
                    let incident = self.of_decision(
                        claim.decision_id,
                        &lease.observable,
                        Some(claim.decided_at),
                    );
                    if let Some(incident) = incident {
                        incident.lease(seen.published_at);
                    }
                }
                None
            }
            Seeable::Enforcement(enforcement) => {
                let Enforcement { decision_id, enforced_at, .. } = enforcement;
                let incident =
                    self.of_decision(decision_id, &enforcement.observable, Some(enforced_at))?;
                incident.enforcement(&enforcement).then(|| News::Troubled(Box::new(enforcement)))
            }
            Seeable::Outcome(outcome) => self.outcome(outcome, seen.published_at),
            Seeable::Unreadable { topic, error } => {
                self.unreadable.push(format!("{topic}: {error}"));
                Some(News::Unreadable { topic, error })
            }
        }
    }

    /// How far an incident has come, for its attacker.
    pub fn progress(&self, id: usize) -> Progress {
        let incident = self.incidents.get(&id);
        Progress {
            proved_until: incident.and_then(|incident| incident.proof).map(|proof| proof.until),
            lift_proved: incident.is_some_and(|incident| incident.lift_proved_at().is_some()),
        }
    }

    pub fn incident(&self, id: usize) -> Option<&Incident> {
        self.incidents.get(&id)
    }

    /// Every incident but the canary's, which is not counted.
    pub fn incidents(&self, canary: usize) -> impl Iterator<Item = &Incident> {
        self.incidents.values().filter(move |incident| incident.plan.id != canary)
    }

    /// Every incident that is still waited for.
    pub fn outstanding(&self) -> usize {
        self.incidents.values().filter(|incident| !incident.complete()).count()
    }

    fn detection(&mut self, detection: Detection, published_at: Millis) -> Option<News> {
        let news = match self.of_observable(&detection.observable, Some(detection.detected_at)) {
            Some(incident) => incident.detection(&detection, published_at),
            // Somebody else's: a person trying the demo, say.
            None => !self.by_observable.contains_key(&detection.observable),
        };
        news.then(|| News::Detected(Box::new(detection)))
    }

    fn decision(&mut self, decision: Decision, published_at: Millis) -> Option<News> {
        let Some(incident) = self.of_observable(&decision.observable, decision.detected_at) else {
            let foreign = !self.by_observable.contains_key(&decision.observable);
            let news = foreign && decision.reason != Reason::InForce;
            return news.then(|| News::Decided(Box::new(decision)));
        };
        let news = incident.decision(&decision, published_at);
        let id = incident.plan.id;
        if decision.origin == Origin::Pipeline && decision.action == Action::Block {
            self.by_decision.insert(decision.decision_id, id);
        }
        news.then(|| News::Decided(Box::new(decision)))
    }

    fn outcome(&mut self, outcome: Outcome, published_at: Millis) -> Option<News> {
        let incident =
            self.of_decision(outcome.decision_id, &outcome.observable, outcome.detected_at);
        let Some(incident) = incident else {
            let news = outcome.effect == Effect::Effective;
            let after_ms = after_ms(&outcome, outcome.until);
            return news.then(|| News::Verified { outcome: Box::new(outcome), after_ms });
        };
        let news = incident.outcome(&outcome, published_at);
        let until = incident.proof.map(|proof| proof.until).or(outcome.until);
        if news {
            let after_ms = after_ms(&outcome, until);
            return Some(News::Verified { outcome: Box::new(outcome), after_ms });
        }
        let reached = incident.verified_at(&outcome.point, outcome.level, outcome.phase).is_some();
        let held =
            outcome.phase == Phase::Apply && until.is_some_and(|until| outcome.verified_at < until);
        let lost = reached && held && outcome.effect != Effect::Effective;
        lost.then(|| News::Lost(Box::new(outcome)))
    }

    /// The incident at an observable, unless what happened there is older than it.
    fn of_observable(
        &mut self,
        observable: &Observable,
        detected_at: Option<Millis>,
    ) -> Option<&mut Incident> {
        let incident = self.incidents.get_mut(self.by_observable.get(observable)?)?;
        detected_at.is_none_or(|at| at >= incident.begun_at - CLOCK_SLACK_MS).then_some(incident)
    }

    /// The incident of a decision. Topics are read side by side, so the decision itself may not have come yet: then
    /// it is the incident at the observable, if `at` is not older.
    fn of_decision(
        &mut self,
        decision_id: Uuid,
        observable: &Observable,
        at: Option<Millis>,
    ) -> Option<&mut Incident> {
        let known = self.by_decision.get(&decision_id).copied();
        let id = match known {
            Some(id) => id,
            // Without a time it is an operator's: not an attacker's incident.
            None => self.of_observable(observable, Some(at?))?.plan.id,
        };
        self.by_decision.insert(decision_id, id);
        self.incidents.get_mut(&id)
    }
}

fn after_ms(outcome: &Outcome, until: Option<Millis>) -> Option<Millis> {
    let since = match outcome.phase {
        Phase::Apply => outcome.detected_at,
        Phase::Lift => until,
    };
    since.map(|since| outcome.verified_at - since)
}
