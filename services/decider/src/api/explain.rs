//! The whole story of one address or network, as the gRPC contract shows it. Data in, data out.

use std::collections::{BTreeSet, HashSet};

use ipnet::IpNet;
use proto::v1::{Cause, Episode, Evidence, ExplainReply, Happening, NotRetained, Step};
use schemas::{
    Action, Decision, Detection, Lease, Millis, Mode, Observable, Phase, Protected, Setting,
    Status, View,
};
use uuid::Uuid;

use super::answers;
use crate::index::{Consequence, Index, Story};
use crate::names;

/// Most episodes in one answer: the newest.
const EPISODES_MAX: usize = 100;
/// Most steps of one episode: the newest.
const STEPS_MAX: usize = 200;
const CONTROLS_MAX: usize = 100;
/// Most ids of decisions that are not retained.
const NOT_RETAINED_MAX: usize = 100;

/// What holds around the story.
pub(crate) struct Around<'a> {
    pub(crate) view: &'a View,
    pub(crate) protected: &'a Protected,
    pub(crate) now: Millis,
}

pub(crate) fn explain(observable: &Observable, index: &Index, around: &Around<'_>) -> ExplainReply {
    let network = observable.network();
    let (action, protected, explanation) =
        answers::holding(network, around.view, around.protected, around.now);
    let stories = index.stories(network);
    let shown = &stories[stories.len().saturating_sub(EPISODES_MAX)..];
    let began_at = shown.first().map_or(around.now, |(_, story)| story.began_at());
    ExplainReply {
        observable: observable.to_string(),
        action: names::action(action).to_owned(),
        explanation,
        protected,
        episodes: shown.iter().map(|(id, story)| episode(*id, story, around)).collect(),
        total: answers::count(stories.len()),
        controls: controls(index, began_at),
        not_retained: Some(not_retained(network, index, around.view)),
    }
}

fn episode(id: Uuid, story: &Story, around: &Around<'_>) -> Episode {
    let (decided_at, decision) = story.decision().unzip();
    let steps = story.steps();
    let shown = &steps[steps.len().saturating_sub(STEPS_MAX)..];
    let cause = story.detection();
    let clocks = Clocks::of(story);
    Episode {
        cause: cause.map(cause_of),
        decision: decision.map(answers::decision),
        decided_at: decided_at.unwrap_or(0),
        steps: shown.iter().map(|step| step_of(*step, &clocks)).collect(),
        points: story.points(),
        standing: match decision {
            Some(decision) => standing(decision, &steps, around),
            None if cause.is_some() => "not decided yet".to_owned(),
            None => "its decision is not retained".to_owned(),
        },
        decision_id: id.to_string(),
        observable: story
            .network()
            .map_or_else(String::new, |network| Observable::from(network).to_string()),
    }
}

fn cause_of(detection: &Detection) -> Cause {
    let evidence = detection.evidence.iter().map(|piece| Evidence {
        rule: piece.rule.clone(),
        place: piece.place.clone(),
        value: piece.value.clone(),
        weight: piece.weight,
        explanation: piece.explanation.clone(),
        event_id: piece.event_id.to_string(),
    });
    Cause {
        detection_id: detection.detection_id.to_string(),
        detected_at: detection.detected_at,
        category: detection.category.words().to_owned(),
        severity: names::severity(detection.severity).to_owned(),
        probability: detection.probability,
        provenance: names::provenance(detection.provenance).to_owned(),
        evidence: evidence.collect(),
    }
}

/// From when the steps of a story are counted.
struct Clocks {
    begun: Option<(Millis, &'static str)>,
    until: Option<Millis>,
}

impl Clocks {
    fn of(story: &Story) -> Self {
        let decision = story.decision();
        let told = story.consequences().filter_map(|consequence| match consequence {
            Consequence::Proof(proof) => Some(proof),
            Consequence::Act(_) => None,
        });
        let detected_at = story
            .detection()
            .map(|detection| detection.detected_at)
            .or(decision.and_then(|(_, decision)| decision.detected_at))
            .or(told.filter_map(|proof| proof.detected_at).next());
        let begun = match (detected_at, decision) {
            (Some(at), _) => Some((at, "detection")),
            (None, Some((at, _))) => Some((at, "decision")),
            (None, None) => None,
        };
        let ends = story.consequences().filter_map(Consequence::until);
        let until = decision.and_then(|(_, decision)| decision.until).or(ends.last());
        Clocks { begun, until }
    }
}

fn step_of(step: Consequence<'_>, clocks: &Clocks) -> Step {
    let lifted = step.phase() == Phase::Lift;
    let due = clocks.until.filter(|until| lifted && step.at() >= *until);
    let since = due.map(|until| (until, "until")).or(clocks.begun);
    Step {
        at: step.at(),
        point: step.point().to_owned(),
        phase: names::phase(step.phase()).to_owned(),
        level: step.level(),
        state: step.state().to_owned(),
        reason: step.reason().to_owned(),
        after_ms: since.map_or(0, |(since, _)| step.at().saturating_sub(since)),
        since: since.map_or_else(String::new, |(_, name)| name.to_owned()),
    }
}

/// Where the decision stands now, in words.
fn standing(decision: &Decision, steps: &[Consequence<'_>], around: &Around<'_>) -> String {
    let Around { view, protected, now } = *around;
    if decision.action == Action::Observe {
        return "observed only".to_owned();
    }
    if decision.mode == Mode::Simulated {
        return "simulated".to_owned();
    }
    let refusal = steps.iter().find_map(|step| match step {
        Consequence::Act(act) if act.status == Status::Refused => Some(&act.reason),
        _ => None,
    });
    if let Some(reason) = refusal {
        return format!("refused: {reason}");
    }
    let lease = view.lease(&decision.observable);
    let claim = lease.and_then(|lease| lease.claim(decision.origin));
    match (claim.filter(|claim| claim.decision_id == decision.decision_id), lease) {
        (Some(claim), _) => {
            answers::standing(decision.observable.network(), claim, view, protected, now)
                .unwrap_or_else(|| "in force".to_owned())
        }
        (None, _) if decision.until.is_some_and(|until| until <= now) => "ended".to_owned(),
        (None, Some(lease)) if lease.recent_decisions.contains(&decision.decision_id) => {
            "replaced by a newer decision".to_owned()
        }
        (None, _) => "in no lease yet".to_owned(),
    }
}

/// What was said about automation since `began_at`, and the last word of each kind before.
fn controls(index: &Index, began_at: Millis) -> Vec<Happening> {
    let mut shown = Vec::new();
    let mut stood = HashSet::new();
    for (control, happening) in index.controls().into_iter().rev().take(CONTROLS_MAX) {
        let freezes = matches!(control.setting(), Some(Setting::Frozen(_)));
        if happening.at > began_at || stood.insert(freezes) {
            shown.push(happening);
        }
    }
    shown.reverse();
    shown
}

fn not_retained(network: IpNet, index: &Index, view: &View) -> NotRetained {
    let before = index.retained_since();
    let leases = answers::leases_about(view, network);
    let ids: BTreeSet<Uuid> = leases.iter().flat_map(|lease| named(lease, before)).collect();
    let lacking = ids.into_iter().filter(|id| index.decision_of(*id).is_none());
    let decision_ids = lacking.take(NOT_RETAINED_MAX).map(|id| id.to_string()).collect();
    NotRetained { before, decision_ids }
}

/// The decisions that a lease names, but for those that are on their way to the index.
fn named(lease: &Lease, before: Millis) -> impl Iterator<Item = Uuid> {
    let coming = move |id: Uuid| {
        lease.claims.iter().any(|claim| claim.decision_id == id && claim.decided_at >= before)
    };
    let claimed = lease.claims.iter().map(|claim| claim.decision_id);
    let ids = claimed.chain(lease.recent_decisions.iter().copied());
    ids.filter(move |id| !coming(*id))
}
