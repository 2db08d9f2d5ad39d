//! Override over gRPC: what was asked for, and by whom.

use proto::roles::{Caller, Role};
use proto::v1::override_server::Override;
use proto::v1::{
    AllowRequest, BlockRequest, ControlReply, ControlRequest, DecisionReply, ModeReply,
    SetModeRequest, UnblockRequest,
};
use schemas::Millis;
use tonic::{Request, Response, Status};

use super::Overrides;
use crate::logic::overrides::{Asked, Wish};

/// Longest block or unblock that a responder may ask for.
const RESPONDER_MAX_MS: Millis = 60 * 60 * 1000;

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
