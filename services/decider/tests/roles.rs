//! Row AC1: every method × everybody who may knock, over real mutual TLS on loopback.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use common::enforced;
use decider::api::{Shared, serve};
use decider::index::{Shared as Index, TOPICS};
use pipeline::memory::Log;
use pipeline::{Bus, Clock, Context, Follow as _, Health, Leases, Tls, Update};
use prost::Message as _;
use prost_types::FileDescriptorSet;
use proto::mtls::HANDSHAKE_TIMEOUT;
use proto::roles::{Least, METHODS, Role};
use proto::v1::override_client::OverrideClient;
use proto::v1::{BlockRequest, ControlRequest};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType, date_time_ymd};
use schemas::Topic;
use tokio::io::AsyncReadExt as _;
use tonic::client::Grpc;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Request, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_prost::ProstCodec;
use uuid::Uuid;

const NOW: i64 = 1_795_000_000_000;
const DEADLINE: Duration = Duration::from_secs(10);

/// Who knocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Knocks {
    WithoutCertificate,
    OfAnotherAuthority,
    Expired,
    OfUnknownKind,
    Nameless,
    Service,
    Viewer,
    Responder,
    Admin,
}

use Knocks::*;

const ALL: [Knocks; 9] = [
    WithoutCertificate,
    OfAnotherAuthority,
    Expired,
    OfUnknownKind,
    Nameless,
    Service,
    Viewer,
    Responder,
    Admin,
];

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
    ("/grpc.health.v1.Health/Check", &[OfUnknownKind, Nameless, Service, Viewer, Responder, Admin]),
    ("/grpc.health.v1.Health/Watch", &[OfUnknownKind, Nameless, Service, Viewer, Responder, Admin]),
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

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let pem = params.self_signed(&key).unwrap().pem();
        Authority { issuer: Issuer::new(params, key), pem }
    }

    fn tls(&self, identity: &str, expired: bool) -> Tls {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.subject_alt_names = vec![
            SanType::URI(identity.try_into().unwrap()),
            SanType::DnsName("localhost".try_into().unwrap()),
        ];
        params.use_authority_key_identifier_extension = true;
        if expired {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2020, 2, 1);
        }
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        Tls::from_pem(&self.pem, &certificate, &key.serialize_pem()).unwrap()
    }
}

/// The settings with which somebody knocks.
fn settings(who: Knocks, authority: &Authority, other: &Authority) -> ClientTlsConfig {
    let (signer, identity) = match who {
        WithoutCertificate => {
            let ca = Certificate::from_pem(&authority.pem);
            return ClientTlsConfig::new().ca_certificate(ca).domain_name("localhost");
        }
        OfAnotherAuthority => (other, "spiffe://perimeter/operator/eve"),
        Expired => (authority, "spiffe://perimeter/operator/ada"),
        OfUnknownKind => (authority, "spiffe://perimeter/guest/ada"),
        Nameless => (authority, "spiffe://perimeter/operator/"),
        Service => (authority, "spiffe://perimeter/service/scorer"),
        Viewer => (authority, "spiffe://perimeter/viewer/vi"),
        Responder => (authority, "spiffe://perimeter/responder/bo"),
        Admin => (authority, "spiffe://perimeter/operator/ada"),
    };
    let tls = signer.tls(identity, who == Expired);
    proto::mtls::client(&authority.pem, tls.certificate(), tls.key(), "localhost")
}

/// Calls a method with an empty message; an answer that never comes is one that was begun.
async fn call(channel: Channel, method: &'static str) -> Result<(), Status> {
    let mut grpc = Grpc::new(channel);
    grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
    let path = method.parse().unwrap();
    let request = Request::new(tokio_stream::iter([()]));
    grpc.streaming(request, path, ProstCodec::<(), ()>::default()).await.map(|_| ())
}

/// What came of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// The method was reached: what it made of an empty message is its own business.
    Reached,
    Denied,
    /// The connection was refused. With TLS 1.3 the client learns that only from its first call.
    NoConnection,
}

async fn knock(endpoint: &Endpoint, method: &'static str) -> Answer {
    let Ok(channel) = endpoint.connect().await else { return Answer::NoConnection };
    match call(channel, method).await.map_err(|status| status.code()) {
        Ok(()) | Err(Code::InvalidArgument | Code::FailedPrecondition | Code::NotFound) => {
            Answer::Reached
        }
        Err(Code::Unauthenticated | Code::PermissionDenied) => Answer::Denied,
        Err(Code::Unavailable | Code::Unknown | Code::Internal | Code::Cancelled) => {
            Answer::NoConnection
        }
        Err(other) => panic!("{method}: {other:?}"),
    }
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
        tls: Some(authority.tls("spiffe://perimeter/service/decider", false)),
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
    rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
    let (address, context) = port(&Authority::new(), Index::default()).await;
    let mut silent = connected(address).await;
    let closed = tokio::time::timeout(2 * HANDSHAKE_TIMEOUT, silent.read_u8()).await;
    closed.expect("it stays open").expect_err("nothing is said to somebody unknown");
    context.shutdown.cancel();
}

fn endpoint(address: SocketAddr, settings: ClientTlsConfig) -> Endpoint {
    let endpoint = Endpoint::from_shared(format!("https://{address}")).unwrap();
    endpoint.tls_config(settings).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decider_that_has_not_read_what_was_decided_is_ready_and_freezes_at_once() {
    rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
    let authority = Authority::new();
    let (address, context) = port(&authority, Index::default()).await;
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
    assert_eq!(overrides.block(block).await.unwrap_err().code(), Code::Unavailable);
    context.shutdown.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn ac1_every_method_is_open_to_whom_the_table_names_and_to_nobody_else() {
    rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
    let (authority, other) = (Authority::new(), Authority::new());
    let index = Index::default();
    TOPICS.into_iter().for_each(|topic| index.completed(topic));
    let (address, context) = port(&authority, index).await;
    drop(connected(address).await);
    for who in ALL {
        let endpoint = endpoint(address, settings(who, &authority, &other));
        for (method, may) in MAY {
            let expected = match who {
                WithoutCertificate | OfAnotherAuthority | Expired => Answer::NoConnection,
                _ if may.contains(&who) => Answer::Reached,
                _ => Answer::Denied,
            };
            let answer = tokio::time::timeout(DEADLINE, knock(&endpoint, method)).await.unwrap();
            assert_eq!(answer, expected, "{who:?} {method}");
        }
    }
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
