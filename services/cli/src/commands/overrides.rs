//! Block, unblock, allow, freeze, thaw, mode: what an operator changes.

use proto::v1::{
    AllowRequest, BlockRequest, ControlReply, ControlRequest, Decision, ModeReply, SetModeRequest,
    UnblockRequest,
};
use serde_json::json;
use tonic::Status;

use super::{executors, show};
use crate::args::{Block, Control, Freeze, Mode, ModeName, Unblock};
use crate::connection;
use crate::failure::{Failure, Outcome};
use crate::output::Printer;

pub(crate) async fn block(arguments: Block, printer: &Printer) -> Outcome {
    let mut client = connection::overrides(&arguments.control.connection).await?;
    let ControlRequest { reason, idempotency_key } = control(arguments.control);
    let request = BlockRequest {
        observable: arguments.observable,
        duration_ms: arguments.duration,
        reason,
        idempotency_key,
    };
    decided(client.block(request).await.map(|reply| reply.into_inner().decision), printer)
}

pub(crate) async fn unblock(arguments: Unblock, printer: &Printer) -> Outcome {
    let mut client = connection::overrides(&arguments.control.connection).await?;
    let ControlRequest { reason, idempotency_key } = control(arguments.control);
    let request = UnblockRequest {
        observable: arguments.observable,
        duration_ms: arguments.duration.unwrap_or(0),
        reason,
        idempotency_key,
    };
    decided(client.unblock(request).await.map(|reply| reply.into_inner().decision), printer)
}

pub(crate) async fn allow(arguments: Block, printer: &Printer) -> Outcome {
    let mut client = connection::overrides(&arguments.control.connection).await?;
    let ControlRequest { reason, idempotency_key } = control(arguments.control);
    let request = AllowRequest {
        observable: arguments.observable,
        duration_ms: arguments.duration,
        reason,
        idempotency_key,
    };
    decided(client.allow(request).await.map(|reply| reply.into_inner().decision), printer)
}

pub(crate) async fn mode(arguments: Mode, printer: &Printer) -> Outcome {
    let mut client = connection::overrides(&arguments.control.connection).await?;
    let mode = match arguments.mode {
        ModeName::Simulated => "simulated",
        ModeName::Enforced => "enforced",
    };
    let ControlRequest { reason, idempotency_key } = control(arguments.control);
    let request = SetModeRequest { mode: mode.to_owned(), reason, idempotency_key };
    let reply = client.set_mode(request).await.map_err(|status| Failure::from_status(&status))?;
    let ModeReply { mode, policy_mode } = reply.into_inner();
    if printer.json() {
        return Ok(printer.document(&json!({ "mode": mode, "policy_mode": policy_mode }))?);
    }
    let meaning = match mode.as_str() {
        "simulated" => "what automation decides from now on is recorded and enforced nowhere",
        _ => "what automation decides from now on is enforced",
    };
    Ok(printer.line(&format!("{mode}: {meaning}"))?)
}

pub(crate) async fn freeze(arguments: Freeze, printer: &Printer) -> Outcome {
    if executors::meant(&arguments) {
        return executors::freeze(arguments, printer).await;
    }
    let mut client = connection::overrides(&arguments.control.connection).await?;
    let frozen = client.freeze(control(arguments.control)).await;
    controlled(frozen.map(tonic::Response::into_inner), printer)
}

pub(crate) async fn thaw(arguments: Freeze, printer: &Printer) -> Outcome {
    if executors::meant(&arguments) {
        return executors::thaw(arguments, printer).await;
    }
    let mut client = connection::overrides(&arguments.control.connection).await?;
    let thawed = client.thaw(control(arguments.control)).await;
    controlled(thawed.map(tonic::Response::into_inner), printer)
}

fn control(arguments: Control) -> ControlRequest {
    ControlRequest { reason: arguments.reason, idempotency_key: key(arguments.idempotency_key) }
}

fn key(given: Option<String>) -> String {
    given.unwrap_or_else(|| uuid::Uuid::new_v4().to_string())
}

fn decided(answer: Result<Option<Decision>, Status>, printer: &Printer) -> Outcome {
    let decision = answer.map_err(|status| Failure::from_status(&status))?;
    let Some(decision) = decision else {
        return Err(Failure::Error("the decider answered without a decision".to_owned()));
    };
    if printer.json() {
        return Ok(printer.document(&show::decision(&decision))?);
    }
    printer.line(&format!(
        "{} {} until {}",
        decision.action,
        decision.observable,
        show::time(decision.until)
    ))?;
    printer.line(&format!("  {}", decision.explanation))?;
    Ok(printer.line(&format!("  decision {}", decision.decision_id))?)
}

fn controlled(answer: Result<ControlReply, Status>, printer: &Printer) -> Outcome {
    let reply = answer.map_err(|status| Failure::from_status(&status))?;
    if printer.json() {
        let document =
            json!({ "frozen": reply.frozen, "frozen_since": show::when(reply.frozen_since) });
        return Ok(printer.document(&document)?);
    }
    let line = match (reply.frozen, reply.frozen_since) {
        (true, 0) => "frozen: automation may add nothing until thawed".to_owned(),
        (true, since) => {
            format!("frozen since {}: automation may add nothing until thawed", show::time(since))
        }
        (false, _) => "thawed: automation may act".to_owned(),
    };
    Ok(printer.line(&line)?)
}
