//! The list of rules, and what each may say about one event. The seam: a new rule is a new variant here.

use observe::Policy;
use schemas::{Category, EventView, Evidence, Millis, Severity};

use crate::logic::rate::FailedLogins;
use crate::logic::signatures::Signature;
use crate::logic::text::Texts;

/// Log-odds that a request is an attack before anything is known about it: about one in fifty.
const PRIOR: f64 = -4.0;
/// A detection is worth a decision from here on.
pub const PROBABILITY_MIN: f64 = 0.9;

/// What a rule saw in one event.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    pub category: Category,
    pub severity: Severity,
    pub probability: f64,
    pub evidence: Vec<Evidence>,
}

/// How many hits on one observable, within which time, make a detection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Threshold {
    pub hits: usize,
    pub window_ms: Millis,
}

/// One rule.
#[derive(Debug, Clone)]
pub enum Rule {
    Signature(Signature),
    FailedLogins(FailedLogins),
}

impl Rule {
    /// Every rule, in a fixed order. `policy` says which failures are failed logins, and how many are too many.
    pub fn all(policy: &Policy) -> Vec<Rule> {
        vec![
            Rule::Signature(Signature::SqlInjection),
            Rule::Signature(Signature::PathTraversal),
            Rule::FailedLogins(FailedLogins::new(policy)),
        ]
    }

    /// Identifier, part of detection ids and snapshots: never reused for another rule.
    pub fn name(&self) -> &'static str {
        match self {
            Rule::Signature(signature) => signature.name(),
            Rule::FailedLogins(_) => "failed_logins",
        }
    }

    pub fn threshold(&self) -> Threshold {
        match self {
            Rule::Signature(_) => Threshold { hits: 1, window_ms: 1 },
            Rule::FailedLogins(logins) => logins.threshold(),
        }
    }

    /// What this rule says about one event; `texts` are those of its uri.
    pub fn score(&self, event: &EventView<'_>, texts: &Texts) -> Option<Hit> {
        match self {
            Rule::Signature(signature) => signature.score(event, texts),
            Rule::FailedLogins(logins) => logins.score(event),
        }
    }
}

/// Probability that the claim is right, from the weights (log-odds) of its evidence.
pub fn probability(evidence: &[Evidence]) -> f64 {
    let log_odds = PRIOR + evidence.iter().map(|piece| piece.weight).sum::<f64>();
    1.0 / (1.0 + (-log_odds).exp())
}
