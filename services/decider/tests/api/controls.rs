//! Freezes, thaws and changes of the mode, asked for once and again.

use decider::api::Shared;
use decider::api::overrides::Overrides;
use decider::stage::SharedNetworks;
use decider::tail::{Pasts, Tail};
use pipeline::{Follow as _, Raw, Update};
use proto::v1::{ControlRequest, SetModeRequest};
use schemas::{Control, Record as _, Topic};
use tonic::Code;
use uuid::Uuid;

use super::common::rules;
use super::{Api, NOW};

fn request(key: u128) -> ControlRequest {
    let (reason, idempotency_key) = ("release".to_owned(), Uuid::from_u128(key).to_string());
    ControlRequest { reason, idempotency_key }
}

fn mode(key: u128, mode: &str) -> SetModeRequest {
    let ControlRequest { reason, idempotency_key } = request(key);
    SetModeRequest { mode: mode.to_owned(), reason, idempotency_key }
}

impl Api {
    /// How much was said about automation.
    fn said(&self) -> usize {
        self.log.messages("controls").len()
    }
}

#[tokio::test]
async fn a_repeated_freeze_remembers_since_when_the_first_stands() {
    let api = Api::new();
    let overrides = api.overrides();
    assert!(overrides.control(&request(1), true, "ada").await.unwrap().frozen);
    assert!(overrides.control(&request(1), true, "ada").await.unwrap().frozen);
    assert_eq!(api.said(), 1);
    let mut copy = api.shared.leases.sink();
    api.log.poll(Topic::Controls, 0, 0, 1, &mut |raw| {
        copy.update(Update::Record(Raw { timestamp: NOW + 5, ..raw }));
    });
    let again = overrides.control(&request(2), true, "ada").await.unwrap();
    assert_eq!(again.frozen_since, NOW + 5);
    let second = Control::decode(&api.log.messages("controls")[1].2.payload).unwrap();
    assert_eq!(second.frozen_since, Some(NOW + 5));
    let reused = overrides.control(&request(1), false, "ada").await.unwrap_err();
    assert_eq!(reused.code(), Code::InvalidArgument);
    assert!(!overrides.control(&request(3), false, "ada").await.unwrap().frozen);
}

#[tokio::test]
async fn the_mode_is_set_once_per_key_and_never_above_the_policy() {
    let mut api = Api::new();
    let overrides = api.overrides();
    let reply = overrides.mode(&mode(1, "simulated"), "ada").await.unwrap();
    assert_eq!((reply.mode.as_str(), reply.policy_mode.as_str()), ("simulated", "enforced"));
    overrides.mode(&mode(1, "simulated"), "ada").await.unwrap();
    assert_eq!(api.said(), 1);
    for request in [mode(1, "enforced"), mode(2, "loud"), mode(2, "")] {
        let refused = overrides.mode(&request, "ada").await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{}", refused.message());
    }
    api.shared.rules = std::sync::Arc::new(rules("mode = \"simulated\""));
    let refused = Overrides::new(api.shared.clone()).mode(&mode(3, "enforced"), "ada").await;
    assert_eq!(refused.unwrap_err().code(), Code::FailedPrecondition);
}

#[tokio::test]
async fn a_repeat_does_not_let_go_on_what_somebody_stopped_since_and_who_stops_it_waits_for_nobody()
{
    let api = Api::new();
    let overrides = api.overrides();
    overrides.control(&request(1), false, "ada").await.unwrap();
    overrides.mode(&mode(2, "enforced"), "ada").await.unwrap();

    // Started anew, it has read the leases and nothing else.
    let index = decider::index::Shared::default();
    let overrides = Overrides::new(Shared { index: index.clone(), ..api.shared.clone() });
    overrides.control(&request(3), true, "bo").await.unwrap();
    overrides.mode(&mode(4, "simulated"), "bo").await.unwrap();
    let thawed = overrides.control(&request(1), false, "ada").await.unwrap_err();
    let enforced = overrides.mode(&mode(2, "enforced"), "ada").await.unwrap_err();
    for unread in [thawed, enforced] {
        assert_eq!(unread.code(), Code::Unavailable, "{}", unread.message());
        assert!(unread.message().contains("the same idempotency key"), "{}", unread.message());
    }

    let mut tail =
        Tail::new(api.shared.rules.clone(), Pasts::default(), SharedNetworks::default(), index);
    let end = api.log.poll(Topic::Controls, 0, 0, 100, &mut |raw| tail.update(Update::Record(raw)));
    tail.update(Update::Reached { topic: Topic::Controls, partition: 0, end, now: NOW });
    overrides.control(&request(1), false, "ada").await.unwrap();
    overrides.mode(&mode(2, "enforced"), "ada").await.unwrap();
    assert_eq!(api.said(), 4, "a repeat says nothing anew");
    overrides.control(&request(5), false, "ada").await.unwrap();
    assert_eq!(api.said(), 5);
}
