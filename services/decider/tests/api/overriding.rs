//! What an operator asks for where something stands already, or where it is not known yet what does.

use decider::api::overrides::Overrides;
use decider::logic::overrides::Asked;
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
    let block =
        Asked { operator: responder, admin: false, ..asked(Action::Block, IP, 30 * MINUTE) };
    let refused = overrides.decide(&block).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let sentence = format!("an operator's allow of {IP} stands for another 24 h");
    assert!(refused.message().starts_with(&sentence), "{}", refused.message());
    assert!(api.log.messages("decisions").is_empty());
    let unblock = Asked { action: Action::Allow, unblock: true, ..block };
    let kept = overrides.decide(&unblock).await.unwrap();
    assert_eq!(kept.until, Some(NOW + 24 * HOUR));
    assert!(kept.explanation.starts_with(&format!("allow {IP} for 24 h: bo asked for it")));
}

#[tokio::test]
async fn a_request_is_taken_for_new_only_once_what_was_decided_before_is_read() {
    let api = Api::new();
    let overrides = Overrides::new(api.shared.clone());
    let mut tail = Tail::new(api.shared.rules.clone(), Pasts::default(), api.shared.index.clone());
    for partition in 0..Topic::Decisions.partitions() {
        let unread = overrides.decide(&asked(Action::Block, IP, MINUTE)).await.unwrap_err();
        assert_eq!(unread.code(), Code::Unavailable, "{}", unread.message());
        assert!(unread.message().contains("the same idempotency key"), "{}", unread.message());
        tail.update(Update::Reached { topic: Topic::Decisions, partition, end: 0, now: NOW });
    }
    assert!(api.log.messages("decisions").is_empty());
    overrides.decide(&asked(Action::Block, IP, MINUTE)).await.unwrap();
    assert_eq!(api.log.messages("decisions").len(), 1);
}

#[tokio::test]
async fn a_repeat_is_known_by_the_lease_before_the_decision_itself_is_read() {
    let mut api = Api::new();
    let first = Decision {
        decision_id: KEY.parse().unwrap(),
        ..operator(Action::Block, IP, NOW - MINUTE, 2 * MINUTE)
    };
    api.folded(&first);
    let overrides = Overrides::new(api.shared.clone());
    let again = overrides.decide(&asked(Action::Block, IP, 2 * MINUTE)).await.unwrap();
    assert_eq!((again.decision_id, again.until), (first.decision_id, first.until));
    let other = overrides.decide(&asked(Action::Allow, IP, 2 * MINUTE)).await.unwrap_err();
    assert_eq!(other.code(), Code::InvalidArgument);
    assert!(api.log.messages("decisions").is_empty());
}
