//! Row AC1: every method × everybody who may knock, over real mutual TLS on loopback.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../common/pipeline/tests/authority/mod.rs"]
mod authority;
mod common;
#[path = "../../../proto/tests/knocks/mod.rs"]
mod knocks;

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use authority::Authority;
use common::enforced;
use decider::api::{Shared, serve};
use decider::index::{Shared as Index, TOPICS};
use knocks::Knocks::{self, *};
use knocks::{OF_OUR_AUTHORITY, check, endpoint, settings};
use pipeline::memory::Log;
use pipeline::{Bus, Clock, Context, Follow as _, Health, Leases, Update};
use prost::Message as _;
use prost_types::FileDescriptorSet;
use proto::mtls::HANDSHAKE_TIMEOUT;
use proto::roles::{Least, METHODS, Role};
use proto::v1::override_client::OverrideClient;
use proto::v1::{BlockRequest, ControlRequest};
use schemas::Topic;
use tokio::io::AsyncReadExt as _;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use uuid::Uuid;

const NOW: i64 = 1_795_000_000_000;
const DEADLINE: Duration = Duration::from_secs(10);

/// Who may, written down a second time: the table under test must say the same.
const MAY: [(&str, &[Knocks]); 15] = [
    ("/perimeter.v1.Override/Block", &[Responder, Admin]),
    ("/perimeter.v1.Override/Unblock", &[Responder, Admin]),
    ("/perimeter.v1.Override/Allow", &[Admin]),
    ("/perimeter.v1.Override/Freeze", &[Responder, Admin]),
    ("/perimeter.v1.Override/Thaw", &[Admin]),
    ("/perimeter.v1.Override/SetMode", &[Admin]),
    ("/perimeter.v1.Query/Get", &[Viewer, Responder, Admin]),
    ("/perimeter.v1.Query/List", &[Viewer, Responder, Admin]),
    ("/perimeter.v1.Query/Watch", &[Viewer, Responder, Admin]),
    ("/perimeter.v1.Query/Status", &[Viewer, Responder, Admin]),
    ("/perimeter.v1.Query/Explain", &[Viewer, Responder, Admin]),
    ("/perimeter.v1.Query/Kpis", &[Viewer, Responder, Admin]),
    ("/grpc.health.v1.Health/Check", OF_OUR_AUTHORITY),
    ("/grpc.health.v1.Health/Watch", OF_OUR_AUTHORITY),
    ("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", &[Viewer, Responder, Admin]),
];

/// What the executors' port serves.
fn of_executors(method: &str) -> bool {
    ["/envoy.", "/perimeter.v1.Admin/"].iter().any(|theirs| method.starts_with(theirs))
}

/// Every method of every service that the port serves, from the compiled descriptors.
fn served() -> BTreeSet<String> {
    let sets = [
        proto::DESCRIPTORS,
        tonic_health::pb::FILE_DESCRIPTOR_SET,
        tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
    ];
    let mut methods = BTreeSet::new();
    for set in sets {
        let set = FileDescriptorSet::decode(set).unwrap();
        for file in set.file {
            for service in file.service {
                let name =
                    format!("/{}.{}", file.package.as_deref().unwrap(), service.name.unwrap());
                methods.extend(
                    service
                        .method
                        .iter()
                        .map(|method| format!("{name}/{}", method.name.as_ref().unwrap())),
                );
            }
        }
    }
    methods.retain(|method| !of_executors(method));
    methods
}

/// A decider that has read the leases, and of the rest what `index` has.
async fn port(authority: &Authority, index: Index) -> (SocketAddr, Context) {
    let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let clock = Clock::manual(NOW);
    let bus = Bus::in_memory(Log::new(clock.clone()));
    let context = Context {
        service: "decider",
        replica: 0,
        bus: bus.clone(),
        clock: clock.clone(),
        health: Health::default(),
        shutdown: Default::default(),
        tls: Some(authority.tls("spiffe://perimeter/service/decider")),
    };
    let leases = Leases::default();
    for topic in [Topic::Leases, Topic::Controls] {
        leases.sink().update(Update::Reached { topic, partition: 0, end: 0, now: NOW });
    }
    let publisher = bus.publisher().unwrap();
    let shared = Shared { rules: enforced(), leases, index, publisher, clock };
    let serving = context.clone();
    tokio::spawn(async move { serve(&serving, shared, address, None).await });
    (address, context)
}

/// Connects, once the port is open.
async fn connected(address: SocketAddr) -> tokio::net::TcpStream {
    let begun = Instant::now();
    loop {
        if let Ok(stream) = tokio::net::TcpStream::connect(address).await {
            return stream;
        }
        assert!(begun.elapsed() < DEADLINE, "the port does not open");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_connects_and_does_not_show_who_he_is_is_not_waited_for() {
    let (address, context) = port(&Authority::new(), Index::default()).await;
    let mut silent = connected(address).await;
    let closed = tokio::time::timeout(2 * HANDSHAKE_TIMEOUT, silent.read_u8()).await;
    closed.expect("it stays open").expect_err("nothing is said to somebody unknown");
    context.shutdown.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decider_that_has_not_read_what_was_decided_is_ready_and_freezes_at_once() {
    let (authority, index) = (Authority::new(), Index::default());
    let (address, context) = port(&authority, index.clone()).await;
    drop(connected(address).await);
    let begun = Instant::now();
    while let Err(missing) = context.health.ready() {
        assert!(begun.elapsed() < DEADLINE, "{missing}");
        tokio::task::yield_now().await;
    }
    let admin = settings(Admin, &authority, &authority);
    let channel = endpoint(address, admin).connect().await.unwrap();
    let asked = HealthCheckRequest { service: "perimeter.v1.Override".to_owned() };
    let serving = HealthClient::new(channel.clone()).check(asked).await.unwrap().into_inner();
    assert_eq!(serving.status, 1, "SERVING");
    let (reason, idempotency_key) = ("a test".to_owned(), Uuid::from_u128(1).to_string());
    let freeze = ControlRequest { reason: reason.clone(), idempotency_key };
    let mut overrides = OverrideClient::new(channel);
    assert!(overrides.freeze(freeze).await.unwrap().into_inner().frozen);
    let idempotency_key = Uuid::from_u128(2).to_string();
    let (observable, duration_ms) = ("81.2.69.142".to_owned(), 60_000);
    let block = BlockRequest { observable, duration_ms, reason, idempotency_key };
    let reading = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        index.completed(Topic::Decisions);
    };
    let (blocked, ()) = tokio::join!(overrides.block(block), reading);
    blocked.expect("it does not wait until what was decided is read");
    context.shutdown.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn ac1_every_method_is_open_to_whom_the_table_names_and_to_nobody_else() {
    let authority = Authority::new();
    let index = Index::default();
    TOPICS.into_iter().for_each(|topic| index.completed(topic));
    let (address, context) = port(&authority, index).await;
    drop(connected(address).await);
    check(address, &authority, &MAY).await;
    context.shutdown.cancel();
}

#[test]
fn the_tables_name_every_method_of_the_descriptors_and_no_other() {
    let served = served();
    let tested: BTreeSet<String> = MAY.iter().map(|(method, _)| (*method).to_owned()).collect();
    assert_eq!(tested, served, "a method without a row in this test");
    let table = METHODS.iter().map(|(method, _)| (*method).to_owned());
    let ours: BTreeSet<String> = table.filter(|method| !of_executors(method)).collect();
    assert_eq!(ours, served, "a method without a row in proto::roles");
    for (method, may) in MAY {
        let (_, least) = METHODS.iter().find(|(name, _)| *name == method).unwrap();
        let lowest = match least {
            Least::Certificate => OfUnknownKind,
            Least::Role(Role::Viewer) => Viewer,
            Least::Role(Role::Responder) => Responder,
            Least::Role(Role::Admin) => Admin,
            Least::Service(_) => Service,
        };
        assert_eq!(may.first(), Some(&lowest), "{method}");
    }
}
