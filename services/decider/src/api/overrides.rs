//! Override: what an operator changes. Every answer comes after Kafka acknowledged.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use proto::mtls;
use proto::v1::override_server::Override;
use proto::v1::{BlockRequest, ControlReply, ControlRequest, DecisionReply, UnblockRequest};
use schemas::control::SCOPE_ALL;
use schemas::{Action, Control, Decision, Record};
use tokio::sync::Mutex;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::{Shared, answers};
use crate::logic::overrides::{Asked, Refused, decision, idempotency_key, reason, repeats};

/// How long a call waits for Kafka. The record may arrive later all the same, so a repeat uses the same key.
const ACKNOWLEDGE_TIMEOUT: Duration = Duration::from_secs(10);
/// Requests just answered, until the follower shows them.
const JUST_MAX: usize = 1_000;

/// The Override service.
pub struct Overrides {
    shared: Shared,
    /// One request at a time: two with the same key must not both be new.
    just: Arc<Mutex<Just>>,
}

#[derive(Default)]
struct Just {
    decisions: VecDeque<Decision>,
    controls: VecDeque<(Uuid, bool)>,
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
        let control_id = idempotency_key(&asked.idempotency_key).map_err(status)?;
        let reason = reason(&asked.reason).map_err(status)?;
        let mut just = self.just.lock().await;
        let known =
            just.controls.iter().find(|(id, _)| *id == control_id).map(|(_, frozen)| *frozen);
        let known = known.or_else(|| self.shared.index.read(|index| index.control_of(control_id)));
        let (complete, since) =
            self.shared.leases.read(|reader| (reader.complete(), reader.view().frozen_since()));
        match known {
            Some(known) if known == frozen => return Ok(self.state(frozen)),
            Some(_) => {
                return Err(Status::invalid_argument(format!(
                    "the idempotency key {control_id} was used for another request; draw a new one"
                )));
            }
            None => {}
        }
        // A freeze that forgot since when another stands would let in what was decided between the two.
        if !complete {
            return Err(Status::unavailable(
                "this decider has not read the controls yet; ask again in a moment",
            ));
        }
        let control = Control {
            control_id,
            scope: SCOPE_ALL.to_owned(),
            frozen,
            frozen_since: since.filter(|_| frozen),
            requested_at: self.shared.clock.now(),
            requested_by: operator.to_owned(),
            reason: reason.to_owned(),
        };
        self.publish(&control).await?;
        tracing::warn!(frozen, by = operator, reason, "automation was frozen or thawed");
        if just.controls.len() == JUST_MAX {
            just.controls.pop_front();
        }
        just.controls.push_back((control_id, frozen));
        Ok(self.state(frozen))
    }

    fn state(&self, frozen: bool) -> ControlReply {
        let since = self.shared.leases.read(|reader| reader.view().frozen_since());
        ControlReply { frozen, frozen_since: since.filter(|_| frozen).unwrap_or(0) }
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

#[tonic::async_trait]
impl Override for Overrides {
    async fn block(
        &self,
        request: Request<BlockRequest>,
    ) -> Result<Response<DecisionReply>, Status> {
        let operator = mtls::operator(&request)?;
        let asked = request.into_inner();
        let asked = Asked {
            action: Action::Block,
            observable: &asked.observable,
            duration_ms: asked.duration_ms,
            reason: &asked.reason,
            idempotency_key: &asked.idempotency_key,
            operator: &operator,
        };
        self.decide(&asked).await.map(replied)
    }

    async fn unblock(
        &self,
        request: Request<UnblockRequest>,
    ) -> Result<Response<DecisionReply>, Status> {
        let operator = mtls::operator(&request)?;
        let asked = request.into_inner();
        let asked = Asked {
            action: Action::Allow,
            observable: &asked.observable,
            duration_ms: asked.duration_ms,
            reason: &asked.reason,
            idempotency_key: &asked.idempotency_key,
            operator: &operator,
        };
        self.decide(&asked).await.map(replied)
    }

    async fn freeze(
        &self,
        request: Request<ControlRequest>,
    ) -> Result<Response<ControlReply>, Status> {
        let operator = mtls::operator(&request)?;
        self.control(request.get_ref(), true, &operator).await.map(Response::new)
    }

    async fn thaw(
        &self,
        request: Request<ControlRequest>,
    ) -> Result<Response<ControlReply>, Status> {
        let operator = mtls::operator(&request)?;
        self.control(request.get_ref(), false, &operator).await.map(Response::new)
    }
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
