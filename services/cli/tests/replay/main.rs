//! A replay decides what the stages decide, and the command says it line by line.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails its test by unwrapping")]

mod command;
mod pages;
mod stages;
