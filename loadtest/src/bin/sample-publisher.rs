//! Publishes one event to Perimeter, straight to Kafka: a sample to begin a publisher of your own with.
//!
//! `cargo run --bin sample-publisher -- --brokers broker:9092 --client 81.2.69.142 --uri '/products?id=7'`

use std::io::Write as _;
use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use clap::Parser;
use rdkafka::config::ClientConfig;
use rdkafka::producer::{FutureProducer, FutureRecord};
use schemas::{Activity, Event, Provenance, Record as _};
use uuid::Uuid;

const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(10);

#[derive(Parser)]
struct Arguments {
    #[arg(long)]
    brokers: String,
    /// The address that your service saw.
    #[arg(long)]
    client: IpAddr,
    #[arg(long)]
    uri: String,
    #[arg(long, default_value = "sample-rust")]
    source: String,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let producer: FutureProducer = ClientConfig::new()
        .set("bootstrap.servers", &arguments.brokers)
        // Java's partitioner; librdkafka's own would send a key elsewhere, and the record is refused: wrong_key.
        .set("partitioner", "murmur2_random")
        // A send that is repeated is one record, in its place.
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("compression.type", "lz4")
        .create()
        .context("could not create a producer")?;
    let event = event(&arguments)?;
    // The client's network: /24 for IPv4, /64 for IPv6.
    let key = event.key();
    let mut payload = Vec::new();
    event.encode(&mut payload)?;
    let record = FutureRecord::to(Event::TOPIC.name()).key(&key).payload(&payload);
    let delivered = producer.send(record, ACKNOWLEDGED_WITHIN).await;
    delivered.map_err(|(error, _)| error).context("Kafka did not acknowledge the event")?;
    writeln!(std::io::stdout(), "published an event of {} under {key}", event.client)?;
    Ok(())
}

fn event(arguments: &Arguments) -> anyhow::Result<Event> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
    let name = format!("{}/{}", arguments.source, since.as_nanos());
    Ok(Event {
        // A function of the source and its own position, so that an event sent twice is one. Here: of the moment.
        event_id: Uuid::new_v5(&Uuid::NAMESPACE_URL, name.as_bytes()),
        source: arguments.source.clone(),
        position: None,
        observed_at: i64::try_from(since.as_millis())?,
        received_at: None,
        // IPv4 written inside IPv6 (::ffff:10.0.0.1) is IPv4.
        client: arguments.client.to_canonical(),
        // The service saw the connection itself. Behind a proxy, and with the proxy's word for it: ProxyAsserted.
        provenance: Provenance::SocketPeer,
        method: "GET".to_owned(),
        host: None,
        uri: arguments.uri.clone(),
        status: Some(200),
        agent: None,
        referer: None,
        refused_by_us: false,
        probe: false,
        activity: Activity::HttpRequest,
        succeeded: None,
        account: None,
        finding: None,
        headers: None,
        body: None,
        cut: Default::default(),
    })
}
