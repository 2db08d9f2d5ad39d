//! F1, F2, TM9: a decider that is broken, or a forger, writes straight to `decisions`; the executor refuses.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use rand::Rng as _;
use schemas::{Action, Decision, Enforcement, Millis, Status};
use uuid::Uuid;

use super::rng;
use crate::faults::Plan;
use crate::records::{self, block, operator};
use crate::scenario::Scenario;
use crate::watch;
use crate::world::{SECOND, START, World};

const DAY: Millis = 24 * 60 * 60 * SECOND;

/// Publishes decisions behind the decider's back; answers what the fold refused, and the world.
fn forged(decisions: &[Decision]) -> (World, BTreeMap<Uuid, Enforcement>) {
    let mut world = World::new(1, Plan::Nothing, Scenario::quiet(10 * SECOND));
    decisions.iter().for_each(|decision| world.append(decision));
    world.run_to(5 * SECOND);
    let refused = records::enforcements(&world.log).into_iter();
    let refused = refused.filter(|act| act.status == Status::Refused);
    let refused = refused.map(|act| (act.decision_id, act)).collect();
    (world, refused)
}

#[track_caller]
fn nothing_is_enforced(decisions: &[Decision]) {
    let (mut world, refused) = forged(decisions);
    for decision in decisions {
        let act = refused.get(&decision.decision_id);
        let act = act.unwrap_or_else(|| panic!("{} was not refused", decision.observable));
        assert!(!act.reason.is_empty() && act.point == "executor", "{act:?}");
    }
    assert_eq!(records::leases(&world.log), []);
    assert_eq!(watch::waf(&world).len(), 0);
    world.come_to_rest();
}

#[test]
fn f1_a_thousand_decisions_against_protected_networks_are_refused_with_the_reason() {
    let mut rng = rng(1);
    let mut decisions = Vec::new();
    for index in 0..1_000_u32 {
        let host: u32 = rng.random();
        let address = |network: [u8; 2]| {
            let [_, _, third, fourth] = host.to_be_bytes();
            Ipv4Addr::new(network[0], network[1], third, fourth)
        };
        let length = rng.random_range(24..=32);
        let observable = match index % 8 {
            0 => format!("{}/{length}", address([10, 7])),
            1 => format!("{}/{length}", address([192, 168])),
            2 => format!("81.2.70.{}/{length}", host % 256),
            3 => format!("81.2.0.0/{}", rng.random_range(8..=23)),
            4 => format!("2001:db8:{:x}::/64", host % 65_536),
            5 => format!("fd00:{:x}::/64", host % 65_536),
            6 => format!("::ffff:10.{}.{}.1", host % 256, index % 256),
            _ => format!("127.0.{}.{}", host % 256, index % 256),
        };
        let until = START + i64::from(index) + 60 * SECOND;
        let name = format!("forged {index}");
        decisions.push(if index % 16 < 8 {
            block(&name, &observable, Some(until))
        } else {
            operator(&name, Action::Block, &observable, until)
        });
    }
    nothing_is_enforced(&decisions);
}

#[test]
fn f2_what_may_never_be_blocked_is_refused_whoever_asks() {
    let never = [
        "0.0.0.0/0",
        "::/0",
        "8.0.0.0/8",
        "192.168.1.0/24",
        "127.0.0.1",
        "::ffff:10.0.0.1",
        "203.0.113.42",
        "81.2.70.9",
        "81.2.70.0/25",
    ];
    let until = START + 60 * SECOND;
    let mut decisions = Vec::new();
    for observable in never {
        decisions.push(block("forged", observable, Some(until)));
        decisions.push(operator("forged", Action::Block, observable, until));
    }
    nothing_is_enforced(&decisions);
}

#[test]
fn tm9_a_claim_without_end_or_one_that_ended_is_refused_and_a_long_one_is_cut() {
    let victim = "91.189.88.152";
    let refused = [None, Some(0), Some(-5), Some(i64::MIN), Some(START - 1), Some(START)];
    nothing_is_enforced(&refused.map(|until| block("forged", victim, until)));
    for until in [START + 3_650 * DAY, i64::MAX] {
        let (world, refused) = forged(&[block("for ever", victim, Some(until))]);
        assert!(refused.is_empty());
        let claims = &records::leases(&world.log)[0].claims;
        assert_eq!(claims[0].until, START + DAY, "cut to the longest automatic claim");
    }
}

#[test]
fn an_unproved_address_is_never_blocked_by_automation() {
    let unproved =
        Decision { provenance: None, ..block("forged", "91.189.88.152", Some(START + DAY)) };
    let header = Decision {
        provenance: Some(schemas::Provenance::HeaderUntrusted),
        ..block("header", "91.189.88.153", Some(START + DAY))
    };
    nothing_is_enforced(&[unproved, header]);
}
