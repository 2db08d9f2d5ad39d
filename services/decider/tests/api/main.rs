//! Query over gRPC in one process, overrides as the service answers them, and the index that answers come from.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;

mod controls;
mod explain;
mod flood;
mod kpis;
mod order;
mod overriding;

use std::time::Duration;

use common::{HOUR, MINUTE, detection, enforced};
use decider::api::overrides::Overrides;
use decider::api::{Shared, serve_query};
use decider::index::TOPICS;
use decider::logic::overrides::{Asked, Wish};
use decider::logic::{Known, decide};
use pipeline::memory::Log;
use pipeline::{Bus, Clock, Follow as _, Leases, Message, Raw, Update};
use proto::v1::query_client::QueryClient;
use proto::v1::{GetRequest, ListRequest, StatusRequest, WatchRequest};
use schemas::{
    Action, Appended, Decision, Effect, Enforcement, Epoch, Folded, Generation, LeaseEntry, Origin,
    Outcome, Phase, Status, Topic, Verdict, fold,
};
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::Code;
use tonic::transport::Channel;

const NOW: i64 = 1_795_000_000_000;
const IP: &str = "81.2.69.142";
const KEY: &str = "6f6ff0e6-6a0c-4b59-9b1b-7b8f0d3e5a11";

struct Api {
    shared: Shared,
    log: Log,
    lease_offset: i64,
}

impl Api {
    fn new() -> Self {
        let clock = Clock::manual(NOW);
        let log = Log::new(clock.clone());
        let bus = Bus::in_memory(log.clone());
        let shared = Shared {
            rules: enforced(),
            leases: Leases::default(),
            index: decider::index::Shared::default(),
            publisher: bus.publisher().unwrap(),
            clock,
        };
        let mut api = Api { shared, log, lease_offset: 0 };
        api.entry(&LeaseEntry::Epoch(Epoch { epoch: 1, replaces: Vec::new() }));
        api
    }

    /// `leases` shows an entry, and both topics are read to their ends.
    fn entry(&mut self, entry: &LeaseEntry) {
        let message = Message::of(entry).unwrap();
        let mut sink = self.shared.leases.sink();
        let raw = Raw::of(&message, Topic::Leases, 0, self.lease_offset, NOW);
        sink.update(Update::Record(raw));
        self.lease_offset += 1;
        for (topic, end) in [(Topic::Leases, self.lease_offset), (Topic::Controls, 0)] {
            sink.update(Update::Reached { topic, partition: 0, end, now: NOW });
        }
    }

    /// A decision was made and folded.
    fn decided(&mut self, decision: &Decision) {
        self.folded(decision);
        self.shared.index.take(NOW, decision.clone(), true);
    }

    /// A decision was folded; the index has not read it.
    fn folded(&mut self, decision: &Decision) {
        let rules = &self.shared.rules;
        let held =
            self.shared.leases.read(|reader| reader.view().lease(&decision.observable).cloned());
        let appended =
            Appended { generation: Generation { epoch: 1, offset: self.lease_offset }, at: NOW };
        let folded = fold(held.as_ref(), decision, appended, &rules.protected, &rules.limits);
        let Folded::Lease(lease) = folded else { panic!("the decision makes a lease") };
        self.entry(&LeaseEntry::Lease(lease));
    }

    /// Every topic was read to its end.
    fn read(&self) {
        TOPICS.into_iter().for_each(|topic| self.shared.index.completed(topic));
    }

    /// The calls of operators, of a decider that has read what was decided before.
    fn overrides(&self) -> Overrides {
        self.read();
        Overrides::new(self.shared.clone())
    }

    fn blocked(&mut self) -> Decision {
        let decision =
            decide(&self.shared.rules, &detection(IP, NOW - 100), &Known::default(), false);
        self.decided(&decision);
        decision
    }

    async fn query(&self) -> (QueryClient<Channel>, DropGuard) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        tokio::spawn(serve_query(self.shared.clone(), listener, shutdown.clone()));
        (QueryClient::connect(format!("http://{address}")).await.unwrap(), shutdown.drop_guard())
    }
}

fn applied(decision: &Decision, point: &str) -> Enforcement {
    let generation = Generation { epoch: 1, offset: 1 };
    Enforcement::of(decision, point, Phase::Apply, Status::Applied, generation, NOW + 20)
}

fn proved(decision: &Decision, point: &str, level: i32) -> Outcome {
    Outcome {
        outcome_id: Outcome::id(
            decision.decision_id,
            point,
            level,
            Phase::Apply,
            Effect::Effective,
            0,
        ),
        decision_id: decision.decision_id,
        observable: decision.observable.clone(),
        point: point.to_owned(),
        level,
        phase: Phase::Apply,
        effect: Effect::Effective,
        change: 0,
        action: decision.action,
        origin: Origin::Pipeline,
        until: decision.until,
        detected_at: decision.detected_at,
        verified_at: NOW + 80,
        verdict: Verdict::InsufficientData,
        reason: String::new(),
    }
}

fn asked<'a>(wish: Wish, observable: &'a str, duration_ms: i64) -> Asked<'a> {
    Asked {
        wish,
        observable,
        duration_ms,
        reason: "test",
        idempotency_key: KEY,
        operator: "spiffe://perimeter/operator/ada",
        admin: true,
    }
}

#[tokio::test]
async fn a_claim_is_listed_with_where_it_stands_and_why() {
    let mut api = Api::new();
    let decision = api.blocked();
    api.shared.index.take(NOW, applied(&decision, "envoy/0"), true);
    api.shared.index.take(NOW, proved(&decision, "envoy", 3), true);
    let (mut client, _serving) = api.query().await;
    let list = client.list(ListRequest::default()).await.unwrap().into_inner();
    let claim = &list.claims[0];
    assert_eq!((list.total, claim.observable.as_str(), claim.in_force), (1, IP, true));
    assert_eq!(claim.explanation, decision.explanation);
    let points: Vec<_> = claim
        .points
        .iter()
        .map(|point| (point.point.as_str(), point.status.as_str(), point.level))
        .collect();
    assert_eq!(points, [("envoy", "", 3), ("envoy/0", "applied", 0)]);
    let state = client.get(GetRequest { observable: IP.to_owned() }).await.unwrap().into_inner();
    assert_eq!((state.action.as_str(), state.claims.len(), state.history.len()), ("block", 1, 3));
    let status = client.status(StatusRequest {}).await.unwrap().into_inner();
    assert_eq!(
        (status.mode.as_str(), status.claims_in_force, status.frozen),
        ("enforced", 1, false)
    );
    assert!(status.problems.is_empty(), "{:?}", status.problems);
}

#[tokio::test]
async fn an_executor_that_refused_is_no_point_that_should_hold_anything() {
    let mut api = Api::new();
    let decision = api.blocked();
    let refused = Enforcement { status: Status::Refused, ..applied(&decision, Enforcement::FOLD) };
    api.shared.index.take(NOW, refused, true);
    // The verifier repeats it.
    let repeated =
        Outcome { effect: Effect::Ineffective, ..proved(&decision, Enforcement::FOLD, 1) };
    api.shared.index.take(NOW, repeated, true);
    api.shared.index.take(NOW, applied(&decision, "envoy/0"), true);
    api.shared.clock.advance(MINUTE);
    let (mut client, _serving) = api.query().await;
    let status = client.status(StatusRequest {}).await.unwrap().into_inner();
    let points: Vec<_> = status.points.iter().map(|point| point.point.as_str()).collect();
    assert_eq!(points, ["envoy/0"]);
    assert!(!status.problems.iter().any(|problem| problem.contains("lacks")), "{status:?}");
    // Of the claim itself it is told.
    let list = client.list(ListRequest::default()).await.unwrap().into_inner();
    let told = list.claims[0].points.iter().map(|point| point.status.as_str());
    assert_eq!(told.collect::<Vec<_>>(), ["applied", "refused"]);
}

#[tokio::test]
async fn an_ended_claim_is_listed_only_when_asked_and_an_outranked_one_says_by_whom() {
    let mut api = Api::new();
    api.blocked();
    api.decided(&common::operator(Action::Allow, "81.2.69.0/24", NOW, HOUR));
    let (mut client, _serving) = api.query().await;
    let list = client.list(ListRequest::default()).await.unwrap().into_inner();
    let pipeline = list.claims.iter().find(|claim| claim.observable == IP).unwrap();
    assert_eq!(pipeline.standing, "outranked by an operator's allow of 81.2.69.0/24");
    let state = client.get(GetRequest { observable: IP.to_owned() }).await.unwrap().into_inner();
    assert_eq!((state.action.as_str(), state.claims.len()), ("allow", 2));
    api.shared.clock.advance(2 * HOUR);
    assert_eq!(client.list(ListRequest::default()).await.unwrap().into_inner().total, 0);
    let ended =
        client.list(ListRequest { include_ended: true, limit: 1 }).await.unwrap().into_inner();
    assert_eq!((ended.total, ended.claims.len()), (2, 1));
}

#[tokio::test]
async fn of_a_network_with_very_many_claims_a_part_is_told_and_what_has_ended_is_left_out_first() {
    let mut api = Api::new();
    for host in 0..1_100 {
        let address = format!("81.3.{}.{}", host / 250, host % 250);
        let lasts = if host % 22 == 0 { MINUTE } else { HOUR };
        api.decided(&common::operator(Action::Block, &address, NOW, lasts));
    }
    api.shared.clock.advance(2 * MINUTE);
    let (mut client, _serving) = api.query().await;
    let mut get = async |observable: &str| {
        let request = GetRequest { observable: observable.to_owned() };
        client.get(request).await.unwrap().into_inner()
    };
    let wide = get("81.3.0.0/16").await;
    assert_eq!((wide.claims.len(), wide.total), (1_000, 1_100));
    assert!(wide.claims.iter().all(|claim| claim.in_force));
    let narrow = get("81.3.1.0/24").await;
    assert_eq!((narrow.claims.len(), narrow.total), (250, 250));
}

#[tokio::test]
async fn of_a_network_with_very_many_claims_what_operators_decided_is_told_first() {
    let mut api = Api::new();
    for host in 0..1_000 {
        let address = format!("81.3.{}.{}", host / 250, host % 250);
        let detection = detection(&address, NOW - 100);
        api.decided(&decide(&api.shared.rules, &detection, &Known::default(), false));
    }
    api.decided(&common::operator(Action::Allow, "81.3.4.0/24", NOW, HOUR));
    let (mut client, _serving) = api.query().await;
    let request = GetRequest { observable: "81.3.0.0/16".to_owned() };
    let wide = client.get(request).await.unwrap().into_inner();
    assert_eq!((wide.claims.len(), wide.total), (1_000, 1_001));
    assert_eq!(wide.claims[0].observable, "81.3.4.0/24");
}

#[tokio::test]
async fn watch_tells_what_happens_to_one_address_and_nothing_else() {
    let api = Api::new();
    let (mut client, _serving) = api.query().await;
    let mut watching =
        client.watch(WatchRequest { observable: IP.to_owned() }).await.unwrap().into_inner();
    api.shared.index.take(NOW, detection("9.9.9.9", NOW), true);
    api.shared.index.take(NOW, detection(IP, NOW - HOUR), false);
    api.shared.index.take(NOW, detection(IP, NOW), true);
    let told = tokio::time::timeout(Duration::from_secs(5), watching.message())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert_eq!((told.kind.as_str(), told.observable.as_str()), ("detection", IP));
    assert_eq!(told.text, "SQL injection (high severity, 99 %) by sqli-union");
}

#[tokio::test]
async fn a_decider_that_has_not_read_the_leases_says_so_instead_of_answering_none() {
    let mut api = Api::new();
    api.shared.leases = Leases::default();
    let (mut client, _serving) = api.query().await;
    assert_eq!(client.list(ListRequest::default()).await.unwrap_err().code(), Code::Unavailable);
    assert_eq!(
        client.get(GetRequest { observable: "x".to_owned() }).await.unwrap_err().code(),
        Code::InvalidArgument
    );
    let status = client.status(StatusRequest {}).await.unwrap().into_inner();
    assert!(status.problems[0].contains("not read to their ends"), "{:?}", status.problems);
}

#[tokio::test]
async fn a_retried_override_is_the_same_decision_and_changes_nothing() {
    let api = Api::new();
    let overrides = api.overrides();
    let first = overrides.decide(&asked(Wish::Block, IP, MINUTE)).await.unwrap();
    api.shared.clock.advance(30_000);
    assert_eq!(overrides.decide(&asked(Wish::Block, IP, MINUTE)).await.unwrap(), first);
    // Another decider has it from the log.
    api.shared.index.take(NOW, first.clone(), true);
    assert_eq!(
        Overrides::new(api.shared.clone()).decide(&asked(Wish::Block, IP, MINUTE)).await.unwrap(),
        first
    );
    let reused = overrides.decide(&asked(Wish::Allow, IP, MINUTE)).await.unwrap_err();
    assert_eq!(reused.code(), Code::InvalidArgument);
    assert_eq!(api.log.messages("decisions").len(), 1);
}

#[tokio::test]
async fn a_fuse_is_a_failed_precondition_and_a_mistake_an_invalid_argument() {
    let overrides = Api::new().overrides();
    for (observable, lasts, code) in [
        ("192.168.1.0/24", MINUTE, Code::FailedPrecondition),
        ("0.0.0.0/0", MINUTE, Code::FailedPrecondition),
        (IP, 100 * 24 * HOUR, Code::FailedPrecondition),
        (IP, 0, Code::InvalidArgument),
        ("nonsense", MINUTE, Code::InvalidArgument),
    ] {
        let refused = overrides.decide(&asked(Wish::Block, observable, lasts)).await.unwrap_err();
        assert_eq!(refused.code(), code, "{observable}: {}", refused.message());
    }
}
