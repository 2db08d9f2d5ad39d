//! Where the collector listens and what it reads, whose headers it believes, and whose probes it knows.

pub mod intake;
pub mod kafka;
pub mod logs;
mod parts;
pub mod syslog;

use std::net::SocketAddr;
use std::path::PathBuf;

use observe::Policy;
use observe::probe::PublicKey;
use pipeline::{ConfigError, Env};

use intake::Intake;
use kafka::Kafka;
use logs::Logs;
use syslog::Syslog;

/// The parts of readiness: whether senders can reach us, and whether files and topics are read.
pub(crate) const ENVOY: &str = "envoy access log";
pub(crate) const LOGS: &str = "log files";
pub(crate) const INTAKE: &str = "http intake";
pub(crate) const SYSLOG: &str = "syslog";
pub(crate) const KAFKA: &str = "kafka topics";

/// The collector's settings. At least one source is set.
#[derive(Debug, Clone)]
pub struct Config {
    pub envoy: Option<Envoy>,
    pub logs: Option<Logs>,
    pub intake: Option<Intake>,
    pub syslog: Option<Syslog>,
    pub kafka: Option<Kafka>,
    pub policy: Policy,
}

impl Config {
    /// Each source by the name of its part of readiness, and whether it is set.
    pub(crate) fn sources(&self) -> [(&'static str, bool); 5] {
        [
            (ENVOY, self.envoy.is_some()),
            (LOGS, self.logs.is_some()),
            (INTAKE, self.intake.is_some()),
            (SYSLOG, self.syslog.is_some()),
            (KAFKA, self.kafka.is_some()),
        ]
    }
}

/// Envoy's access log.
#[derive(Debug, Clone)]
pub struct Envoy {
    /// Where its streams arrive, over mutual TLS.
    pub address: SocketAddr,
    /// The public half of the key with which the verifier signs its probes.
    pub probe_key: PublicKey,
}

impl pipeline::Config for Config {
    fn from_env(env: &mut Env) -> Result<Self, ConfigError> {
        let text = env.file("POLICY_FILE", "the policy file, for example policy.toml")?;
        let policy = Policy::parse(&text).map_err(|error| {
            ConfigError::Other(format!("COLLECTOR_POLICY_FILE cannot be used: {error}"))
        })?;
        let config = Config {
            envoy: envoy(env)?,
            logs: logs(env)?,
            intake: intake(env)?,
            syslog: syslog(env)?,
            kafka: kafka(env)?,
            policy,
        };
        if config.sources().into_iter().all(|(_, set)| !set) {
            return Err(ConfigError::Other(
                "there is nothing to collect from; set COLLECTOR_ENVOY_ALS_ADDR, COLLECTOR_LOGS_FILE, \
                 COLLECTOR_INTAKE_FILE, COLLECTOR_SYSLOG_FILE or COLLECTOR_KAFKA_FILE"
                    .to_owned(),
            ));
        }
        Ok(config)
    }
}

fn envoy(env: &mut Env) -> Result<Option<Envoy>, ConfigError> {
    let address = env.optional(
        "ENVOY_ALS_ADDR",
        "an address for Envoy's access log, for example 127.0.0.1:9201",
    )?;
    let expected = "the PEM file of the public key of our probes";
    let key_file: Option<PathBuf> = env.optional("PROBE_PUBLIC_KEY", expected)?;
    let Some(address) = address else {
        return match key_file {
            None => Ok(None),
            Some(_) => Err(ConfigError::Missing {
                name: "COLLECTOR_ENVOY_ALS_ADDR".to_owned(),
                expected: "an address for Envoy's access log, for example 127.0.0.1:9201",
            }),
        };
    };
    certificates(env)?;
    let pem = env.file("PROBE_PUBLIC_KEY", expected)?;
    let probe_key = PublicKey::from_pem(&pem)
        .map_err(|error| env.unusable("PROBE_PUBLIC_KEY", error, expected))?;
    Ok(Some(Envoy { address, probe_key }))
}

fn logs(env: &mut Env) -> Result<Option<Logs>, ConfigError> {
    let Some(text) = optional_file(env, "LOGS_FILE", "a file that says which log files to read")?
    else {
        return Ok(None);
    };
    // Without a name of its own the machine is asked to be given one in the file.
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    Logs::parse(&text, host.trim())
        .map(Some)
        .map_err(|error| ConfigError::Other(format!("COLLECTOR_LOGS_FILE cannot be used: {error}")))
}

fn intake(env: &mut Env) -> Result<Option<Intake>, ConfigError> {
    let Some(text) =
        optional_file(env, "INTAKE_FILE", "a file that says who may send events over HTTPS")?
    else {
        return Ok(None);
    };
    certificates(env)?;
    Intake::parse(&text).map(Some).map_err(|error| {
        ConfigError::Other(format!("COLLECTOR_INTAKE_FILE cannot be used: {error}"))
    })
}

fn syslog(env: &mut Env) -> Result<Option<Syslog>, ConfigError> {
    let Some(text) =
        optional_file(env, "SYSLOG_FILE", "a file that says who may send syslog, and where to")?
    else {
        return Ok(None);
    };
    let syslog = Syslog::parse(&text).map_err(|error| {
        ConfigError::Other(format!("COLLECTOR_SYSLOG_FILE cannot be used: {error}"))
    })?;
    if syslog.tls() {
        certificates(env)?;
    }
    Ok(Some(syslog))
}

fn kafka(env: &mut Env) -> Result<Option<Kafka>, ConfigError> {
    let Some(text) =
        optional_file(env, "KAFKA_FILE", "a file that says which topics of yours to read")?
    else {
        return Ok(None);
    };
    let (ours, secret) = (env.kafka_properties()?, env.own_kafka_properties());
    Kafka::parse(&text, ours, secret).map(Some).map_err(|error| {
        ConfigError::Other(format!("COLLECTOR_KAFKA_FILE cannot be used: {error}"))
    })
}

/// No port is served without TLS, so a missing certificate is a mistake to be told before anything starts.
fn certificates(env: &mut Env) -> Result<(), ConfigError> {
    let expected = "the PEM file of the authority that signs our certificates";
    env.required::<PathBuf>("TLS_CA", expected).map(drop)
}

/// What a TOML parser says, and in which line, as one sentence.
fn sentence(text: &str, fault: &toml::de::Error) -> String {
    let start = fault.span().map_or(0, |span| span.start).min(text.len());
    let line = text.as_bytes()[..start].iter().filter(|byte| **byte == b'\n').count() + 1;
    let problem = fault.message().lines().collect::<Vec<_>>().join(", ");
    format!("line {line}: {problem}")
}

fn optional_file(
    env: &mut Env,
    name: &str,
    expected: &'static str,
) -> Result<Option<String>, ConfigError> {
    match env.optional::<PathBuf>(name, expected)? {
        Some(_) => env.file(name, expected).map(Some),
        None => Ok(None),
    }
}
