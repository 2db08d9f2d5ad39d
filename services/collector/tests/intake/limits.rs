//! What the intake refuses or gives up on, and that it gives back the room which that held.

use std::time::Duration;

use collector::sources::http::{BODY_BYTES_MAX, OUTSTANDING_BYTES_MAX, Patience};
use pipeline::memory::Log;
use pipeline::{Bus, Clock};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::http::{World, event};
use super::{NOW, events};

const SHORT: Duration = Duration::from_millis(50);
/// Longer than [`SHORT`], shorter than what stands in the code.
const LONG: Duration = Duration::from_secs(10);
const BODIES_MAX: usize = OUTSTANDING_BYTES_MAX / BODY_BYTES_MAX;

/// Sends a head that announces a body of `bytes` bytes.
async fn announced(world: &World, bytes: usize) -> TcpStream {
    let mut stream = world.connect().await;
    let head = format!(
        "POST /v1/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer secret\r\nexpect: 100-continue\r\n\
         content-length: {bytes}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

/// Senders that hold all the room there is: each was told to go on, and does not.
async fn full(world: &World) -> Vec<TcpStream> {
    let mut streams = Vec::new();
    for _ in 0..BODIES_MAX {
        let mut stream = announced(world, BODY_BYTES_MAX).await;
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 100");
        streams.push(stream);
    }
    streams
}

/// What a connection says until the intake ends it.
async fn rest(stream: &mut TcpStream) -> String {
    let mut answer = String::new();
    let read = tokio::time::timeout(LONG, stream.read_to_string(&mut answer));
    read.await.expect("the intake ends it").unwrap();
    answer
}

#[tokio::test]
async fn beyond_the_room_a_sender_is_told_when_to_come_back() {
    let world = World::impatient(Patience::default()).await;
    let held = full(&world).await;
    let mut late = announced(&world, 1).await;
    late.shutdown().await.unwrap();
    let answer = rest(&mut late).await;
    assert!(
        answer.starts_with("HTTP/1.1 429 ") && answer.contains("retry-after: 1\r\n"),
        "{answer}"
    );
    drop(held);
}

#[tokio::test]
async fn a_body_that_comes_too_slowly_gives_its_room_back() {
    let world = World::impatient(Patience { body: SHORT, ..Patience::default() }).await;
    for _ in 0..=BODIES_MAX {
        let mut slow = announced(&world, BODY_BYTES_MAX).await;
        slow.write_all(b"{").await.unwrap();
        let answer = rest(&mut slow).await;
        assert!(answer.contains("HTTP/1.1 408 "), "{answer}");
    }
    assert_eq!(world.post("secret", &event("81.2.69.142")).await.0, 202);
}

#[tokio::test]
async fn a_connection_with_half_a_head_or_idle_is_ended() {
    let world = World::impatient(Patience { head: SHORT, ..Patience::default() }).await;
    let request = "POST /v1/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer secret\r\ncontent-length: 2\r\n\r\n{}";
    for (sent, answered) in [("", false), ("POST /v1/events HT", false), (request, true)] {
        let mut slow = world.connect().await;
        slow.write_all(sent.as_bytes()).await.unwrap();
        assert_eq!(rest(&mut slow).await.contains(" 202 "), answered, "{sent}");
    }
}

#[tokio::test]
async fn a_body_that_says_it_is_too_long_is_refused_before_it_comes() {
    let world = World::impatient(Patience::default()).await;
    let mut long = announced(&world, BODY_BYTES_MAX + 1).await;
    long.shutdown().await.unwrap();
    let answer = rest(&mut long).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

/// As [`BODY_BYTES_MAX`], but no length is said beforehand.
#[tokio::test]
async fn a_body_in_chunks_that_grows_too_long_is_refused() {
    let world = World::impatient(Patience::default()).await;
    let too_long = format!("the body may have {BODY_BYTES_MAX} bytes; send it in parts");
    for (bytes, status, words) in
        [(BODY_BYTES_MAX + 1, "HTTP/1.1 413 ", &*too_long), (100, "HTTP/1.1 202 ", "accepted")]
    {
        let mut stream = world.connect().await;
        let head = "POST /v1/events HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer secret\r\n\
                    transfer-encoding: chunked\r\n\r\n";
        let body = format!(
            "{:x}\r\n{}\r\n0\r\n\r\n",
            bytes,
            "{}\n".repeat(bytes.div_ceil(3))[..bytes].to_owned()
        );
        let (mut reading, mut writing) = stream.split();
        let sent = async {
            writing.write_all(head.as_bytes()).await.unwrap();
            // Whoever is refused may be disconnected before all of it went.
            drop(writing.write_all(body.as_bytes()).await);
        };
        let answered = async {
            let mut answer = Vec::new();
            let read = async {
                // Whoever is refused may be disconnected right after.
                while !String::from_utf8_lossy(&answer).contains(words) {
                    assert_ne!(reading.read_buf(&mut answer).await.unwrap(), 0, "{bytes} bytes");
                }
            };
            tokio::time::timeout(LONG, read).await.expect("the intake answers");
            String::from_utf8(answer).unwrap()
        };
        let ((), answer) = tokio::join!(sent, answered);
        assert!(answer.starts_with(status), "{bytes} bytes: {answer}");
    }
}

#[tokio::test]
async fn at_the_end_what_kafka_does_not_have_is_not_taken() {
    // Kafka that never answers: nothing may be said to be taken.
    let properties = [("bootstrap.servers".to_owned(), "127.0.0.1:9".to_owned())];
    let log = Log::new(Clock::manual(NOW));
    let bus = Bus::kafka(properties.to_vec()).unwrap();
    let world = World::on(&bus, log, "external_feed", Patience::default()).await;
    let body = event("81.2.69.142");
    let mut stream = announced(&world, body.len()).await;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 100");
    world.end();
    stream.write_all(body.as_bytes()).await.unwrap();
    let answer = rest(&mut stream).await;
    assert!(answer.contains("HTTP/1.1 503 ") && answer.contains("send it again"), "{answer}");
}

#[tokio::test]
async fn without_kafka_nothing_is_accepted() {
    let properties = [("bootstrap.servers", "127.0.0.1:9"), ("message.timeout.ms", "50")];
    let owned = properties.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let log = Log::new(Clock::manual(NOW));
    let bus = Bus::kafka(owned.to_vec()).unwrap();
    let world = World::on(&bus, log, "external_feed", Patience::default()).await;
    let (status, answer) = world.post("secret", &event("81.2.69.142")).await;
    assert_eq!(status, 503, "{answer}");
    assert!(events(&world.log).is_empty());
}
