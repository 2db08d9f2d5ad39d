//! Redis in the local world: append-only, so that it comes back from its file; and as much of its protocol as one
//! question needs.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::install::remove;
use crate::paths::Paths;
use crate::process::Program;

const ANSWER_DEADLINE: Duration = Duration::from_secs(2);
const START_DEADLINE: Duration = Duration::from_secs(15);
const ASK_EVERY: Duration = Duration::from_millis(20);

/// How to start Redis on `port`, with an empty file.
pub fn prepare(paths: &Paths, port: u16) -> Result<Program> {
    let data = paths.data.join("redis");
    remove(&data)?;
    std::fs::create_dir_all(&data).with_context(|| format!("could not make {}", data.display()))?;
    let port = port.to_string();
    let folder = data.display().to_string();
    let arguments = [
        "--port",
        &port,
        "--bind",
        "127.0.0.1",
        "--dir",
        &folder,
        "--appendonly",
        "yes",
        "--appendfsync",
        "everysec",
        "--notify-keyspace-events",
        "KEAx",
        "--save",
        "",
        "--daemonize",
        "no",
    ];
    Ok(Program {
        name: "redis".to_owned(),
        path: PathBuf::from("redis-server"),
        arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
        environment: Vec::new(),
        folder: data,
        log: paths.log("redis"),
    })
}

/// Waits until Redis answers and has read its file.
pub async fn ready(address: &str) -> Result<()> {
    let asking = async {
        while !matches!(command(address, "PING").await.as_deref(), Ok("+PONG")) {
            tokio::time::sleep(ASK_EVERY).await;
        }
    };
    tokio::time::timeout(START_DEADLINE, asking).await.with_context(|| {
        format!("Redis at {address} did not answer within {} s", START_DEADLINE.as_secs())
    })
}

/// Sends one command without arguments and answers the first line that comes back.
pub async fn command(address: &str, name: &str) -> Result<String> {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(format!("*1\r\n${}\r\n{name}\r\n", name.len()).as_bytes()).await?;
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            line.push(stream.read_u8().await?);
        }
        Ok::<String, std::io::Error>(String::from_utf8_lossy(&line).trim().to_owned())
    };
    let answer = tokio::time::timeout(ANSWER_DEADLINE, exchange).await;
    answer
        .with_context(|| format!("Redis at {address} did not answer {name}"))?
        .with_context(|| format!("could not ask Redis at {address} for {name}"))
}

/// The host and port in a Redis URL, for a first look whether anybody is there.
pub fn address_of(url: &str) -> Result<String> {
    // The URL itself is not repeated in an error: it may hold a password.
    let rest = url.strip_prefix("redis://").or_else(|| url.strip_prefix("rediss://"));
    let Some(rest) = rest else {
        bail!("the address of Redis is no URL; write redis://HOST:PORT or rediss://HOST:PORT")
    };
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    if host.is_empty() {
        bail!("the URL of Redis names no host; write redis://HOST:PORT");
    }
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    Ok(if has_port { host.to_owned() } else { format!("{host}:6379") })
}

/// The URL of Redis to be shown and kept: without user and password.
pub fn without_credentials(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("redis", url));
    // A password may hold a slash that should have been escaped, so the last @ of all is where it ends.
    format!("{scheme}://{}", rest.rsplit('@').next().unwrap_or_default())
}

/// Whether the user's own Redis can be reached. It may want TLS and a password, so this only connects.
pub async fn reachable(url: &str) -> Result<()> {
    let address = address_of(url)?;
    match tokio::time::timeout(ANSWER_DEADLINE, TcpStream::connect(&address)).await {
        Ok(Ok(_)) => Ok(()),
        _ => bail!(
            "could not reach Redis at {address}; check the address, or leave --redis out to start one here"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::{address_of, without_credentials};

    #[test]
    fn a_url_names_an_address() {
        for (url, expected) in [
            ("redis://127.0.0.1:7379/", "127.0.0.1:7379"),
            ("rediss://perimeter:secret@cache.example:6380/0", "cache.example:6380"),
            ("redis://cache.example", "cache.example:6379"),
            ("redis://[::1]:7000", "[::1]:7000"),
        ] {
            assert_eq!(address_of(url).unwrap(), expected);
        }
        for url in ["127.0.0.1:6379", "http://127.0.0.1", "redis:///0"] {
            assert!(address_of(url).is_err(), "{url}");
        }
    }

    #[test]
    fn a_url_that_is_shown_holds_no_password() {
        for (url, shown) in [
            ("rediss://perimeter:secret@cache.example:6380/0", "rediss://cache.example:6380/0"),
            ("rediss://:secret@cache.example", "rediss://cache.example"),
            ("rediss://u:se/cr@et@cache.example:6380", "rediss://cache.example:6380"),
            ("redis://127.0.0.1:7379/", "redis://127.0.0.1:7379/"),
        ] {
            assert_eq!(without_credentials(url), shown);
        }
    }
}
