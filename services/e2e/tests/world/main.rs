//! The loop against the real world: Kafka, Redis, the WAF emulator and Envoy, as `cargo verify` starts them.
//!
//! One attack in, one block proved, lifted at `until`; then the rows of `reliability.md` A14 that need real processes.
//! Each name is a sentence. Tests that kill something run alone, the others side by side (see `kit`).
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod addresses;
mod closes;
mod command;
mod epochs;
mod explain;
mod forged;
mod frozen;
mod hostile;
mod kills;
mod kit;
mod letters;
mod log;
mod ocsf;
mod otlp;
mod overrides;
mod pages;
mod publishers;
mod refused;
mod replay;
mod restarts;
mod seen;
mod settings;
mod shipped;
mod truth;
#[path = "../../../common/observe/tests/ocsf/valid.rs"]
mod valid;
mod ways;
