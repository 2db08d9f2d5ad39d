//! The gRPC server as Envoy meets it: a stream of entries becomes events on a log in memory.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails its test by unwrapping")]

#[path = "../../common/pipeline/tests/authority/mod.rs"]
mod authority;
mod common;

use std::sync::Arc;
use std::time::Duration;

use authority::Authority;
use collector::logic::Mapping;
use collector::publish::Watch;
use collector::sources::envoy::Envoy;
use common::events;
use envoy_types::pb::envoy::config::core::v3::{Address, SocketAddress, address};
use envoy_types::pb::envoy::data::accesslog::v3::{
    AccessLogCommon, HttpAccessLogEntry, HttpRequestProperties,
};
use envoy_types::pb::envoy::service::accesslog::v3::StreamAccessLogsMessage;
use envoy_types::pb::envoy::service::accesslog::v3::access_log_service_client::AccessLogServiceClient;
use envoy_types::pb::envoy::service::accesslog::v3::stream_access_logs_message::{
    HttpAccessLogEntries, LogEntries,
};
use envoy_types::pb::google::protobuf::Timestamp;
use observe::Trusted;
use observe::probe::{Nonce, PROBE_HEADER, PROBE_PATH, PrivateKey, sign};
use pipeline::memory::Log;
use pipeline::{Bus, Clock, Context, Health, Tls};
use rcgen::KeyPair;
use schemas::Protected;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::Code;
use tonic::transport::Endpoint;
use uuid::Uuid;

const NOW: i64 = 1_780_000_000_000;

fn key() -> PrivateKey {
    PrivateKey::from_pem(&KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap().serialize_pem())
        .unwrap()
}

fn mapping(key: &PrivateKey) -> Mapping {
    Mapping {
        trusted: Trusted::new(&["127.0.0.1/32".parse().unwrap()], []),
        probe_key: key.public(),
    }
}

fn entry(path: &str, seconds_ahead: i64, probe: Option<&str>) -> HttpAccessLogEntry {
    let socket = SocketAddress { address: "127.0.0.1".to_owned(), ..SocketAddress::default() };
    let headers = probe.map(|header| (PROBE_HEADER.to_owned(), header.to_owned()));
    HttpAccessLogEntry {
        common_properties: Some(AccessLogCommon {
            start_time: Some(Timestamp { seconds: NOW / 1_000 + seconds_ahead, nanos: 0 }),
            downstream_direct_remote_address: Some(Address {
                address: Some(address::Address::SocketAddress(socket)),
            }),
            ..AccessLogCommon::default()
        }),
        request: Some(HttpRequestProperties {
            path: path.to_owned(),
            forwarded_for: "81.2.69.142".to_owned(),
            request_headers: headers.into_iter().collect(),
            ..HttpRequestProperties::default()
        }),
        ..HttpAccessLogEntry::default()
    }
}

fn message(log_entry: Vec<HttpAccessLogEntry>) -> StreamAccessLogsMessage {
    let log_entries = Some(LogEntries::HttpLogs(HttpAccessLogEntries { log_entry }));
    StreamAccessLogsMessage { log_entries, ..StreamAccessLogsMessage::default() }
}

#[tokio::test]
async fn a_stream_becomes_events_in_order_and_a_probe_is_ours_once() {
    let clock = Clock::manual(NOW);
    let (log, shutdown, key) = (Log::new(clock.clone()), CancellationToken::new(), key());
    let publisher = Bus::in_memory(log.clone()).publisher().unwrap();
    let envoy =
        Envoy::plaintext(mapping(&key), Uuid::from_u128(5), publisher, clock, shutdown.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move { envoy.serve_plaintext(listener).await });

    let probe = sign("81.2.69.142".parse().unwrap(), PROBE_PATH, NOW, Nonce([1; 16]), &key);
    let messages = vec![
        message((0..1_500).map(|n| entry(&format!("/{n}"), 0, None)).collect()),
        message(vec![
            entry(PROBE_PATH, 0, Some(&probe)),
            entry(PROBE_PATH, 0, Some(&probe)),
            entry("/future", 31, None),
            HttpAccessLogEntry::default(),
            entry("/last", 0, Some("v1.forged")),
        ]),
    ];
    let mut client = AccessLogServiceClient::connect(url).await.unwrap();
    client.stream_access_logs(tokio_stream::iter(messages)).await.unwrap();

    let found = events(&log);
    assert_eq!(found.len(), 1_503);
    assert!(
        found[..1_500]
            .iter()
            .zip(0..)
            .all(|(event, n)| event.uri == format!("/{n}") && event.position == Some(n))
    );
    let rest: Vec<_> =
        found[1_500..].iter().map(|event| (event.uri.as_str(), event.probe)).collect();
    assert_eq!(rest, [(PROBE_PATH, true), (PROBE_PATH, false), ("/last", false)]);
    let dead = log.messages("events.dlq");
    assert_eq!(dead.len(), 1);
    assert!(dead[0].2.headers.contains(&("perimeter-class", b"future".to_vec())));

    shutdown.cancel();
    let ended =
        tokio::time::timeout(Duration::from_secs(5), serving).await.expect("it ends when told to");
    ended.unwrap().unwrap();
}

#[tokio::test]
async fn only_a_service_of_our_authority_may_send() {
    let (ours, others) = (Authority::new(), Authority::new());
    let clock = Clock::manual(NOW);
    let (log, shutdown) = (Log::new(clock.clone()), CancellationToken::new());
    let tls = ours.tls("spiffe://perimeter/service/collector");
    let context = Context {
        service: "collector",
        replica: 0,
        bus: Bus::in_memory(log.clone()),
        clock,
        health: Health::default(),
        shutdown: shutdown.clone(),
        tls: Some(tls.clone()),
    };
    let watch = Watch::new(Protected::special());
    let envoy = Envoy::new(Arc::new(mapping(&key())), Uuid::from_u128(5), watch, &context).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move { envoy.serve(listener, &tls).await });

    let send = |by: Tls| {
        let ca = ours.pem.clone();
        async move {
            let settings = proto::mtls::client(&ca, by.certificate(), by.key(), "localhost");
            let endpoint = Endpoint::from_shared(format!("https://127.0.0.1:{port}")).unwrap();
            let channel = endpoint
                .tls_config(settings)
                .unwrap()
                .connect()
                .await
                .map_err(|_| Code::Unavailable)?;
            let mut client = AccessLogServiceClient::new(channel);
            let sent = client
                .stream_access_logs(tokio_stream::iter([message(vec![entry("/", 0, None)])]))
                .await;
            sent.map(|_| ()).map_err(|status| status.code())
        }
    };
    assert_eq!(send(ours.tls("spiffe://perimeter/service/envoy")).await, Ok(()));
    assert_eq!(
        send(ours.tls("spiffe://perimeter/operator/ann")).await,
        Err(Code::PermissionDenied)
    );
    assert_eq!(send(ours.tls("https://perimeter.example")).await, Err(Code::Unauthenticated));
    assert!(send(others.tls("spiffe://perimeter/service/envoy")).await.is_err());
    assert_eq!(events(&log).len(), 1);
    shutdown.cancel();
}
