//! The same records in any order, told as often as one likes, give the same answers.

use decider::index::{Bounds, Index, Told};
use decider::logic::{Known, decide};
use ipnet::IpNet;
use proptest::prelude::*;
use schemas::control::SCOPE_ALL;
use schemas::{Action, Control, Effect, Enforcement, Outcome, Phase, Status};
use uuid::Uuid;

use super::common::{MINUTE, detection, enforced, operator};
use super::{NOW, applied, proved};

const ADDRESSES: [&str; 3] = ["81.2.69.142", "81.2.69.143", "9.9.9.9"];
/// Time in which everything happens.
const SPAN_MS: i64 = 40;

type Record = (i64, Told);

/// One record of some topic; the same arguments give the same record.
fn record(topic: usize, story: usize, variant: usize, after_ms: i64) -> Record {
    let at = NOW + after_ms;
    let address = ADDRESSES[story % ADDRESSES.len()];
    let cause = detection(address, NOW - story as i64);
    let decision = decide(&enforced(), &cause, &Known::default(), false);
    let point = ["envoy", "envoy/0", "aws-waf"][variant % 3];
    let phase = if variant.is_multiple_of(2) { Phase::Apply } else { Phase::Lift };
    let told = match topic {
        0 => cause.into(),
        1 => decision.into(),
        2 => {
            let status = [Status::Applied, Status::Failed, Status::Lifted][variant % 3];
            let enforcement_id = Enforcement::id(decision.decision_id, point, phase, status);
            let act = applied(&decision, point);
            Enforcement { enforcement_id, phase, status, enforced_at: at, ..act }.into()
        }
        3 => {
            let effect = [Effect::Effective, Effect::Absent][variant / 2 % 2];
            let (level, change) = (1 + variant as i32 % 4, variant as i32 % 2);
            let outcome_id = Outcome::id(decision.decision_id, point, level, phase, effect, change);
            let proof = proved(&decision, point, level);
            Outcome { outcome_id, phase, effect, change, verified_at: at, ..proof }.into()
        }
        4 => operator(Action::Allow, ["81.2.69.0/24", address][variant % 2], NOW, MINUTE).into(),
        _ => Control {
            control_id: Uuid::from_u128(variant as u128 + 1),
            scope: SCOPE_ALL.to_owned(),
            frozen: variant.is_multiple_of(2),
            frozen_since: None,
            requested_at: NOW,
            requested_by: "ada".to_owned(),
            reason: "release".to_owned(),
            mode: None,
        }
        .into(),
    };
    (at, told)
}

fn records() -> impl Strategy<Value = Vec<Record>> {
    let record = (0_usize..6, 0_usize..5, 0_usize..12, 0..SPAN_MS)
        .prop_map(|(topic, story, variant, after_ms)| record(topic, story, variant, after_ms));
    prop::collection::vec(record, 1..80)
}

/// The network of all [`ADDRESSES`].
fn everybody() -> IpNet {
    "0.0.0.0/0".parse().unwrap()
}

/// Everything that answers are made of.
fn portrait(index: &Index) -> String {
    let points: Vec<_> =
        index.stories(everybody()).iter().map(|(id, _)| index.points_of(*id)).collect();
    let mut retained = index.retained();
    retained.blocks.sort_by_key(|block| format!("{block:?}"));
    retained.words.sort_by_key(|word| format!("{word:?}"));
    format!(
        "{:#?}",
        (
            index.retained_since(),
            index.size(),
            index.stories(everybody()),
            points,
            index.history(everybody(), 1_000),
            index.controls(),
            index.points(),
            retained,
        )
    )
}

fn told(bounds: Bounds, records: &[Record]) -> Index {
    let mut index = Index::bounded(bounds);
    for (at, told) in records {
        index.take(*at, told.clone());
    }
    index
}

#[test]
fn a_network_is_told_of_with_those_around_and_inside_it_until_all_of_that_is_forgotten() {
    let networks =
        ["0.0.0.0/0", "81.2.0.0/16", "81.2.69.0/24", "81.2.69.142", "81.2.69.143", "81.3.0.0/16"];
    let mut index = Index::default();
    for (at, network) in (NOW..).zip(networks) {
        index.take(at, operator(Action::Allow, network, NOW, MINUTE));
    }
    let told = |index: &Index, network: &str| {
        let network = network.parse().unwrap();
        let stories = index.stories(network).into_iter();
        let at: Vec<_> = stories.map(|(_, story)| (story.began_at() - NOW) as usize).collect();
        at.into_iter().map(|at| networks[at]).collect::<Vec<_>>()
    };
    assert_eq!(told(&index, "81.2.69.0/24"), &networks[..5]);
    assert_eq!(told(&index, "81.2.69.142/32"), &networks[..4]);
    assert_eq!(told(&index, "81.2.69.0/25"), &networks[..3]);
    assert_eq!(told(&index, "0.0.0.0/0"), &networks);
    assert!(told(&index, "2a00:1450::/32").is_empty());
    index.forget(NOW + 3);
    assert_eq!(told(&index, "0.0.0.0/0"), &networks[3..]);
}

proptest! {
    #[test]
    fn no_order_and_no_repetition_changes_an_answer(
        (told_once, told_again) in records().prop_flat_map(|records| {
            let mut repeated = records.clone();
            repeated.extend_from_slice(&records[records.len() / 2..]);
            (Just(records), Just(repeated).prop_shuffle())
        }),
        records_max in 1_usize..60,
        bytes_max in 2_000_usize..60_000,
        forgotten_ms in 0..SPAN_MS,
    ) {
        for bounds in [
            Bounds::default(),
            Bounds { records_max, ..Bounds::default() },
            Bounds { bytes_max, ..Bounds::default() },
        ] {
            let mut one = told(bounds, &told_once);
            let mut other = told(bounds, &told_again[..told_again.len() / 2]);
            one.forget(NOW + forgotten_ms);
            other.forget(NOW + forgotten_ms / 2);
            for (at, told) in &told_again {
                other.take(*at, told.clone());
            }
            other.forget(NOW + forgotten_ms);
            let (records, bytes) = other.size();
            prop_assert!(records <= bounds.records_max && bytes <= bounds.bytes_max);
            prop_assert_eq!(portrait(&one), portrait(&other));
        }
    }
}
