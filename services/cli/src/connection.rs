//! The way to a decider, or to each executor: over mutual TLS, as the operator whose certificate is given.

use std::time::Duration;

use proto::v1::admin_client::AdminClient;
use proto::v1::override_client::OverrideClient;
use proto::v1::query_client::QueryClient;
use tonic::transport::{Channel, Endpoint};

use crate::args::Connection;
use crate::failure::{Failure, innermost};
use crate::world::{self, World};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest answer that is read: the 10,000 claims that a decider lists at most, with their words and points.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Names the executors' mTLS ports, separated by commas.
const EXECUTORS: &str = "PERIMETER_EXECUTORS";

/// Where somebody is who is asked, and the files of the operator's identity, from the flags or the local world.
struct Way {
    endpoint: String,
    ca: String,
    cert: String,
    key: String,
}

pub(crate) async fn overrides(connection: &Connection) -> Result<OverrideClient<Channel>, Failure> {
    Ok(OverrideClient::new(channel(connection, "the decider").await?))
}

pub(crate) async fn query(connection: &Connection) -> Result<QueryClient<Channel>, Failure> {
    Ok(querying(channel(connection, "the decider").await?))
}

pub(crate) fn querying(channel: Channel) -> QueryClient<Channel> {
    QueryClient::new(channel).max_decoding_message_size(ANSWER_BYTES_MAX)
}

/// One executor, at `address`.
pub(crate) async fn admin(
    connection: &Connection,
    address: &str,
) -> Result<AdminClient<Channel>, Failure> {
    Ok(AdminClient::new(channel(&at(connection, address), "the executor").await?))
}

/// Whether the executor at `address` can be asked with these settings; connects to nothing.
pub(crate) fn check_admin(connection: &Connection, address: &str) -> Result<(), Failure> {
    endpoint(&at(connection, address)).map(drop)
}

fn at(connection: &Connection, address: &str) -> Connection {
    Connection { endpoint: Some(address.to_owned()), ..connection.clone() }
}

/// Where the executors are: as given, by flag or setting, or those of the local world. Empty where nobody says it.
pub(crate) fn executors(connection: &Connection, given: &[String]) -> Result<Vec<String>, Failure> {
    if !given.is_empty() {
        return Ok(given.to_vec());
    }
    if let Some(named) = std::env::var(EXECUTORS).ok().filter(|named| !named.is_empty()) {
        return Ok(named.split(',').map(|address| address.trim().to_owned()).collect());
    }
    // Whoever names a decider does not mean the local world's executors.
    if connection.endpoint.is_some() {
        return Ok(Vec::new());
    }
    Ok(world::find()?.map(|world| world.executors()).unwrap_or_default())
}

async fn channel(connection: &Connection, whom: &str) -> Result<Channel, Failure> {
    let endpoint = endpoint(connection)?;
    endpoint.connect().await.map_err(|error| {
        Failure::Error(format!(
            "could not reach {whom} at {}: {}; is it running, and is your certificate of its authority",
            endpoint.uri(),
            innermost(&error)
        ))
    })
}

fn endpoint(connection: &Connection) -> Result<Endpoint, Failure> {
    let way = way(connection)?;
    let (endpoint, domain) = address(&way.endpoint)?;
    let (ca, cert, key) =
        (read(&way.ca, "--ca")?, read(&way.cert, "--cert")?, read(&way.key, "--key")?);
    let unusable = |error: tonic::transport::Error| {
        Failure::Configuration(format!(
            "could not use the certificates for {endpoint}: {}",
            innermost(&error)
        ))
    };
    Endpoint::from_shared(endpoint.clone())
        .map_err(|error| {
            Failure::Configuration(format!("the endpoint {endpoint} cannot be used: {error}"))
        })?
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(Duration::from_secs(10))
        .tls_config(proto::mtls::client(&ca, &cert, &key, &domain))
        .map_err(unusable)
}

fn way(connection: &Connection) -> Result<Way, Failure> {
    let given = connection.clone();
    if let (Some(endpoint), Some(ca), Some(cert), Some(key)) =
        (given.endpoint, given.ca, given.cert, given.key)
    {
        return Ok(Way { endpoint, ca, cert, key });
    }
    let found = world::find()?;
    let world = found.as_ref();
    let certificates = world.map(|world| &world.certificates);
    let choose = |flag: &Option<String>, local: Option<&Option<String>>, missing: &str| {
        flag.clone().or_else(|| local.cloned().flatten()).ok_or_else(|| {
            Failure::Configuration(format!(
                "no local world runs (target/world/world.json) and {missing} is not given; start one with `cargo demo`, \
                 or give --endpoint, --ca, --cert and --key"
            ))
        })
    };
    Ok(Way {
        endpoint: choose(&connection.endpoint, world.and_then(World::decider), "--endpoint")?,
        ca: choose(&connection.ca, certificates.map(|files| &files.ca), "--ca")?,
        cert: choose(&connection.cert, certificates.map(|files| &files.operator_cert), "--cert")?,
        key: choose(&connection.key, certificates.map(|files| &files.operator_key), "--key")?,
    })
}

/// The URL to connect to, and the name its certificate must carry: the host's, or `localhost` for a bare address.
fn address(endpoint: &str) -> Result<(String, String), Failure> {
    let rest = match endpoint.split_once("://") {
        Some(("http", _)) => {
            return Err(Failure::Configuration(format!(
                "the endpoint {endpoint} is plaintext; the mTLS port is https"
            )));
        }
        Some((_, rest)) => rest,
        None => endpoint,
    };
    let authority = rest.split('/').next().unwrap_or_default();
    let Some((host, port)) = authority.rsplit_once(':') else {
        return Err(Failure::Configuration(format!(
            "the endpoint {endpoint} names no port; write host:port"
        )));
    };
    if host.is_empty() || port.parse::<u16>().is_err() {
        return Err(Failure::Configuration(format!(
            "the endpoint {endpoint} cannot be read; write host:port"
        )));
    }
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let domain = if bare.parse::<std::net::IpAddr>().is_ok() { "localhost" } else { bare };
    Ok((format!("https://{authority}"), domain.to_owned()))
}

fn read(file: &str, flag: &str) -> Result<String, Failure> {
    std::fs::read_to_string(file)
        .map_err(|error| Failure::Configuration(format!("could not read {flag} {file}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(endpoint: &str, expected: Option<(&str, &str)>) {
        let found = address(endpoint).ok();
        let found = found.as_ref().map(|(url, domain)| (url.as_str(), domain.as_str()));
        assert_eq!(found, expected, "{endpoint}");
    }

    #[test]
    fn a_bare_address_is_checked_as_localhost_and_a_name_as_itself() {
        check("127.0.0.1:9301", Some(("https://127.0.0.1:9301", "localhost")));
        check("https://[::1]:9301/", Some(("https://[::1]:9301", "localhost")));
        check(
            "https://decider.internal:9301",
            Some(("https://decider.internal:9301", "decider.internal")),
        );
        check("http://decider.internal:9301", None);
        check("decider.internal", None);
        check("decider.internal:port", None);
    }
}
