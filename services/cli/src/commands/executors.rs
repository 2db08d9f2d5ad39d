//! Freeze, thaw and the state of each executor by itself: what works with Kafka away.
//!
//! Every executor is asked at once and answers for itself, so that one which is down keeps no other from freezing.

use std::time::Duration;

use futures::future::join_all;
use proto::v1::{AdminRequest, StateReply, StateRequest};
use serde_json::{Value, json};

use super::show;
use crate::args::{Connection, Executors, Freeze};
use crate::connection;
use crate::failure::{Failure, Outcome};
use crate::output::{Cell, Printer, Tone, cell};

/// How long one executor may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// What one executor answered, or why it did not.
pub(crate) struct Answered {
    pub(crate) executor: String,
    pub(crate) answer: Result<StateReply, String>,
}

/// What every executor is asked.
#[derive(Clone, Copy)]
enum Ask<'a> {
    Freeze(&'a str),
    Thaw(&'a str),
    State,
}

/// Whether the executors are meant, and not the log.
pub(crate) fn meant(arguments: &Freeze) -> bool {
    arguments.at_executors || !arguments.executors.addresses.is_empty()
}

pub(crate) async fn freeze(arguments: Freeze, printer: &Printer) -> Outcome {
    let answers = ask_named(&arguments, Ask::Freeze(&arguments.control.reason)).await?;
    print(&answers, printer)?;
    all_answered(&answers)?;
    if printer.json() {
        return Ok(());
    }
    Ok(printer.line(
        "each adds nothing that automation decides until `perimeter thaw --at-executors` or until it is restarted",
    )?)
}

pub(crate) async fn thaw(arguments: Freeze, printer: &Printer) -> Outcome {
    let answers = ask_named(&arguments, Ask::Thaw(&arguments.control.reason)).await?;
    print(&answers, printer)?;
    all_answered(&answers)?;
    let frozen = answers.iter().filter(|answered| answered.frozen()).count();
    match frozen {
        0 => Ok(()),
        frozen => Err(Failure::Findings(format!(
            "{frozen} of {} executors stay frozen: remove the file that is there",
            answers.len()
        ))),
    }
}

/// The state of each executor that is known; none where none is.
pub(crate) async fn states(
    connection: &Connection,
    executors: &Executors,
) -> Result<Vec<Answered>, Failure> {
    let known = connection::executors(connection, &executors.addresses)?;
    Ok(ask(connection, known, Ask::State).await)
}

async fn ask_named(arguments: &Freeze, asked: Ask<'_>) -> Result<Vec<Answered>, Failure> {
    let connection = &arguments.control.connection;
    let known = connection::executors(connection, &arguments.executors.addresses)?;
    if known.is_empty() {
        return Err(Failure::Configuration(
            "no executor is named and no local world runs; give --executor HOST:PORT once for each replica, or set \
             PERIMETER_EXECUTORS"
                .to_owned(),
        ));
    }
    for executor in &known {
        connection::check_admin(connection, executor)?;
    }
    Ok(ask(connection, known, asked).await)
}

async fn ask(connection: &Connection, executors: Vec<String>, asked: Ask<'_>) -> Vec<Answered> {
    let each = executors.into_iter().map(|executor| async move {
        let answer = tokio::time::timeout(ANSWER_TIMEOUT, call(connection, &executor, asked)).await;
        let slow =
            |_| Err(Failure::Error(format!("no answer within {} s", ANSWER_TIMEOUT.as_secs())));
        let answer = answer.unwrap_or_else(slow).map_err(|failure| failure.to_string());
        Answered { executor, answer }
    });
    join_all(each).await
}

async fn call(
    connection: &Connection,
    executor: &str,
    asked: Ask<'_>,
) -> Result<StateReply, Failure> {
    let mut client = connection::admin(connection, executor).await?;
    let because = |reason: &str| AdminRequest { reason: reason.to_owned() };
    let answer = match asked {
        Ask::Freeze(reason) => client.freeze(because(reason)).await,
        Ask::Thaw(reason) => client.thaw(because(reason)).await,
        Ask::State => client.state(StateRequest {}).await,
    };
    // Not told as a decider's answer: which executor it was stands beside it.
    answer
        .map(tonic::Response::into_inner)
        .map_err(|status| Failure::Error(status.message().to_owned()))
}

/// Fails where an executor did not do as it was asked.
fn all_answered(answers: &[Answered]) -> Outcome {
    let failed: Vec<&str> = answers
        .iter()
        .filter(|answered| answered.answer.is_err())
        .map(|answered| answered.executor.as_str())
        .collect();
    if failed.is_empty() {
        return Ok(());
    }
    let others = if failed.len() < answers.len() { "; the others did" } else { "" };
    Err(Failure::Error(format!(
        "{} of {} executors did not do it: {}{others}",
        failed.len(),
        answers.len(),
        failed.join(", ")
    )))
}

fn print(answers: &[Answered], printer: &Printer) -> Outcome {
    if printer.json() {
        return Ok(printer.document(&json!({ "executors": document(answers) }))?);
    }
    table(answers, printer)
}

/// The answers as JSON.
pub(crate) fn document(answers: &[Answered]) -> Vec<Value> {
    let one = |answered: &Answered| {
        let state = answered.answer.as_ref().ok();
        let causes = state.into_iter().flat_map(|state| &state.causes);
        json!({
            "executor": answered.executor,
            "point": state.map(|state| &state.point),
            "frozen": state.map(|state| state.frozen),
            "causes": causes
                .map(|cause| json!({ "since": show::when(cause.since), "text": cause.text }))
                .collect::<Vec<_>>(),
            "problems": state.map(|state| state.problems.clone()).unwrap_or_default(),
            "error": answered.answer.as_ref().err(),
        })
    };
    answers.iter().map(one).collect()
}

/// One row an executor and cause.
pub(crate) fn table(answers: &[Answered], printer: &Printer) -> Outcome {
    let rows: Vec<Vec<Cell>> = answers.iter().flat_map(Answered::rows).collect();
    Ok(printer.table(&["executor", "point", "by itself", ""], &rows)?)
}

impl Answered {
    pub(crate) fn frozen(&self) -> bool {
        self.answer.as_ref().is_ok_and(|state| state.frozen)
    }

    fn rows(&self) -> Vec<Vec<Cell>> {
        let row = |point: &str, state: Cell, text: String| {
            vec![cell(&self.executor), cell(point), state, cell(text)]
        };
        let state = match &self.answer {
            Ok(state) => state,
            Err(error) => {
                return vec![row("-", Cell("no answer".to_owned(), Tone::Bad), error.clone())];
            }
        };
        let mut rows: Vec<Vec<Cell>> = state
            .causes
            .iter()
            .map(|cause| {
                let frozen = Cell("frozen".to_owned(), Tone::Warning);
                row(
                    &state.point,
                    frozen,
                    format!("since {}: {}", show::time(cause.since), cause.text),
                )
            })
            .collect();
        if rows.is_empty() {
            rows.push(row(&state.point, cell("not frozen"), String::new()));
        }
        rows.extend(state.problems.iter().map(|problem| {
            row(&state.point, Cell("problem".to_owned(), Tone::Bad), problem.clone())
        }));
        rows
    }
}
