//! What `doctor` and `config check` find, and the findings about a policy: data in, data out.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use observe::Policy;
use schemas::{Action, Mode, Severity};
use serde_json::{Value, json};

use crate::output::{Cell, Printer, Tone, cell};

/// More failed logins a second than this from one address are not a person, and rarely a guesser.
const FAILURES_PER_SECOND_MAX: i64 = 10;

/// Something that needs a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) part: &'static str,
    pub(crate) what: String,
    /// Why it matters.
    pub(crate) why: &'static str,
    /// What to do about it.
    pub(crate) remedy: String,
}

impl Finding {
    pub(crate) fn new(
        part: &'static str,
        what: impl Into<String>,
        why: &'static str,
        remedy: impl Into<String>,
    ) -> Self {
        Finding { part, what: what.into(), why, remedy: remedy.into() }
    }

    pub(crate) fn document(&self) -> Value {
        json!({ "part": self.part, "what": self.what, "why": self.why, "do": self.remedy })
    }

    pub(crate) fn print(&self, printer: &Printer) -> std::io::Result<()> {
        printer.row(&[Cell(self.part.to_owned(), Tone::Bad), cell(&self.what)])?;
        printer.line(&format!("  why: {}", self.why))?;
        printer.line(&format!("  do:  {}", self.remedy))
    }
}

/// Why this policy could never act, or acts on less than it seems to.
pub(crate) fn of_policy(policy: &Policy) -> Vec<Finding> {
    let mut findings = Vec::new();
    if policy.mode == Mode::Simulated {
        findings.push(Finding::new(
            "policy",
            "the mode is simulated",
            "decisions are recorded and nothing is put in force, which is right for a new installation only",
            r#"write mode = "enforced" once the recorded decisions are what you want"#,
        ));
    }
    findings.extend(of_actions(policy));
    let logins = policy.logins();
    if logins.routes.is_empty() {
        findings.push(Finding::new(
            "policy",
            "no route is named as a login",
            "a failed login in an access log is told by its route, so guessed passwords will not be noticed there",
            r#"write for example routes = ["/login"] in [logins]"#,
        ));
    }
    let failures = i64::try_from(logins.failures).unwrap_or(i64::MAX);
    if failures > FAILURES_PER_SECOND_MAX.saturating_mul(logins.window_ms / 1_000) {
        findings.push(Finding::new(
            "policy",
            format!("{failures} failed logins within {} s are asked for", logins.window_ms / 1_000),
            "hardly anybody guesses that fast, so the rule will never be met",
            "write fewer failures or a longer window_seconds in [logins]",
        ));
    }
    let protected: Vec<IpNet> = policy.protected().networks().map(|(network, _)| network).collect();
    for (family, all) in [("IPv4", everything_v4(&protected)), ("IPv6", everything_v6(&protected))]
    {
        if all {
            findings.push(Finding::new(
                "policy",
                format!("every {family} address is protected"),
                "what is protected is never acted against, so no client of this family ever will be",
                "protect only your own networks in [protected] and [proxies]",
            ));
        }
    }
    findings
}

/// What the actions by severity come to. A milder severity is never blocked where a worse one is observed.
fn of_actions(policy: &Policy) -> Option<Finding> {
    let acts = |severity| policy.action_for(severity) != Action::Observe;
    if !acts(Severity::High) {
        return Some(Finding::new(
            "policy",
            "what is of high severity is only observed",
            "this version detects at low and at high severity only, and low is observed as well, so nothing will ever be acted on",
            r#"write high = "block" in [actions]"#,
        ));
    }
    if acts(Severity::Low) {
        return Some(Finding::new(
            "policy",
            "what is of low severity is blocked",
            "low is evidence only, such as one visit to /phpmyadmin/ or a note of a WAF, and many who are blocked for it will be visitors",
            r#"write low = "observe" in [actions]"#,
        ));
    }
    acts(Severity::Medium).then(|| {
        Finding::new(
            "policy",
            "what is of medium severity is blocked",
            "this version detects at low and at high severity only, so that changes nothing",
            r#"leave medium out of [actions], or write medium = "observe""#,
        )
    })
}

fn everything_v4(protected: &[IpNet]) -> bool {
    let networks = protected.iter().filter_map(|network| match network {
        IpNet::V4(network) => Some(*network),
        IpNet::V6(_) => None,
    });
    let joined = Ipv4Net::aggregate(&networks.collect());
    joined.iter().map(|network| 1_u64 << (32 - network.prefix_len())).sum::<u64>() == 1 << 32
}

/// The addresses that are given out to hosts on the Internet are all in 2000::/3.
fn everything_v6(protected: &[IpNet]) -> bool {
    let global: Ipv6Net = "2000::/3".parse().expect("the text is a network");
    let networks = protected.iter().filter_map(|network| match network {
        IpNet::V6(network) => Some(*network),
        IpNet::V4(_) => None,
    });
    Ipv6Net::aggregate(&networks.collect()).iter().any(|network| network.contains(&global))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(policy: &str, expected: &[&str]) {
        let usual = "mode = \"enforced\"\n[logins]\nroutes = [\"/login\"]\n";
        let text = if policy.contains("[logins]") || policy.is_empty() {
            policy.to_owned()
        } else {
            format!("{usual}{policy}")
        };
        let findings = of_policy(&Policy::parse(&text).unwrap());
        let found: Vec<&str> = findings.iter().map(|finding| finding.what.as_str()).collect();
        assert_eq!(found, expected, "{policy}");
    }

    #[test]
    fn a_policy_that_could_never_act_is_found() {
        check("", &["the mode is simulated", "no route is named as a login"]);
        check("failures = 20", &[]);
        check(
            "failures = 1000\nwindow_seconds = 60",
            &["1000 failed logins within 60 s are asked for"],
        );
        for (actions, expected) in [
            ("high = \"observe\"", Some("what is of high severity is only observed")),
            (
                "high = \"observe\"\ncritical = \"observe\"",
                Some("what is of high severity is only observed"),
            ),
            ("medium = \"block\"", Some("what is of medium severity is blocked")),
            ("low = \"block\"\nmedium = \"block\"", Some("what is of low severity is blocked")),
            ("critical = \"block\"", None),
        ] {
            check(&format!("[actions]\n{actions}"), expected.as_slice());
        }
        check(
            r#"[protected]
networks = [{ network = "0.0.0.0/1", name = "half" }, { network = "128.0.0.0/1", name = "half" }]"#,
            &["every IPv4 address is protected"],
        );
        check(
            r#"[protected]
networks = [{ network = "::/0", name = "all" }]"#,
            &["every IPv6 address is protected"],
        );
    }
}
