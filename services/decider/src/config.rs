//! The decider's own settings.

use std::net::SocketAddr;
use std::path::PathBuf;

use observe::Policy;
use pipeline::{ConfigError, Env};

/// The decider's own settings, checked.
#[derive(Debug)]
pub struct Config {
    pub(crate) policy: Policy,
    /// mTLS: Override, Query, health, reflection.
    pub(crate) api: SocketAddr,
    /// Loopback only: Query, health, reflection.
    pub(crate) plaintext: Option<SocketAddr>,
}

impl pipeline::Config for Config {
    fn from_env(env: &mut Env) -> Result<Self, ConfigError> {
        let policy = env.file("POLICY_FILE", "the policy file, for example policy.toml")?;
        let policy =
            Policy::parse(&policy).map_err(|error| ConfigError::Other(error.to_string()))?;
        let api = env.required(
            "API_ADDR",
            "the mTLS address of Override and Query, for example 0.0.0.0:9301",
        )?;
        let plaintext: Option<SocketAddr> = env.optional(
            "PLAINTEXT_ADDR",
            "a loopback address for Query, for example 127.0.0.1:9302",
        )?;
        if let Some(address) = plaintext.filter(|address| !address.ip().is_loopback()) {
            return Err(ConfigError::Other(format!(
                "DECIDER_PLAINTEXT_ADDR={address} is not a loopback address; plaintext is for this machine only, so \
                 use 127.0.0.1 or leave it out"
            )));
        }
        // Override changes what holds, so there is no decider without mutual TLS.
        env.required::<PathBuf>(
            "TLS_CA",
            "the PEM file of the authority that signs our certificates",
        )?;
        Ok(Config { policy, api, plaintext })
    }
}

#[cfg(test)]
mod tests {
    use pipeline::Config as _;

    use super::*;

    fn read(plaintext: &str, ca: &str) -> Result<Config, ConfigError> {
        let file = std::env::temp_dir().join(format!("decider-policy-{}.toml", std::process::id()));
        std::fs::write(&file, "").unwrap();
        let variables = [
            ("DECIDER_POLICY_FILE", file.to_str().unwrap()),
            ("DECIDER_API_ADDR", "127.0.0.1:9301"),
            ("DECIDER_PLAINTEXT_ADDR", plaintext),
            ("DECIDER_TLS_CA", ca),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Config::from_env(&mut Env::new("decider", variables))
    }

    #[test]
    fn plaintext_is_for_this_machine_only_and_tls_is_not_optional() {
        assert!(read("127.0.0.1:9302", "ca.pem").is_ok());
        assert!(read("", "ca.pem").is_ok());
        assert!(
            read("0.0.0.0:9302", "ca.pem")
                .unwrap_err()
                .to_string()
                .contains("not a loopback address")
        );
        assert!(read("", "").unwrap_err().to_string().starts_with("DECIDER_TLS_CA is not set"));
    }
}
