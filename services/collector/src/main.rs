//! Collector: turns what the world says into events.
//!
//! Serves Envoy's access log service, writes `events`. This file only wires; the mapping is in [`collector::logic`].

use std::process::ExitCode;

fn main() -> ExitCode {
    pipeline::service::<collector::Config, _>("collector", collector::start)
}
