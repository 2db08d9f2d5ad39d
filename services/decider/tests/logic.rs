//! The decision: every rule, and which wins.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{DAY, HOUR, MINUTE, SECOND, Story, detection, rules};
use decider::logic::{Known, decide};
use proptest::prelude::*;
use schemas::{Action, Mode, Provenance, Reason, Severity};

/// Tells the story, gives the detection, and compares the answer with `expected`: action, duration and reason.
#[track_caller]
fn check(story: &Story, detection: &schemas::Detection, expected: &str) {
    let decision =
        decide(&story.rules, detection, &story.known(&detection.observable), story.frozen);
    let answer = match decision.until {
        Some(until) => {
            let lasts = (until - detection.detected_at) / SECOND;
            format!(
                "{:?} for {lasts} s: {:?}, strike {}",
                decision.action, decision.reason, decision.strikes
            )
        }
        None => format!("{:?}: {:?}", decision.action, decision.reason),
    };
    assert_eq!(answer, expected, "{}", decision.explanation);
    assert!(
        decision.explanation.contains(&detection.observable.to_string()),
        "{}",
        decision.explanation
    );
}

const IP: &str = "81.2.69.142";

#[test]
fn the_first_detection_is_blocked_for_the_first_step() {
    check(&Story::new(), &detection(IP, 0), "Block for 300 s: Policy, strike 1");
    check(&Story::new(), &detection("2a00:1450:0:5::9", 0), "Block for 300 s: Policy, strike 1");
}

#[test]
fn a_claim_in_force_neither_grows_nor_counts() {
    let story = Story::new().blocked(IP, 0);
    check(&story, &detection(IP, MINUTE), "Observe: InForce");
    check(&story, &detection(IP, 5 * MINUTE - 1), "Observe: InForce");
    // Even where the claim began after what was detected.
    check(&story, &detection(IP, -MINUTE), "Observe: InForce");
}

#[test]
fn every_strike_climbs_the_ladder_and_the_memory_ends() {
    let once = Story::new().blocked(IP, 0);
    check(&once, &detection(IP, 5 * MINUTE), "Block for 3600 s: Policy, strike 2");
    let twice = once.blocked(IP, 5 * MINUTE);
    check(&twice, &detection(IP, 2 * HOUR), "Block for 86400 s: Policy, strike 3");
    let thrice = twice.blocked(IP, 2 * HOUR);
    check(&thrice, &detection(IP, 27 * HOUR), "Block for 86400 s: Policy, strike 4");
    check(&thrice, &detection(IP, 10 * DAY), "Block for 300 s: Policy, strike 1");
}

#[test]
fn an_operator_is_not_overruled_until_the_override_lapses() {
    let allowed = Story::new().operator(Action::Allow, IP, 0, 5 * MINUTE);
    check(&allowed, &detection(IP, 4 * MINUTE), "Observe: Overridden");
    check(&allowed, &detection(IP, 6 * MINUTE), "Block for 300 s: Policy, strike 1");
    let blocked = Story::new().operator(Action::Block, IP, 0, 5 * MINUTE);
    check(&blocked, &detection(IP, 4 * MINUTE), "Observe: Overridden");
}

#[test]
fn a_block_that_an_operator_lifted_is_no_strike() {
    let lifted = Story::new().blocked(IP, 0).operator(Action::Allow, IP, MINUTE, MINUTE);
    check(&lifted, &detection(IP, 10 * MINUTE), "Block for 300 s: Policy, strike 1");
}

#[test]
fn a_block_that_an_operator_lifted_is_over_when_the_allow_ends_and_a_new_offence_is_new() {
    let lifted = Story::new().blocked(IP, 0).operator(Action::Allow, IP, MINUTE, MINUTE);
    check(&lifted, &detection(IP, 2 * MINUTE - 1), "Observe: Overridden");
    check(&lifted, &detection(IP, 2 * MINUTE), "Block for 300 s: Policy, strike 1");
}

#[test]
fn what_the_policy_only_observes_is_observed() {
    for severity in [Severity::Low, Severity::Medium] {
        check(
            &Story::new(),
            &schemas::Detection { severity, ..detection(IP, 0) },
            "Observe: BelowFloor",
        );
    }
}

#[test]
fn an_address_that_anybody_could_have_written_convicts_nobody() {
    for provenance in [Provenance::HeaderUntrusted, Provenance::LogText, Provenance::ExternalFeed] {
        check(
            &Story::new(),
            &schemas::Detection { provenance, ..detection(IP, 0) },
            "Observe: Provenance",
        );
    }
}

#[test]
fn the_order_of_the_rules_is_protected_overridden_in_force_floor_provenance() {
    let story = Story::new().blocked(IP, 0).operator(Action::Allow, IP, 1, HOUR);
    let weak = schemas::Detection {
        severity: Severity::Low,
        provenance: Provenance::LogText,
        ..detection(IP, 2)
    };
    check(&story, &weak, "Observe: Overridden");
    check(
        &Story::new().blocked(IP, 0),
        &schemas::Detection { observable: IP.parse().unwrap(), ..weak.clone() },
        "Observe: InForce",
    );
    check(&Story::new(), &weak, "Observe: BelowFloor");
    let office = schemas::Detection { observable: "81.2.70.1".parse().unwrap(), ..weak };
    check(&story, &office, "Observe: Protected");
}

#[test]
fn f1_a_thousand_sure_detections_of_what_is_protected_block_nothing() {
    let story = Story::new();
    for index in 0..1_000 {
        let text = match index % 4 {
            0 => format!("192.168.{}.{}", index % 256, index / 4),
            1 => format!("81.2.70.{}", index % 256),
            2 => format!("2001:db8:{index:x}::/64"),
            _ => format!("10.{}.0.0/16", index % 256),
        };
        check(&story, &detection(&text, index), "Observe: Protected");
    }
}

#[test]
fn f2_and_tm9_what_is_too_wide_special_or_endless_is_refused() {
    for text in [
        "0.0.0.0/0",
        "::/0",
        "10.0.0.0/8",
        "192.168.1.0/24",
        "127.0.0.1",
        "::ffff:10.0.0.1",
        "203.0.113.42",
        "81.2.0.0/16",
    ] {
        check(&Story::new(), &detection(text, 0), "Observe: Protected");
    }
    check(&Story::new(), &detection("81.2.69.0/24", 0), "Observe: TooWide");
    check(&Story::new(), &detection("2a00:1450::/56", 0), "Observe: TooWide");
}

#[test]
fn a_freeze_and_the_simulated_mode_are_written_into_the_decision() {
    let mut story = Story::new();
    story.frozen = true;
    let known = Known::default();
    let decision = decide(&story.rules, &detection(IP, 0), &known, true);
    assert!(
        decision.frozen && decision.explanation.contains("automation is frozen"),
        "{}",
        decision.explanation
    );
    let simulated = rules("");
    let decision = decide(&simulated, &detection(IP, 0), &known, false);
    assert_eq!(
        (decision.mode, decision.action, decision.reason),
        (Mode::Simulated, Action::Block, Reason::Policy)
    );
    assert!(decision.explanation.contains("simulated"), "{}", decision.explanation);
}

#[test]
fn the_explanation_says_who_why_and_for_how_long() {
    let decision =
        decide(&rules("mode = \"enforced\""), &detection(IP, 0), &Known::default(), false);
    assert_eq!(
        decision.explanation,
        "block 81.2.69.142 for 5 min: SQL injection by sqli-union at query:id, high severity, strike 1"
    );
}

#[test]
fn the_reason_names_the_heaviest_rule_and_not_what_comes_on_top() {
    for (pieces, named) in [
        (
            vec![("file.client-configuration", 2.0), ("calibration", 2.1), ("prior", -6.9)],
            "file.client-configuration",
        ),
        (vec![("a.light", 1.0), ("a.heavy", 3.0), ("text", 4.0), ("calibration", 5.0)], "a.heavy"),
        (vec![("a.against", -1.0), ("cut", 0.0), ("text", 0.5), ("calibration", 2.0)], "text"),
        (vec![("finding", 0.0)], "finding"),
        (vec![("calibration", 1.0), ("prior", -6.9)], "calibration"),
    ] {
        let mut detection = detection(IP, 0);
        let one = detection.evidence.remove(0);
        let piece = |(rule, weight): &(&str, f64)| schemas::Evidence {
            rule: (*rule).to_owned(),
            weight: *weight,
            ..one.clone()
        };
        detection.evidence = pieces.iter().map(piece).collect();
        let decision = decide(&rules("mode = \"enforced\""), &detection, &Known::default(), false);
        let named = format!("SQL injection by {named} at query:id,");
        assert!(decision.explanation.contains(&named), "{}: {named}", decision.explanation);
    }
}

proptest! {
    #[test]
    fn a_protected_observable_is_never_blocked(address: u32, length in 0_u8..=32, at in 0_i64..DAY) {
        let rules = rules("mode = \"enforced\"");
        let network = ipnet::Ipv4Net::new(address.into(), length).unwrap();
        let decision = decide(&rules, &detection(&network.to_string(), at), &Known::default(), false);
        if decision.action != Action::Observe {
            prop_assert!(rules.protected.overlap(network.into()).is_none());
            prop_assert!(length == 32);
            let until = decision.until.unwrap();
            prop_assert!(until > at && until <= at + rules.limits.automatic_max_ms);
        }
    }
}

#[test]
fn the_mode_in_force_is_the_stricter_of_policy_and_operator() {
    use Mode::{Enforced, Simulated};
    for (policy, asked, expected) in [
        (Enforced, None, Enforced),
        (Enforced, Some(Enforced), Enforced),
        (Enforced, Some(Simulated), Simulated),
        (Simulated, None, Simulated),
        (Simulated, Some(Enforced), Simulated),
        (Simulated, Some(Simulated), Simulated),
    ] {
        let text = if policy == Enforced { "enforced" } else { "simulated" };
        let rules = rules(&format!("mode = \"{text}\""));
        assert_eq!(rules.mode(asked), expected, "{policy:?} {asked:?}");
    }
}
