//! Where the scorer's policy is, and the rule packs, model and exceptions of an installation.

use detect::signatures::signing::PackKey;
use observe::Policy;
use pipeline::{ConfigError, Env};

use crate::reload::Files;

/// The scorer's settings: the policy says how likely an attack is beforehand, which routes are logins, and how many
/// failures are an attack.
#[derive(Debug, Clone)]
pub struct Config {
    pub policy: Policy,
    pub files: Files,
}

impl pipeline::Config for Config {
    fn from_env(env: &mut Env) -> Result<Self, ConfigError> {
        let text = env.file("POLICY_FILE", "the policy file, for example policy.toml")?;
        let policy = Policy::parse(&text).map_err(|error| {
            ConfigError::Other(format!("SCORER_POLICY_FILE cannot be used: {error}"))
        })?;
        Ok(Config { policy, files: files(env)? })
    }
}

fn files(env: &mut Env) -> Result<Files, ConfigError> {
    let packs = env
        .optional("PACKS_DIR", "a folder of signed rule packs, for example /etc/perimeter/packs")?;
    let keys: Option<String> =
        env.optional("PACK_KEYS", "ed25519 public keys in base64, with a comma between two")?;
    let key = |text: &str| {
        PackKey::parse(text)
            .map_err(|why| ConfigError::Other(format!("SCORER_PACK_KEYS cannot be used: {why}")))
    };
    let keys = keys.iter().flat_map(|keys| keys.split(','));
    let keys = keys.map(key).collect::<Result<Vec<_>, _>>()?;
    if packs.is_some() && keys.is_empty() {
        return Err(ConfigError::Other(
            "SCORER_PACKS_DIR is set and SCORER_PACK_KEYS is not: no pack could be believed; set the public keys they \
             are signed with"
                .to_owned(),
        ));
    }
    Ok(Files {
        packs,
        keys,
        model: env.optional("MODEL_FILE", "a model that `perimeter train` wrote")?,
        exceptions: env
            .optional("EXCEPTIONS_FILE", "the file that `perimeter rules except` writes")?,
    })
}
