//! The guide's two publishers as they stand in the repository, against the real broker: their events are decided upon.

use std::net::IpAddr;
use std::process::Output;
use std::time::Duration;

use schemas::Observable;
use tokio::process::Command;

use super::addresses;
use super::closes::blocked;
use super::kit::{SQL_INJECTION, World, program, said};
use super::log::Log;

const PUBLISHED_WITHIN: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_guides_publishers_send_is_detected_and_decided() {
    let world = World::calm().await;
    let log = Log::of(&world);
    for client in [addresses::v4(), addresses::v6()] {
        let mut python = Command::new(world.folder().join("venv/bin/python"));
        python.arg(world.checkout().join("deploy/publishers/python/publish.py"));
        python.arg("--schema").arg(world.checkout().join("schemas/avro/event.avsc"));
        published(&world, &log, python, "guide/python", client).await;
    }
    for client in [addresses::v4(), addresses::v6()] {
        let rust = Command::new(program("sample-publisher"));
        published(&world, &log, rust, "guide/rust", client).await;
    }
}

/// Publishes an attack of `client`, and waits for the block that answers it.
async fn published(world: &World, log: &Log, mut publisher: Command, source: &str, client: IpAddr) {
    let brokers = world.at("/kafka/bootstrap");
    publisher.args(["--brokers", &brokers, "--source", source, "--uri", SQL_INJECTION]);
    publisher.arg("--client").arg(client.to_string()).kill_on_drop(true);
    let output = tokio::time::timeout(PUBLISHED_WITHIN, publisher.output()).await;
    let output: Output = output.expect("the publisher ends").unwrap();
    assert!(output.status.success(), "{source}: {}", said(&output));
    let event = log
        .wait(&format!("the event of {client}"), PUBLISHED_WITHIN, |read| {
            let events = read.events.iter().map(|at| &at.record);
            events
                .filter(|event| event.source == source)
                .find(|event| event.client == client)
                .cloned()
        })
        .await;
    let decision = blocked(log, &Observable::client(client)).await;
    let detection = log
        .wait(&format!("the detection of {client}"), PUBLISHED_WITHIN, |read| {
            let mut detections = read.detections.iter().map(|at| &at.record);
            detections.find(|found| Some(found.detection_id) == decision.detection_id).cloned()
        })
        .await;
    assert!(detection.evidence.iter().any(|evidence| evidence.event_id == event.event_id));
}
