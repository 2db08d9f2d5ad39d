//! `perimeter`: what operators type.
//!
//! Overrides and questions go to a decider over mutual TLS; `bootstrap` makes the topics in Kafka and the IP sets and
//! web ACL in AWS; `dlq` reads what was refused, and publishes it again; `score`, `explain-request`, `rules`, `train`,
//! `evaluate`, `model`, `replay`, `parse` and `config check` need nothing but files, and run the services' own logic
//! ([`replay`]). Every failure is one sentence on standard error and an exit code of its own ([`failure`]). What is
//! not here: any rule of a service's own, and anything that puts a decision in force.

mod args;
mod board;
mod bootstrap;
mod commands;
mod connection;
pub mod dlq;
mod duration;
mod exceptions;
mod failure;
mod findings;
mod input;
mod output;
pub mod replay;
mod request;
mod weighing;
mod world;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::{Arguments, Bootstrap, Command, Config, Dlq};
use crate::failure::{Failure, Outcome};
use crate::output::Printer;

/// Runs the command line and answers the exit code.
pub fn main() -> ExitCode {
    // Wrong usage ends here with 2 and clap's own sentence.
    let arguments = Arguments::parse();
    schemas::record::limit_decoding();
    // Two TLS libraries' defaults in one process panic at first use; an earlier one of the same kind is as good.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(run(arguments)),
        Err(error) => Err(Failure::Error(format!("could not start a runtime: {error}"))),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // It may quote what somebody else wrote; its line ends are ours.
            let told = failure.to_string();
            let told: Vec<String> = told.lines().map(output::safe).collect();
            eprintln!("perimeter: {}", told.join("\n"));
            ExitCode::from(failure.exit_code())
        }
    }
}

async fn run(arguments: Arguments) -> Outcome {
    let printer = Printer::new(arguments.output, arguments.command.acts());
    match arguments.command {
        Command::Bootstrap(Bootstrap::Kafka(arguments)) => {
            bootstrap::kafka::run(&arguments, &printer).await
        }
        Command::Bootstrap(Bootstrap::Aws(arguments)) => {
            bootstrap::aws::run(&arguments, &printer).await
        }
        Command::Block(arguments) => commands::overrides::block(arguments, &printer).await,
        Command::Unblock(arguments) => commands::overrides::unblock(arguments, &printer).await,
        Command::Allow(arguments) => commands::overrides::allow(arguments, &printer).await,
        Command::Mode(arguments) => commands::overrides::mode(arguments, &printer).await,
        Command::Freeze(arguments) => commands::overrides::freeze(arguments, &printer).await,
        Command::Thaw(arguments) => commands::overrides::thaw(arguments, &printer).await,
        Command::List(arguments) => commands::query::list(arguments, &printer).await,
        Command::Get(arguments) => commands::query::get(arguments, &printer).await,
        Command::Explain(arguments) => commands::explain::explain(arguments, &printer).await,
        Command::Kpis(connection) => commands::kpis::kpis(connection, &printer).await,
        Command::Watch(arguments) => commands::watch::watch(arguments, &printer).await,
        Command::Replay(arguments) => commands::replay::run(&arguments, &printer),
        Command::Config(Config::Check(arguments)) => commands::config::check(&arguments, &printer),
        Command::Dlq(Dlq::List(arguments)) => commands::dlq::list(arguments, &printer).await,
        Command::Dlq(Dlq::Show(arguments)) => commands::dlq::show(arguments, &printer).await,
        Command::Dlq(Dlq::Replay(arguments)) => commands::dlq::replay(arguments, &printer).await,
        Command::Doctor(arguments) => commands::doctor::run(&arguments, &printer).await,
        Command::Completions(arguments) => commands::completions::run(&arguments, &printer),
        Command::Score(arguments) => commands::score::score(&arguments, &printer),
        Command::ExplainRequest(arguments) => commands::explain_request::run(&arguments, &printer),
        Command::Rules(rules) => commands::rules::run(&rules, &printer),
        Command::Train(arguments) => commands::train::train(&arguments, &printer),
        Command::Evaluate(arguments) => commands::train::evaluate(&arguments, &printer),
        Command::Model(command) => commands::model::run(&command, &printer),
        Command::Parse(arguments) => commands::parse::run(&arguments, &printer),
        Command::Status(arguments) => commands::query::status(arguments, &printer).await,
    }
}
