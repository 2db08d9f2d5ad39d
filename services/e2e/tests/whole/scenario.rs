//! What clients and operators do in a run.

use std::collections::BTreeSet;
use std::net::IpAddr;

use schemas::{Action, Decision, Millis};

use crate::records::operator;
use crate::world::{SECOND, START};

/// Enforces at once; the ladder is short, so that an expiry is reached.
pub(crate) const POLICY: &str = r#"
mode = "enforced"
[ladder]
steps_seconds = [6, 12, 24]
[proxies]
trusted = ["127.0.0.1/32"]
[logins]
routes = ["/login"]
failures = 5
window_seconds = 60
[protected]
networks = [ { network = "81.2.70.0/24", name = "office" } ]
"#;

/// As the story's, with longer blocks.
pub(crate) const LONG: &str = r#"
mode = "enforced"
[ladder]
steps_seconds = [15, 20, 30]
[logins]
routes = ["/login"]
failures = 5
window_seconds = 60
[protected]
networks = [ { network = "81.2.70.0/24", name = "office" } ]
"#;

/// What a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// By somebody who must never be refused.
    Good,
    /// An ordinary request by an attacker.
    Plain,
    SqlInjection,
    Traversal,
    FailedLogin,
}

/// One request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Visit {
    at: Millis,
    pub(crate) client: IpAddr,
    pub(crate) kind: Kind,
}

/// A story, in time order.
#[derive(Clone)]
pub(crate) struct Scenario {
    pub(crate) policy: &'static str,
    pub(crate) lasts_ms: Millis,
    /// Whether the topics were made with their epoch record.
    pub(crate) bootstrapped: bool,
    visits: Vec<Visit>,
    decisions: Vec<(Millis, Decision)>,
    next_visit: usize,
    next_decision: usize,
}

pub(crate) const SQLI_V4: &str = "81.2.69.142";
pub(crate) const SQLI_V6: &str = "2a00:1450:0:5::9";
pub(crate) const TRAVERSAL_V4: &str = "91.189.88.152";
pub(crate) const TRAVERSAL_V6: &str = "2a02:6b8:0:3::7";
pub(crate) const LOGINS_V4: &str = "77.88.55.60";
pub(crate) const LOGINS_V6: &str = "2a03:2880:0:1::2";
pub(crate) const GOOD: [&str; 3] = ["62.210.16.61", "2a01:e0a:0:2::1", "77.1.3.1"];
pub(crate) const OFFICE: &str = "81.2.70.9";
pub(crate) const ATTACKERS: [(&str, Kind); 6] = [
    (SQLI_V4, Kind::SqlInjection),
    (SQLI_V6, Kind::SqlInjection),
    (TRAVERSAL_V4, Kind::Traversal),
    (TRAVERSAL_V6, Kind::Traversal),
    (LOGINS_V4, Kind::FailedLogin),
    (LOGINS_V6, Kind::FailedLogin),
];
/// The network that an operator blocks in the story, and one of its addresses.
pub(crate) const OPERATED: (&str, &str) = ("77.1.2.0/24", "77.1.2.3");

impl Scenario {
    /// Nothing but good clients.
    pub(crate) fn quiet(lasts_ms: Millis) -> Self {
        let (visits, decisions) = (Vec::new(), Vec::new());
        let mut scenario = Scenario {
            policy: POLICY,
            lasts_ms,
            bootstrapped: true,
            visits,
            decisions,
            next_visit: 0,
            next_decision: 0,
        };
        for client in GOOD.into_iter().chain([OFFICE]) {
            scenario.every(SECOND, 0, client, Kind::Good);
        }
        scenario
    }

    /// Six attackers; one goes on while it is blocked, one comes back after its block; an operator blocks a network;
    /// somebody in the office attacks.
    pub(crate) fn full() -> Self {
        let mut scenario = Scenario::quiet(26 * SECOND);
        for (index, (client, kind)) in (0..).zip(ATTACKERS) {
            let at = 500 + 300 * index;
            scenario.attack(at, client, kind);
            scenario.every(SECOND, at + 400, client, Kind::Plain);
        }
        scenario.attack(3_500, SQLI_V4, Kind::SqlInjection);
        scenario.attack(11_000, TRAVERSAL_V4, Kind::Traversal);
        scenario.visit(2_000, OFFICE, Kind::SqlInjection);
        scenario.every(SECOND, 4_000, OPERATED.1, Kind::Plain);
        let until = START + 9 * SECOND;
        scenario.decide(4_000, operator("story", Action::Block, OPERATED.0, until));
        scenario.sorted()
    }

    /// One attack of each kind.
    pub(crate) fn attacks(lasts_ms: Millis) -> Self {
        let mut scenario = Scenario::quiet(lasts_ms);
        for (index, (client, kind)) in (0..).zip(ATTACKERS) {
            scenario.attack(500 + 100 * index, client, kind);
            scenario.every(SECOND, 3_000, client, Kind::Plain);
        }
        scenario.sorted()
    }

    pub(crate) fn attack(&mut self, at: Millis, client: &str, kind: Kind) {
        let requests = if kind == Kind::FailedLogin { 5 } else { 1 };
        for index in 0..requests {
            self.visit(at + 100 * index, client, kind);
        }
    }

    pub(crate) fn visit(&mut self, at: Millis, client: &str, kind: Kind) {
        self.visits.push(Visit { at, client: client.parse().unwrap(), kind });
    }

    pub(crate) fn decide(&mut self, at: Millis, decision: Decision) {
        self.decisions.push((at, decision));
    }

    fn every(&mut self, interval: Millis, from: Millis, client: &str, kind: Kind) {
        let mut at = from;
        while at < self.lasts_ms {
            self.visit(at, client, kind);
            at += interval;
        }
    }

    pub(crate) fn sorted(mut self) -> Self {
        self.visits.sort_by_key(|visit| visit.at);
        self.decisions.sort_by_key(|(at, _)| *at);
        self
    }

    pub(crate) fn addresses(&self) -> Vec<IpAddr> {
        let addresses: BTreeSet<IpAddr> = self.visits.iter().map(|visit| visit.client).collect();
        addresses.into_iter().collect()
    }

    /// The requests that are due by now.
    pub(crate) fn due(&mut self, at: Millis) -> Vec<Visit> {
        let from = self.next_visit;
        while self.visits.get(self.next_visit).is_some_and(|visit| visit.at <= at) {
            self.next_visit += 1;
        }
        self.visits[from..self.next_visit].to_vec()
    }

    /// The decisions that are published by others by now.
    pub(crate) fn decided(&mut self, at: Millis) -> Vec<Decision> {
        let from = self.next_decision;
        while self.decisions.get(self.next_decision).is_some_and(|(due, _)| *due <= at) {
            self.next_decision += 1;
        }
        self.decisions[from..self.next_decision].iter().map(|(_, own)| own.clone()).collect()
    }
}
