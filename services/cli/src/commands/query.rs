//! List, get, watch, status: what an operator asks.

use proto::v1::query_client::QueryClient;
use proto::v1::{
    ClaimState, GetRequest, Happening, ListRequest, PointState, StatusReply, StatusRequest,
    WatchRequest,
};
use serde_json::json;
use tonic::Code;
use tonic::transport::Channel;

use super::{executors, show};
use crate::args::{Get, List, Status, Watch};
use crate::duration;
use crate::failure::{Failure, Outcome};
use crate::output::{Cell, Printer, Tone, cell};
use crate::{connection, failure};

pub(crate) async fn list(arguments: List, printer: &Printer) -> Outcome {
    let mut client = connection::query(&arguments.connection).await?;
    let request = ListRequest { limit: arguments.limit, include_ended: arguments.ended };
    let reply = client.list(request).await.map_err(failed)?.into_inner();
    if printer.json() {
        let claims: Vec<_> = reply.claims.iter().map(show::claim).collect();
        return Ok(printer.document(&json!({ "claims": claims, "total": reply.total }))?);
    }
    if reply.claims.is_empty() {
        return Ok(printer.line("nothing is in force")?);
    }
    claims(&reply.claims, printer)?;
    let shown = i64::try_from(reply.claims.len()).unwrap_or(i64::MAX);
    if reply.total > shown {
        printer.line(&format!("{shown} of {} shown; --limit shows more", reply.total))?;
    }
    Ok(())
}

pub(crate) async fn get(arguments: Get, printer: &Printer) -> Outcome {
    let mut client = connection::query(&arguments.connection).await?;
    let request = GetRequest { observable: arguments.observable };
    let state = client.get(request).await.map_err(failed)?.into_inner();
    if printer.json() {
        return Ok(printer.document(&show::state(&state))?);
    }
    printer.row(&[
        cell(&state.observable),
        Cell(state.action.clone(), tone_of_action(&state.action)),
    ])?;
    printer.line(&format!("  {}", state.explanation))?;
    if !state.claims.is_empty() {
        printer.line("")?;
        claims(&state.claims, printer)?;
        let shown = i64::try_from(state.claims.len()).unwrap_or(i64::MAX);
        if state.total > shown {
            printer.line(&format!(
                "{shown} of {} shown; a narrower network shows more",
                state.total
            ))?;
        }
    }
    if !state.history.is_empty() {
        printer.line("")?;
        let rows: Vec<Vec<Cell>> = state
            .history
            .iter()
            .map(|happening| {
                vec![cell(show::time(happening.at)), cell(&happening.kind), cell(&happening.text)]
            })
            .collect();
        printer.table(&["at", "what", ""], &rows)?;
    }
    Ok(())
}

/// What is said when a stream ended for its age.
const ANEW: &str = "the decider ended the stream for its age and it is watched anew; what happened in between may be \
                    missing, and `perimeter get ADDRESS` has it";

/// Prints one line a happening.
pub(crate) async fn watch(arguments: Watch, printer: &Printer) -> Outcome {
    let client = connection::query(&arguments.connection).await?;
    let request = WatchRequest { observable: arguments.observable.unwrap_or_default() };
    let printed = follow(client, request, |told| {
        match told {
            // Beside the answer in either form: it is about the answer.
            Told::Anew => printer.note(ANEW)?,
            Told::Happening(happening) if printer.json() => {
                printer.json_line(&show::happening(&happening))?;
            }
            Told::Happening(happening) => printer.row(&happening_row(&happening))?,
        }
        Ok(())
    });
    tokio::select! {
        ended = printed => ended,
        interrupted = tokio::signal::ctrl_c() => interrupted.map_err(failure::Failure::from),
    }
}

/// What a watcher learns.
enum Told {
    Happening(Happening),
    /// The stream ended for its age, and another one follows.
    Anew,
}

/// Hands on what happens until the decider stops.
async fn follow(
    mut client: QueryClient<Channel>,
    request: WatchRequest,
    mut each: impl FnMut(Told) -> Outcome,
) -> Outcome {
    loop {
        let mut happenings = client.watch(request.clone()).await.map_err(failed)?.into_inner();
        loop {
            match happenings.message().await {
                Ok(Some(happening)) => each(Told::Happening(happening))?,
                Ok(None) => {
                    return Err(Failure::Error(
                        "the decider ended the stream; it is stopping, so watch again".to_owned(),
                    ));
                }
                // No stream outlives a certificate by long. What happens before another one begins is told by neither.
                Err(status) if status.code() == Code::DeadlineExceeded => break,
                Err(status) => return Err(failed(status)),
            }
        }
        each(Told::Anew)?;
    }
}

/// What a decider knows, and beside it what the executors say of themselves: either may be away.
pub(crate) async fn status(arguments: Status, printer: &Printer) -> Outcome {
    let connection = &arguments.connection;
    let asked = async {
        let mut client = connection::query(connection).await?;
        let answer = client.status(StatusRequest {}).await;
        answer.map(tonic::Response::into_inner).map_err(failed)
    };
    let (status, states) = tokio::join!(asked, executors::states(connection, &arguments.executors));
    let states = states?;
    if printer.json() {
        let mut document = match &status {
            Ok(status) => show::status(status),
            Err(failure) => json!({ "error": failure.to_string() }),
        };
        document["executors"] = json!(executors::document(&states));
        printer.document(&document)?;
        return status.map(|_| ());
    }
    if let Ok(status) = &status {
        status_table(status, printer)?;
    }
    if !states.is_empty() {
        printer.line("")?;
        executors::table(&states, printer)?;
    }
    status.map(|_| ())
}

fn status_table(status: &StatusReply, printer: &Printer) -> Outcome {
    let mode = if status.mode == "enforced" { Tone::Good } else { Tone::Warning };
    let freeze = match (status.frozen, status.frozen_since) {
        (false, _) => cell("not frozen"),
        (true, since) => Cell(format!("frozen since {}", show::time(since)), Tone::Warning),
    };
    let rows = [
        vec![cell("mode"), Cell(mode_of(status), mode)],
        vec![cell("automation"), freeze],
        vec![cell("in force"), cell(status.claims_in_force.to_string())],
        vec![cell("view"), cell(format!("{} ms old", status.view_age_ms))],
    ];
    printer.table(&["", ""], &rows)?;
    if !status.points.is_empty() {
        printer.line("")?;
        let rows: Vec<Vec<Cell>> = status
            .points
            .iter()
            .map(|point| {
                let failed = if point.failed > 0 { Tone::Bad } else { Tone::Plain };
                vec![
                    cell(&point.point),
                    cell(point.applied.to_string()),
                    cell(point.proved.to_string()),
                    Cell(point.failed.to_string(), failed),
                    cell(show::time(point.last_at)),
                ]
            })
            .collect();
        printer.table(&["point", "applied", "proved", "failed", "last word"], &rows)?;
    }
    if status.problems.is_empty() {
        return Ok(());
    }
    printer.line("")?;
    let rows: Vec<Vec<Cell>> = status
        .problems
        .iter()
        .map(|problem| vec![Cell("problem".to_owned(), Tone::Bad), cell(problem)])
        .collect();
    Ok(printer.table(&["", ""], &rows)?)
}

/// `simulated (the policy says enforced)` where an operator asked for less than the policy allows.
fn mode_of(status: &StatusReply) -> String {
    if status.mode == status.policy_mode {
        return status.mode.clone();
    }
    format!("{} (the policy says {})", status.mode, status.policy_mode)
}

fn claims(claims: &[ClaimState], printer: &Printer) -> Outcome {
    let now = show::now();
    let rows: Vec<Vec<Cell>> = claims
        .iter()
        .map(|claim| {
            let standing = if claim.in_force { Tone::Plain } else { Tone::Faint };
            vec![
                cell(&claim.observable),
                Cell(claim.action.clone(), tone_of_action(&claim.action)),
                cell(&claim.origin),
                cell(show::time(claim.until)),
                cell(if claim.until > now {
                    duration::show(claim.until - now)
                } else {
                    "-".to_owned()
                }),
                cell(claim.strikes.to_string()),
                Cell(
                    if claim.in_force { "in force".to_owned() } else { claim.standing.clone() },
                    standing,
                ),
                cell(points(&claim.points)),
            ]
        })
        .collect();
    Ok(printer.table(
        &["observable", "action", "origin", "until", "left", "strikes", "standing", "where"],
        &rows,
    )?)
}

/// `envoy/0 applied, envoy level 3 effective`.
fn points(points: &[PointState]) -> String {
    let words = points.iter().map(|point| {
        let level = if point.level > 0 { format!("level {}", point.level) } else { String::new() };
        let phase = if point.phase == "lift" && point.status.is_empty() { "lift" } else { "" };
        let parts = [point.point.as_str(), &point.status, phase, &level, &point.effect];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
    });
    words.collect::<Vec<_>>().join(", ")
}

fn happening_row(happening: &Happening) -> Vec<Cell> {
    let tone = match happening.kind.as_str() {
        "detection" => Tone::Warning,
        "decision" | "control" => Tone::Bad,
        "outcome" => Tone::Good,
        _ => Tone::Faint,
    };
    vec![
        Cell(show::time_of_day(happening.at), Tone::Faint),
        Cell(format!("{:<11}", happening.kind), tone),
        cell(format!("{:<18}", happening.observable)),
        cell(&happening.text),
    ]
}

pub(crate) fn tone_of_action(action: &str) -> Tone {
    match action {
        "block" => Tone::Bad,
        "allow" => Tone::Good,
        _ => Tone::Plain,
    }
}

fn failed(status: tonic::Status) -> Failure {
    Failure::from_status(&status)
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::sync::atomic::{AtomicI64, Ordering};

    use futures::Stream;
    use proto::v1::query_server::{Query, QueryServer};
    use proto::v1::{
        ExplainReply, ExplainRequest, KpisReply, KpisRequest, ListReply, ObservableState,
    };
    use tonic::transport::server::TcpIncoming;
    use tonic::transport::{Endpoint, Server};
    use tonic::{Request, Response};

    use super::*;

    /// The most that a decider lists.
    const CLAIMS: usize = 10_000;

    /// A decider that ends the first stream for its age, the second as it stops, and lists as much as one ever does.
    #[derive(Default)]
    struct Decider(AtomicI64);

    type Answer<T> = Result<Response<T>, tonic::Status>;

    #[tonic::async_trait]
    impl Query for Decider {
        type WatchStream = Pin<Box<dyn Stream<Item = Result<Happening, tonic::Status>> + Send>>;

        async fn watch(&self, _: Request<WatchRequest>) -> Answer<Self::WatchStream> {
            let at = self.0.fetch_add(1, Ordering::Relaxed);
            let mut told = vec![Ok(Happening { at, ..Happening::default() })];
            if at == 0 {
                told.push(Err(tonic::Status::deadline_exceeded("a stream lasts 15 min at most")));
            }
            Ok(Response::new(Box::pin(tokio_stream::iter(told))))
        }

        async fn list(&self, _: Request<ListRequest>) -> Answer<ListReply> {
            let claim = ClaimState { explanation: "x".repeat(2_000), ..ClaimState::default() };
            let (claims, total) = (vec![claim; CLAIMS], 10_000);
            Ok(Response::new(ListReply { claims, total }))
        }

        async fn get(&self, _: Request<GetRequest>) -> Answer<ObservableState> {
            nothing()
        }

        async fn explain(&self, _: Request<ExplainRequest>) -> Answer<ExplainReply> {
            nothing()
        }

        async fn kpis(&self, _: Request<KpisRequest>) -> Answer<KpisReply> {
            nothing()
        }

        async fn status(&self, _: Request<StatusRequest>) -> Answer<StatusReply> {
            nothing()
        }
    }

    fn nothing<T: Default>() -> Answer<T> {
        Ok(Response::new(T::default()))
    }

    async fn client() -> QueryClient<Channel> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = Endpoint::from_shared(format!("http://{}", listener.local_addr().unwrap()));
        let server = Server::builder().add_service(QueryServer::new(Decider::default()));
        tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
        connection::querying(endpoint.unwrap().connect().await.unwrap())
    }

    #[tokio::test]
    async fn a_stream_that_ended_for_its_age_is_followed_by_another() {
        let mut told = Vec::new();
        let ended = follow(client().await, WatchRequest::default(), |item| {
            told.push(match item {
                Told::Happening(happening) => Some(happening.at),
                Told::Anew => None,
            });
            Ok(())
        });
        let ended = ended.await.unwrap_err().to_string();
        assert!(ended.contains("it is stopping"), "{ended}");
        assert_eq!(told, [Some(0), None, Some(1)], "what may be missing is told where it may be");
    }

    #[tokio::test]
    async fn as_many_claims_as_a_decider_lists_at_most_are_read() {
        let listed = client().await.list(ListRequest::default()).await.unwrap().into_inner();
        assert_eq!(listed.claims.len(), CLAIMS);
    }
}
