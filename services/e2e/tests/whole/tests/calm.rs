//! Without faults: one attack is one detection, one decision, one lease, proved everywhere and lifted on time.

use schemas::{Action, Origin, Reason};

use super::told;
use crate::faults::Plan;
use crate::portrait::Portrait;
use crate::records;
use crate::scenario::{ATTACKERS, OFFICE, OPERATED};
use crate::world::World;

const ACTS: [&str; 8] = [
    "aws-waf Apply Applied",
    "aws-waf Lift Lifted",
    "blocklist Apply Applied",
    "blocklist Lift Lifted",
    "envoy/0 Apply Applied",
    "envoy/0 Lift Lifted",
    "envoy/1 Apply Applied",
    "envoy/1 Lift Lifted",
];
const PROOFS: [&str; 13] = [
    "aws-waf/1 Apply Effective",
    "aws-waf/1 Lift Effective",
    "aws-waf/2 Apply Effective",
    "aws-waf/2 Lift Effective",
    "blocklist/1 Apply Effective",
    "blocklist/1 Lift Effective",
    "envoy/0/1 Apply Effective",
    "envoy/0/1 Lift Effective",
    "envoy/1/1 Apply Effective",
    "envoy/1/1 Lift Effective",
    "envoy/2 Apply Effective",
    "envoy/3 Apply Effective",
    "envoy/3 Lift Effective",
];

fn blocks(world: &World, address: &str) -> Vec<schemas::Decision> {
    let observable = address.parse().unwrap();
    let decisions = records::decisions(&world.log).into_iter();
    decisions.filter(|own| own.observable == observable && own.action == Action::Block).collect()
}

#[test]
fn every_attack_is_answered_once_enforced_everywhere_proved_and_lifted() {
    let world = told(0, Plan::Nothing);
    let portrait = Portrait::of(&world);
    for (address, kind) in ATTACKERS {
        let expected = if address == crate::scenario::TRAVERSAL_V4 { 2 } else { 1 };
        let blocks = blocks(&world, address);
        assert_eq!(blocks.len(), expected, "{kind:?} by {address}");
        for (strikes, block) in (1..).zip(blocks) {
            assert_eq!((block.strikes, block.origin), (strikes, Origin::Pipeline));
            let id = block.decision_id.to_string();
            assert_eq!(portrait.about("enforcement", &id), ACTS, "{kind:?} by {address}");
            assert_eq!(portrait.about("outcome", &id), PROOFS, "{kind:?} by {address}");
        }
    }
    let operators = blocks(&world, OPERATED.0);
    assert_eq!(operators.len(), 1);
    let id = operators[0].decision_id.to_string();
    assert_eq!(portrait.about("outcome", &id), PROOFS);
    assert_eq!(world.verifier.active_claims(), 0, "nothing is left to watch");
    assert_eq!(world.envoy.failed_open, 0);
}

#[test]
fn what_is_not_acted_upon_is_answered_with_the_reason() {
    let world = told(0, Plan::Nothing);
    let reasons = |address: &str| -> Vec<Reason> {
        let observable = address.parse().unwrap();
        let decisions = records::decisions(&world.log).into_iter();
        decisions.filter(|own| own.observable == observable).map(|own| own.reason).collect()
    };
    assert_eq!(reasons(OFFICE), [Reason::Protected]);
    assert_eq!(reasons(crate::scenario::SQLI_V4), [Reason::Policy, Reason::InForce]);
}

#[test]
fn the_same_seed_is_the_same_run() {
    let tell = |seed| {
        let world = told(seed, Plan::Any { chance: 0.002, rng: super::rng(seed) });
        let topics = schemas::Topic::ALL.map(|topic| world.log.messages(topic.name()));
        (topics, world.faults.deaths)
    };
    let (first, again) = (tell(3), tell(3));
    assert!(first.1 > 0, "somebody died");
    assert!(first == again, "two runs of one seed differ");
}
