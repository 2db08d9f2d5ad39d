//! What the commands may be given that ask the executors themselves.

use clap::Args;

use super::{Connection, Control};

#[derive(Debug, Args)]
pub(crate) struct Executors {
    /// An executor's mTLS port, where Envoy asks, for example executor-0.internal:9401; once for each replica.
    /// PERIMETER_EXECUTORS, separated by commas, or the local world's when absent.
    #[arg(long = "executor", value_name = "HOST:PORT")]
    pub(crate) addresses: Vec<String>,
}

/// What `freeze` and `thaw` may be given.
#[derive(Debug, Args)]
pub(crate) struct Freeze {
    /// Ask every executor by itself instead of a decider, which needs Kafka: each that is asked adds nothing that
    /// automation decides until it is thawed so or restarted. --executor means this, too.
    #[arg(long)]
    pub(crate) at_executors: bool,
    #[command(flatten)]
    pub(crate) executors: Executors,
    #[command(flatten)]
    pub(crate) control: Control,
}

#[derive(Debug, Args)]
pub(crate) struct Status {
    #[command(flatten)]
    pub(crate) executors: Executors,
    #[command(flatten)]
    pub(crate) connection: Connection,
}
