//! `world.json`: where everything of a running world is. Tools, tests and people read it; nobody reads our memory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

/// Addresses are `HOST:PORT`; what is called `url` or `endpoint` has a scheme. A process id is `null` while its process
/// is being started again, and for what the world did not start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    pub kafka: Kafka,
    pub redis: Redis,
    pub waf: Waf,
    pub envoy: Envoy,
    pub application: Application,
    pub services: BTreeMap<String, Service>,
    pub certificates: Certificates,
    pub policy: PathBuf,
    pub probe: Probe,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kafka {
    pub bootstrap: String,
    /// `apache` when the world started it, `external` when it is the user's own.
    pub kind: String,
    pub version: Option<String>,
    pub pid: Option<u32>,
    pub log: Option<PathBuf>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redis {
    pub url: String,
    pub pid: Option<u32>,
    pub log: Option<PathBuf>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waf {
    pub endpoint: String,
    pub pid: Option<u32>,
    pub log: Option<PathBuf>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envoy {
    pub listener: String,
    pub admin: String,
    pub pid: Option<u32>,
    pub log: PathBuf,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Application {
    pub address: String,
    pub pid: Option<u32>,
    pub log: PathBuf,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    pub pid: Option<u32>,
    pub log: PathBuf,
    /// `admin` and whatever else it serves: `als`, `api`, `plaintext`, `authz`.
    #[serde(flatten)]
    pub addresses: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificates {
    pub dir: PathBuf,
    pub ca: PathBuf,
    pub operator_cert: PathBuf,
    pub operator_key: PathBuf,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    pub private_key: PathBuf,
    pub public_key: PathBuf,
}

impl Description {
    /// Writes the file whole: a reader never sees half of it.
    pub fn write(&self, path: &Path) -> Result<()> {
        let half = path.with_extension("half");
        let text = serde_json::to_string_pretty(self).context("could not put the world into JSON")?;
        std::fs::write(&half, text + "\n").with_context(|| format!("could not write {}", half.display()))?;
        std::fs::rename(&half, path).with_context(|| format!("could not write {}", path.display()))
    }
}
