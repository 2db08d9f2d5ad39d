//! The commands that talk to a decider.

pub(crate) mod overrides;
pub(crate) mod query;
pub(crate) mod show;
pub(crate) mod watch;
