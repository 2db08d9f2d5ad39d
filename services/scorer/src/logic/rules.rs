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

/// What one request says by itself, whoever sent it and whatever came before.
#[derive(Debug, Clone, PartialEq)]
pub struct Scored {
    /// Whether this request alone is worth a decision.
    pub attack: bool,
    /// Of the likeliest claim; absent where nothing was found.
    pub category: Option<Category>,
    /// That the request is an attack; where nothing was found, what is known beforehand.
    pub probability: f64,
    /// Of every rule that found something, the light pieces too.
    pub evidence: Vec<Evidence>,
}

/// All rules, with the buffers that a request is read into.
#[derive(Debug)]
pub struct Rules {
    all: Vec<Rule>,
    texts: Texts,
}

impl Rules {
    /// Every rule, in a fixed order. `policy` says which failures are failed logins, and how many are too many.
    pub fn new(policy: &Policy) -> Rules {
        Rules { all: Rule::all(policy), texts: Texts::default() }
    }

    /// What each rule says about `event`, in the rules' order: hits to be counted.
    pub fn hits<'a>(
        &'a mut self,
        event: &'a EventView<'_>,
    ) -> impl Iterator<Item = (&'a Rule, Hit)> {
        self.texts.read(event.uri);
        let texts = &self.texts;
        self.all.iter().filter_map(move |rule| Some((rule, rule.score(event, texts)?)))
    }

    /// What the rules to which one look is enough say about `event` alone.
    pub fn request(&mut self, event: &EventView<'_>) -> Scored {
        self.texts.read(event.uri);
        let mut scored = Scored {
            attack: false,
            category: None,
            probability: probability(&[]),
            evidence: Vec::new(),
        };
        for rule in self.all.iter().filter(|rule| rule.threshold().hits == 1) {
            let Some(hit) = rule.weigh(event, &self.texts) else { continue };
            if hit.probability > scored.probability {
                scored.category = Some(hit.category);
                scored.probability = hit.probability;
            }
            scored.evidence.extend(hit.evidence);
        }
        scored.attack = scored.probability >= PROBABILITY_MIN;
        scored
    }

    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.all.iter().map(Rule::name).collect()
    }

    /// The highest threshold of all rules.
    pub(crate) fn hits_max(&self) -> usize {
        self.all.iter().map(|rule| rule.threshold().hits).max().unwrap_or(1)
    }
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

    /// What this rule says about one event, if it is sure enough; `texts` are those of its uri.
    pub fn score(&self, event: &EventView<'_>, texts: &Texts) -> Option<Hit> {
        self.weigh(event, texts).filter(|hit| hit.probability >= PROBABILITY_MIN)
    }

    /// What this rule found in one event, be it ever so light.
    fn weigh(&self, event: &EventView<'_>, texts: &Texts) -> Option<Hit> {
        match self {
            Rule::Signature(signature) => signature.weigh(event, texts),
            Rule::FailedLogins(logins) => logins.score(event),
        }
    }
}

/// Probability that the claim is right, from the weights (log-odds) of its evidence.
pub fn probability(evidence: &[Evidence]) -> f64 {
    let log_odds = PRIOR + evidence.iter().map(|piece| piece.weight).sum::<f64>();
    1.0 / (1.0 + (-log_odds).exp())
}
