//! Apache Kafka in the local world: one broker in KRaft mode, on free ports, with empty logs at every start.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::paths::Paths;
use crate::ports;
use crate::process::{self, Program};

const CLUSTER_ID: &str = "ELdKY1J6TC2ApJlXcEkPKA";
const SETTINGS: &str = include_str!("../kafka/server.properties");
const FORMAT_DEADLINE: Duration = Duration::from_secs(60);
const START_DEADLINE: Duration = Duration::from_secs(60);
const ANSWER_DEADLINE: Duration = Duration::from_secs(2);
const ASK_EVERY: Duration = Duration::from_millis(50);

/// The folder of Kafka's own code.
pub fn library(paths: &Paths) -> PathBuf {
    paths.world.join("kafka/lib")
}

/// The class-data archive: it saves more than a second of every start.
pub fn archive(paths: &Paths) -> PathBuf {
    paths.world.join("kafka/kafka.jsa")
}

/// Kafka's version, from the name of its jar.
pub fn version(paths: &Paths) -> Result<String> {
    let folder = library(paths);
    let entries = std::fs::read_dir(&folder)
        .with_context(|| format!("could not read {}", folder.display()))?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    version_in(names).with_context(|| {
        format!("there is no Kafka in {}; remove the folder and start again", folder.display())
    })
}

fn version_in(names: impl IntoIterator<Item = String>) -> Option<String> {
    names
        .into_iter()
        .find_map(|name| Some(name.strip_prefix("kafka_2.13-")?.strip_suffix(".jar")?.to_owned()))
}

/// Writes the broker's settings and formats its empty logs; then it can be started, and started again after a crash.
pub async fn prepare(paths: &Paths, port: u16, controller_port: u16) -> Result<Program> {
    prepare_in(
        paths,
        "kafka",
        &[&format!("-XX:SharedArchiveFile={}", archive(paths).display())],
        port,
        controller_port,
    )
    .await
}

async fn prepare_in(
    paths: &Paths,
    name: &str,
    options: &[&str],
    port: u16,
    controller: u16,
) -> Result<Program> {
    let folder = paths.world.join("kafka");
    let data = paths.data.join(name);
    crate::install::remove(&data)?;
    std::fs::create_dir_all(&data).with_context(|| format!("could not make {}", data.display()))?;
    let settings = folder.join(format!("{name}.properties"));
    let text = SETTINGS
        .replace("{{port}}", &port.to_string())
        .replace("{{controller_port}}", &controller.to_string())
        .replace("{{data}}", &data.display().to_string());
    std::fs::write(&settings, text)
        .with_context(|| format!("could not write {}", settings.display()))?;
    let settings = settings.display().to_string();
    let format = ["format", "-t", CLUSTER_ID, "-c", &settings, "--standalone", "-g"];
    let mut arguments = vec!["-Xmx256m", "-XX:TieredStopAtLevel=1", "-Xshare:auto"];
    arguments.extend(options.iter().filter(|option| !option.contains("ArchiveClassesAtExit")));
    arguments.extend(["-cp", "lib/*", "kafka.tools.StorageTool"]);
    arguments.extend(format);
    java(paths, &format!("{name}-format"), &arguments).finish(FORMAT_DEADLINE).await?;

    let mut arguments = vec![
        "-Xms128m",
        "-Xmx512m",
        "-XX:+UseSerialGC",
        // A local world is young: its compilers would take half a core for the first minute. They stand back instead, by
        // a nice value of 10, which leaves them a tenth of what another thread gets.
        "-XX:ThreadPriorityPolicy=1",
        "-XX:CompilerThreadPriority=10",
        "-XX:MaxDirectMemorySize=128m",
        "-Djava.awt.headless=true",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    ];
    arguments.extend(options);
    arguments.extend(["-cp", "lib/*", "kafka.Kafka", &settings]);
    Ok(java(paths, name, &arguments))
}

/// Starts a broker once so that the Java runtime can write down the classes it loaded.
pub async fn make_archive(paths: &Paths) -> Result<()> {
    let ports = ports::free(2)?;
    let half = paths.world.join("kafka/half.jsa");
    crate::install::remove(&half)?;
    let option = format!("-XX:ArchiveClassesAtExit={}", half.display());
    let program = prepare_in(paths, "kafka-archive", &[&option], ports[0], ports[1]).await?;
    let mut child = program.start()?;
    let address = format!("127.0.0.1:{}", ports[0]);
    let started = tokio::select! {
        ready = ready(&address) => ready,
        _ = child.wait() => Err(anyhow::anyhow!("Kafka ended at its start:\n{}", process::tail(&program.log))),
    };
    process::end(&mut child, Duration::from_secs(30)).await;
    started?;
    crate::install::remove(&paths.data.join("kafka-archive"))?;
    // A runtime that writes no archive still runs Kafka, only slower: an empty one is ignored by it and by us.
    if !half.exists() {
        std::fs::write(&half, "").context("could not write into target/world/kafka")?;
    }
    std::fs::rename(&half, archive(paths))
        .context("could not put Kafka's class archive in its place")
}

fn java(paths: &Paths, name: &str, arguments: &[&str]) -> Program {
    Program {
        name: name.to_owned(),
        path: "java".into(),
        arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
        environment: Vec::new(),
        folder: paths.world.join("kafka"),
        log: paths.log(name),
    }
}

/// Waits until a broker at `address` speaks Kafka's protocol.
pub async fn ready(address: &str) -> Result<()> {
    let asking = async {
        while !speaks(address).await {
            tokio::time::sleep(ASK_EVERY).await;
        }
    };
    tokio::time::timeout(START_DEADLINE, asking).await.with_context(|| {
        format!("Kafka at {address} did not answer within {} s", START_DEADLINE.as_secs())
    })
}

/// Whether any of the user's own brokers can be reached. It may speak TLS, so this only connects.
pub async fn reachable(brokers: &str) -> Result<()> {
    for broker in brokers.split(',').map(str::trim) {
        if let Ok(Ok(_)) = tokio::time::timeout(ANSWER_DEADLINE, TcpStream::connect(broker)).await {
            return Ok(());
        }
    }
    bail!(
        "could not reach any broker of {brokers}; check the address, or leave --brokers out to start one here"
    )
}

async fn speaks(address: &str) -> bool {
    matches!(tokio::time::timeout(ANSWER_DEADLINE, ask_versions(address)).await, Ok(Ok(true)))
}

/// One `ApiVersions` request, the oldest form, which every broker answers: length, key 18, version 0, correlation id,
/// no client id. The answer repeats the correlation id and says error 0.
async fn ask_versions(address: &str) -> Result<bool> {
    const CORRELATION: [u8; 4] = *b"hail";
    let mut stream = TcpStream::connect(address).await?;
    let mut request = vec![0, 0, 0, 10, 0, 18, 0, 0];
    request.extend(CORRELATION);
    request.extend([0xff, 0xff]);
    stream.write_all(&request).await?;
    let mut answer = [0; 10];
    stream.read_exact(&mut answer).await?;
    Ok(answer[4..8] == CORRELATION && answer[8..10] == [0, 0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_that_of_the_jar() {
        let names =
            ["kafka-clients-4.3.0.jar", "kafka_2.13-4.3.1.jar", "pom.xml"].map(str::to_owned);
        assert_eq!(version_in(names), Some("4.3.1".to_owned()));
        assert_eq!(version_in(["zookeeper-3.9.jar".to_owned()]), None);
    }

    #[test]
    fn every_blank_of_the_settings_is_filled() {
        let filled = SETTINGS
            .replace("{{port}}", "1")
            .replace("{{controller_port}}", "2")
            .replace("{{data}}", "/d");
        assert!(!filled.contains("{{"), "{filled}");
    }

    #[tokio::test]
    async fn something_else_on_the_port_is_not_a_broker() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let other = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        };
        let (answer, ()) = tokio::join!(speaks(&address), other);
        assert!(!answer);
    }
}
