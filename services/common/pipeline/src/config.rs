//! Reads a service's configuration from its environment, once, strictly.

mod others;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::str::FromStr;

/// A configuration that cannot be used. The process ends with 64 and this sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error("{name} is not set; set it to {expected}")]
    Missing { name: String, expected: &'static str },
    #[error("{name}={value} cannot be read: {cause}; set it to {expected}")]
    Unreadable { name: String, value: String, cause: String, expected: &'static str },
    #[error("{name}={value} cannot be used: {cause}; set it to {expected}")]
    Unusable { name: String, value: String, cause: String, expected: &'static str },
    #[error("{names} is not a setting of this service; known are {known}")]
    Unknown { names: String, known: String },
    #[error("{0}")]
    Other(String),
}

/// The environment of one service: names that begin with its prefix, and a few shared ones.
///
/// Every name is asked for; a name with the prefix that nobody asked for is an error, so a misspelt setting is never
/// silently a default. What Kubernetes and Kafka's scripts set under such names is no setting: it is passed over.
pub struct Env {
    prefix: String,
    values: BTreeMap<String, String>,
    known: BTreeSet<String>,
    passed_over: Vec<String>,
}

impl Env {
    /// `prefix` is the service's name; `values` is the process's environment, or a test's.
    pub fn new(service: &str, values: impl IntoIterator<Item = (String, String)>) -> Self {
        let prefix = format!("{}_", service.to_uppercase());
        let (others, values): (BTreeMap<_, _>, BTreeMap<_, _>) =
            values.into_iter().partition(|(name, value)| others::of_others(name, value));
        let like_ours = |name: &String| {
            [prefix.as_str(), "KAFKA_", "SCHEMA_REGISTRY_"]
                .iter()
                .any(|prefix| name.starts_with(*prefix))
        };
        let passed_over = others.into_keys().filter(like_ours).collect();
        Env { prefix, values, known: BTreeSet::new(), passed_over }
    }

    /// Names that would be settings, and were set by somebody else for others than us.
    pub(crate) fn passed_over(&self) -> Vec<String> {
        self.passed_over.clone()
    }

    /// The value of `<PREFIX>_<name>`, or `None`. Empty counts as not set.
    pub fn optional<T>(
        &mut self,
        name: &str,
        expected: &'static str,
    ) -> Result<Option<T>, ConfigError>
    where
        T: FromStr,
        T::Err: std::fmt::Display,
    {
        let name = format!("{}{name}", self.prefix);
        self.known.insert(name.clone());
        let Some(value) = self.values.get(&name).filter(|value| !value.is_empty()) else {
            return Ok(None);
        };
        value.parse().map(Some).map_err(|error: T::Err| ConfigError::Unreadable {
            name,
            value: value.clone(),
            cause: error.to_string(),
            expected,
        })
    }

    /// The value of `<PREFIX>_<name>`.
    pub fn required<T>(&mut self, name: &str, expected: &'static str) -> Result<T, ConfigError>
    where
        T: FromStr,
        T::Err: std::fmt::Display,
    {
        let full = format!("{}{name}", self.prefix);
        self.optional(name, expected)?.ok_or(ConfigError::Missing { name: full, expected })
    }

    /// The text of the file that `<PREFIX>_<name>` names.
    pub fn file(&mut self, name: &str, expected: &'static str) -> Result<String, ConfigError> {
        let path: PathBuf = self.required(name, expected)?;
        std::fs::read_to_string(&path).map_err(|error| ConfigError::Unreadable {
            name: format!("{}{name}", self.prefix),
            value: path.display().to_string(),
            cause: error.to_string(),
            expected,
        })
    }

    /// What to say of `<PREFIX>_<name>` when it names a file that can be read and is of no use.
    pub fn unusable(
        &self,
        name: &str,
        cause: impl std::fmt::Display,
        expected: &'static str,
    ) -> ConfigError {
        let name = format!("{}{name}", self.prefix);
        let value = self.values.get(&name).cloned().unwrap_or_default();
        ConfigError::Unusable { name, value, cause: cause.to_string(), expected }
    }

    /// A setting shared by all services, without the prefix.
    pub fn shared(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Refuses shared settings with a prefix of their own that are none of `known`.
    pub(crate) fn only(&self, prefix: &str, known: &[&str]) -> Result<(), ConfigError> {
        let unknown = self
            .values
            .keys()
            .filter(|name| name.starts_with(prefix) && !known.contains(&name.as_str()));
        let names: Vec<&str> = unknown.map(String::as_str).collect();
        if names.is_empty() {
            return Ok(());
        }
        Err(ConfigError::Unknown { names: names.join(", "), known: known.join(", ") })
    }

    /// librdkafka's properties: `KAFKA_SASL_USERNAME` is `sasl.username`. The broker knows us by the service's name, so
    /// its quotas, logs and metrics can tell us apart, unless `KAFKA_CLIENT_ID` says otherwise.
    pub fn kafka_properties(&self) -> Result<Vec<(String, String)>, ConfigError> {
        if self.shared("KAFKA_BOOTSTRAP_SERVERS").is_none() {
            let expected = "the brokers' addresses, for example broker-1:9092,broker-2:9092";
            return Err(ConfigError::Missing {
                name: "KAFKA_BOOTSTRAP_SERVERS".to_owned(),
                expected,
            });
        }
        let service = self.prefix.trim_end_matches('_').to_lowercase();
        let mut properties = vec![("client.id".to_owned(), format!("perimeter-{service}"))];
        properties.extend(self.values.iter().filter_map(|(name, value)| {
            let property = name.strip_prefix("KAFKA_")?;
            Some((property.to_lowercase().replace('_', "."), value.clone()))
        }));
        Ok(properties)
    }

    /// librdkafka's properties for somebody else's brokers: `<PREFIX>_KAFKA_SASL_PASSWORD` is `sasl.password`.
    pub fn own_kafka_properties(&mut self) -> Vec<(String, String)> {
        let prefix = format!("{}KAFKA_", self.prefix);
        let mut properties = Vec::new();
        for (name, value) in self.values.iter().filter(|(name, _)| !self.known.contains(*name)) {
            if let Some(property) = name.strip_prefix(&prefix) {
                properties.push((property.to_lowercase().replace('_', "."), value.clone()));
            }
        }
        let names = self.values.keys().filter(|name| name.starts_with(&prefix));
        self.known.extend(names.cloned());
        properties
    }

    /// Refuses names with the prefix that nobody asked for.
    pub fn finish(self) -> Result<(), ConfigError> {
        let unknown = self
            .values
            .keys()
            .filter(|name| name.starts_with(&self.prefix) && !self.known.contains(*name));
        let names: Vec<&str> = unknown.map(String::as_str).collect();
        if names.is_empty() {
            return Ok(());
        }
        let known: Vec<&str> = self.known.iter().map(String::as_str).collect();
        Err(ConfigError::Unknown { names: names.join(", "), known: known.join(", ") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &[(&str, &str)]) -> Env {
        Env::new(
            "scorer",
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        )
    }

    #[test]
    fn a_misspelt_setting_is_an_error_that_names_the_right_ones() {
        let mut env = env(&[("SCORER_REPLCA", "1")]);
        assert_eq!(env.optional::<u32>("REPLICA", "a number").unwrap(), None);
        let error = env.finish().unwrap_err().to_string();
        assert!(error.contains("SCORER_REPLCA") && error.contains("SCORER_REPLICA"), "{error}");
    }

    #[test]
    fn an_unreadable_value_says_what_to_write() {
        let error =
            env(&[("SCORER_REPLICA", "one")]).required::<u32>("REPLICA", "a number").unwrap_err();
        assert!(
            error.to_string().contains("SCORER_REPLICA=one")
                && error.to_string().ends_with("a number")
        );
    }

    #[test]
    fn kafka_names_become_librdkafka_properties() {
        let env =
            env(&[("KAFKA_BOOTSTRAP_SERVERS", "b:9092"), ("KAFKA_SASL_USERNAME", "perimeter")]);
        let properties = env.kafka_properties().unwrap();
        assert!(properties.contains(&("sasl.username".to_owned(), "perimeter".to_owned())));
        assert!(properties.contains(&("bootstrap.servers".to_owned(), "b:9092".to_owned())));
    }

    #[test]
    fn the_broker_knows_a_service_by_its_name_unless_told_otherwise() {
        let servers = ("KAFKA_BOOTSTRAP_SERVERS", "b:9092");
        for (given, expected) in [
            (vec![servers], "perimeter-scorer"),
            (vec![servers, ("KAFKA_CLIENT_ID", "blue")], "blue"),
        ] {
            let properties = env(&given).kafka_properties().unwrap();
            // What stands last holds.
            let id = properties.iter().rfind(|(name, _)| name == "client.id");
            assert_eq!(id.map(|(_, value)| value.as_str()), Some(expected));
        }
    }

    #[test]
    fn a_service_may_have_properties_for_brokers_of_somebody_elses() {
        let mut env = env(&[
            ("SCORER_KAFKA_FILE", "/x"),
            ("SCORER_KAFKA_SASL_PASSWORD", "p"),
            ("KAFKA_A", "b"),
        ]);
        env.optional::<String>("KAFKA_FILE", "a file").unwrap();
        assert_eq!(env.own_kafka_properties(), [("sasl.password".to_owned(), "p".to_owned())]);
        env.finish().unwrap();
    }

    #[test]
    fn what_others_set_under_our_names_is_passed_over() {
        let env = env(&[
            ("KAFKA_BOOTSTRAP_SERVERS", "b:9092"),
            ("KAFKA_SERVICE_HOST", "10.0.0.11"),
            ("SCORER_PORT", "tcp://10.0.0.13:9101"),
            ("VERIFIER_PORT", "tcp://10.0.0.14:9101"),
        ]);
        let names: Vec<String> =
            env.kafka_properties().unwrap().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["client.id", "bootstrap.servers"]);
        assert_eq!(env.passed_over(), ["KAFKA_SERVICE_HOST", "SCORER_PORT"]);
        env.finish().unwrap();
    }

    #[test]
    fn brokers_are_required() {
        let error = env(&[]).kafka_properties().unwrap_err().to_string();
        assert!(error.starts_with("KAFKA_BOOTSTRAP_SERVERS is not set"), "{error}");
    }
}
