//! Load: what arguments mean, what a report must reach, and a whole run against a small pipeline of its own.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod arguments;
mod bounds;
mod proofs;
mod whole;
