//! What `perimeter dlq` may be given.

use clap::{ArgGroup, Args, Subcommand};
use pipeline::CLASSES;
use schemas::{Millis, Topic};

use super::EXIT_CODES;
use crate::duration;

/// Longest reason of a replay, in bytes: it goes into a header of every record.
const REASON_BYTES_MAX: usize = 512;

#[derive(Debug, Subcommand)]
pub(crate) enum Dlq {
    /// List the dead letters, newest last, with a summary by class.
    #[command(after_long_help = EXIT_CODES)]
    List(DlqList),
    /// Show everything of one dead letter: headers, reason, bytes.
    #[command(after_long_help = EXIT_CODES)]
    Show(DlqShow),
    /// Publish dead letters again to the topic they came from, if today's schema reads them.
    #[command(after_long_help = EXIT_CODES)]
    Replay(DlqReplay),
}

#[derive(Debug, Args)]
pub(crate) struct Brokers {
    /// The brokers' addresses, host:port separated by commas; KAFKA_BOOTSTRAP_SERVERS or the local world's when absent.
    /// Any other KAFKA_X_Y sets librdkafka's property x.y.
    #[arg(long)]
    pub(crate) brokers: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct DlqList {
    /// Only what this topic's reader refused: events, or events.dlq; every topic when absent.
    #[arg(long, value_parser = topic)]
    pub(crate) topic: Option<Topic>,
    /// Only this class, such as malformed or wrong_key.
    #[arg(long, value_parser = class)]
    pub(crate) class: Option<String>,
    /// Only what was refused within this time: 15m, 1h, 7d.
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub(crate) since: Option<Millis>,
    /// Show the newest so many; all are counted.
    #[arg(long, value_name = "COUNT", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub(crate) limit: u16,
    #[command(flatten)]
    pub(crate) brokers: Brokers,
}

#[derive(Debug, Args)]
pub(crate) struct DlqShow {
    /// The topic whose reader refused it: events, or events.dlq.
    #[arg(value_parser = topic)]
    pub(crate) topic: Topic,
    /// Where the dead letter stands, as `dlq list` says.
    #[arg(value_parser = clap::value_parser!(i64).range(0..))]
    pub(crate) offset: i64,
    #[command(flatten)]
    pub(crate) brokers: Brokers,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").required(true).multiple(true))]
pub(crate) struct DlqReplay {
    /// The topic whose reader refused them: events, or events.dlq.
    #[arg(value_parser = topic)]
    pub(crate) topic: Topic,
    /// Where the dead letters stand, as `dlq list` says.
    #[arg(value_name = "OFFSET", group = "which", conflicts_with_all = ["class", "since", "all"],
        value_parser = clap::value_parser!(i64).range(0..))]
    pub(crate) offsets: Vec<i64>,
    /// Every one of this class.
    #[arg(long, group = "which", value_parser = class)]
    pub(crate) class: Option<String>,
    /// Every one that was refused within this time: 15m, 1h, 7d.
    #[arg(long, value_name = "DURATION", group = "which", value_parser = duration::parse)]
    pub(crate) since: Option<Millis>,
    /// Every one there is.
    #[arg(long, group = "which", conflicts_with_all = ["class", "since"])]
    pub(crate) all: bool,
    /// Say what would become of each, and publish nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Why; it stands in a header of every record.
    #[arg(long, value_parser = reason)]
    pub(crate) reason: String,
    #[command(flatten)]
    pub(crate) brokers: Brokers,
}

fn topic(text: &str) -> Result<Topic, String> {
    let name = text.strip_suffix(".dlq").unwrap_or(text);
    Topic::ALL.into_iter().find(|topic| topic.name() == name).ok_or_else(|| {
        let names = Topic::ALL.map(Topic::name).join(", ");
        format!("there is no topic '{text}'; write one of {names}")
    })
}

/// A class that nothing has would find nothing, and look like good news.
fn class(text: &str) -> Result<String, String> {
    if CLASSES.contains(&text) {
        return Ok(text.to_owned());
    }
    Err(format!("there is no class '{text}'; write one of {}", CLASSES.join(", ")))
}

fn reason(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("say why".to_owned()),
        reason if reason.len() > REASON_BYTES_MAX => {
            Err(format!("a reason has at most {REASON_BYTES_MAX} bytes"))
        }
        reason => Ok(reason.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_that_there_is_not_is_wrong_usage_that_names_those_there_are() {
        assert_eq!(class("future").as_deref(), Ok("future"));
        let error = class("nonsense").unwrap_err();
        assert!(error.contains("'nonsense'") && error.contains("future, invalid"), "{error}");
    }
}
