//! Failed logins: the one rule about how often.

use observe::Policy;
use schemas::{Activity, Category, EventView, Evidence, Severity};

use crate::logic::rules::{Hit, Threshold};

const UNAUTHORIZED: i32 = 401;
/// So many failures in so short a time are rarely a person: log-odds of 3, which is 0.95.
const WEIGHT: f64 = 3.0;

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

    /// What too many failed logins say, `event` being the last of them.
    pub fn hit(&self, event: &EventView<'_>) -> Hit {
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
        Hit {
            category: Category::BruteForce,
            severity: Severity::High,
            probability: 1.0 / (1.0 + (-WEIGHT).exp()),
            evidence,
        }
    }

    /// Whether `event` is a failed login. A status that our own rule wrote says nothing about the client, so that a
    /// block never feeds itself.
    pub fn failed(&self, event: &EventView<'_>) -> bool {
        !event.refused_by_us
            && match event.activity {
                Activity::Login => event.succeeded == Some(false),
                // What another detector notes about a request says nothing about what the application answered.
                Activity::HttpRequest | Activity::Finding => {
                    event.status == Some(UNAUTHORIZED) && self.policy.is_login(event.uri)
                }
            }
    }
}
