//! Where the scorer's policy is.

use observe::Policy;
use pipeline::{ConfigError, Env};

/// The scorer's settings: the policy says which routes are logins, and how many failures are an attack.
#[derive(Debug, Clone)]
pub struct Config {
    pub policy: Policy,
}

impl pipeline::Config for Config {
    fn from_env(env: &mut Env) -> Result<Self, ConfigError> {
        let text = env.file("POLICY_FILE", "the policy file, for example policy.toml")?;
        let policy = Policy::parse(&text).map_err(|error| {
            ConfigError::Other(format!("SCORER_POLICY_FILE cannot be used: {error}"))
        })?;
        Ok(Config { policy })
    }
}
