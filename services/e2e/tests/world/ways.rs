//! Ways in that the world's own collector does not have: an attack that comes over syslog or in a topic of the user's own
//! is detected and blocked as any other.

use std::net::IpAddr;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use schemas::Observable;
use serde_json::json;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::process::Child;
use uuid::Uuid;

use super::addresses;
use super::closes::blocked;
use super::kit::{SQL_INJECTION, World, eventually, exchange, now};
use super::log::Log;
use super::settings::service;

const READY_WITHIN: Duration = Duration::from_secs(15);
const DETECTED_WITHIN: Duration = Duration::from_secs(8);
const SYSLOG: &str = "\
    [[listener]]\ntransport = \"tcp\"\naddress = \"TCP\"\n\
    [[listener]]\ntransport = \"udp\"\naddress = \"UDP\"\n\
    [[sender]]\nname = \"web\"\nnetwork = \"127.0.0.0/8\"\nprogram = \"nginx\"\n\
    format = '$remote_addr \"$request\" $status'\nprovenance = \"socket_peer\"\n";

/// A collector of the test's own; it ends with it.
struct Collector {
    tcp: String,
    udp: String,
    _process: Child,
    _folder: TempDir,
}

impl Collector {
    /// Listens for syslog and reads `topic`.
    async fn start(world: &World, topic: &str) -> Collector {
        let folder = tempfile::tempdir().unwrap();
        let (admin, tcp, udp) = (free_tcp().await, free_tcp().await, free_udp().await);
        let syslog = SYSLOG.replace("TCP", &tcp).replace("UDP", &udp);
        let kafka = format!(
            "[[topic]]\nname = \"{topic}\"\nformat = \"documents\"\nprovenance = \"socket_peer\"\n"
        );
        let mut command = service(world, "collector");
        command
            .env("KAFKA_BOOTSTRAP_SERVERS", world.at("/kafka/bootstrap"))
            .env("COLLECTOR_ADMIN_ADDR", &admin);
        for (setting, text) in [("SYSLOG_FILE", syslog), ("KAFKA_FILE", kafka)] {
            let path = folder.path().join(setting);
            std::fs::write(&path, text).unwrap();
            command.env(format!("COLLECTOR_{setting}"), path);
        }
        let process = command.spawn().unwrap();
        eventually("the collector is ready", READY_WITHIN, async || {
            (exchange(&admin, "GET", "/readyz", &[], "").await.status == 200).then_some(())
        })
        .await;
        Collector { tcp, udp, _process: process, _folder: folder }
    }
}

async fn free_tcp() -> String {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string()
}

async fn free_udp() -> String {
    UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string()
}

/// What nginx says over syslog of a request by `client`.
fn message(client: IpAddr) -> String {
    format!("<190>1 - web nginx - - - {client} \"GET {SQL_INJECTION} HTTP/1.1\" 200")
}

async fn make_topic(world: &World, topic: &str) {
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
        .set("bootstrap.servers", world.at("/kafka/bootstrap"))
        .create()
        .unwrap();
    let topic = NewTopic::new(topic, 2, TopicReplication::Fixed(1));
    let made = admin.create_topics([&topic], &AdminOptions::new()).await.unwrap();
    assert!(made.iter().all(Result::is_ok), "{made:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attack_over_syslog_or_in_a_topic_of_the_users_is_detected_and_blocked() {
    let world = World::calm().await;
    let log = Log::of(&world);
    let topic = format!("e2e-{}", Uuid::new_v4());
    make_topic(&world, &topic).await;
    let collector = Collector::start(&world, &topic).await;
    let [tcp, udp, document] = [addresses::v4(), addresses::v4(), addresses::v6()];
    let text = message(tcp);
    let mut stream = TcpStream::connect(&collector.tcp).await.unwrap();
    stream.write_all(format!("{} {text}", text.len()).as_bytes()).await.unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.send_to(message(udp).as_bytes(), &collector.udp).await.unwrap();
    let event =
        json!({ "observed_at": now(), "client": document, "method": "GET", "uri": SQL_INJECTION });
    log.publish_elsewhere(&topic, event.to_string().as_bytes()).await;
    for (client, source) in [(tcp, "syslog/web/"), (udp, "syslog/web/"), (document, "kafka/e2e-")] {
        let observable = Observable::client(client);
        log.wait(&format!("an event of {client}"), DETECTED_WITHIN, |read| {
            let mut events = read.events.iter().map(|at| &at.record);
            events
                .find(|event| event.client == client && event.source.starts_with(source))
                .map(drop)
        })
        .await;
        log.wait(&format!("a detection of {observable}"), DETECTED_WITHIN, |read| {
            let mut detections = read.detections.iter().map(|at| &at.record);
            detections.find(|detection| detection.observable == observable).map(drop)
        })
        .await;
        blocked(&log, &observable).await;
    }
}
