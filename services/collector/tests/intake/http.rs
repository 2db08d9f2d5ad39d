//! The intake as a sender meets it.

use collector::config::intake;
use collector::publish::{Outbox, Watch};
use collector::sources::http::{Intake, Patience};
use pipeline::memory::Log;
use pipeline::{Bus, Clock};
use schemas::{Protected, Provenance};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::{NOW, dead, events};

/// SHA-256 of `secret`.
pub(super) const SECRET: &str = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";

pub(super) struct World {
    pub(super) log: Log,
    port: u16,
    shutdown: CancellationToken,
}

impl World {
    async fn new(provenance: &str) -> Self {
        let log = Log::new(Clock::manual(NOW));
        World::on(&Bus::in_memory(log.clone()), log, provenance, Patience::default()).await
    }

    /// An intake of addresses that are only evidence, with little patience.
    pub(super) async fn impatient(patience: Patience) -> Self {
        let log = Log::new(Clock::manual(NOW));
        World::on(&Bus::in_memory(log.clone()), log, "external_feed", patience).await
    }

    pub(super) async fn on(bus: &Bus, log: Log, provenance: &str, patience: Patience) -> Self {
        let (clock, shutdown) = (Clock::manual(NOW), CancellationToken::new());
        let publisher = bus.publisher().unwrap();
        let outbox =
            Outbox::new("http", publisher, Watch::new(Protected::special()), clock.clone());
        let config = intake::Intake::parse(&format!(
            "address = \"127.0.0.1:0\"\n[[sender]]\nname = \"app\"\ntoken_sha256 = \"{SECRET}\"\n\
             provenance = \"{provenance}\""
        ));
        let intake = Intake::new(config.unwrap(), outbox, clock, shutdown.clone(), patience);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move { intake.serve_plaintext(listener).await });
        World { log, port, shutdown }
    }

    pub(super) async fn connect(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.port)).await.unwrap()
    }

    /// The process must end.
    pub(super) fn end(&self) {
        self.shutdown.cancel();
    }

    /// Posts a body; answers status and body.
    pub(super) async fn post(&self, token: &str, body: &str) -> (u16, String) {
        self.post_with(&format!("authorization: Bearer {token}"), body).await
    }

    /// Posts a body under these lines of a head; answers status and body.
    async fn post_with(&self, head: &str, body: &str) -> (u16, String) {
        let mut stream = self.connect().await;
        let request = format!(
            "POST /v1/events HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{head}\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

pub(super) fn event(client: &str) -> String {
    format!(
        r#"{{"observed_at": {NOW}, "client": "{client}", "method": "GET", "uri": "/", "probe": true}}"#
    )
}

#[tokio::test]
async fn the_good_is_taken_the_bad_is_named_and_nothing_is_held_up() {
    let world = World::new("external_feed").await;
    let body = format!("{}\nnonsense\n{}\n{{}}\n", event("81.2.69.142"), event("81.2.69.144"));
    let (status, answer) = world.post("secret", &body).await;
    assert_eq!(status, 202, "{answer}");
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["accepted"], 2);
    assert_eq!(named(&answer), ["1 2 malformed", "3 4 unsupported"]);
    let found = events(&world.log);
    assert!(found.iter().all(|event| event.provenance == Provenance::ExternalFeed && !event.probe));
    assert_eq!(dead(&world.log), ["malformed", "unsupported"]);
}

/// The dead documents of an answer: index, line and class of each.
fn named(answer: &serde_json::Value) -> Vec<String> {
    let each = answer["dead"].as_array().unwrap().iter();
    each.map(|dead| {
        format!("{} {} {}", dead["index"], dead["line"], dead["class"].as_str().unwrap())
    })
    .collect()
}

#[tokio::test]
async fn of_an_array_in_one_line_a_dead_document_is_told_by_its_index() {
    let world = World::new("external_feed").await;
    let body = format!("\u{FEFF}[{0},{{}},{0},7]", event("81.2.69.142"));
    let (status, answer) = world.post("secret", &body).await;
    assert_eq!(status, 202, "{answer}");
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(named(&answer), ["1 1 unsupported", "3 1 malformed"]);
    assert_eq!(answer["accepted"], 2);
}

#[tokio::test]
async fn the_scheme_of_a_token_is_known_in_any_case_and_no_encoding_is() {
    let world = World::new("external_feed").await;
    for (head, expected) in [
        ("authorization: bearer secret", 202),
        ("authorization: BEARER  secret", 202),
        ("authorization: Basic secret", 401),
        ("authorization: Bearersecret", 401),
        ("authorization: Bearer secret\r\ncontent-encoding: Identity", 202),
        ("authorization: Bearer secret\r\ncontent-encoding: gzip", 415),
        ("authorization: Bearer secret\r\ncontent-encoding: identity, br", 415),
        ("content-encoding: gzip", 401),
    ] {
        let (status, answer) = world.post_with(head, &event("81.2.69.142")).await;
        assert_eq!(status, expected, "{head}: {answer}");
        if expected == 415 {
            let encoding = head.rsplit(": ").next().unwrap();
            assert!(answer.contains(&format!("encoding \"{encoding}\"")), "{answer}");
        }
    }
    assert!(dead(&world.log).is_empty());
}

#[tokio::test]
async fn a_body_sent_again_is_the_same_events_and_an_array_is_as_good_as_lines() {
    let world = World::new("socket_peer").await;
    let array = format!("[{},\n {}]", event("81.2.69.142"), event("81.2.69.144"));
    assert_eq!(world.post("secret", &array).await.0, 202);
    let lines = format!("{}\n{}", event("81.2.69.142"), event("81.2.69.144"));
    assert_eq!(world.post("secret", &lines).await.0, 202);
    let mut ids: Vec<_> = events(&world.log).into_iter().map(|event| event.event_id).collect();
    assert_eq!(ids.len(), 4);
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 2);
}

#[tokio::test]
async fn an_alert_that_names_no_client_is_dead_beside_one_that_does() {
    let world = World::new("external_feed").await;
    let body = r#"{"receiver": "perimeter", "alerts": [
        {"labels": {"alertname": "disk"}, "startsAt": "2026-05-28T20:26:40Z"},
        {"labels": {"alertname": "flood", "client_ip": "81.2.69.142"}, "startsAt": "2026-05-28T20:26:40Z"}]}"#;
    let (status, answer) = world.post("secret", body).await;
    assert_eq!(status, 202, "{answer}");
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    assert_eq!((&answer["accepted"], &answer["dead_total"]), (&1.into(), &1.into()));
    assert_eq!(events(&world.log)[0].finding.as_deref(), Some("flood"));
    assert_eq!(dead(&world.log), ["no_address"]);
}

#[tokio::test]
async fn an_alert_is_one_event_in_whichever_group_it_is_told() {
    let world = World::new("external_feed").await;
    let alert = |print: &str, client: &str| {
        format!(
            r#"{{"fingerprint": "{print}", "labels": {{"client_ip": "{client}"}}, "startsAt": "2026-05-28T20:26:40Z"}}"#
        )
    };
    let (one, other) = (alert("a1", "81.2.69.142"), alert("b2", "81.2.69.144"));
    for alerts in [one.clone(), format!("{one},{other}"), format!("{other},{one}")] {
        let body = format!(r#"{{"receiver": "perimeter", "alerts": [{alerts}]}}"#);
        assert_eq!(world.post("secret", &body).await.0, 202);
    }
    let found = events(&world.log);
    let mut told: Vec<_> = found.iter().map(|event| (event.client, event.event_id)).collect();
    assert_eq!(told.len(), 5);
    told.sort();
    told.dedup();
    assert_eq!(told.len(), 2);
}

#[tokio::test]
async fn a_stranger_an_empty_body_and_a_cut_one_are_refused() {
    let world = World::new("external_feed").await;
    assert_eq!(world.post("guess", &event("81.2.69.142")).await.0, 401);
    assert_eq!(world.post("secret", "\n\n").await.0, 400);
    assert_eq!(world.post("secret", &format!("[{}", event("81.2.69.142"))).await.0, 400);
    assert!(events(&world.log).is_empty());
}
