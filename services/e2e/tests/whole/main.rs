//! The whole loop in one process, on twins in memory: five services, a clock that only the test moves, and a seed.
//!
//! Nothing here starts a thread or waits. Every run with the same seed is the same run; a failure prints its seed, and
//! `WHOLE_SEED=<seed>` runs that one alone. `PERIMETER_DEEP=1` runs many more.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod decider;
mod envoy;
mod executor;
mod faults;
mod follower;
mod lane;
mod portrait;
mod records;
mod scenario;
mod scorer;
mod tests;
mod truth;
mod verifier;
mod watch;
mod world;
