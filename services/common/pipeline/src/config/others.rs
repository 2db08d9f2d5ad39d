//! Names in the environment that look like settings of ours and were put there by others. Pure.
//!
//! Kubernetes tells every pod of a namespace where its Services are, unless the pod says `enableServiceLinks: false`: a
//! Service called `kafka` or `collector` sets names with the same prefix as our settings. Kafka's own scripts have names
//! that begin with `KAFKA_`, too.

/// What Kafka's scripts read; none of it is a property of a client.
const OF_KAFKAS_TOOLS: [&str; 7] = [
    "KAFKA_GC_LOG_OPTS",
    "KAFKA_HEAP_OPTS",
    "KAFKA_HOME",
    "KAFKA_JMX_OPTS",
    "KAFKA_JVM_PERFORMANCE_OPTS",
    "KAFKA_LOG4J_OPTS",
    "KAFKA_OPTS",
];
/// The same, and librdkafka's `debug` as well: only what switches the scripts' one on is theirs.
const DEBUG: (&str, [&str; 4]) = ("KAFKA_DEBUG", ["y", "yes", "true", "1"]);
const PROTOCOLS: [&str; 3] = ["tcp", "udp", "sctp"];

/// Whether somebody else set `name`, to say something to others than us.
pub(super) fn of_others(name: &str, value: &str) -> bool {
    OF_KAFKAS_TOOLS.contains(&name)
        || (name == DEBUG.0 && DEBUG.1.contains(&value.to_lowercase().as_str()))
        || service_link(name, value)
}

/// Whether Kubernetes sets such a name for a Service: `X_SERVICE_HOST`, `X_SERVICE_PORT`, `X_SERVICE_PORT_NAME`, and
/// `X_PORT`, `X_PORT_9092_TCP`, `X_PORT_9092_TCP_ADDR` with their like.
fn service_link(name: &str, value: &str) -> bool {
    let address = PROTOCOLS.iter().any(|protocol| value.starts_with(&format!("{protocol}://")));
    name.ends_with("_SERVICE_HOST")
        || name.ends_with("_SERVICE_PORT")
        || name.contains("_SERVICE_PORT_")
        || (name.ends_with("_PORT") && address)
        || name.split("_PORT_").skip(1).any(numbered)
}

/// Whether it is what stands behind `X_PORT_`: `9092_TCP`, or that with `_ADDR`, `_PORT` or `_PROTO`.
fn numbered(rest: &str) -> bool {
    let mut words = rest.split('_');
    let number = words.next().is_some_and(|word| word.parse::<u16>().is_ok());
    let protocol =
        words.next().is_some_and(|word| PROTOCOLS.contains(&word.to_lowercase().as_str()));
    let end = words.next().is_none_or(|word| ["ADDR", "PORT", "PROTO"].contains(&word));
    number && protocol && end && words.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kubernetes_says_of_its_services_is_told_from_a_setting() {
        for (name, value) in [
            ("KAFKA_SERVICE_HOST", "10.0.0.11"),
            ("KAFKA_SERVICE_PORT", "9092"),
            ("KAFKA_SERVICE_PORT_TCP_CLIENT", "9092"),
            ("KAFKA_PORT", "tcp://10.0.0.11:9092"),
            ("KAFKA_PORT_9092_TCP", "tcp://10.0.0.11:9092"),
            ("KAFKA_PORT_9092_TCP_PROTO", "tcp"),
            ("KAFKA_PORT_9092_TCP_PORT", "9092"),
            ("KAFKA_PORT_9092_TCP_ADDR", "10.0.0.11"),
            ("KAFKA_UI_SERVICE_HOST", "10.0.0.12"),
            ("COLLECTOR_PORT", "tcp://10.0.0.13:9201"),
            ("COLLECTOR_PORT_514_UDP", "udp://10.0.0.13:514"),
            ("SCHEMA_REGISTRY_PORT_8081_TCP_ADDR", "10.0.0.14"),
        ] {
            assert!(of_others(name, value), "{name}={value}");
        }
        for (name, value) in [
            ("COLLECTOR_ADMIN_PORT", "9101"),
            ("KAFKA_PORT", "9092"),
            ("KAFKA_SASL_KERBEROS_SERVICE_NAME", "kafka"),
            ("KAFKA_PORT_9092_TCP_ADR", "10.0.0.11"),
            ("KAFKA_PORT_X_TCP", "tcp://10.0.0.11:9092"),
            ("KAFKA_SERVICE_HOSTS", "10.0.0.11"),
        ] {
            assert!(!of_others(name, value), "{name}={value}");
        }
    }

    #[test]
    fn what_kafkas_scripts_read_is_told_from_a_property() {
        for (name, value) in [
            ("KAFKA_OPTS", "-Djava.security.auth.login.config=/etc/jaas.conf"),
            ("KAFKA_HEAP_OPTS", "-Xmx1g"),
            ("KAFKA_HOME", "/opt/kafka"),
            ("KAFKA_DEBUG", "y"),
        ] {
            assert!(of_others(name, value), "{name}={value}");
        }
        for (name, value) in [("KAFKA_DEBUG", "consumer,cgrp"), ("KAFKA_CLIENT_ID", "blue")] {
            assert!(!of_others(name, value), "{name}={value}");
        }
    }
}
