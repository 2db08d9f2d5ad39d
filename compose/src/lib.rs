//! The local world: Kafka, Redis, a WAF emulator, Envoy before a small application, and our own services, started from
//! packages without Docker, supervised, and gone when this process is gone.
//!
//! `cargo demo` builds this crate first, on a machine where nothing is installed yet; so it knows no Kafka client, no
//! gRPC and no crate of ours. It knows the others by their programs, environment and `world.json` only.

pub mod certificates;
pub mod chaos;
pub mod cli;
pub mod demo;
pub mod description;
pub mod envoy;
pub mod fuzz;
pub mod http;
pub mod install;
pub mod kafka;
pub mod meter;
pub mod monitor;
pub mod mutants;
pub mod needs;
pub mod paths;
pub mod peers;
pub mod ports;
pub mod process;
pub mod redis;
pub mod report;
pub mod services;
pub mod supervisor;
pub mod terminal;
pub mod verify;
pub mod waf;
pub mod world;
