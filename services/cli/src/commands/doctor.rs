//! `perimeter doctor`: what keeps the loop from closing. Every part is asked by itself, so one that is down hides
//! nothing else; nothing is written anywhere.

mod judge;

use std::time::Duration;

use observe::Policy;
use pipeline::admin::{self, Bootstrapped};
use pipeline::{Bus, Clock, From};
use proto::v1::{StatusReply, StatusRequest};
use schemas::{Event, Millis, Topic};
use serde_json::json;

use self::judge::{Appended, Seen};
use super::{config, executors};
use crate::args::{Connection, Doctor};
use crate::bootstrap::kafka::bus;
use crate::connection;
use crate::failure::{Failure, Outcome};
use crate::findings::{self, Finding};
use crate::output::{Cell, Printer, Tone, cell};

/// How long one part may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// How many of the newest events of each partition are looked at.
const EVENTS_LOOKED_AT: i64 = 200;

/// What was found, and which parts could be asked.
#[derive(Default)]
struct Report {
    findings: Vec<Finding>,
    well: Vec<&'static str>,
}

impl Report {
    /// Notes what one part came to.
    fn add(&mut self, part: &'static str, found: Vec<Finding>) {
        if found.is_empty() {
            self.well.push(part);
        }
        self.findings.extend(found);
    }
}

pub(crate) async fn run(arguments: &Doctor, printer: &Printer) -> Outcome {
    let mut report = Report::default();
    let policy = policy(arguments, &mut report)?;
    kafka(arguments, policy.as_ref(), &mut report).await;
    report.add("decider", decider(&arguments.connection).await);
    let states = executors::states(&arguments.connection, &arguments.executors).await?;
    if !states.is_empty() {
        report.add("executors", judge::executors(&states));
    }
    print(&report, printer)
}

fn print(report: &Report, printer: &Printer) -> Outcome {
    if printer.json() {
        let found: Vec<_> = report.findings.iter().map(Finding::document).collect();
        printer.document(&json!({ "findings": found, "well": report.well }))?;
    } else {
        let rows: Vec<Vec<Cell>> = report
            .well
            .iter()
            .map(|part| vec![Cell("well".to_owned(), Tone::Good), cell(*part)])
            .collect();
        printer.table(&["", ""], &rows)?;
        for finding in &report.findings {
            printer.line("")?;
            finding.print(printer)?;
        }
    }
    match report.findings.len() {
        0 => Ok(()),
        count => Err(Failure::Findings(format!("{count} finding(s), see above"))),
    }
}

fn policy(arguments: &Doctor, report: &mut Report) -> Result<Option<Policy>, Failure> {
    let Some(file) = config::policy_file(arguments.policy.as_deref())? else { return Ok(None) };
    match config::read_policy(&file) {
        Ok(policy) => {
            report.add("policy", findings::of_policy(&policy));
            Ok(Some(policy))
        }
        Err(failure) => {
            let why = "no service starts with a policy that cannot be used";
            let remedy = "mend the file; `perimeter config check` says when it can be used";
            report.add("policy", vec![Finding::new("policy", failure.to_string(), why, remedy)]);
            Ok(None)
        }
    }
}

async fn kafka(arguments: &Doctor, policy: Option<&Policy>, report: &mut Report) {
    let unreachable = |what: String| {
        vec![Finding::new(
            "kafka",
            what,
            "everything between two services is a topic: without Kafka what is in force stays and ends on time, and \
             nothing new is decided",
            "look at the brokers and at the addresses and KAFKA_… settings",
        )]
    };
    let bus = match bus(arguments.brokers.as_deref()) {
        Ok(bus) => bus,
        Err(failure) => return report.add("kafka", unreachable(failure.to_string())),
    };
    let now = Clock::system().now();
    let request = admin::Bootstrap { dry_run: true, ..admin::Bootstrap::default() };
    let made: Bootstrapped = match admin::bootstrap(&bus, request, now).await {
        Ok(made) => made,
        Err(error) => return report.add("kafka", unreachable(format!("{error:#}"))),
    };
    report.add("kafka", judge::topics(&made));
    if !made.present.iter().any(|name| name == Topic::Events.name()) {
        return;
    }
    let read = tokio::task::spawn_blocking(move || newest_events(&bus));
    match tokio::time::timeout(ANSWER_TIMEOUT, read).await {
        Ok(Ok(Ok((seen, appended)))) => {
            report.add("clocks", judge::clocks(now, &appended));
            report.add("clients", judge::clients(&seen, policy));
        }
        Ok(Ok(Err(error))) => report.add("events", unreachable(format!("{error:#}"))),
        Ok(Err(error)) => report.add("events", unreachable(error.to_string())),
        Err(_) => report
            .add("events", unreachable("the newest events could not be read in time".to_owned())),
    }
}

/// The newest events of every partition: whose they are, and when they were received and appended.
fn newest_events(bus: &Bus) -> anyhow::Result<(Vec<Seen>, Vec<Appended>)> {
    let read_back = bus.read_back();
    let (mut seen, mut appended) = (Vec::new(), Vec::new());
    for partition in 0..Topic::Events.partitions() {
        let end = read_back.read(Topic::Events, partition, From::End, &mut |_| Ok(()))?;
        let from = From::Offset((end - EVENTS_LOOKED_AT).max(0));
        read_back.read(Topic::Events, partition, from, &mut |raw| {
            if let Ok(event) = raw.decode::<Event>() {
                appended.push(Appended { at: raw.timestamp, received_at: event.received_at });
                if !event.probe {
                    seen.push(Seen { client: event.client, provenance: event.provenance });
                }
            }
            Ok(())
        })?;
    }
    Ok((seen, appended))
}

async fn decider(way: &Connection) -> Vec<Finding> {
    let asked = async {
        let mut client = connection::query(way).await?;
        let status = client.status(StatusRequest {}).await;
        status.map(tonic::Response::into_inner).map_err(|status| Failure::from_status(&status))
    };
    let answered: Result<StatusReply, Failure> =
        match tokio::time::timeout(ANSWER_TIMEOUT, asked).await {
            Ok(answered) => answered,
            Err(_) => Err(Failure::Error("the decider did not answer in time".to_owned())),
        };
    match answered {
        Ok(status) => judge::status(&status),
        Err(failure) => vec![Finding::new(
            "decider",
            failure.to_string(),
            "detections wait unanswered while no decider runs, and nobody can override",
            "look at the decider's log; give --endpoint, --ca, --cert and --key where no local world runs",
        )],
    }
}

/// A difference of clocks, for a person.
fn seconds(ms: Millis) -> String {
    format!("{:.1} s", ms as f64 / 1_000.0)
}
