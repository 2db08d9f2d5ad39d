//! The points without their I/O: what they write, what they say, and what they never lose.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../../../common/pipeline/tests/authority/mod.rs"]
mod authority;
#[path = "../common/mod.rs"]
mod common;

mod acts;
mod authz;
mod blocklist;
mod freeze;
mod frozen;
mod ip_set;
mod provider;
mod roles;
mod untold;
mod waf;
