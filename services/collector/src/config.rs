//! Where the collector listens, whose headers it believes, and whose probes it knows.

use std::net::SocketAddr;
use std::path::PathBuf;

use observe::Policy;
use observe::probe::PublicKey;
use pipeline::{ConfigError, Env};

/// The collector's settings.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where Envoy's access log streams arrive, over mutual TLS.
    pub envoy_als: SocketAddr,
    pub policy: Policy,
    /// The public half of the key with which the verifier signs its probes.
    pub probe_key: PublicKey,
}

impl pipeline::Config for Config {
    fn from_env(env: &mut Env) -> Result<Self, ConfigError> {
        // The port is never served without TLS, so a missing certificate is a mistake to be told before anything starts.
        env.required::<PathBuf>(
            "TLS_CA",
            "the PEM file of the authority that signs our certificates",
        )?;
        let envoy_als = env.required(
            "ENVOY_ALS_ADDR",
            "an address for Envoy's access log, for example 127.0.0.1:9201",
        )?;
        let text = env.file("POLICY_FILE", "the policy file, for example policy.toml")?;
        let policy = Policy::parse(&text).map_err(|error| {
            ConfigError::Other(format!("COLLECTOR_POLICY_FILE cannot be used: {error}"))
        })?;
        let pem = env.file("PROBE_PUBLIC_KEY", "the PEM file of the public key of our probes")?;
        let probe_key = PublicKey::from_pem(&pem).map_err(|error| {
            ConfigError::Other(format!("COLLECTOR_PROBE_PUBLIC_KEY cannot be used: {error}"))
        })?;
        Ok(Config { envoy_als, policy, probe_key })
    }
}
