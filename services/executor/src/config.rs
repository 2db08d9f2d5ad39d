//! The executor's settings. A point whose address is not set is off.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use observe::Policy;
use pipeline::{ConfigError, Env};

use crate::freeze;

const DEFAULT_SET_PREFIX: &str = "perimeter-block";

/// Where the points are, and the policy.
pub struct Config {
    pub policy: Policy,
    /// Where Envoy asks.
    pub authz: SocketAddr,
    pub redis: Option<String>,
    pub waf: Option<Waf>,
    /// While this file exists, the replica adds nothing that automation decides.
    pub freeze_file: Option<PathBuf>,
}

/// One pair of IP sets.
#[derive(Debug, Clone)]
pub struct Waf {
    pub scope: WafScope,
    /// The sets are `<prefix>-v4` and `<prefix>-v6`.
    pub prefix: String,
}

/// Whether the sets are used by regional resources or by CloudFront.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WafScope {
    Regional,
    CloudFront,
}

impl std::str::FromStr for WafScope {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "REGIONAL" => Ok(WafScope::Regional),
            "CLOUDFRONT" => Ok(WafScope::CloudFront),
            _ => Err("it is neither of the two scopes"),
        }
    }
}

impl pipeline::Config for Config {
    fn from_env(env: &mut Env) -> Result<Self, ConfigError> {
        let policy = env.file("POLICY_FILE", "the path of the policy file")?;
        let policy = Policy::parse(&policy)
            .map_err(|error| ConfigError::Other(format!("EXECUTOR_POLICY_FILE: {error}")))?;
        let authz = env.required(
            "AUTHZ_ADDR",
            "the address on which Envoy asks, for example 127.0.0.1:9201",
        )?;
        if env.optional::<String>("TLS_CA", "a PEM file")?.is_none() {
            let needed = "EXECUTOR_TLS_CA, EXECUTOR_TLS_CERT and EXECUTOR_TLS_KEY are not set; \
                          Envoy asks over mutual TLS, so set them to PEM files";
            return Err(ConfigError::Other(needed.to_owned()));
        }
        let redis: Option<String> =
            env.optional("REDIS_URL", "a URL such as redis://127.0.0.1:6379")?;
        if let Some(url) = &redis {
            // The URL may hold a password: the sentence names the setting and not its value.
            blocklist::Blocklist::check_url(url).map_err(|_| {
                let help = "EXECUTOR_REDIS_URL cannot be read; write redis://HOST:PORT/DATABASE, or \
                            rediss://USER:PASSWORD@HOST:PORT/DATABASE for TLS and an ACL user";
                ConfigError::Other(help.to_owned())
            })?;
        }
        let scope: Option<WafScope> = env.optional("WAF_SCOPE", "REGIONAL or CLOUDFRONT")?;
        let secured = |url: &String| url.starts_with("rediss:") || url.starts_with("valkeys:");
        if scope.is_some() || redis.as_ref().is_some_and(secured) {
            env.check_trusted()?;
        }
        let prefix = env
            .optional("WAF_SET_PREFIX", "the beginning of the IP sets' names")?
            .unwrap_or_else(|| DEFAULT_SET_PREFIX.to_owned());
        let freeze_file: Option<PathBuf> =
            env.optional("FREEZE_FILE", "the path at which a file freezes this executor")?;
        if let Some(file) = &freeze_file {
            freeze::look(file).map_err(|error| {
                let help = "make its folder, and let this process look into it";
                ConfigError::Other(format!("EXECUTOR_FREEZE_FILE: {error}; {help}"))
            })?;
        }
        let waf = scope.map(|scope| Waf { scope, prefix });
        Ok(Config { policy, authz, redis, waf, freeze_file })
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("mode", &self.policy.mode)
            .field("limits", &self.policy.limits())
            .field("authz", &self.authz)
            .field("redis", &self.redis.as_ref().map(|_| "(set)"))
            .field("waf", &self.waf)
            .field("freeze_file", &self.freeze_file)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pipeline::Config as _;

    fn read(pairs: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let policy = tempfile::NamedTempFile::new().unwrap();
        let mut all = vec![
            ("EXECUTOR_POLICY_FILE", policy.path().to_str().unwrap()),
            ("EXECUTOR_AUTHZ_ADDR", "127.0.0.1:9201"),
            ("EXECUTOR_TLS_CA", "ca.pem"),
        ];
        all.extend(pairs);
        let owned = all.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Config::from_env(&mut Env::new("executor", owned))
    }

    #[test]
    fn points_that_are_not_set_are_off() {
        let config = read(&[]).unwrap();
        assert!(config.redis.is_none() && config.waf.is_none());
    }

    #[test]
    fn a_password_is_shown_nowhere() {
        let config =
            read(&[("EXECUTOR_REDIS_URL", "rediss://perimeter:secret@redis:6380")]).unwrap();
        assert!(!format!("{config:?}").contains("secret"));
        let error = read(&[("EXECUTOR_REDIS_URL", "http://perimeter:secret@redis")]).unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
    }

    #[test]
    fn whom_this_machine_trusts_must_be_readable_for_points_that_show_a_certificate() {
        let redis = |url: &'static str| ("EXECUTOR_REDIS_URL", url);
        for (setting, needed) in [
            (redis("rediss://redis:6380"), true),
            (redis("redis://redis:6379"), false),
            (("EXECUTOR_WAF_SCOPE", "REGIONAL"), true),
            (("EXECUTOR_WAF_SET_PREFIX", "perimeter"), false),
        ] {
            let read = read(&[setting, ("SSL_CERT_FILE", "/nowhere/ca.pem")]);
            let told = read.err().map(|error| error.to_string()).unwrap_or_default();
            assert_eq!(told.starts_with("SSL_CERT_FILE=/nowhere/ca.pem"), needed, "{told}");
        }
    }

    #[test]
    fn a_scope_that_is_none_says_which_there_are() {
        let error = read(&[("EXECUTOR_WAF_SCOPE", "GLOBAL")]).unwrap_err().to_string();
        assert!(error.ends_with("REGIONAL or CLOUDFRONT"), "{error}");
    }

    #[test]
    fn a_file_that_could_never_freeze_is_an_error_at_the_start() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        assert!(read(&[("EXECUTOR_FREEZE_FILE", &path("freeze"))]).is_ok());
        let error = read(&[("EXECUTOR_FREEZE_FILE", &path("nowhere/freeze"))]).unwrap_err();
        assert!(error.to_string().contains("make its folder"), "{error}");
    }

    #[test]
    fn without_certificates_it_does_not_start() {
        let error = read(&[("EXECUTOR_TLS_CA", "")]).unwrap_err().to_string();
        assert!(error.contains("EXECUTOR_TLS_CERT"), "{error}");
    }
}
