//! Override: what an operator changes. Every answer comes after Kafka acknowledged.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use proto::roles::{Caller, Role};
use proto::v1::override_server::Override;
use proto::v1::{
    AllowRequest, BlockRequest, ControlReply, ControlRequest, DecisionReply, ModeReply,
    SetModeRequest, UnblockRequest,
};
use schemas::control::{SCOPE_ALL, SCOPE_MODE};
use schemas::{Action, Control, Decision, Millis, Record, Setting};
use tokio::sync::Mutex;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::{Shared, answers};
use crate::logic::overrides::{Asked, Refused, decision, idempotency_key, mode, reason, repeats};
use crate::names;

/// How long a call waits for Kafka. The record may arrive later all the same, so a repeat uses the same key.
const ACKNOWLEDGE_TIMEOUT: Duration = Duration::from_secs(10);
/// Requests just answered, until the follower shows them.
const JUST_MAX: usize = 1_000;
/// Longest block or unblock that a responder may ask for.
const RESPONDER_MAX_MS: Millis = 60 * 60 * 1000;

/// The Override service.
pub struct Overrides {
    shared: Shared,
    /// One request at a time: two with the same key must not both be new.
    just: Arc<Mutex<Just>>,
}

#[derive(Default)]
struct Just {
    decisions: VecDeque<Decision>,
    controls: VecDeque<(Uuid, Setting)>,
}

impl Overrides {
    pub fn new(shared: Shared) -> Self {
        Overrides { shared, just: Arc::default() }
    }

    /// Makes `asked` a decision and publishes it, unless the same key was answered before.
    pub async fn decide(&self, asked: &Asked<'_>) -> Result<Decision, Status> {
        let key = idempotency_key(asked.idempotency_key).map_err(status)?;
        let mut just = self.just.lock().await;
        let known = just.decisions.iter().find(|decision| decision.decision_id == key).cloned();
        let known =
            known.or_else(|| self.shared.index.read(|index| index.decision_of(key).cloned()));
        if let Some(known) = known {
            if repeats(&known, asked) {
                return Ok(known);
            }
            return Err(Status::invalid_argument(format!(
                "the idempotency key {key} was used for another request; draw a new one"
            )));
        }
        let decision =
            decision(&self.shared.rules, asked, self.shared.clock.now()).map_err(status)?;
        self.publish(&decision).await?;
        tracing::info!(
            decision = decision.explanation,
            by = asked.operator,
            "an operator overrides"
        );
        if just.decisions.len() == JUST_MAX {
            just.decisions.pop_front();
        }
        just.decisions.push_back(decision.clone());
        Ok(decision)
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
        let mut just = self.just.lock().await;
        let known =
            just.controls.iter().find(|(id, _)| *id == control_id).map(|(_, known)| Some(*known));
        let known = known.or_else(|| self.shared.index.read(|index| index.control_of(control_id)));
        match known {
            Some(known) if known == Some(setting) => return Ok(()),
            Some(_) => {
                return Err(Status::invalid_argument(format!(
                    "the idempotency key {control_id} was used for another request; draw a new one"
                )));
            }
            None => {}
        }
        let (complete, since) =
            self.shared.leases.read(|reader| (reader.complete(), reader.view().frozen_since()));
        // A freeze that forgot since when another stands would let in what was decided between the two.
        if !complete {
            return Err(Status::unavailable(
                "this decider has not read the controls yet; ask again in a moment",
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
        if just.controls.len() == JUST_MAX {
            just.controls.pop_front();
        }
        just.controls.push_back((control_id, setting));
        Ok(())
    }

    async fn publish<R: Record + Sync>(&self, record: &R) -> Result<(), Status> {
        match tokio::time::timeout(ACKNOWLEDGE_TIMEOUT, self.shared.publisher.publish(record)).await
        {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Status::unavailable(format!(
                "{error}; ask again with the same idempotency key"
            ))),
            Err(_) => Err(Status::unavailable(format!(
                "Kafka did not acknowledge within {} s; ask again with the same idempotency key",
                ACKNOWLEDGE_TIMEOUT.as_secs()
            ))),
        }
    }
}

/// Block, unblock and allow say the same things in messages of their own.
macro_rules! asked {
    ($action:expr, $request:expr, $caller:expr) => {
        Asked {
            action: $action,
            observable: &$request.observable,
            duration_ms: $request.duration_ms,
            reason: &$request.reason,
            idempotency_key: &$request.idempotency_key,
            operator: &$caller.identity,
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
        self.decide(&asked!(Action::Block, request, caller)).await.map(replied)
    }

    async fn unblock(
        &self,
        request: Request<UnblockRequest>,
    ) -> Result<Response<DecisionReply>, Status> {
        let (caller, request) = (Caller::admitted(&request)?, request.get_ref());
        within_role(caller, request.duration_ms)?;
        self.decide(&asked!(Action::Allow, request, caller)).await.map(replied)
    }

    async fn allow(
        &self,
        request: Request<AllowRequest>,
    ) -> Result<Response<DecisionReply>, Status> {
        let (caller, request) = (Caller::admitted(&request)?, request.get_ref());
        if request.duration_ms == 0 {
            return Err(Status::invalid_argument(
                "an allow needs a duration; nothing is allowed for ever",
            ));
        }
        self.decide(&asked!(Action::Allow, request, caller)).await.map(replied)
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
    if caller.role != Some(Role::Admin) && duration_ms > RESPONDER_MAX_MS {
        return Err(Status::permission_denied(format!(
            "{} may ask for {} min at most; more takes an operator's certificate",
            caller.identity,
            RESPONDER_MAX_MS / 60_000
        )));
    }
    Ok(())
}

fn replied(decision: Decision) -> Response<DecisionReply> {
    Response::new(DecisionReply { decision: Some(answers::decision(&decision)) })
}

fn status(refused: Refused) -> Status {
    match refused {
        Refused::Invalid(sentence) => Status::invalid_argument(sentence),
        Refused::Fuse(sentence) => Status::failed_precondition(sentence),
    }
}
