//! What several services must see the same way: whose address it is, what a line of a log says, what the policy says,
//! which request is our own probe, what route a uri names, and what a record is in OCSF.
//!
//! Everything here is data in, data out: no async, no I/O, no clock, no randomness. Files are read, nonces drawn
//! and clocks asked by the callers.

pub mod client;
pub mod documents;
pub mod logs;
pub mod observation;
pub mod ocsf;
pub mod policy;
pub mod probe;
pub mod route;

pub use client::{Client, Trusted, client_address};
pub use observation::{Dead, HEAD_BYTES_MAX, Line, Observation};
pub use policy::{Policy, PolicyError};
