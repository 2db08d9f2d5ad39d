//! Topics of the user's own: what a record becomes, under which id, believed how far; and that no record stops a topic.

use collector::config::kafka::Kafka;
use collector::publish::{Outbox, Watch};
use collector::sources::kafka::run;
use observe::Trusted;
use pipeline::memory::Log;
use pipeline::{Bus, Clock, Context, Health, Message};
use schemas::{Event, Protected, Provenance, Record as _};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::files::line;
use super::http::event;
use super::{NOW, dead, events};

const TOPIC: &str = "their.logs";

/// A topic with records, and the events that came of it.
struct World {
    log: Log,
    format: &'static str,
    provenance: &'static str,
}

impl World {
    fn of(format: &'static str, provenance: &'static str) -> Self {
        World { log: Log::new(Clock::manual(NOW)), format, provenance }
    }

    fn publish(&self, partition: i32, payload: impl Into<Vec<u8>>) {
        self.log.append(Message {
            topic: TOPIC.to_owned(),
            key: b"any key".to_vec(),
            payload: payload.into(),
            partition: Some(partition),
            headers: Vec::new(),
        });
    }

    /// Reads until there are as many events and dead letters together; answers the events.
    async fn read(&self, count: usize) -> Vec<Event> {
        self.read_as("their-group", count).await
    }

    async fn read_as(&self, group: &str, count: usize) -> Vec<Event> {
        let clock = Clock::manual(NOW);
        let bus = Bus::in_memory(self.log.clone());
        let publisher = bus.publisher().unwrap();
        let outbox =
            Outbox::new("kafka", publisher, Watch::new(Protected::special()), clock.clone());
        let context = Context {
            service: "collector",
            replica: 0,
            bus: bus.clone(),
            clock,
            health: Health::default(),
            shutdown: CancellationToken::new(),
            tls: None,
        };
        let text = format!(
            "[[topic]]\nname = \"{TOPIC}\"\nformat = '{}'\ngroup = \"{group}\"\nprovenance = \"{}\"",
            self.format, self.provenance
        );
        let topic = Kafka::parse(&text, Vec::new(), Vec::new()).unwrap().topics.remove(0);
        let come = async {
            while events(&self.log).len() + dead(&self.log).len() < count {
                tokio::task::yield_now().await;
            }
            context.shutdown.cancel();
        };
        let ready = || context.health.set("topic", true);
        let reading = run(topic, &bus, Trusted::default(), outbox, &context, ready);
        let (read, ()) = tokio::join!(reading, come);
        read.unwrap();
        assert_eq!(context.health.ready(), Ok(()));
        events(&self.log)
    }
}

fn avro(source: &str) -> Vec<u8> {
    let mut event = events_of_ours();
    event.source = source.to_owned();
    let mut payload = Vec::new();
    event.encode(&mut payload).unwrap();
    payload
}

fn events_of_ours() -> Event {
    Event {
        event_id: Uuid::from_u128(9),
        position: Some(3),
        received_at: Some(1),
        refused_by_us: true,
        probe: true,
        ..Event::request("81.2.69.142".parse().unwrap(), Provenance::ProxyAsserted, NOW)
    }
}

#[tokio::test]
async fn a_record_that_is_read_again_is_the_same_event() {
    for (format, payload) in [
        ("documents", event("81.2.69.142").into_bytes()),
        ("combined", line("/a").into_bytes()),
        ("event", avro("theirs")),
        ("$remote_addr $status", b"81.2.69.142 404".to_vec()),
    ] {
        let world = World::of(format, "external_feed");
        world.publish(4, payload.clone());
        world.publish(4, payload);
        world.read_as("one", 2).await;
        let found = world.read_as("another", 4).await;
        let mut ids: Vec<_> = found.iter().map(|event| event.event_id).collect();
        ids.sort();
        ids.dedup();
        // An event of ours has the id that its publisher gave it, however often it is published.
        assert_eq!(ids.len(), if format == "event" { 1 } else { 2 }, "{format}: {found:?}");
        assert!(found.iter().all(|event| event.source.starts_with("kafka/their.logs/4")));
    }
}

#[tokio::test]
async fn what_was_committed_is_not_read_again() {
    let world = World::of("combined", "socket_peer");
    world.publish(0, line("/a"));
    assert_eq!(world.read(1).await.len(), 1);
    world.publish(0, line("/b"));
    world.publish(7, line("/c"));
    let uris: Vec<_> = world.read(3).await.into_iter().map(|event| event.uri).collect();
    assert_eq!(uris, ["/a", "/b", "/c"]);
}

#[tokio::test]
async fn a_record_that_cannot_be_used_stops_nothing_and_says_where_it_stands() {
    let (good, two_lines) = (event("81.2.69.142"), line("/b").repeat(2));
    for (format, good, bad) in [
        ("documents", good.clone().into_bytes(), vec![&b"nonsense"[..], b"[{", b"{}", b"\xff\xfe"]),
        (
            "combined",
            line("/a").into_bytes(),
            vec![&b"nonsense"[..], &[b'x'; 70_000], two_lines.as_bytes()],
        ),
        ("event", avro("theirs"), vec![&b"nonsense"[..], b"\xc3\x01", b"{}"]),
    ] {
        let world = World::of(format, "external_feed");
        let count = bad.len();
        for bad in bad {
            world.publish(2, bad);
        }
        world.publish(2, good);
        world.publish(2, "");
        assert_eq!(world.read(count + 1).await.len(), 1, "{format}");
        for (index, (_, _, letter)) in world.log.messages("events.dlq").into_iter().enumerate() {
            let header = |name: &str| {
                let found = letter.headers.iter().find(|(header, _)| *header == name);
                String::from_utf8(found.unwrap().1.clone()).unwrap()
            };
            assert_eq!(header("perimeter-source"), "kafka/their.logs/2");
            assert_eq!(header("perimeter-position"), index.to_string());
            assert!(letter.payload.len() <= 256 && !header("perimeter-reason").is_empty());
        }
    }
}

#[tokio::test]
async fn of_several_documents_in_a_record_each_is_an_event_and_none_hides_another() {
    let world = World::of("documents", "external_feed");
    world.publish(0, format!("{}\n{{}}\n{}", event("81.2.69.1"), event("81.2.69.1")));
    world.publish(0, event("81.2.69.1"));
    let found = world.read(4).await;
    let positions: Vec<_> = found.iter().map(|event| event.position).collect();
    assert_eq!(positions, [None, None, Some(1)]);
    let mut ids: Vec<_> = found.iter().map(|event| event.event_id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 3);
    assert_eq!(dead(&world.log), ["unsupported"]);
}

#[tokio::test]
async fn an_alert_is_one_event_in_whichever_record_it_is_told() {
    let world = World::of("documents", "external_feed");
    let alert = r#"{"fingerprint": "a1", "labels": {"client_ip": "81.2.69.142"}, "startsAt": "2026-05-28T20:26:40Z"}"#;
    let webhook = format!(r#"{{"receiver": "perimeter", "alerts": [{alert}]}}"#);
    world.publish(0, webhook.clone());
    world.publish(3, webhook);
    let found = world.read(2).await;
    assert_eq!(found[0].event_id, found[1].event_id);
    // With a position it would be told from its repeat by that.
    assert!(found.iter().all(|event| event.position.is_none()), "{found:?}");
}

#[tokio::test]
async fn a_topic_is_believed_as_far_as_the_file_says() {
    for (format, payload, believed) in [
        ("documents", event("81.2.69.142").into_bytes(), Provenance::SocketPeer),
        ("combined", line("/a").into_bytes(), Provenance::SocketPeer),
        ("event", avro("theirs"), Provenance::ProxyAsserted),
    ] {
        for (provenance, expected) in
            [("external_feed", Provenance::ExternalFeed), ("socket_peer", believed)]
        {
            let world = World::of(format, provenance);
            world.publish(0, payload.clone());
            let found = world.read(1).await.remove(0);
            assert_eq!(found.provenance, expected, "{format} of {provenance}");
            assert_eq!(found.received_at, Some(NOW));
            assert!(!found.probe && (provenance == "socket_peer" || !found.refused_by_us));
        }
    }
}

/// Who writes a record chooses its timestamp: a batch's, or a table's. The scorer would take the event for one of the future.
#[tokio::test]
async fn a_timestamp_from_before_what_its_record_tells_of_is_not_when_that_could_be_read() {
    for (earlier_ms, received_at) in [(0, NOW), (30_000, NOW - 30_000), (3_600_000, NOW)] {
        let log = Log::new(Clock::manual(NOW - earlier_ms));
        let world = World { log, ..World::of("event", "external_feed") };
        world.publish(0, avro("theirs"));
        let found = world.read(1).await.remove(0);
        assert_eq!((found.observed_at, found.received_at), (NOW, Some(received_at)));
    }
}
