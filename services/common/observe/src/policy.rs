//! The policy file: what to do, read by every service and reviewed like code.
//!
//! Everything is checked at once and at start, so that a mistake is a sentence and never a surprise at night. What
//! the file leaves out is the safe choice: it starts simulated.

mod check;
mod form;

use std::fmt::Display;

use ipnet::IpNet;
use schemas::{Action, Limits, Millis, Mode, Protected, Severity};

use crate::route::route;

/// Longest policy file, in bytes.
pub const POLICY_BYTES_MAX: usize = 1024 * 1024;
/// The name under which a refusal mentions a configured proxy.
pub const TRUSTED_PROXY: &str = "trusted proxy";

/// The policy, checked. See `compose/policy.demo.toml` for the file's form.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Whether decisions are put in force or only recorded.
    pub mode: Mode,
    actions: Actions,
    ladder_ms: Vec<Millis>,
    trusted: Vec<IpNet>,
    prior: f64,
    logins: Logins,
    protected: Vec<(IpNet, String)>,
    limits: Limits,
}

/// When failed logins are an attack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logins {
    /// The routes on which a 401 is a failed login, as [`route`] writes them.
    pub routes: Vec<String>,
    /// How many failures of one address within the window.
    pub failures: usize,
    pub window_ms: Millis,
}

/// Why the policy cannot be used: which field, what is wrong with it, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("policy: {field}: {problem}; {remedy}")]
pub struct PolicyError {
    pub field: String,
    pub problem: String,
    pub remedy: String,
}

#[derive(Debug, Clone, Copy)]
struct Actions {
    low: Action,
    medium: Action,
    high: Action,
    critical: Action,
}

impl Policy {
    /// Reads and checks the text of a policy file.
    pub fn parse(text: &str) -> Result<Policy, PolicyError> {
        check::parse(text)
    }

    /// What to do about a detection of this severity: observe or block.
    pub fn action_for(&self, severity: Severity) -> Action {
        match severity {
            Severity::Low => self.actions.low,
            Severity::Medium => self.actions.medium,
            Severity::High => self.actions.high,
            Severity::Critical => self.actions.critical,
        }
    }

    /// How long the remedy lasts at this many strikes, this one included. Past the end of the ladder its last step
    /// stands; fewer than one strike counts as one.
    pub fn step_ms(&self, strikes: i32) -> Millis {
        let index = usize::try_from(strikes.saturating_sub(1)).unwrap_or(0);
        self.ladder_ms[index.min(self.ladder_ms.len() - 1)]
    }

    /// The durations by strikes, rising, never empty.
    pub fn ladder_ms(&self) -> &[Millis] {
        &self.ladder_ms
    }

    /// The proxies whose `X-Forwarded-For` is believed.
    pub fn trusted(&self) -> &[IpNet] {
        &self.trusted
    }

    /// What may never be acted against: the special networks, the trusted proxies, and the owner's own.
    pub fn protected(&self) -> Protected {
        let proxies = self.trusted.iter().map(|proxy| (*proxy, TRUSTED_PROXY.to_owned()));
        Protected::with(proxies.chain(self.protected.iter().cloned()))
    }

    /// How wide and how long a decision may be.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Probability that a request is an attack before anything of it is read; more than 0, at most 0.5.
    pub fn prior(&self) -> f64 {
        self.prior
    }

    pub fn logins(&self) -> &Logins {
        &self.logins
    }

    /// Whether a 401 on this path or uri is a failed login.
    pub fn is_login(&self, path: &str) -> bool {
        if self.logins.routes.is_empty() {
            return false;
        }
        let asked = route(path);
        self.logins.routes.contains(&asked)
    }
}

impl Default for Policy {
    /// What an empty file says.
    fn default() -> Self {
        Policy::parse("").expect("the defaults pass the checks; a test says so")
    }
}

fn error(field: impl Display, problem: impl Display, remedy: impl Display) -> PolicyError {
    PolicyError {
        field: field.to_string(),
        problem: problem.to_string(),
        remedy: remedy.to_string(),
    }
}
