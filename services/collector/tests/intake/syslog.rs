//! Syslog as a sender meets it: framing, who is believed how far, limits in time, back-pressure, the end.

use std::time::Duration;

use collector::config::syslog;
use collector::publish::{Outbox, Watch};
use collector::sources::syslog::{Patience, Syslog};
use observe::Trusted;
use pipeline::memory::Log;
use pipeline::{Bus, Clock};
use schemas::{Event, Protected, Provenance};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::authority::Authority;
use super::tls::connect as secured;
use super::{NOW, dead, events};

const RUN: Uuid = Uuid::from_u128(7);
const SHORT: Duration = Duration::from_millis(50);
const WITHIN: Duration = Duration::from_secs(10);
const GATEWAY: &str = "spiffe://perimeter/service/gateway";
const LOCAL: &str =
    "[[sender]]\nname = \"web\"\nnetwork = \"127.0.0.0/8\"\nprovenance = \"socket_peer\"\n";
const ELSEWHERE: &str = "[[sender]]\nname = \"web\"\nnetwork = \"10.0.0.0/8\"\n";

fn login(client: &str) -> String {
    format!("<38>May 28 20:26:39 web sshd[7]: Failed password for ann from {client} port 5 ssh2")
}

fn counted(client: &str) -> String {
    let login = login(client);
    format!("{} {login}", login.len())
}

struct World {
    log: Log,
    authority: Authority,
    tcp: u16,
    tls: u16,
    udp: u16,
    shutdown: CancellationToken,
    serving: tokio::task::JoinHandle<()>,
}

impl World {
    async fn new(senders: &str) -> Self {
        let log = Log::new(Clock::manual(NOW));
        World::on(&Bus::in_memory(log.clone()), log, senders, Patience::default()).await
    }

    async fn on(bus: &Bus, log: Log, senders: &str, patience: Patience) -> Self {
        let (clock, shutdown, authority) =
            (Clock::manual(NOW), CancellationToken::new(), Authority::new());
        let publisher = bus.publisher().unwrap();
        let outbox =
            Outbox::new("syslog", publisher, Watch::new(Protected::special()), clock.clone());
        let listener = "[[listener]]\ntransport = \"tls\"\naddress = \"127.0.0.1:0\"\n";
        let senders = syslog::Syslog::parse(&format!("{listener}{senders}")).unwrap().senders;
        let (trusted, end) = (Trusted::default(), shutdown.clone());
        let syslog = Syslog::new(senders, trusted, RUN, outbox, clock, end, patience);
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tls = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let ports =
            (tcp.local_addr().unwrap(), tls.local_addr().unwrap(), udp.local_addr().unwrap());
        let certificate = authority.tls("spiffe://perimeter/service/collector");
        let serving = tokio::spawn(async move {
            let secured = syslog.serve_tls(tls, &certificate);
            tokio::join!(syslog.serve_tcp(tcp), secured, syslog.serve_udp(udp));
        });
        let (tcp, tls, udp) = (ports.0.port(), ports.1.port(), ports.2.port());
        World { log, authority, tcp, tls, udp, shutdown, serving }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.tcp)).await.unwrap()
    }

    /// Sends over a connection of its own, ends it, and waits until the collector has.
    async fn send(&self, text: &str) {
        ended_after(self.connect().await, text.as_bytes()).await;
    }

    async fn datagram(&self, text: &str) {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.send_to(text.as_bytes(), ("127.0.0.1", self.udp)).await.unwrap();
    }

    /// Waits for as many events.
    async fn events(&self, count: usize) -> Vec<Event> {
        let waited = tokio::time::timeout(WITHIN, async {
            while events(&self.log).len() < count {
                tokio::task::yield_now().await;
            }
        });
        waited.await.expect("the events come");
        events(&self.log)
    }

    async fn end(self) {
        self.shutdown.cancel();
        tokio::time::timeout(WITHIN, self.serving).await.expect("it ends").unwrap();
    }
}

async fn ended_after(mut stream: impl AsyncRead + AsyncWrite + Unpin, bytes: &[u8]) {
    // Whoever is refused may be disconnected before.
    drop(stream.write_all(bytes).await);
    drop(stream.shutdown().await);
    let mut answer = Vec::new();
    let read = tokio::time::timeout(WITHIN, stream.read_to_end(&mut answer));
    drop(read.await.expect("the collector ends it"));
    assert!(answer.is_empty(), "syslog has no answers");
}

#[tokio::test]
async fn both_framings_of_one_connection_are_read_in_their_order() {
    let world = World::new(LOCAL).await;
    let stream = format!(
        "{}\n{}{}\nnonsense\n{}\n",
        login("81.2.69.1"),
        counted("81.2.69.2"),
        login("81.2.69.3"),
        login("81.2.69.4")
    );
    world.send(&stream).await;
    let found = world.events(4).await;
    let clients: Vec<String> = found.iter().map(|event| event.client.to_string()).collect();
    assert_eq!(clients, ["81.2.69.1", "81.2.69.2", "81.2.69.3", "81.2.69.4"]);
    assert!(found.iter().all(|event| event.source == format!("syslog/web/{RUN}/0")));
    assert!(found.iter().all(|event| event.provenance == Provenance::SocketPeer));
    // The date has no year: it is the newest that is not more than a day ahead.
    assert!(found.iter().all(|event| event.observed_at == 1_779_999_999_000), "{found:?}");
    assert_eq!(found[1].position, Some(login("81.2.69.1").len() as i64 + 1));
    assert_eq!(dead(&world.log), ["malformed"]);
    let letter = world.log.messages("events.dlq").remove(0).2;
    assert_eq!(letter.payload, b"nonsense");
    let position = letter.headers.iter().find(|(name, _)| *name == "perimeter-position").unwrap();
    let before = stream.find("nonsense").unwrap();
    assert_eq!(position.1, before.to_string().into_bytes());
}

#[tokio::test]
async fn each_connection_and_each_sender_over_udp_is_a_source_of_its_own() {
    let world = World::new(LOCAL).await;
    for _ in 0..2 {
        world.send(&counted("81.2.69.1")).await;
    }
    for _ in 0..2 {
        world.datagram(&login("81.2.69.1")).await;
    }
    let found = world.events(4).await;
    let places: Vec<_> = found
        .iter()
        .map(|event| (event.source.rsplit('/').next().unwrap().to_owned(), event.position.unwrap()))
        .collect();
    let named = |source: &str, position| (source.to_owned(), position);
    assert_eq!(places, [named("0", 0), named("1", 0), named("2", 0), named("2", 1)]);
    let mut ids: Vec<_> = found.iter().map(|event| event.event_id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 4);
}

/// Whose clock or zone is wrong is told, and does not write last year's lines.
#[tokio::test]
async fn a_date_a_little_ahead_is_told_and_one_far_ahead_was_last_year() {
    let world = World::new(LOCAL).await;
    let at = |date: &str| format!("{}\n", login("81.2.69.1").replace("May 28 20:26:39", date));
    let dates = ["May 28 20:27:10", "May 28 20:28:10", "May 29 12:00:00", "May 30 12:00:00"];
    world.send(&dates.map(at).concat()).await;
    let found = world.events(2).await;
    let times: Vec<_> = found.iter().map(|event| event.observed_at).collect();
    assert_eq!(times, [NOW + 30_000, 1_748_606_400_000]);
    assert_eq!(dead(&world.log), ["future", "future"]);
}

#[tokio::test]
async fn a_datagram_or_a_counted_frame_with_two_messages_is_dead() {
    let world = World::new(LOCAL).await;
    let two = format!("{}\n{}", login("81.2.69.1"), login("81.2.69.2"));
    world.datagram(&two).await;
    world.datagram(&format!("{}\n", login("81.2.69.3"))).await;
    world.send(&format!("{} {two}", two.len())).await;
    let clients: Vec<_> =
        world.events(1).await.into_iter().map(|event| event.client.to_string()).collect();
    assert_eq!(clients, ["81.2.69.3"]);
    let log = world.log.clone();
    world.end().await;
    assert_eq!(dead(&log), ["malformed", "malformed"]);
}

#[tokio::test]
async fn whoever_is_in_no_network_is_refused() {
    let world = World::new(ELSEWHERE).await;
    world.send(&format!("{}\n", login("81.2.69.1"))).await;
    world.datagram(&login("81.2.69.1")).await;
    let log = world.log.clone();
    world.end().await;
    assert!(events(&log).is_empty() && dead(&log).is_empty());
}

#[tokio::test]
async fn the_narrowest_network_says_who_it_is_and_a_feed_is_only_evidence() {
    let near = "[[sender]]\nname = \"near\"\nnetwork = \"127.0.0.1\"\n";
    let world = World::new(&format!("{LOCAL}{near}")).await;
    world.send(&counted("81.2.69.1")).await;
    let found = world.events(1).await;
    assert!(found[0].source.starts_with("syslog/near/"), "{found:?}");
    assert_eq!(found[0].provenance, Provenance::ExternalFeed);
}

#[tokio::test]
async fn over_tls_a_certificate_says_who_it_is_and_without_one_the_network_does() {
    let gateway = format!("[[sender]]\nname = \"gateway\"\nidentity = \"{GATEWAY}\"\n");
    for (senders, by, expected) in [
        (format!("{ELSEWHERE}{gateway}"), Some(GATEWAY), Some("gateway")),
        (format!("{ELSEWHERE}{gateway}"), Some("spiffe://perimeter/service/stranger"), None),
        (format!("{ELSEWHERE}{gateway}"), None, None),
        (format!("{LOCAL}{gateway}"), Some(GATEWAY), Some("gateway")),
        (format!("{LOCAL}{gateway}"), None, Some("web")),
    ] {
        let world = World::new(&senders).await;
        let by = by.map(|identity| world.authority.tls(identity));
        let stream = secured(&world.authority, by, world.tls).await.unwrap();
        ended_after(stream, counted("81.2.69.1").as_bytes()).await;
        let log = world.log.clone();
        world.end().await;
        let found = events(&log);
        let sources: Vec<_> =
            found.iter().map(|event| event.source.split('/').nth(1).unwrap()).collect();
        assert_eq!(sources, expected.into_iter().collect::<Vec<_>>());
    }
    let world = World::new(LOCAL).await;
    let foreign = Authority::new().tls(GATEWAY);
    if let Some(stream) = secured(&world.authority, Some(foreign), world.tls).await {
        ended_after(stream, counted("81.2.69.1").as_bytes()).await;
    }
    assert!(events(&world.log).is_empty(), "a certificate of another authority");
}

#[tokio::test]
async fn a_message_that_does_not_end_and_a_silent_connection_are_ended() {
    let log = Log::new(Clock::manual(NOW));
    let patience = Patience { message: SHORT, idle: SHORT, handshake: SHORT };
    let world = World::on(&Bus::in_memory(log.clone()), log, LOCAL, patience).await;
    for begun in ["", "<38>May 28 20:26:39 web sshd[7]: Fai", "999 <38>May 28"] {
        let mut stream = world.connect().await;
        stream.write_all(begun.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let read = tokio::time::timeout(WITHIN, stream.read_to_end(&mut answer));
        assert_eq!(read.await.expect("the collector ends it").unwrap(), 0);
    }
    let mut silent = TcpStream::connect(("127.0.0.1", world.tls)).await.unwrap();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(WITHIN, silent.read_to_end(&mut answer));
    assert_eq!(read.await.expect("the collector ends it").unwrap(), 0);
    assert_eq!(dead(&world.log), ["malformed", "malformed"]);
}

#[tokio::test]
async fn what_ends_inside_a_message_or_is_too_long_is_dead() {
    let world = World::new(LOCAL).await;
    // Cut, it would name another address.
    world.send(&format!("{}\n{}", login("81.2.69.1"), &login("81.2.69.142")[..72])).await;
    world.send(&format!("{}\n999 <38>May", login("81.2.69.1"))).await;
    world.send(&format!("70000 {}{}", "x".repeat(70_000), counted("81.2.69.2"))).await;
    assert_eq!(world.events(3).await.len(), 3);
    let mut classes = dead(&world.log);
    classes.sort();
    assert_eq!(classes, ["malformed", "malformed", "too_long"]);
    assert!(
        world.log.messages("events.dlq").iter().all(|(_, _, letter)| letter.payload.len() <= 256)
    );
}

#[tokio::test]
async fn while_kafka_is_away_a_connection_is_not_read_and_the_end_still_comes() {
    let properties = [("bootstrap.servers", "127.0.0.1:9")];
    let owned = properties.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let bus = Bus::kafka(owned.to_vec()).unwrap();
    let log = Log::new(Clock::manual(NOW));
    let world = World::on(&bus, log, LOCAL, Patience::default()).await;
    let mut stream = world.connect().await;
    let message = format!("{}\n", login("81.2.69.1"));
    let many = message.repeat(4_096);
    // More than the buffers of both ends hold together, whatever the kernel grants.
    let written = async {
        let mut bytes = 0;
        while bytes < 256 * 1024 * 1024 {
            stream.write_all(many.as_bytes()).await.unwrap();
            bytes += many.len();
        }
    };
    let stalled = tokio::time::timeout(Duration::from_secs(2), written).await;
    assert!(stalled.is_err(), "the collector went on reading");
    world.end().await;
}
