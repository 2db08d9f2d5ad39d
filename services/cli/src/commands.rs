//! The commands that talk to a decider, and the one that reads log files.

pub(crate) mod overrides;
pub(crate) mod parse;
pub(crate) mod query;
pub(crate) mod show;
pub(crate) mod watch;
