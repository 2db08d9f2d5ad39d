//! What the enforcement points should hold and what to do about it: data in, data out.
//!
//! No Kafka, no Redis, no AWS, no clock, no randomness: times, positions and jitter are arguments.

pub mod acts;
pub mod envoy;
pub mod freeze;
pub mod ip_set;
pub mod networks;
pub mod pace;
pub mod untold;
pub mod waf;
