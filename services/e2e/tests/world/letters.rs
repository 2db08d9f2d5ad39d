//! What a reader refused, as an operator meets it: listed with its reason, shown, and published again once it is good.

use std::time::Duration;

use schemas::{Event, Observable, Provenance, Record as _, Topic};
use serde_json::Value;
use uuid::Uuid;

use super::addresses;
use super::closes::blocked;
use super::kit::{SQL_INJECTION, World, eventually, now, said};
use super::log::Log;

const LISTED_WITHIN: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_event_is_listed_and_shown_and_lands_once_it_is_good() {
    let world = World::calm().await;
    let log = Log::of(&world);
    let event = event();
    let mut payload = Vec::new();
    event.encode(&mut payload).unwrap();
    let key = event.key();
    let cut = &payload[..payload.len() / 2];
    let malformed = log.publish_raw(Topic::Events, None, key.as_bytes(), cut).await;
    let own = schemas::topic::partition_of_key(key.as_bytes(), Topic::Events.partitions());
    let strayed = Some((own + 1) % Topic::Events.partitions());
    let strayed = log.publish_raw(Topic::Events, strayed, key.as_bytes(), &payload).await;

    let malformed = listed(&world, malformed, "malformed").await;
    let shown = world.json(&["dlq", "show", "events", &malformed]).await;
    assert_eq!(shown["class"], "malformed", "{shown}");
    assert!(shown["reason"].as_str().unwrap().contains("does not follow its schema"), "{shown}");
    assert!(shown["refused"].as_str().unwrap().contains("does not follow its schema"), "{shown}");
    assert!(shown["hexadecimal"].as_str().unwrap().starts_with("c301"), "{shown}");
    let page = world.perimeter(&["dlq", "show", "events.dlq", &malformed]).await;
    assert!(page.status.success() && said(&page).contains("00000000  c3 01 "), "{}", said(&page));
    let refused = replay(&world, &[&malformed]).await;
    assert_eq!(refused.0, Some(4), "{}", refused.1);

    let strayed = listed(&world, strayed, "wrong_key").await;
    let dry = replay(&world, &[&strayed, "--dry-run"]).await;
    assert!(dry.0 == Some(0) && dry.1.contains("would publish 1 record"), "{}", dry.1);
    let done = replay(&world, &[&strayed]).await;
    assert!(done.0 == Some(0) && done.1.contains("published 1 record"), "{}", done.1);
    log.wait("the event in its own partition", LISTED_WITHIN, |read| {
        let mut own = read.events.iter().filter(|at| at.partition == own);
        own.any(|at| at.record.event_id == event.event_id).then_some(())
    })
    .await;
    blocked(&log, &Observable::client(event.client)).await;
}

#[tokio::test]
async fn a_record_that_only_a_service_may_write_is_never_published_again() {
    let world = World::calm().await;
    for topic in Topic::ALL {
        if matches!(topic, Topic::Events | Topic::Detections) {
            continue;
        }
        let arguments = ["dlq", "replay", topic.name(), "--all", "--reason", "a test"];
        let output = world.perimeter(&arguments).await;
        assert_eq!(output.status.code(), Some(3), "{topic:?}: {}", said(&output));
        assert!(said(&output).contains("never published again"), "{}", said(&output));
    }
    let absent = world.perimeter(&["dlq", "show", "events", "999999999"]).await;
    assert_eq!(absent.status.code(), Some(1), "{}", said(&absent));
}

/// Waits until the letter of the record that stood there is listed; answers its own offset.
async fn listed(world: &World, (partition, offset): (i32, i64), class: &str) -> String {
    let arguments =
        ["dlq", "list", "--topic", "events", "--class", class, "--since", "1h", "--output", "json"];
    eventually("the dead letter is listed", LISTED_WITHIN, async || {
        let output = world.perimeter(&arguments).await;
        assert!(output.status.success(), "{}", said(&output));
        let text = String::from_utf8(output.stdout).unwrap();
        let mut rows = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let row = rows.find(|row| {
            row["stood_at"]["partition"] == partition && row["stood_at"]["offset"] == offset
        })?;
        assert!(row["class"] == class && !row["reason"].as_str()?.is_empty(), "{row}");
        Some(row["offset"].to_string())
    })
    .await
}

/// The exit code of a replay of events, and what it said.
async fn replay(world: &World, arguments: &[&str]) -> (Option<i32>, String) {
    let command = [&["dlq", "replay", "events", "--reason", "a test"], arguments].concat();
    let output = world.perimeter(&command).await;
    (output.status.code(), said(&output))
}

/// An attack that one event completes.
fn event() -> Event {
    Event {
        event_id: Uuid::new_v4(),
        source: "e2e/letters".to_owned(),
        uri: SQL_INJECTION.to_owned(),
        status: Some(200),
        ..Event::request(addresses::v4(), Provenance::SocketPeer, now())
    }
}
