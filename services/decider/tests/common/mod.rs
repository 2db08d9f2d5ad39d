//! What the tests of the decider tell their stories with.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part of this module")]

use std::sync::Arc;

use decider::Rules;
use decider::logic::{Known, Past, decide};
use observe::Policy;
use schemas::{
    Action, Category, Decision, Detection, Evidence, Millis, Observable, Provenance, Severity,
};
use uuid::Uuid;

pub const SECOND: Millis = 1_000;
pub const MINUTE: Millis = 60 * SECOND;
pub const HOUR: Millis = 60 * MINUTE;
pub const DAY: Millis = 24 * HOUR;

const ENFORCED: &str = r#"
mode = "enforced"
[protected]
networks = [ { network = "81.2.70.0/24", name = "office" } ]
"#;

pub fn rules(policy: &str) -> Rules {
    Rules::new(Policy::parse(policy).unwrap())
}

pub fn enforced() -> Arc<Rules> {
    Arc::new(rules(ENFORCED))
}

/// A high-severity SQL injection by a peer, at `at`.
pub fn detection(observable: &str, at: Millis) -> Detection {
    let event_id = Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("{observable}@{at}").as_bytes());
    Detection {
        detection_id: Uuid::new_v5(&event_id, b"detection"),
        observable: observable.parse().unwrap(),
        detected_at: at,
        probability: 0.99,
        severity: Severity::High,
        category: Category::SqlInjection,
        provenance: Provenance::SocketPeer,
        evidence: vec![Evidence {
            rule: "sqli-union".to_owned(),
            place: "query:id".to_owned(),
            value: "1 union select".to_owned(),
            weight: 6.0,
            explanation: "a union select in a parameter".to_owned(),
            event_id,
        }],
    }
}

pub fn operator(action: Action, observable: &str, at: Millis, lasts: Millis) -> Decision {
    let name = format!("{action:?} {observable}@{at}");
    Decision {
        decision_id: Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()),
        until: Some(at + lasts),
        explanation: name,
        decided_by: Some("spiffe://perimeter/operator/ada".to_owned()),
        ..Decision::by_operator(action, observable.parse().unwrap())
    }
}

/// What was decided before, told in order.
pub struct Story {
    pub rules: Arc<Rules>,
    pub frozen: bool,
    past: Past,
    next: i64,
}

impl Story {
    pub fn new() -> Self {
        Story { rules: enforced(), frozen: false, past: Past::empty(), next: 0 }
    }

    /// A detection at `at` was answered as the rules say.
    pub fn blocked(self, observable: &str, at: Millis) -> Self {
        let detection = detection(observable, at);
        let decision =
            decide(&self.rules, &detection, &self.known(&detection.observable), self.frozen);
        self.append(at, &decision)
    }

    pub fn operator(self, action: Action, observable: &str, at: Millis, lasts: Millis) -> Self {
        self.append(at, &operator(action, observable, at, lasts))
    }

    pub fn known(&self, observable: &Observable) -> Known {
        self.past.known(observable)
    }

    fn append(mut self, at: Millis, decision: &Decision) -> Self {
        self.past.append(&self.rules, self.next, at, decision);
        self.next += 1;
        self
    }
}
