//! Where the local world is: the part of `target/world/world.json` that traffic needs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use ipnet::IpNet;
use schemas::Protected;
use serde::Deserialize;

/// Addresses of a running world.
#[derive(Debug, Deserialize)]
pub struct World {
    pub kafka: Kafka,
    pub envoy: Envoy,
    /// The policy file, so that no address comes from a network that it protects.
    #[serde(default)]
    pub policy: Option<PathBuf>,
    #[serde(default)]
    pub redis: Component,
    #[serde(default)]
    pub waf: Component,
    #[serde(default)]
    pub application: Component,
    #[serde(default)]
    pub services: BTreeMap<String, Service>,
    pub certificates: Option<Certificates>,
}

#[derive(Debug, Deserialize)]
pub struct Kafka {
    pub bootstrap: String,
    pub pid: Option<u32>,
}

#[derive(Debug, Deserialize)]
pub struct Envoy {
    pub listener: String,
    pub pid: Option<u32>,
}

/// Something that is only measured.
#[derive(Debug, Default, Deserialize)]
pub struct Component {
    pub pid: Option<u32>,
}

/// One service of ours.
#[derive(Debug, Default, Deserialize)]
pub struct Service {
    pub pid: Option<u32>,
    pub admin: Option<String>,
    pub api: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Certificates {
    pub ca: PathBuf,
    pub operator_cert: PathBuf,
    pub operator_key: PathBuf,
}

/// How to call the decider as an operator.
#[derive(Debug, Clone)]
pub struct Operator {
    pub api: String,
    pub ca: PathBuf,
    pub cert: PathBuf,
    pub key: PathBuf,
}

/// The part of the policy file that says what may never be blocked.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PolicyNetworks {
    proxies: Proxies,
    protected: Named,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Proxies {
    trusted: Vec<IpNet>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Named {
    networks: Vec<NamedNetwork>,
}

#[derive(Debug, Deserialize)]
struct NamedNetwork {
    network: IpNet,
    name: String,
}

impl World {
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| {
            format!(
                "could not read the world file {}; start the world with `cargo demo`",
                path.display()
            )
        })?;
        serde_json::from_str(&text)
            .with_context(|| format!("could not understand the world file {}", path.display()))
    }

    /// Every process that the world started and that runs now.
    pub fn pids(&self) -> Vec<(String, u32)> {
        let components = [
            ("kafka", self.kafka.pid),
            ("envoy", self.envoy.pid),
            ("redis", self.redis.pid),
            ("waf", self.waf.pid),
            ("application", self.application.pid),
        ];
        let services = self.services.iter().map(|(name, service)| (name.as_str(), service.pid));
        let all = components.into_iter().chain(services);
        all.filter_map(|(name, pid)| Some((name.to_owned(), pid?))).collect()
    }

    /// Whether somebody decides on detections here: a world may end with them.
    pub fn decides(&self) -> bool {
        self.services.contains_key("decider")
    }

    /// The way to the decider, where the world has one.
    pub fn operator(&self) -> Option<Operator> {
        let Certificates { ca, operator_cert: cert, operator_key: key } =
            self.certificates.clone()?;
        let api = self.services.get("decider")?.api.clone()?;
        Some(Operator { api, ca, cert, key })
    }

    /// Every network from which no visitor and no attacker may come.
    pub fn protected(&self) -> anyhow::Result<Protected> {
        let Some(path) = &self.policy else { return Ok(Protected::special()) };
        let text = std::fs::read_to_string(path).with_context(|| {
            format!("could not read the world's policy file {}", path.display())
        })?;
        protected_by(&text)
            .with_context(|| format!("could not understand the policy file {}", path.display()))
    }
}

fn protected_by(policy: &str) -> anyhow::Result<Protected> {
    let policy: PolicyNetworks = toml::from_str(policy)?;
    let trusted =
        policy.proxies.trusted.into_iter().map(|network| (network, "trusted proxy".to_owned()));
    let named = policy.protected.networks.into_iter().map(|named| (named.network, named.name));
    Ok(Protected::with(trusted.chain(named)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_policy_protects_is_found_among_its_other_settings() {
        let policy = r#"
            mode = "enforced"
            [proxies]
            trusted = ["5.6.7.8/32"]
            [protected]
            networks = [ { network = "81.2.69.0/24", name = "office" } ]
            [ladder]
            steps_seconds = [15, 30, 60]
        "#;
        let protected = protected_by(policy).unwrap();
        for address in ["5.6.7.8", "81.2.69.9", "127.0.0.1"] {
            assert!(protected.covers(address.parse().unwrap()), "{address}");
        }
        assert!(!protected_by("").unwrap().covers("81.2.69.9".parse().unwrap()));
    }

    #[test]
    fn a_world_file_may_say_more_than_is_needed() {
        let text = r#"{ "kafka": {"bootstrap": "127.0.0.1:9092", "kind": "apache"}, "waf": {"endpoint": "x"},
                        "envoy": {"listener": "127.0.0.1:8080", "pid": 7},
                        "services": {"scorer": {"pid": 8, "log": "y"}, "decider": {"pid": null}} }"#;
        let world: World = serde_json::from_str(text).unwrap();
        assert_eq!(world.pids(), [("envoy".to_owned(), 7), ("scorer".to_owned(), 8)]);
        assert!(world.operator().is_none());
        assert_eq!(world.envoy.listener, "127.0.0.1:8080");
        assert!(world.protected().unwrap().covers("10.0.0.1".parse().unwrap()));
    }
}
