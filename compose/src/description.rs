//! `world.json`: where everything of a running world is. Tools, tests and people read it; nobody reads our memory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::certificates;
use crate::paths::Paths;
use crate::redis;
use crate::services::{self, Places};
use crate::world::Options;

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
    /// Where the services send their traces by OTLP (gRPC). Nobody listens there unless a test does.
    pub traces: Option<String>,
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
    /// Without user and password, where the user's own has them: the services get those by their environment.
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
    /// An executor's: while this file exists, it adds nothing that automation decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub freeze_file: Option<PathBuf>,
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
    /// Where everything will be, before anything runs.
    pub fn plan(paths: &Paths, options: &Options, places: &Places, policy: PathBuf) -> Self {
        let here = |port: u16| format!("127.0.0.1:{port}");
        let dir = paths.certificates();
        let (private_key, public_key) = certificates::probe_key_paths(&dir);
        let services: BTreeMap<String, Service> = services::plans(paths, places)
            .into_iter()
            .map(|plan| {
                (
                    plan.program.name,
                    Service {
                        pid: None,
                        log: plan.program.log,
                        addresses: plan.addresses,
                        freeze_file: plan.freeze_file,
                    },
                )
            })
            .collect();
        let log_unless = |own: bool, name: &str| (!own).then(|| paths.log(name));
        Description {
            kafka: Kafka {
                bootstrap: places.brokers.clone(),
                kind: if options.brokers.is_some() { "external" } else { "apache" }.to_owned(),
                version: None,
                pid: None,
                log: log_unless(options.brokers.is_some(), "kafka"),
            },
            redis: Redis {
                url: redis::without_credentials(&places.redis_url),
                pid: None,
                log: log_unless(options.redis.is_some(), "redis"),
            },
            waf: Waf {
                endpoint: places.waf_endpoint.clone(),
                pid: None,
                log: log_unless(options.waf_endpoint.is_some(), "waf"),
            },
            envoy: Envoy {
                listener: here(places.ports.listener),
                admin: here(places.ports.envoy_admin),
                pid: None,
                log: paths.log("envoy"),
            },
            application: Application {
                address: here(places.ports.application),
                pid: None,
                log: paths.log("application"),
            },
            services,
            certificates: Certificates {
                ca: dir.join("ca.pem"),
                operator_cert: dir.join(format!("{}.pem", certificates::OPERATOR)),
                operator_key: dir.join(format!("{}.key", certificates::OPERATOR)),
                dir,
            },
            policy,
            probe: Probe { private_key, public_key },
            traces: places.traces.clone(),
        }
    }

    /// Notes that a program of the world has another process id now.
    pub fn note(&mut self, name: &str, pid: Option<u32>) {
        match name {
            "kafka" => self.kafka.pid = pid,
            "redis" => self.redis.pid = pid,
            "waf" => self.waf.pid = pid,
            "envoy" => self.envoy.pid = pid,
            "application" => self.application.pid = pid,
            _ => {
                if let Some(service) = self.services.get_mut(name) {
                    service.pid = pid;
                }
            }
        }
    }

    /// Writes the file whole: a reader never sees half of it.
    pub fn write(&self, path: &Path) -> Result<()> {
        let half = path.with_extension("half");
        let text =
            serde_json::to_string_pretty(self).context("could not put the world into JSON")?;
        std::fs::write(&half, text + "\n")
            .with_context(|| format!("could not write {}", half.display()))?;
        std::fs::rename(&half, path).with_context(|| format!("could not write {}", path.display()))
    }
}
