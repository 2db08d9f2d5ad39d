//! The service `Admin`: this replica's own freeze, on the port where Envoy asks.

use pipeline::{Clock, Context};
use proto::roles::Caller;
use proto::v1::admin_server::{Admin, AdminServer};
use proto::v1::{AdminRequest, FreezeCause, StateReply, StateRequest};
use tonic::{Request, Response, Status};

use crate::freeze::OwnFreeze;
use crate::logic::envoy;
use crate::logic::freeze::CALL_REASON_BYTES_MAX;

/// Longest request that is read.
const REQUEST_BYTES_MAX: usize = 64 * 1024;

/// The calls of one replica.
pub struct Calls {
    point: String,
    freeze: OwnFreeze,
    clock: Clock,
}

/// The service, to be put behind a [`proto::roles::Guard`].
pub fn admin(context: &Context, freeze: &OwnFreeze) -> AdminServer<Calls> {
    let calls = Calls {
        point: envoy::name(context.replica),
        freeze: freeze.clone(),
        clock: context.clock.clone(),
    };
    AdminServer::new(calls).max_decoding_message_size(REQUEST_BYTES_MAX)
}

#[tonic::async_trait]
impl Admin for Calls {
    async fn freeze(&self, call: Request<AdminRequest>) -> Result<Response<StateReply>, Status> {
        let (identity, reason) = asked(&call)?;
        self.freeze.freeze(identity, reason, self.clock.now());
        Ok(self.told())
    }

    async fn thaw(&self, call: Request<AdminRequest>) -> Result<Response<StateReply>, Status> {
        let (identity, reason) = asked(&call)?;
        self.freeze.thaw(identity, reason, self.clock.now());
        Ok(self.told())
    }

    async fn state(&self, _: Request<StateRequest>) -> Result<Response<StateReply>, Status> {
        Ok(self.told())
    }
}

impl Calls {
    fn told(&self) -> Response<StateReply> {
        let (causes, problem) = self.freeze.state();
        let causes: Vec<FreezeCause> = causes
            .all()
            .map(|cause| FreezeCause { since: cause.at, text: cause.text.clone() })
            .collect();
        Response::new(StateReply {
            point: self.point.clone(),
            frozen: !causes.is_empty(),
            causes,
            problems: problem.into_iter().collect(),
        })
    }
}

/// Who asks, and why.
fn asked(call: &Request<AdminRequest>) -> Result<(&str, &str), Status> {
    let identity = &Caller::admitted(call)?.identity;
    match call.get_ref().reason.trim() {
        "" => Err(Status::invalid_argument("a reason is required; your colleagues read it")),
        long if long.len() > CALL_REASON_BYTES_MAX => Err(Status::invalid_argument(format!(
            "the reason has {} bytes, more than the {CALL_REASON_BYTES_MAX} kept",
            long.len()
        ))),
        reason => Ok((identity, reason)),
    }
}
