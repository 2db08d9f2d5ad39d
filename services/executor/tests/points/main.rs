//! The points without their I/O: what they write, what they say, and what they never lose.

#[path = "../common/mod.rs"]
mod common;

mod acts;
mod authz;
mod blocklist;
mod ip_set;
mod provider;
mod waf;
