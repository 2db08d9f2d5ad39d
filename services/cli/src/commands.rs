//! The commands: those that talk to a decider, to the executors or to Kafka, and those that need nothing but files.

pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod dlq;
pub(crate) mod doctor;
pub(crate) mod executors;
pub(crate) mod explain;
pub(crate) mod explain_request;
pub(crate) mod kpis;
pub(crate) mod model;
pub(crate) mod overrides;
pub(crate) mod parse;
pub(crate) mod query;
pub(crate) mod replay;
pub(crate) mod rules;
pub(crate) mod score;
pub(crate) mod show;
pub(crate) mod train;
pub(crate) mod watch;
