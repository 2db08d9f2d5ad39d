//! Failed logins: the one rule about how often.

use observe::Policy;
use schemas::{Activity, Category, EventView, Evidence, Severity};

use crate::logic::rules::{Hit, Threshold, probability};

const UNAUTHORIZED: i32 = 401;
/// So many failures in so short a time are rarely a person: 0.95 with the prior.
const WEIGHT: f64 = 7.0;

/// A failed login, too often from one observable: a 401 on a login route, or what a service reports as one.
#[derive(Debug, Clone)]
pub struct FailedLogins {
    policy: Policy,
}

impl FailedLogins {
    pub fn new(policy: &Policy) -> Self {
        FailedLogins { policy: policy.clone() }
    }

    pub fn threshold(&self) -> Threshold {
        let logins = self.policy.logins();
        Threshold { hits: logins.failures.max(1), window_ms: logins.window_ms }
    }

    /// One failed login. A status that our own rule wrote says nothing about the client, so that a block never feeds
    /// itself.
    pub fn score(&self, event: &EventView<'_>) -> Option<Hit> {
        if event.refused_by_us || !self.failed(event) {
            return None;
        }
        let Threshold { hits, window_ms } = self.threshold();
        let evidence = vec![Evidence {
            rule: "failed_logins".to_owned(),
            place: "rate".to_owned(),
            value: format!("{hits} failed logins within {} s", window_ms / 1_000),
            weight: WEIGHT,
            explanation: "passwords are being guessed: too many failed logins from one address"
                .to_owned(),
            event_id: event.event_id,
        }];
        Some(Hit {
            category: Category::BruteForce,
            severity: Severity::High,
            probability: probability(&evidence),
            evidence,
        })
    }

    fn failed(&self, event: &EventView<'_>) -> bool {
        match event.activity {
            Activity::Login => event.succeeded == Some(false),
            Activity::HttpRequest => {
                event.status == Some(UNAUTHORIZED) && self.policy.is_login(event.uri)
            }
            Activity::Finding => false,
        }
    }
}
