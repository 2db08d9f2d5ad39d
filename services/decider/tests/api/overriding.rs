//! What an operator asks for where something stands already, or where it is not known yet what does.

use std::pin::{Pin, pin};
use std::time::Duration;

use decider::api::overrides::Overrides;
use decider::logic::overrides::{Asked, Wish};
use decider::stage::SharedNetworks;
use decider::tail::{Pasts, Tail};
use pipeline::{Follow as _, Update};
use schemas::{Action, Decision, Topic};
use tonic::Code;

use super::common::{HOUR, MINUTE, operator};
use super::{Api, IP, KEY, NOW, asked};

#[tokio::test]
async fn a_responder_ends_nothing_that_was_asked_for_longer_and_shortens_no_allow() {
    let mut api = Api::new();
    api.decided(&operator(Action::Allow, IP, NOW, 24 * HOUR));
    let overrides = api.overrides();
    let responder = "spiffe://perimeter/responder/bo";
    let block = Asked { operator: responder, admin: false, ..asked(Wish::Block, IP, 30 * MINUTE) };
    let refused = overrides.decide(&block).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let sentence = format!("an operator's allow of {IP} stands for another 24 h");
    assert!(refused.message().starts_with(&sentence), "{}", refused.message());
    assert!(api.log.messages("decisions").is_empty());
    let unblock = Asked { wish: Wish::Unblock, ..block };
    let kept = overrides.decide(&unblock).await.unwrap();
    assert_eq!(kept.until, Some(NOW + 24 * HOUR));
    assert!(kept.explanation.starts_with(&format!("allow {IP} for 24 h: bo asked for it")));
}

/// What an answer says of an operator's wish where `allowed` was allowed before, for another hour.
async fn outranked_by(wish: Wish, observable: &str, allowed: &str) -> String {
    let mut api = Api::new();
    api.decided(&operator(Action::Allow, allowed, NOW, HOUR));
    let overrides = api.overrides();
    let asked = asked(wish, observable, 2 * HOUR);
    let answer = overrides.answer(&asked).await.unwrap();
    assert!(answer.decision.is_some());
    // Who asks again is told the same.
    assert_eq!(overrides.answer(&asked).await.unwrap(), answer);
    answer.outranked_by
}

#[tokio::test]
async fn a_block_below_an_allow_is_answered_with_what_outranks_it() {
    const ALLOWED: &str = "81.2.69.0/24";
    let told = outranked_by(Wish::Block, IP, ALLOWED).await;
    assert_eq!(told, "an operator's allow of 81.2.69.0/24");
    for (wish, observable, allowed) in [
        // Nothing outranks an allow; one of the very network is replaced; of one inside it the rest is blocked.
        (Wish::Allow, IP, ALLOWED),
        (Wish::Unblock, IP, ALLOWED),
        (Wish::Block, ALLOWED, ALLOWED),
        (Wish::Block, ALLOWED, IP),
        (Wish::Block, IP, "81.2.71.0/24"),
    ] {
        assert_eq!(outranked_by(wish, observable, allowed).await, "", "{wish:?} {observable}");
    }
}

#[tokio::test]
async fn a_block_of_which_allows_leave_nothing_is_answered_so() {
    let mut api = Api::new();
    for half in ["81.2.69.0/25", "81.2.69.128/25"] {
        api.decided(&operator(Action::Allow, half, NOW, HOUR));
    }
    let block = asked(Wish::Block, "81.2.69.0/24", 2 * HOUR);
    let told = api.overrides().answer(&block).await.unwrap().outranked_by;
    assert_eq!(told, "operators' allows of all of it");
}

#[tokio::test]
async fn what_was_allowed_a_moment_ago_outranks_a_block_and_what_has_ended_does_not() {
    const SECOND_KEY: &str = "0d6f2c6e-3c0b-4d43-8f0e-2f8f6c1f9a77";
    const THIRD_KEY: &str = "1b1c7f0a-52a4-4c3e-9d55-3a8c2f6be0d2";
    let api = Api::new();
    let overrides = api.overrides();
    overrides.decide(&asked(Wish::Allow, "81.2.69.0/24", MINUTE)).await.unwrap();
    let block = Asked { idempotency_key: SECOND_KEY, ..asked(Wish::Block, IP, HOUR) };
    let answer = overrides.answer(&block).await.unwrap();
    assert_eq!(answer.outranked_by, "an operator's allow of 81.2.69.0/24");
    api.shared.clock.advance(MINUTE);
    assert_eq!(overrides.answer(&block).await.unwrap().outranked_by, "");
    // Told again, it is not what was decided last.
    let allow = Asked { idempotency_key: THIRD_KEY, ..asked(Wish::Allow, IP, HOUR) };
    overrides.decide(&allow).await.unwrap();
    let told = overrides.answer(&block).await.unwrap().outranked_by;
    assert_eq!(told, "an operator's allow of 81.2.69.142/32");
}

/// A responder's wish of half an hour, under a key of its own.
fn by_responder(wish: Wish, observable: &str) -> Asked<'_> {
    Asked {
        operator: "spiffe://perimeter/responder/bo",
        admin: false,
        idempotency_key: "0d6f2c6e-3c0b-4d43-8f0e-2f8f6c1f9a77",
        ..asked(wish, observable, 30 * MINUTE)
    }
}

#[tokio::test]
async fn a_responder_does_not_end_what_an_admin_was_just_told_is_decided() {
    for observable in [IP, "81.2.69.0/24"] {
        let mut api = Api::new();
        // An allow that the leases still show, and whose end an unblock would keep.
        api.decided(&operator(Action::Allow, IP, NOW - HOUR, 24 * HOUR));
        let overrides = api.overrides();
        let blocked = overrides.decide(&asked(Wish::Block, IP, 2 * HOUR)).await.unwrap();
        let refused = overrides.decide(&by_responder(Wish::Unblock, observable)).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied, "{}", refused.message());
        let decision = blocked.decision_id.to_string();
        assert!(refused.message().contains(&decision), "{}", refused.message());
    }
}

#[tokio::test]
async fn what_another_decider_decided_last_counts_before_and_after_its_fold() {
    let earlier = operator(Action::Block, IP, NOW - HOUR, 5 * HOUR);
    let later = operator(Action::Allow, IP, NOW, MINUTE);
    let mut folded = Api::new();
    folded.folded(&earlier);
    let read = Api::new();
    read.shared.index.take(NOW, earlier.clone(), true);
    for api in [folded, read] {
        let unblock = by_responder(Wish::Unblock, IP);
        let refused = api.overrides().decide(&unblock).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied, "{}", refused.message());
        api.shared.index.take(NOW + 1, later.clone(), true);
        api.overrides().decide(&unblock).await.unwrap();
    }
}

#[tokio::test]
async fn what_was_decided_here_counts_no_longer_once_the_log_shows_something_newer() {
    let api = Api::new();
    let overrides = api.overrides();
    let blocked = overrides.decide(&asked(Wish::Block, IP, 2 * HOUR)).await.unwrap();
    api.shared.index.take(NOW + 1, blocked, true);
    api.shared.index.take(NOW + 2, operator(Action::Allow, IP, NOW, MINUTE), true);
    overrides.decide(&by_responder(Wish::Unblock, IP)).await.unwrap();
}

/// Whether `answering` waits for something still.
async fn waits<T>(answering: Pin<&mut impl Future<Output = T>>) -> bool {
    tokio::time::timeout(Duration::from_millis(50), answering).await.is_err()
}

#[tokio::test]
async fn a_request_is_taken_for_new_only_once_what_was_decided_before_is_read() {
    let api = Api::new();
    let overrides = Overrides::new(api.shared.clone());
    let mut tail = Tail::new(
        api.shared.rules.clone(),
        Pasts::default(),
        SharedNetworks::default(),
        api.shared.index.clone(),
    );
    let block = asked(Wish::Block, IP, MINUTE);
    let mut deciding = pin!(overrides.decide(&block));
    for partition in 0..Topic::Decisions.partitions() {
        assert!(waits(deciding.as_mut()).await, "before partition {partition} is read");
        tail.update(Update::Reached { topic: Topic::Decisions, partition, end: 0, now: NOW });
    }
    assert!(api.log.messages("decisions").is_empty());
    deciding.await.unwrap();
    assert_eq!(api.log.messages("decisions").len(), 1);
}

/// A block under the key of [`asked`].
fn first() -> Decision {
    let decision_id = KEY.parse().unwrap();
    Decision { decision_id, ..operator(Action::Block, IP, NOW - MINUTE, 2 * MINUTE) }
}

#[tokio::test]
async fn a_repeat_right_after_a_start_is_judged_by_all_that_was_decided() {
    let mut api = Api::new();
    // The lease and the log show the block. What came after it, nobody has folded, and it is not read yet.
    api.decided(&first());
    let overrides = Overrides::new(api.shared.clone());
    let block = asked(Wish::Block, IP, 2 * MINUTE);
    let mut again = pin!(overrides.answer(&block));
    assert!(waits(again.as_mut()).await);
    api.shared.index.take(NOW, operator(Action::Allow, "81.2.69.0/24", NOW, HOUR), true);
    api.read();
    let answer = again.await.unwrap();
    assert_eq!(answer.decision.unwrap().decision_id, KEY);
    assert_eq!(answer.outranked_by, "an operator's allow of 81.2.69.0/24");
    assert!(api.log.messages("decisions").is_empty());
}

#[tokio::test]
async fn a_repeat_is_known_by_the_lease_when_the_decision_itself_is_not_retained_any_more() {
    let mut api = Api::new();
    let first = first();
    api.folded(&first);
    let overrides = api.overrides();
    let again = overrides.decide(&asked(Wish::Block, IP, 2 * MINUTE)).await.unwrap();
    assert_eq!((again.decision_id, again.until), (first.decision_id, first.until));
    let other = overrides.decide(&asked(Wish::Allow, IP, 2 * MINUTE)).await.unwrap_err();
    assert_eq!(other.code(), Code::InvalidArgument);
    assert!(api.log.messages("decisions").is_empty());
}
