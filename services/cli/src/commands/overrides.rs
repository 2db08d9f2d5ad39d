//! Block, unblock, allow, freeze, thaw, mode: what an operator changes.

use proto::v1::{
    AllowRequest, BlockRequest, ControlReply, ControlRequest, Decision, DecisionReply, ModeReply,
    SetModeRequest, UnblockRequest,
};
use serde_json::{Value, json};
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
    decided(client.block(request).await.map(tonic::Response::into_inner), printer)
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
    decided(client.unblock(request).await.map(tonic::Response::into_inner), printer)
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
    decided(client.allow(request).await.map(tonic::Response::into_inner), printer)
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

fn decided(answer: Result<DecisionReply, Status>, printer: &Printer) -> Outcome {
    let DecisionReply { decision, outranked_by } =
        answer.map_err(|status| Failure::from_status(&status))?;
    let Some(decision) = decision else {
        return Err(Failure::Error("the decider answered without a decision".to_owned()));
    };
    if printer.json() {
        printer.document(&document(&decision, &outranked_by))?;
    } else {
        printer.line(&format!(
            "{} {} until {}",
            decision.action,
            decision.observable,
            show::time(decision.until)
        ))?;
        printer.line(&format!("  {}", decision.explanation))?;
        printer.line(&format!("  decision {}", decision.decision_id))?;
    }
    in_force(&decision, &outranked_by)
}

fn document(decision: &Decision, outranked_by: &str) -> Value {
    let mut document = show::decision(decision);
    document["outranked_by"] = Some(outranked_by).filter(|told| !told.is_empty()).into();
    document
}

/// What was decided and is not in force needs a person: whoever asked for it takes it to be.
fn in_force(decision: &Decision, outranked_by: &str) -> Outcome {
    if outranked_by.is_empty() {
        return Ok(());
    }
    let Decision { action, observable, .. } = decision;
    Err(Failure::Findings(format!(
        "the {action} of {observable} is decided and not in force: it is outranked by {outranked_by}; \
         `perimeter get {observable}` shows until when"
    )))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_decided_and_not_in_force_says_so_and_ends_with_4() {
        let decision = Decision {
            action: "block".to_owned(),
            observable: "81.2.69.142".to_owned(),
            ..Decision::default()
        };
        assert_eq!(in_force(&decision, ""), Ok(()));
        assert_eq!(document(&decision, "")["outranked_by"], Value::Null);
        let by = "an operator's allow of 81.2.69.0/24";
        assert_eq!(document(&decision, by)["outranked_by"], by);
        let failure = in_force(&decision, by).unwrap_err();
        assert_eq!(failure.exit_code(), 4);
        let told = failure.to_string();
        assert!(told.contains("block of 81.2.69.142 is decided and not in force"), "{told}");
        assert!(told.contains(&format!("outranked by {by}")), "{told}");
    }
}
