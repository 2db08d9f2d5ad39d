//! The whole story of one address: what led to a decision, what came of it, and what is not known any more.

use decider::index::{Shared as Index, TOPICS};
use decider::logic::{Known, decide};
use decider::stage::SharedNetworks;
use decider::tail::{Pasts, Tail};
use pipeline::{Follow as _, Update};
use proto::v1::{Episode, ExplainReply, ExplainRequest, KpisRequest, Step};
use schemas::control::{SCOPE_ALL, SCOPE_MODE};
use schemas::{Action, Control, Decision, Effect, Enforcement, Mode, Outcome, Phase, Status};
use tonic::Code;
use uuid::Uuid;

use super::common::{HOUR, MINUTE, SECOND, detection, operator, rules};
use super::{Api, IP, NOW, applied, proved};

impl Api {
    async fn explain(&self, observable: &str) -> ExplainReply {
        self.read();
        let (mut client, _serving) = self.query().await;
        let request = ExplainRequest { observable: observable.to_owned() };
        client.explain(request).await.unwrap().into_inner()
    }

    /// An attack of 100 ms ago is blocked, and that is proved.
    fn attacked(&mut self) -> Decision {
        self.shared.index.take(NOW - 80, detection(IP, NOW - 100), false);
        let decision = self.blocked();
        self.shared.index.take(NOW, applied(&decision, "envoy/0"), false);
        self.shared.index.take(NOW, proved(&decision, "envoy", 3), false);
        decision
    }
}

fn lifted(decision: &Decision, point: &str, at: i64) -> Enforcement {
    let (phase, status) = (Phase::Lift, Status::Lifted);
    let enforcement_id = Enforcement::id(decision.decision_id, point, phase, status);
    Enforcement { enforcement_id, phase, status, enforced_at: at, ..applied(decision, point) }
}

fn lift_proved(decision: &Decision, point: &str, at: i64) -> Outcome {
    let phase = Phase::Lift;
    let outcome_id = Outcome::id(decision.decision_id, point, 3, phase, Effect::Effective, 0);
    Outcome { outcome_id, phase, verified_at: at, ..proved(decision, point, 3) }
}

fn control(key: u128, scope: &str, frozen: bool, mode: Option<Mode>) -> Control {
    Control {
        control_id: Uuid::from_u128(key),
        scope: scope.to_owned(),
        frozen,
        frozen_since: None,
        requested_at: NOW,
        requested_by: "spiffe://perimeter/operator/ada".to_owned(),
        reason: "release".to_owned(),
        mode,
    }
}

/// `envoy level 3 effective +180 (detection)`.
fn words(step: &Step) -> String {
    let Step { point, phase, level, state, after_ms, since, .. } = step;
    let level = if *level == 0 { String::new() } else { format!("level {level} ") };
    let phase = if phase == "lift" && !level.is_empty() { "lift " } else { "" };
    format!("{point} {phase}{level}{state} {after_ms:+} ({since})")
}

#[track_caller]
fn check(episode: &Episode, standing: &str, steps: &[&str]) {
    assert_eq!(episode.standing, standing);
    assert_eq!(episode.steps.iter().map(words).collect::<Vec<_>>(), steps);
}

#[tokio::test]
async fn a_block_is_told_from_its_evidence_to_the_proof_of_its_lift() {
    let mut api = Api::new();
    let decision = api.attacked();
    let applied_and_proved =
        ["envoy/0 applied +120 (detection)", "envoy level 3 effective +180 (detection)"];
    let reply = api.explain(IP).await;
    assert_eq!((reply.action.as_str(), reply.total, reply.protected), ("block", 1, false));
    let episode = &reply.episodes[0];
    check(episode, "in force", &applied_and_proved);
    let cause = episode.cause.as_ref().unwrap();
    assert_eq!(
        (cause.category.as_str(), cause.provenance.as_str()),
        ("SQL injection", "socket_peer")
    );
    let (told, known) = (&cause.evidence[0], &detection(IP, NOW - 100).evidence[0]);
    assert_eq!((told.weight, told.value.as_str()), (6.0, "1 union select"));
    assert_eq!(told.event_id, known.event_id.to_string());
    let decided = episode.decision.as_ref().unwrap();
    assert_eq!((decided.reason.as_str(), episode.decided_at), ("policy", NOW));
    assert_eq!(decided.explanation, decision.explanation);

    let until = decision.until.unwrap();
    api.shared.clock.advance(until + SECOND - NOW);
    api.shared.index.take(NOW, lifted(&decision, "envoy/0", until + 9), false);
    api.shared.index.take(NOW, lift_proved(&decision, "envoy", until + 60), false);
    let reply = api.explain(IP).await;
    let [applied, level_3] = applied_and_proved;
    let lift = ["envoy/0 lifted +9 (until)", "envoy lift level 3 effective +60 (until)"];
    check(&reply.episodes[0], "ended", &[applied, level_3, lift[0], lift[1]]);
    assert_eq!(
        (reply.action.as_str(), reply.episodes[0].points[0].phase.as_str()),
        ("allow", "lift")
    );
}

#[tokio::test]
async fn a_step_is_told_when_it_changes_something_and_a_repetition_is_not() {
    let mut api = Api::new();
    let decision = api.attacked();
    let (phase, status) = (Phase::Apply, Status::Failed);
    let failed = Enforcement {
        enforcement_id: Enforcement::id(decision.decision_id, "envoy/0", phase, status),
        status,
        enforced_at: NOW + 60,
        ..applied(&decision, "envoy/0")
    };
    api.shared.index.take(NOW, failed, false);
    // A point tells what it holds again after a restart, under the same id.
    for at in [40, 70, 90] {
        let again = Enforcement { enforced_at: NOW + at, ..applied(&decision, "envoy/0") };
        api.shared.index.take(NOW, again, false);
    }
    let reply = api.explain(IP).await;
    let steps = [
        "envoy/0 applied +120 (detection)",
        "envoy/0 failed +160 (detection)",
        "envoy/0 applied +170 (detection)",
        "envoy level 3 effective +180 (detection)",
    ];
    check(&reply.episodes[0], "in force", &steps);
    assert_eq!(reply.episodes[0].points[1].status, "applied");
}

#[tokio::test]
async fn an_override_says_who_asked_and_what_it_outranks() {
    let mut api = Api::new();
    let decision = api.attacked();
    api.decided(&operator(Action::Allow, "81.2.69.0/24", NOW, HOUR));
    api.shared.index.take(NOW, lifted(&decision, "envoy/0", NOW + 30), false);
    let reply = api.explain(IP).await;
    let [blocked, allowed] = &reply.episodes[..] else { panic!("{reply:?}") };
    let steps = [
        "envoy/0 applied +120 (detection)",
        "envoy/0 lifted +130 (detection)",
        "envoy level 3 effective +180 (detection)",
    ];
    check(blocked, "outranked by an operator's allow of 81.2.69.0/24", &steps);
    check(allowed, "in force", &[]);
    let asked = allowed.decision.as_ref().unwrap();
    assert_eq!(asked.decided_by, "spiffe://perimeter/operator/ada");
    assert!(allowed.cause.is_none());
    assert_eq!(api.explain("9.9.9.9").await.total, 0, "it is about somebody else");
}

#[tokio::test]
async fn a_block_that_an_allow_of_the_very_address_ended_says_so_also_when_the_allow_is_over() {
    let mut api = Api::new();
    api.attacked();
    api.decided(&operator(Action::Allow, IP, NOW, MINUTE));
    let steps = ["envoy/0 applied +120 (detection)", "envoy level 3 effective +180 (detection)"];
    for (after, allow) in [(0, "in force"), (MINUTE, "ended")] {
        api.shared.clock.advance(after);
        let reply = api.explain(IP).await;
        assert_eq!(reply.action, "allow", "after {after} ms");
        let [blocked, allowed] = &reply.episodes[..] else { panic!("{reply:?}") };
        check(blocked, "ended by an operator's allow", &steps);
        check(allowed, allow, &[]);
    }
}

#[tokio::test]
async fn a_block_that_comes_just_after_an_allow_of_the_very_address_says_why_it_never_held() {
    let mut api = Api::new();
    api.decided(&operator(Action::Allow, IP, NOW, MINUTE));
    api.blocked();
    let reply = api.explain(IP).await;
    assert_eq!(reply.action, "allow");
    let standings: Vec<&str> =
        reply.episodes.iter().map(|episode| episode.standing.as_str()).collect();
    assert!(standings.contains(&"ended by an operator's allow"), "{standings:?}");
}

#[tokio::test]
async fn what_is_in_force_nowhere_says_why() {
    let mut api = Api::new();
    let simulated = rules("mode = \"simulated\"");
    for (observable, rules, standing) in [
        ("81.2.70.9", &*api.shared.rules, "observed only"),
        ("9.9.9.9", &simulated, "simulated"),
        ("9.9.9.8", &*api.shared.rules, "in no lease yet"),
    ] {
        let decision = decide(rules, &detection(observable, NOW), &Known::default(), false);
        api.shared.index.take(NOW, decision, false);
        let reply = api.explain(observable).await;
        check(&reply.episodes[0], standing, &[]);
        assert_eq!(reply.protected, observable == "81.2.70.9", "{}", reply.explanation);
    }
    api.shared.index.take(NOW, detection("9.9.9.7", NOW), false);
    check(&api.explain("9.9.9.7").await.episodes[0], "not decided yet", &[]);
    api.decided(&operator(Action::Block, "9.9.9.6", NOW, MINUTE));
    api.decided(&operator(Action::Allow, "9.9.9.6", NOW, HOUR));
    let reply = api.explain("9.9.9.6").await;
    let standings: Vec<&str> =
        reply.episodes.iter().map(|episode| episode.standing.as_str()).collect();
    assert!(standings.contains(&"replaced by a newer decision"), "{standings:?}");
}

#[tokio::test]
async fn what_fell_out_is_not_retained_and_never_none() {
    let mut api = Api::new();
    let decision = api.attacked();
    api.shared.index.forget(NOW + 50);
    let reply = api.explain(IP).await;
    // Only the proof lies after that.
    check(
        &reply.episodes[0],
        "its decision is not retained",
        &["envoy level 3 effective +180 (detection)"],
    );
    let beyond = reply.not_retained.unwrap();
    assert_eq!(beyond.before, NOW + 50);
    assert_eq!(beyond.decision_ids, [decision.decision_id.to_string()]);
    api.shared.index.take(NOW, decision, false);
    assert!(api.explain(IP).await.episodes[0].decision.is_none(), "it came back");
}

#[tokio::test]
async fn freezes_and_changes_of_the_mode_are_told_from_the_last_word_before_on() {
    let mut api = Api::new();
    let told = [
        (NOW - HOUR, control(1, SCOPE_ALL, true, None)),
        (NOW - HOUR, control(2, SCOPE_MODE, false, Some(Mode::Enforced))),
        (NOW - MINUTE, control(3, SCOPE_ALL, false, None)),
        (NOW + 10, control(4, SCOPE_MODE, false, Some(Mode::Simulated))),
    ];
    for (at, control) in told {
        api.shared.index.take(at, control, false);
    }
    api.attacked();
    let reply = api.explain(IP).await;
    let texts: Vec<&str> = reply.controls.iter().map(|told| told.text.as_str()).collect();
    let expected = [
        "mode enforced: ada asked for it: release",
        "thaw: ada asked for it: release",
        "mode simulated: ada asked for it: release",
    ];
    assert_eq!(texts, expected);
}

#[tokio::test]
async fn nothing_is_explained_until_all_five_topics_were_read_to_their_ends() {
    let api = Api::new();
    let (mut client, _serving) = api.query().await;
    let index: Index = api.shared.index.clone();
    let mut tail =
        Tail::new(api.shared.rules.clone(), Pasts::default(), SharedNetworks::default(), index);
    let explained = || ExplainRequest { observable: IP.to_owned() };
    for topic in TOPICS {
        let unavailable = client.explain(explained()).await.unwrap_err();
        assert_eq!(unavailable.code(), Code::Unavailable, "before {topic:?}");
        assert_eq!(client.kpis(KpisRequest {}).await.unwrap_err().code(), Code::Unavailable);
        for partition in 0..topic.partitions() {
            tail.update(Update::Reached { topic, partition, end: 0, now: NOW });
        }
    }
    assert_eq!(client.explain(explained()).await.unwrap().into_inner().total, 0);
    let wrong = client.explain(ExplainRequest { observable: "x".to_owned() }).await.unwrap_err();
    assert_eq!(wrong.code(), Code::InvalidArgument);
}
