//! Override: what an operator changes. Every answer comes after Kafka acknowledged.

use std::collections::VecDeque;
use std::time::Duration;

use proto::roles::{Caller, Role};
use proto::v1::override_server::Override;
use proto::v1::{
    AllowRequest, BlockRequest, ControlReply, ControlRequest, DecisionReply, ModeReply,
    SetModeRequest, UnblockRequest,
};
use schemas::control::{SCOPE_ALL, SCOPE_MODE};
use schemas::{Control, Decision, Millis, Mode, Record, Setting, Topic};
use tokio::sync::Mutex;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::{Shared, answers, standing};
use crate::logic::overrides::{
    Asked, Refused, Standing, Wish, decision, idempotency_key, leased, mode, observable,
    outranked_by, reason, repeats,
};
use crate::names;

/// How long a call waits for Kafka, and before that for the calls before it, which do. The record may arrive later all the
/// same, so a repeat uses the same key.
const ACKNOWLEDGE_TIMEOUT: Duration = Duration::from_secs(10);
/// Requests just answered, until the follower shows them.
const JUST_MAX: usize = 1_000;
/// Longest block or unblock that a responder may ask for.
const RESPONDER_MAX_MS: Millis = 60 * 60 * 1000;

/// The Override service.
pub struct Overrides {
    shared: Shared,
    /// What was just decided, and when. One request at a time: two with the same key must not both be new.
    decisions: Mutex<VecDeque<(Millis, Decision)>>,
    /// The same of freezes and modes. Nobody who stops automation waits for a block that Kafka has not taken yet.
    controls: Mutex<VecDeque<(Uuid, Setting)>>,
    acknowledge_within: Duration,
}

impl Overrides {
    pub fn new(shared: Shared) -> Self {
        let (decisions, controls) = (Mutex::default(), Mutex::default());
        Overrides { shared, decisions, controls, acknowledge_within: ACKNOWLEDGE_TIMEOUT }
    }

    /// Makes `asked` a decision and publishes it, unless the same key was answered before.
    pub async fn decide(&self, asked: &Asked<'_>) -> Result<Decision, Status> {
        self.decided(asked).await.map(|(decision, _)| decision)
    }

    /// As [`Overrides::decide`], as the caller is told it: with what outranks the decision.
    pub async fn answer(&self, asked: &Asked<'_>) -> Result<DecisionReply, Status> {
        let (decision, standing) = self.decided(asked).await?;
        let outranked_by = outranked_by(&decision, &standing, self.shared.clock.now());
        let decision = Some(answers::decision(&decision));
        Ok(DecisionReply { decision, outranked_by: outranked_by.unwrap_or_default() })
    }

    /// The decision, and what operators decided last about what lies around and inside it; about the very network only where
    /// the decision is told again, for it may not be the last any more.
    async fn decided(&self, asked: &Asked<'_>) -> Result<(Decision, Vec<Standing>), Status> {
        let key = idempotency_key(asked.idempotency_key).map_err(status)?;
        let mut just = self.acknowledged(self.decisions.lock()).await?;
        let (rules, now) = (&self.shared.rules, self.shared.clock.now());
        let mut standing = self.standing(asked, &just);
        let known = just.iter().find(|(_, decision)| decision.decision_id == key).cloned();
        if let Some((at, known)) = known.or_else(|| self.decided_before(key, asked)) {
            let same = repeats(rules, &known, at, asked);
            return if same { Ok((known, standing)) } else { Err(used(key)) };
        }
        self.ready()?;
        let decision = decision(rules, asked, &standing, now).map_err(status)?;
        self.publish(&decision).await?;
        tracing::info!(
            decision = decision.explanation,
            by = asked.operator,
            "an operator overrides"
        );
        if just.len() == JUST_MAX {
            just.pop_front();
        }
        just.push_back((now, decision.clone()));
        // Of the very network, this is what operators decided last.
        standing.retain(|standing| standing.network != decision.observable.network());
        Ok((decision, standing))
    }

    /// What was decided under `key`, by any decider, and when: as `decisions` has it, or, where that is not read yet, as
    /// the lease on the observable does.
    fn decided_before(&self, key: Uuid, asked: &Asked<'_>) -> Option<(Millis, Decision)> {
        let told = self.shared.index.read(|index| {
            index.story(key)?.decision().map(|(at, decision)| (at, decision.clone()))
        });
        told.or_else(|| {
            let observable = observable(asked).ok()?;
            self.shared.leases.read(|reader| {
                let claims = &reader.view().lease(&observable)?.claims;
                let claim = claims.iter().find(|claim| claim.decision_id == key)?;
                Some((claim.decided_at, leased(observable.clone(), claim)))
            })
        })
    }

    /// Whether it is known what was decided before: a repeat must not be taken for a new request, and what stands must be
    /// seen.
    fn ready(&self) -> Result<(), Status> {
        let decisions = self.shared.index.read(|index| index.has_read(Topic::Decisions));
        if decisions && self.shared.leases.read(|reader| reader.complete()) {
            return Ok(());
        }
        Err(Status::unavailable(
            "this decider has just started and has not read yet what was decided before; ask again in a moment, with the \
             same idempotency key",
        ))
    }

    /// What operators decided last about what is asked about, and about what lies around and inside it. Not by the
    /// leases alone: they show a decision only a moment after it was acknowledged.
    fn standing(&self, asked: &Asked<'_>, just: &VecDeque<(Millis, Decision)>) -> Vec<Standing> {
        let Ok(observable) = observable(asked) else { return Vec::new() };
        let (network, index) = (observable.network(), &self.shared.index);
        self.shared.leases.read(|reader| {
            index.read(|index| standing::standing(network, reader.view(), index, just))
        })
    }

    /// Freezes or thaws automation, unless the same key was answered before.
    pub async fn control(
        &self,
        asked: &ControlRequest,
        frozen: bool,
        operator: &str,
    ) -> Result<ControlReply, Status> {
        let setting = Setting::Frozen(frozen);
        self.set(setting, &asked.idempotency_key, &asked.reason, operator).await?;
        let since = self.shared.leases.read(|reader| reader.view().frozen_since());
        Ok(ControlReply { frozen, frozen_since: since.filter(|_| frozen).unwrap_or(0) })
    }

    /// Sets the mode, unless the same key was answered before.
    pub async fn mode(&self, asked: &SetModeRequest, operator: &str) -> Result<ModeReply, Status> {
        let mode = mode(&self.shared.rules, &asked.mode).map_err(status)?;
        let (key, reason) = (&asked.idempotency_key, &asked.reason);
        self.set(Setting::Mode(mode), key, reason, operator).await?;
        let rules = &self.shared.rules;
        Ok(ModeReply {
            mode: names::mode(rules.mode(Some(mode))).to_owned(),
            policy_mode: names::mode(rules.policy.mode).to_owned(),
        })
    }

    async fn set(
        &self,
        setting: Setting,
        key: &str,
        why: &str,
        operator: &str,
    ) -> Result<(), Status> {
        let control_id = idempotency_key(key).map_err(status)?;
        let reason = reason(why).map_err(status)?;
        let mut just = self.acknowledged(self.controls.lock()).await?;
        let known = just.iter().find(|(id, _)| *id == control_id).map(|(_, known)| Some(*known));
        let known = known.or_else(|| self.shared.index.read(|index| index.control_of(control_id)));
        match known {
            Some(known) if known == Some(setting) => return Ok(()),
            Some(_) => return Err(used(control_id)),
            None => {}
        }
        let (complete, since) =
            self.shared.leases.read(|reader| (reader.complete(), reader.view().frozen_since()));
        // What lets automation go on must be no repeat: somebody may have stopped it again since. A freeze waits only so
        // long as it could forget since when another stands, and let in what was decided between the two.
        let stops = matches!(setting, Setting::Frozen(true) | Setting::Mode(Mode::Simulated));
        let known = stops || self.shared.index.read(|index| index.has_read(Topic::Controls));
        if !complete || !known {
            return Err(Status::unavailable(
                "this decider has just started and has not read yet what was said about automation before; ask again in \
                 a moment, with the same idempotency key",
            ));
        }
        let (scope, frozen, mode) = match setting {
            Setting::Frozen(frozen) => (SCOPE_ALL, frozen, None),
            Setting::Mode(mode) => (SCOPE_MODE, false, Some(mode)),
        };
        let control = Control {
            control_id,
            scope: scope.to_owned(),
            frozen,
            frozen_since: since.filter(|_| frozen),
            requested_at: self.shared.clock.now(),
            requested_by: operator.to_owned(),
            reason: reason.to_owned(),
            mode,
        };
        self.publish(&control).await?;
        let what = names::setting(Some(setting));
        tracing::warn!(what, by = operator, reason, "what automation may do was changed");
        if just.len() == JUST_MAX {
            just.pop_front();
        }
        just.push_back((control_id, setting));
        Ok(())
    }

    async fn publish<R: Record + Sync>(&self, record: &R) -> Result<(), Status> {
        let published = self.acknowledged(self.shared.publisher.publish(record)).await?;
        published.map_err(|error| {
            Status::unavailable(format!("{error}; ask again with the same idempotency key"))
        })
    }

    /// Waits for what is over once Kafka acknowledged, and no longer than that may take.
    async fn acknowledged<T>(&self, waiting: impl Future<Output = T>) -> Result<T, Status> {
        tokio::time::timeout(self.acknowledge_within, waiting).await.map_err(|_| {
            Status::unavailable(format!(
                "Kafka did not acknowledge within {} s; ask again with the same idempotency key",
                self.acknowledge_within.as_secs()
            ))
        })
    }
}

/// Block, unblock and allow say the same things in messages of their own.
macro_rules! asked {
    ($wish:expr, $request:expr, $caller:expr) => {
        Asked {
            wish: $wish,
            observable: &$request.observable,
            duration_ms: $request.duration_ms,
            reason: &$request.reason,
            idempotency_key: &$request.idempotency_key,
            operator: &$caller.identity,
            admin: admin($caller),
        }
    };
}

#[tonic::async_trait]
impl Override for Overrides {
    async fn block(
        &self,
        request: Request<BlockRequest>,
    ) -> Result<Response<DecisionReply>, Status> {
        let (caller, request) = (Caller::admitted(&request)?, request.get_ref());
        within_role(caller, request.duration_ms)?;
        self.answer(&asked!(Wish::Block, request, caller)).await.map(Response::new)
    }

    async fn unblock(
        &self,
        request: Request<UnblockRequest>,
    ) -> Result<Response<DecisionReply>, Status> {
        let (caller, request) = (Caller::admitted(&request)?, request.get_ref());
        within_role(caller, request.duration_ms)?;
        self.answer(&asked!(Wish::Unblock, request, caller)).await.map(Response::new)
    }

    async fn allow(
        &self,
        request: Request<AllowRequest>,
    ) -> Result<Response<DecisionReply>, Status> {
        let (caller, request) = (Caller::admitted(&request)?, request.get_ref());
        self.answer(&asked!(Wish::Allow, request, caller)).await.map(Response::new)
    }

    async fn freeze(
        &self,
        request: Request<ControlRequest>,
    ) -> Result<Response<ControlReply>, Status> {
        let operator = &Caller::admitted(&request)?.identity;
        self.control(request.get_ref(), true, operator).await.map(Response::new)
    }

    async fn thaw(
        &self,
        request: Request<ControlRequest>,
    ) -> Result<Response<ControlReply>, Status> {
        let operator = &Caller::admitted(&request)?.identity;
        self.control(request.get_ref(), false, operator).await.map(Response::new)
    }

    async fn set_mode(
        &self,
        request: Request<SetModeRequest>,
    ) -> Result<Response<ModeReply>, Status> {
        let operator = &Caller::admitted(&request)?.identity;
        self.mode(request.get_ref(), operator).await.map(Response::new)
    }
}

/// What a responder asks for lasts an hour at most.
fn within_role(caller: &Caller, duration_ms: Millis) -> Result<(), Status> {
    if !admin(caller) && duration_ms > RESPONDER_MAX_MS {
        return Err(Status::permission_denied(format!(
            "{} may ask for {} min at most; more takes an operator's certificate",
            caller.identity,
            RESPONDER_MAX_MS / 60_000
        )));
    }
    Ok(())
}

fn admin(caller: &Caller) -> bool {
    caller.role == Some(Role::Admin)
}

fn used(key: Uuid) -> Status {
    Status::invalid_argument(format!(
        "the idempotency key {key} was used for another request; draw a new one"
    ))
}

fn status(refused: Refused) -> Status {
    match refused {
        Refused::Invalid(sentence) => Status::invalid_argument(sentence),
        Refused::Fuse(sentence) => Status::failed_precondition(sentence),
        Refused::Role(sentence) => Status::permission_denied(sentence),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use observe::Policy;
    use pipeline::memory::Log;
    use pipeline::{Bus, Clock, Follow as _, Leases, Update};

    use super::*;
    use crate::logic::Rules;

    const NOW: Millis = 1_795_000_000_000;
    const ADA: &str = "spiffe://perimeter/operator/ada";

    fn overrides() -> Overrides {
        let clock = Clock::manual(NOW);
        let bus = Bus::in_memory(Log::new(clock.clone()));
        let leases = Leases::default();
        for topic in [Topic::Leases, Topic::Controls] {
            leases.sink().update(Update::Reached { topic, partition: 0, end: 0, now: NOW });
        }
        Overrides::new(Shared {
            rules: Arc::new(Rules::new(Policy::parse("").unwrap())),
            leases,
            index: crate::index::Shared::default(),
            publisher: bus.publisher().unwrap(),
            clock,
        })
    }

    #[tokio::test]
    async fn a_freeze_does_not_wait_for_a_block_that_kafka_does_not_take() {
        let overrides = overrides();
        // Who waits for Kafka to take a decision holds this.
        let _stuck = overrides.decisions.lock().await;
        let idempotency_key = Uuid::from_u128(1).to_string();
        let asked = ControlRequest { reason: "it blocks our partner".to_owned(), idempotency_key };
        let freezing = overrides.control(&asked, true, ADA);
        let frozen = tokio::time::timeout(Duration::from_secs(5), freezing).await;
        assert!(frozen.expect("it waits for the block").unwrap().frozen);
    }

    #[tokio::test]
    async fn whoever_waits_behind_somebody_for_whom_kafka_does_nothing_is_told_so_as_he_is() {
        let overrides = Overrides { acknowledge_within: Duration::ZERO, ..overrides() };
        let _stuck = (overrides.decisions.lock().await, overrides.controls.lock().await);
        let idempotency_key = Uuid::from_u128(1).to_string();
        let asked = ControlRequest { reason: "a test".to_owned(), idempotency_key };
        let behind_a_freeze = overrides.control(&asked, true, ADA).await.unwrap_err();
        let asked = Asked {
            wish: Wish::Block,
            observable: "81.2.69.142",
            duration_ms: 60_000,
            reason: "a test",
            idempotency_key: &asked.idempotency_key,
            operator: ADA,
            admin: true,
        };
        let behind_a_block = overrides.decide(&asked).await.unwrap_err();
        for told in [behind_a_freeze, behind_a_block] {
            assert_eq!(told.code(), tonic::Code::Unavailable);
            assert!(told.message().starts_with("Kafka did not acknowledge"), "{}", told.message());
        }
    }
}
