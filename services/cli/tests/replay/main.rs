//! A replay decides what the stages decide, and the command says it line by line; a dead letter goes back only where
//! that does no harm.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails its test by unwrapping")]

mod command;
mod dlq;
mod pages;
mod requests;
mod stages;
