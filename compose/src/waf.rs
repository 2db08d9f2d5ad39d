//! The WAF emulator (moto): somebody else's implementation of AWS WAFv2, so that we do not test against ourselves.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::net::TcpStream;

use crate::http;
use crate::install::venv;
use crate::paths::Paths;
use crate::process::Program;

/// Where the emulator says that it is an emulator; AWS has no such page.
const OWN_PAGE: &str = "/moto-api/data.json";
const START_DEADLINE: Duration = Duration::from_secs(30);
const ANSWER_DEADLINE: Duration = Duration::from_secs(3);
const ASK_EVERY: Duration = Duration::from_millis(50);

/// How to start the emulator on `port`.
pub fn prepare(paths: &Paths, port: u16) -> Program {
    Program {
        name: "waf".to_owned(),
        path: venv(paths).join("bin/moto_server"),
        arguments: ["-H", "127.0.0.1", "-p", &port.to_string()].map(str::to_owned).to_vec(),
        environment: Vec::new(),
        folder: paths.world.clone(),
        log: paths.log("waf"),
    }
}

/// Waits until the emulator answers.
pub async fn ready(address: &str) -> Result<()> {
    let asking = async {
        while !matches!(http::get(address, OWN_PAGE).await, Ok((200, _))) {
            tokio::time::sleep(ASK_EVERY).await;
        }
    };
    tokio::time::timeout(START_DEADLINE, asking).await.with_context(|| {
        format!(
            "the WAF emulator at {address} did not answer within {} s",
            START_DEADLINE.as_secs()
        )
    })
}

/// Whether the user's own endpoint can be reached.
pub async fn reachable(endpoint: &str) -> Result<()> {
    let address = address_of(endpoint)?;
    match tokio::time::timeout(ANSWER_DEADLINE, TcpStream::connect(&address)).await {
        Ok(Ok(_)) => Ok(()),
        _ => bail!(
            "could not reach the WAF at {address}; check the address, or leave --waf-endpoint out to emulate one"
        ),
    }
}

/// The host and port in an endpoint.
pub fn address_of(endpoint: &str) -> Result<String> {
    let (port, rest) = match (endpoint.strip_prefix("http://"), endpoint.strip_prefix("https://")) {
        (Some(rest), _) => (80, rest),
        (_, Some(rest)) => (443, rest),
        _ => bail!("{endpoint} is no WAF endpoint; write http://HOST:PORT or https://HOST"),
    };
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    if authority.is_empty() {
        bail!("{endpoint} names no host; write http://HOST:PORT or https://HOST");
    }
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    Ok(if has_port { authority.to_owned() } else { format!("{authority}:{port}") })
}

#[cfg(test)]
mod tests {
    use super::address_of;

    #[test]
    fn an_endpoint_names_an_address() {
        for (endpoint, expected) in [
            ("http://127.0.0.1:7501", "127.0.0.1:7501"),
            ("https://wafv2.eu-west-1.example/", "wafv2.eu-west-1.example:443"),
            ("http://emulator", "emulator:80"),
        ] {
            assert_eq!(address_of(endpoint).unwrap(), expected);
        }
        for endpoint in ["127.0.0.1:7501", "https://", "ftp://x"] {
            assert!(address_of(endpoint).is_err(), "{endpoint}");
        }
    }
}
