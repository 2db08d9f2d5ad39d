//! Finds the local world: `target/world/world.json` on the way up from the current directory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::failure::Failure;

const WORLD_FILE: &str = "target/world/world.json";

/// What the commands need of the world file.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct World {
    pub(crate) kafka: Kafka,
    pub(crate) services: BTreeMap<String, Service>,
    pub(crate) certificates: Certificates,
    pub(crate) policy: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Kafka {
    pub(crate) bootstrap: Option<String>,
}

/// The mTLS ports of one service, where it has them.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Service {
    pub(crate) api: Option<String>,
    pub(crate) authz: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Certificates {
    pub(crate) ca: Option<String>,
    pub(crate) operator_cert: Option<String>,
    pub(crate) operator_key: Option<String>,
}

impl World {
    /// The decider's mTLS port.
    pub(crate) fn decider(&self) -> Option<&Option<String>> {
        self.services.get("decider").map(|decider| &decider.api)
    }

    /// The executors' mTLS ports, where Envoy asks.
    pub(crate) fn executors(&self) -> Vec<String> {
        self.services.values().filter_map(|service| service.authz.clone()).collect()
    }
}

/// The local world, if there is one above the current directory.
pub(crate) fn find() -> Result<Option<World>, Failure> {
    let here = std::env::current_dir().map_err(|error| {
        Failure::Configuration(format!("could not tell the current directory: {error}"))
    })?;
    let Some(file) = file_above(&here) else { return Ok(None) };
    let unusable = |cause: String| {
        Failure::Configuration(format!(
            "could not read {}: {cause}; start the world anew with `cargo demo`",
            file.display()
        ))
    };
    let text = std::fs::read_to_string(&file).map_err(|error| unusable(error.to_string()))?;
    serde_json::from_str(&text).map(Some).map_err(|error| unusable(error.to_string()))
}

fn file_above(start: &Path) -> Option<PathBuf> {
    start.ancestors().map(|directory| directory.join(WORLD_FILE)).find(|file| file.is_file())
}
