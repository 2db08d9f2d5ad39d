//! What the answers of the parts mean. Data in, data out.

use std::collections::HashMap;
use std::net::IpAddr;

use observe::Policy;
use pipeline::admin::Bootstrapped;
use proto::v1::StatusReply;
use schemas::{Millis, Provenance};

use super::super::executors::Answered;
use super::seconds;
use crate::findings::Finding;

/// Fewer events than this say nothing about where clients come from.
const EVENTS_MIN: usize = 50;
/// One address with this share of all events is a proxy before us, or the only visitor there is.
const ONE_CLIENT_PERCENT: usize = 95;
/// How far clocks may lie apart before times mean different things to different parts.
const SKEW_MS: Millis = 5_000;
/// How long a decider may not have confirmed the end of the log.
const VIEW_AGE_MS_MAX: i64 = 5_000;

/// One event's client.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    pub(super) client: IpAddr,
    pub(super) provenance: Provenance,
}

/// When one event was appended, by the broker, and received, by the collector.
#[derive(Debug, Clone, Copy)]
pub(super) struct Appended {
    pub(super) at: Millis,
    pub(super) received_at: Option<Millis>,
}

pub(super) fn topics(made: &Bootstrapped) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !made.created.is_empty() {
        findings.push(Finding::new(
            "kafka",
            format!("topics are missing: {}", made.created.join(", ")),
            "no service makes a topic: whoever needs one waits for it",
            "run `perimeter bootstrap kafka`",
        ));
    } else if made.epoch_written {
        findings.push(Finding::new(
            "kafka",
            "leases has no epoch record",
            "readers that find no epoch hold: they add nothing to what is in force",
            "run `perimeter bootstrap kafka`",
        ));
    }
    findings.extend(made.differences.iter().map(|sentence| {
        Finding::new(
            "kafka",
            sentence,
            "what must hold is read from the topics, so their settings decide what is kept",
            "change it as said; `perimeter bootstrap kafka --dry-run` compares again",
        )
    }));
    findings
}

/// Own clock against the broker's, as far as reading tells, and the collector's against the broker's.
pub(super) fn clocks(now: Millis, appended: &[Appended]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let ahead_ms = appended.iter().map(|event| event.at - now).max().unwrap_or(0);
    if ahead_ms > SKEW_MS {
        findings.push(Finding::new(
            "clocks",
            format!("the broker's clock is {} ahead of this machine's", seconds(ahead_ms)),
            "a claim ends at an absolute time, so clocks that differ end it early or late",
            "synchronise both with NTP",
        ));
    }
    // Delivery takes time, so late appends say little; the quickest one of all says how far the clocks differ.
    let delays = || appended.iter().filter_map(|event| Some(event.at - event.received_at?));
    let (least, ahead) =
        (delays().min().unwrap_or(0), delays().map(|delay| -delay).max().unwrap_or(0));
    if least > SKEW_MS || ahead > SKEW_MS {
        let (word, by) = if least > SKEW_MS { ("behind", least) } else { ("ahead of", ahead) };
        findings.push(Finding::new(
            "clocks",
            format!("a collector's clock is {} {word} the broker's", seconds(by)),
            "an event from the future is dead-lettered, and a late one completes no detection",
            "synchronise the collectors and the brokers with NTP",
        ));
    }
    findings
}

/// Whether all clients look like one proxy.
pub(super) fn clients(seen: &[Seen], policy: Option<&Policy>) -> Vec<Finding> {
    if seen.len() < EVENTS_MIN {
        return Vec::new();
    }
    let mut counts: HashMap<IpAddr, usize> = HashMap::new();
    for event in seen {
        *counts.entry(event.client).or_default() += 1;
    }
    let mut findings = Vec::new();
    let most = counts.into_iter().max_by_key(|(_, count)| *count);
    if let Some((client, count)) = most.filter(|(_, n)| n * 100 >= seen.len() * ONE_CLIENT_PERCENT)
    {
        let protected = policy.is_some_and(|policy| policy.protected().covers(client));
        let why = if protected {
            "this address is protected, so every detection about it is only observed and nobody is ever blocked"
        } else {
            "one attacker behind it would get everybody behind it blocked"
        };
        findings.push(Finding::new(
            "clients",
            format!("{count} of the newest {} events are of one client, {client}", seen.len()),
            why,
            format!(
                "if {client} is your proxy or load balancer, name it in [proxies] trusted and let it write \
                 X-Forwarded-For"
            ),
        ));
    }
    let unproved = seen.iter().filter(|event| !event.provenance.may_convict()).count();
    if unproved == seen.len() {
        findings.push(Finding::new(
            "clients",
            "none of the newest events has an address that may convict",
            "an address that was not learnt from a peer or a trusted proxy is only ever observed",
            "publish with the provenance socket_peer or proxy_asserted where it is true",
        ));
    }
    findings
}

pub(super) fn status(status: &StatusReply) -> Vec<Finding> {
    let mut findings = Vec::new();
    for problem in &status.problems {
        findings.push(Finding::new(
            "decider",
            problem,
            "the decider reports it of itself, of the executors or of an enforcement point",
            "look at the log of the part it names",
        ));
    }
    if status.frozen {
        findings.push(Finding::new(
            "decider",
            "automation is frozen",
            "nothing new comes into force until it is thawed; what is in force ends on time",
            "run `perimeter thaw --reason …` when the reason for it is over",
        ));
    }
    if status.view_age_ms > VIEW_AGE_MS_MAX {
        findings.push(Finding::new(
            "decider",
            format!("its view of the leases is {} old", seconds(status.view_age_ms)),
            "answers about what is in force may be of the past",
            "look at Kafka, and at the decider's log",
        ));
    }
    for point in status.points.iter().filter(|point| point.applied > 0 && point.proved == 0) {
        findings.push(Finding::new(
            "points",
            format!("{} says it holds {} claims, and none is proved", point.point, point.applied),
            "what is applied and not proved may be blocked in name only",
            "ask again in a few seconds; if it stays, look at the verifier's log and at the point's wiring",
        ));
    }
    if status.claims_in_force > 0 && status.points.is_empty() {
        findings.push(Finding::new(
            "points",
            format!(
                "{} claims are in force and no enforcement point has said a word",
                status.claims_in_force
            ),
            "no executor enforces them",
            "start the executors, and look at their logs",
        ));
    }
    findings
}

/// What the executors say of themselves.
pub(super) fn executors(answers: &[Answered]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for Answered { executor, answer } in answers {
        let state = match answer {
            Ok(state) => state,
            Err(error) => {
                findings.push(Finding::new(
                    "executors",
                    format!("{executor} does not answer: {error}"),
                    "Envoy asks there as well: with no executor answering, it lets everybody pass",
                    "look at the executor's log; it takes a viewer's, a responder's or an operator's certificate",
                ));
                continue;
            }
        };
        findings.extend(state.causes.iter().map(|cause| {
            Finding::new(
                "executors",
                format!("{} is frozen by itself: {}", state.point, cause.text),
                "this executor adds nothing that automation decides; attackers that its peer refuses get through here",
                "when the reason is over, remove the file, or run `perimeter thaw --at-executors --reason …`",
            )
        }));
        findings.extend(state.problems.iter().map(|problem| {
            Finding::new(
                "executors",
                format!("{}: {problem}", state.point),
                "the file that should freeze this executor would not be seen, nor that it was removed",
                "mend the path of EXECUTOR_FREEZE_FILE, or freeze by call: `perimeter freeze --at-executors`",
            )
        }));
    }
    findings
}

#[cfg(test)]
mod tests {
    use proto::v1::{FreezeCause, PointSummary, StateReply};

    use super::*;

    fn whats(findings: &[Finding]) -> Vec<&str> {
        findings.iter().map(|finding| finding.what.as_str()).collect()
    }

    #[test]
    fn clients_that_all_look_like_one_proxy_are_found() {
        let from = |n: u8, of: u8| -> Vec<Seen> {
            let client = |i: u8| if i < n { [10, 0, 0, 5] } else { [81, 2, 69, i] };
            (0..of)
                .map(|i| Seen { client: client(i).into(), provenance: Provenance::SocketPeer })
                .collect()
        };
        assert_eq!(whats(&clients(&from(40, 100), None)), Vec::<&str>::new());
        assert_eq!(whats(&clients(&from(49, 49), None)), Vec::<&str>::new());
        let policy = Policy::default();
        let found = clients(&from(98, 100), Some(&policy));
        assert_eq!(whats(&found), ["98 of the newest 100 events are of one client, 10.0.0.5"]);
        assert!(found[0].why.starts_with("this address is protected"));
    }

    #[test]
    fn clocks_that_differ_are_found_in_either_direction() {
        let at = |at, received_at| Appended { at, received_at: Some(received_at) };
        assert_eq!(
            whats(&clocks(100_000, &[at(99_000, 98_900), at(90_000, 40_000)])),
            Vec::<&str>::new()
        );
        assert_eq!(
            whats(&clocks(100_000, &[at(110_000, 109_990)])),
            ["the broker's clock is 10.0 s ahead of this machine's"]
        );
        assert_eq!(
            whats(&clocks(100_000, &[at(90_000, 97_000)])),
            ["a collector's clock is 7.0 s ahead of the broker's"]
        );
        assert_eq!(
            whats(&clocks(100_000, &[at(90_000, 80_000), at(95_000, 84_000)])),
            ["a collector's clock is 10.0 s behind the broker's"]
        );
    }

    #[test]
    fn an_executor_that_is_frozen_or_silent_is_found() {
        let answered = |answer| Answered { executor: "executor-0:9401".to_owned(), answer };
        let cause = FreezeCause { since: 1, text: "the file f is there: a test".to_owned() };
        let well = StateReply { point: "envoy/0".to_owned(), ..StateReply::default() };
        let frozen = StateReply { frozen: true, causes: vec![cause], ..well.clone() };
        let blind = StateReply { problems: vec!["f does not answer".to_owned()], ..well.clone() };
        let silent = Err("no answer within 5 s".to_owned());
        for (answer, expected) in [
            (Ok(well), Vec::new()),
            (Ok(frozen), vec!["envoy/0 is frozen by itself: the file f is there: a test"]),
            (Ok(blind), vec!["envoy/0: f does not answer"]),
            (silent, vec!["executor-0:9401 does not answer: no answer within 5 s"]),
        ] {
            assert_eq!(whats(&executors(&[answered(answer)])), expected);
        }
    }

    #[test]
    fn a_point_that_proves_nothing_is_found() {
        let point = |applied, proved| PointSummary {
            point: "envoy/0".to_owned(),
            applied,
            proved,
            ..PointSummary::default()
        };
        let reply = |points| StatusReply { points, claims_in_force: 2, ..StatusReply::default() };
        assert_eq!(whats(&status(&reply(vec![point(2, 1), point(0, 0)]))), Vec::<&str>::new());
        assert_eq!(
            whats(&status(&reply(vec![point(2, 0)]))),
            ["envoy/0 says it holds 2 claims, and none is proved"]
        );
    }
}
