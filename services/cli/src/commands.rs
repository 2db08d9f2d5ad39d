//! The commands: those that talk to a decider, and those that need nothing but files.

pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod doctor;
pub(crate) mod explain;
pub(crate) mod kpis;
pub(crate) mod overrides;
pub(crate) mod parse;
pub(crate) mod query;
pub(crate) mod replay;
pub(crate) mod score;
pub(crate) mod show;
pub(crate) mod watch;
