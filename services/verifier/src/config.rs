//! Settings of the verifier, read from the environment once.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use hyper::Uri;
use observe::Policy;
use observe::probe::PrivateKey;
use pipeline::{ConfigError, Env};

const SET_PREFIX: &str = "perimeter-block";
/// As `deploy/envoy/perimeter.yaml` calls it.
const CLUSTER: &str = "perimeter-authz";

/// Everything the verifier is told at start.
#[derive(Debug)]
pub struct Config {
    /// What may never be acted against, how wide and long a claim may be, and whose header is believed.
    pub policy: Policy,
    /// Where Envoy sends its log of denials and probes.
    pub envoy_als: Option<SocketAddr>,
    /// Envoy's admin port, asked whom Envoy would ask.
    pub envoy_admin: Option<Uri>,
    /// Name of Envoy's cluster of executors.
    pub envoy_cluster: String,
    pub probe: Option<Probe>,
    pub waf: Option<Waf>,
    /// Whether detections and outcomes are told to others as OCSF.
    pub ocsf: Switch,
}

/// How probes are sent.
#[derive(Debug)]
pub struct Probe {
    /// Envoy's listener.
    pub url: Uri,
    pub key: PrivateKey,
}

/// Which sets are read back.
#[derive(Debug, Clone)]
pub struct Waf {
    pub set_prefix: String,
    pub scope: Scope,
}

/// Where a set lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    Regional,
    Cloudfront,
}

/// Something that is done or left.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Switch {
    On,
    #[default]
    Off,
}

impl FromStr for Switch {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "on" => Ok(Switch::On),
            "off" => Ok(Switch::Off),
            _ => Err("it is neither".to_owned()),
        }
    }
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "REGIONAL" => Ok(Scope::Regional),
            "CLOUDFRONT" => Ok(Scope::Cloudfront),
            _ => Err("it is not a scope".to_owned()),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Scope::Regional => "REGIONAL",
            Scope::Cloudfront => "CLOUDFRONT",
        })
    }
}

impl pipeline::Config for Config {
    fn from_env(env: &mut Env) -> Result<Self, ConfigError> {
        let text = env.file("POLICY_FILE", "the path of the policy file")?;
        let policy = Policy::parse(&text).map_err(|error| ConfigError::Other(error.to_string()))?;
        let expected =
            "an address for Envoy's log of denials and probes, for example 127.0.0.1:9201";
        let envoy_als: Option<SocketAddr> = env.optional("ENVOY_ALS_ADDR", expected)?;
        let tls: Option<PathBuf> = env.optional("TLS_CA", "a PEM file")?;
        if envoy_als.is_some() && tls.is_none() {
            let problem = "VERIFIER_ENVOY_ALS_ADDR needs mutual TLS; set VERIFIER_TLS_CA, VERIFIER_TLS_CERT and VERIFIER_TLS_KEY";
            return Err(ConfigError::Other(problem.to_owned()));
        }
        let expected = "the URL of Envoy's admin port, for example http://127.0.0.1:9901";
        let envoy_admin = env.optional("ENVOY_ADMIN_URL", expected)?;
        let cluster: Option<String> =
            env.optional("ENVOY_CLUSTER", "the name of Envoy's cluster of executors")?;
        Ok(Config {
            policy,
            envoy_als,
            envoy_admin,
            envoy_cluster: cluster.unwrap_or_else(|| CLUSTER.to_owned()),
            probe: probe(env)?,
            waf: waf(env)?,
            ocsf: env.optional("OCSF", "on or off")?.unwrap_or_default(),
        })
    }
}

fn probe(env: &mut Env) -> Result<Option<Probe>, ConfigError> {
    let url: Option<Uri> = env
        .optional("PROBE_URL", "the URL of Envoy's listener, for example http://127.0.0.1:8080")?;
    let path: Option<PathBuf> = env.optional("PROBE_PRIVATE_KEY", "a PEM file")?;
    let Some(url) = url else { return Ok(None) };
    if url.scheme_str() != Some("http") || url.authority().is_none() {
        return Err(ConfigError::Unreadable {
            name: "VERIFIER_PROBE_URL".to_owned(),
            value: url.to_string(),
            cause: "probes are plain HTTP to a listener of your own".to_owned(),
            expected: "the URL of Envoy's listener, for example http://127.0.0.1:8080",
        });
    }
    let expected = "the path of an Ed25519 private key in PEM";
    let pem = env.file("PROBE_PRIVATE_KEY", expected)?;
    let key = PrivateKey::from_pem(&pem).map_err(|error| ConfigError::Unreadable {
        name: "VERIFIER_PROBE_PRIVATE_KEY".to_owned(),
        value: path.unwrap_or_default().display().to_string(),
        cause: error.to_string(),
        expected,
    })?;
    Ok(Some(Probe { url, key }))
}

/// The WAF is read back when its scope is given, as the executor writes to it then.
fn waf(env: &mut Env) -> Result<Option<Waf>, ConfigError> {
    let scope: Option<Scope> = env.optional("WAF_SCOPE", "REGIONAL or CLOUDFRONT")?;
    if scope.is_some() {
        env.check_trusted()?;
    }
    let prefix: Option<String> =
        env.optional("WAF_SET_PREFIX", "the prefix of the IP sets, for example perimeter-block")?;
    let set_prefix = prefix.unwrap_or_else(|| SET_PREFIX.to_owned());
    Ok(scope.map(|scope| Waf { set_prefix, scope }))
}
