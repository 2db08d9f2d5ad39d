//! The command line.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use ipnet::IpNet;
use schemas::Millis;

use crate::duration;
use crate::input::STANDARD_INPUT;

mod bootstrap;
mod detect;
mod dlq;
mod executors;

pub(crate) use bootstrap::{BootstrapAws, BootstrapKafka, Position, WafScope};
pub(crate) use detect::{
    Evaluate, ExplainRequest, Inputs, ModelCommand, ModelCompare, ModelPromote, ModelRollback,
    Rules, RulesExcept, RulesExplain, RulesList, RulesTest, RulesWhyNot, Score, Train,
};
pub(crate) use dlq::{Dlq, DlqList, DlqReplay, DlqShow};
pub(crate) use executors::{Executors, Freeze, Status};

const EXIT_CODES: &str = "\
Exit codes:
  0   done
  1   an error: not reachable, not permitted, not as it should be
  2   wrong usage
  3   refused by a fuse: protected, too wide, too long, more than the policy's mode
  4   done, and something needs a person: rows that could not be scored, a log of which no line could be replayed,
      findings of `doctor`, records that were not published again, a block that an operator's allow outranks
  64  a setting cannot be used; nothing was connected to

Connection:
  --endpoint, --ca, --cert and --key, or PERIMETER_ENDPOINT, PERIMETER_CA, PERIMETER_CERT and PERIMETER_KEY, name a
  decider's mTLS port and the operator's certificate; --executor, or PERIMETER_EXECUTORS, the executors'. Without them
  the local world is used: the first target/world/world.json on the way up from the current directory.";

/// See, block, lift and undo what Perimeter does.
#[derive(Debug, Parser)]
#[command(name = "perimeter", version, after_long_help = EXIT_CODES, arg_required_else_help = true)]
pub(crate) struct Arguments {
    /// How to print the answer.
    #[arg(long, global = true, value_enum, default_value_t = Format::Table)]
    pub(crate) output: Format,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// One JSON document, or one per line where the answer is a stream.
    Json,
    /// Aligned columns for a person.
    Table,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Block an address or network until it lapses.
    #[command(after_long_help = EXIT_CODES)]
    Block(Block),
    /// Lift whatever holds for an address or network, and keep automation off it for a while.
    ///
    /// What automation blocks on that very address or network stays lifted afterwards; a block of an address inside the
    /// network holds again until its own end.
    #[command(after_long_help = EXIT_CODES)]
    Unblock(Unblock),
    /// Keep automation, and blocks by others, off an address or network until it lapses.
    ///
    /// What automation blocks on that very address or network stays lifted afterwards; a block of an address inside the
    /// network holds again until its own end.
    #[command(after_long_help = EXIT_CODES)]
    Allow(Block),
    /// List the claims in force, newest first.
    #[command(after_long_help = EXIT_CODES)]
    List(List),
    /// Say what holds for one address or network, where, and why.
    #[command(after_long_help = EXIT_CODES)]
    Get(Get),
    /// Tell the whole story of one address or network: evidence, decisions, where in force, proofs, lifts.
    #[command(after_long_help = EXIT_CODES)]
    Explain(Get),
    /// Show the key figures of the last 24 hours: contained, time to proof, false positives, lifted on time.
    #[command(after_long_help = EXIT_CODES)]
    Kpis(Connection),
    /// Show what happens, as it happens: a live board on a terminal, else one line a happening.
    #[command(after_long_help = EXIT_CODES)]
    Watch(Watch),
    /// Show mode, freeze, enforcement points and what is down.
    #[command(after_long_help = EXIT_CODES)]
    Status(Status),
    /// Keep automation from adding anything until thawed.
    #[command(after_long_help = EXIT_CODES)]
    Freeze(Freeze),
    /// Let automation act again.
    #[command(after_long_help = EXIT_CODES)]
    Thaw(Freeze),
    /// Say whether what automation decides from now on is enforced or only recorded.
    #[command(after_long_help = EXIT_CODES)]
    Mode(Mode),
    /// Say of recorded requests, each by itself, whether they are attacks, and why: one JSON line a row.
    #[command(after_long_help = EXIT_CODES)]
    Score(Score),
    /// Say piece by piece what makes one request an attack, or not.
    #[command(after_long_help = EXIT_CODES)]
    ExplainRequest(ExplainRequest),
    /// See, test and except the signatures that requests are read with.
    #[command(subcommand)]
    Rules(Rules),
    /// Learn a model from labelled requests.
    #[command(after_long_help = EXIT_CODES)]
    Train(Train),
    /// Measure detection on labelled requests, one source left out at a time.
    #[command(after_long_help = EXIT_CODES)]
    Evaluate(Evaluate),
    /// Compare models, and put one in place of another.
    #[command(subcommand)]
    Model(ModelCommand),
    /// Decide over a recorded log as the scorer and the decider would, in the log's own time; nothing is enforced.
    #[command(after_long_help = EXIT_CODES)]
    Replay(Replay),
    /// Check the settings without connecting to anything.
    #[command(subcommand)]
    Config(Config),
    /// Look for what keeps the loop from closing: settings, clocks, unreachable parts, points that do not enforce.
    #[command(after_long_help = EXIT_CODES)]
    Doctor(Doctor),
    /// Print a shell's completion script.
    Completions(Completions),
    /// Show how log files would be read: one JSON line a file.
    #[command(after_long_help = EXIT_CODES)]
    Parse(Parse),
    /// See what was refused and why, and publish it again once the cause is gone.
    #[command(subcommand)]
    Dlq(Dlq),
    /// Make what Perimeter needs in Kafka or AWS, and check what is there.
    #[command(subcommand)]
    Bootstrap(Bootstrap),
}

impl Command {
    /// Whether it changes something, and so must not stop half-way because nobody reads what it says.
    pub(crate) fn acts(&self) -> bool {
        matches!(
            self,
            Command::Block(_)
                | Command::Unblock(_)
                | Command::Allow(_)
                | Command::Freeze(_)
                | Command::Thaw(_)
                | Command::Mode(_)
                | Command::Bootstrap(_)
                | Command::Dlq(Dlq::Replay(_))
        )
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Check a policy file, warn of one that could never act, and show what it comes to.
    #[command(after_long_help = EXIT_CODES)]
    Check(ConfigCheck),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Bootstrap {
    /// Make the topics that are missing, with the epoch, and compare those that exist.
    #[command(after_long_help = EXIT_CODES)]
    Kafka(BootstrapKafka),
    /// Make the IP sets and the web ACL that refuses what is in them.
    #[command(after_long_help = EXIT_CODES)]
    Aws(BootstrapAws),
}

/// Where the decider is, and who asks.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Connection {
    /// The decider's mTLS port, for example https://decider.internal:9301.
    #[arg(long, env = "PERIMETER_ENDPOINT")]
    pub(crate) endpoint: Option<String>,
    /// PEM file of the authority that signed the decider's certificate.
    #[arg(long, env = "PERIMETER_CA", value_name = "FILE")]
    pub(crate) ca: Option<String>,
    /// PEM file of your certificate.
    #[arg(long, env = "PERIMETER_CERT", value_name = "FILE")]
    pub(crate) cert: Option<String>,
    /// PEM file of your private key.
    #[arg(long, env = "PERIMETER_KEY", value_name = "FILE")]
    pub(crate) key: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Block {
    /// 81.2.69.142, 81.2.69.0/24 or 2a00:1450:0:5::/64; a bare IPv6 address means its /64.
    pub(crate) observable: String,
    /// How long: 15m, 1h, 7d.
    #[arg(long = "for", value_name = "DURATION", value_parser = duration::lasting)]
    pub(crate) duration: Millis,
    #[command(flatten)]
    pub(crate) control: Control,
}

#[derive(Debug, Args)]
pub(crate) struct Unblock {
    /// 81.2.69.142, 81.2.69.0/24 or 2a00:1450:0:5::/64; a bare IPv6 address means its /64.
    pub(crate) observable: String,
    /// How long automation is kept off it; 1h unless said otherwise. An allow that lasts longer stays as it is.
    #[arg(long = "for", value_name = "DURATION", value_parser = duration::lasting)]
    pub(crate) duration: Option<Millis>,
    #[command(flatten)]
    pub(crate) control: Control,
}

#[derive(Debug, Args)]
pub(crate) struct Control {
    /// Why; your colleagues read it.
    #[arg(long)]
    pub(crate) reason: String,
    /// A UUID of yours; the same one again is the same request. Drawn for you when absent.
    #[arg(long, value_name = "UUID")]
    pub(crate) idempotency_key: Option<String>,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Debug, Args)]
pub(crate) struct Mode {
    /// The policy file's mode is the upper bound; what is in force stays until its end.
    #[arg(value_enum)]
    pub(crate) mode: ModeName,
    #[command(flatten)]
    pub(crate) control: Control,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ModeName {
    Simulated,
    Enforced,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// At most this many.
    #[arg(long, default_value_t = 1000)]
    pub(crate) limit: i32,
    /// Show claims that ended within the last 24 hours as well.
    #[arg(long)]
    pub(crate) ended: bool,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Debug, Args)]
pub(crate) struct Get {
    /// 81.2.69.142, 81.2.69.0/24 or 2a00:1450:0:5::/64; a bare IPv6 address means its /64.
    pub(crate) observable: String,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Debug, Args)]
pub(crate) struct Watch {
    /// Only this address or network; everything when absent.
    pub(crate) observable: Option<String>,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// A format's name (docs/formats.md has them all), or a template as in nginx's log_format.
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: observe::logs::Format,
    /// The policy to decide by; when absent, an empty one that enforces and knows the usual routes of logins.
    #[arg(long, env = "PERIMETER_POLICY", value_name = "FILE")]
    pub(crate) policy: Option<String>,
    /// Decide as if the policy's mode were enforced: only then does a block stand, and count as a strike when it ends.
    #[arg(long)]
    pub(crate) enforced: bool,
    /// Sum up for a person, instead of one JSON line per decision.
    #[arg(long)]
    pub(crate) summary: bool,
    /// How many observables a summary shows, those acted against first; 10 when absent, in JSON all.
    #[arg(long, value_name = "N", requires = "summary")]
    pub(crate) top: Option<usize>,
    /// The log file, plain or gzip; standard input for - or nothing.
    #[arg(default_value = STANDARD_INPUT)]
    pub(crate) file: String,
}

#[derive(Debug, Args)]
pub(crate) struct ConfigCheck {
    /// The policy file; the local world's when absent.
    #[arg(long, env = "PERIMETER_POLICY", value_name = "FILE")]
    pub(crate) policy: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell that the script is for.
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// The brokers' addresses, host:port separated by commas; KAFKA_BOOTSTRAP_SERVERS or the local world's when absent.
    #[arg(long)]
    pub(crate) brokers: Option<String>,
    /// The policy file; the local world's when absent.
    #[arg(long, env = "PERIMETER_POLICY", value_name = "FILE")]
    pub(crate) policy: Option<String>,
    #[command(flatten)]
    pub(crate) executors: Executors,
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[derive(Debug, Args)]
pub(crate) struct Parse {
    /// Log files, plain or compressed with gzip; standard input for -.
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// auto, a format's name (docs/formats.md has them all), or a template as in nginx's log_format, such as
    /// '$remote_addr [$time_local] "$request" $status'.
    #[arg(long, default_value = "auto", value_parser = log_format)]
    pub(crate) format: LogFormat,
    /// The proxies whose X-Forwarded-For is believed, as addresses or networks separated by commas.
    #[arg(long, value_name = "CIDR", value_delimiter = ',', value_parser = network)]
    pub(crate) proxies: Vec<IpNet>,
    /// Print the first so many events of each file before its line.
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    pub(crate) show: u64,
    /// The year of dates that have none; the newest that is at most a day ahead when absent.
    #[arg(long)]
    pub(crate) year: Option<u16>,
    /// Minutes east of UTC, for dates that have no zone.
    #[arg(long, value_name = "MINUTES", default_value_t = 0, allow_hyphen_values = true,
        value_parser = clap::value_parser!(i16).range(-1_440..=1_440))]
    pub(crate) utc_offset: i16,
}

/// A declared format, or the one that each file's first lines show.
#[derive(Debug, Clone)]
pub(crate) enum LogFormat {
    Auto,
    Declared(observe::logs::Format),
}

fn log_format(text: &str) -> Result<LogFormat, observe::logs::FormatError> {
    if text == "auto" { Ok(LogFormat::Auto) } else { text.parse().map(LogFormat::Declared) }
}

/// A network, or one address, as a policy takes them.
fn network(text: &str) -> Result<IpNet, String> {
    let alone = || text.parse::<IpAddr>().ok().map(IpNet::from);
    text.parse::<IpNet>()
        .ok()
        .or_else(alone)
        .ok_or_else(|| format!("'{text}' is neither an address nor a network such as 10.0.0.0/24"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::Arguments;

    #[test]
    fn the_command_line_is_consistent_and_its_help_names_the_exit_codes() {
        let mut command = Arguments::command();
        command.clone().debug_assert();
        let help = command.render_long_help().to_string();
        assert!(help.contains("3   refused by a fuse") && help.contains("64  a setting"), "{help}");
    }
}

#[cfg(test)]
mod pages;
