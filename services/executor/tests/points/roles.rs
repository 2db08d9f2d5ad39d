//! Row AC1 on the executors' port: every method × everybody who may knock, over real mutual TLS on loopback.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use envoy_types::pb::envoy::service::auth::v3::authorization_server::SERVICE_NAME;
use executor::OwnFreeze;
use executor::points::envoy::serve;
use observe::Trusted;
use pipeline::{Bus, Context, Health};
use prost::Message as _;
use prost_types::FileDescriptorSet;
use proto::v1::admin_client::AdminClient;
use proto::v1::{AdminRequest, StateReply, StateRequest};
use schemas::Protected;
use tonic::client::Grpc;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

use crate::common::tls::{Authority, channel};
use crate::common::{START, World, block};

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
    Envoy,
    Viewer,
    Responder,
    Admin,
}

use Knocks::*;

const ALL: [Knocks; 10] = [
    WithoutCertificate,
    OfAnotherAuthority,
    Expired,
    OfUnknownKind,
    Nameless,
    Service,
    Envoy,
    Viewer,
    Responder,
    Admin,
];
const OF_OUR_AUTHORITY: &[Knocks] =
    &[OfUnknownKind, Nameless, Service, Envoy, Viewer, Responder, Admin];

/// Who may, written down a second time: the table under test must say the same.
const MAY: [(&str, &[Knocks]); 6] = [
    ("/perimeter.v1.Admin/Freeze", &[Responder, Admin]),
    ("/perimeter.v1.Admin/Thaw", &[Admin]),
    ("/perimeter.v1.Admin/State", &[Viewer, Responder, Admin]),
    ("/envoy.service.auth.v3.Authorization/Check", &[Envoy]),
    ("/grpc.health.v1.Health/Check", OF_OUR_AUTHORITY),
    ("/grpc.health.v1.Health/Watch", OF_OUR_AUTHORITY),
];
/// What nobody may, for there is no such method.
const NOBODY: [&str; 3] = [
    "/perimeter.v1.Admin/Erase",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    "/no.such.Service/Method",
];

/// Every method that the port serves: ours and health from the compiled descriptors, Envoy's by its name.
fn served() -> BTreeSet<String> {
    let mut methods = BTreeSet::from([format!("/{SERVICE_NAME}/Check")]);
    for set in [proto::DESCRIPTORS, tonic_health::pb::FILE_DESCRIPTOR_SET] {
        for file in FileDescriptorSet::decode(set).unwrap().file {
            for service in file.service {
                let name = format!("{}.{}", file.package.as_deref().unwrap(), service.name());
                if ["perimeter.v1.Override", "perimeter.v1.Query"].contains(&name.as_str()) {
                    continue;
                }
                methods.extend(service.method.iter().map(|own| format!("/{name}/{}", own.name())));
            }
        }
    }
    methods
}

/// The settings with which somebody knocks.
fn settings(who: Knocks, authority: &Authority, other: &Authority) -> ClientTlsConfig {
    let tls = match who {
        WithoutCertificate => {
            let ca = Certificate::from_pem(&authority.pem);
            return ClientTlsConfig::new().ca_certificate(ca).domain_name("localhost");
        }
        OfAnotherAuthority => other.tls("spiffe://perimeter/operator/eve"),
        Expired => authority.expired("spiffe://perimeter/operator/ada"),
        OfUnknownKind => authority.tls("spiffe://perimeter/guest/ada"),
        Nameless => authority.tls("spiffe://perimeter/operator/"),
        Service => authority.tls("spiffe://perimeter/service/scorer"),
        Envoy => authority.tls("spiffe://perimeter/service/envoy"),
        Viewer => authority.tls("spiffe://perimeter/viewer/vi"),
        Responder => authority.tls("spiffe://perimeter/responder/bo"),
        Admin => authority.tls("spiffe://perimeter/operator/ada"),
    };
    proto::mtls::client(&authority.pem, tls.certificate(), tls.key(), "localhost")
}

/// What came of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// The method was reached: what it made of an empty message is its own business.
    Reached,
    /// With a reason.
    Denied,
    /// The connection was refused. With TLS 1.3 the client learns that only from its first call.
    NoConnection,
}

/// Calls a method with an empty message.
async fn knock(endpoint: &Endpoint, method: &'static str) -> Answer {
    let Ok(channel) = endpoint.connect().await else { return Answer::NoConnection };
    let mut grpc = Grpc::new(channel);
    if grpc.ready().await.is_err() {
        return Answer::NoConnection;
    }
    let request = Request::new(tokio_stream::iter([()]));
    let codec = ProstCodec::<(), ()>::default();
    let called: Result<_, Status> = grpc.streaming(request, method.parse().unwrap(), codec).await;
    match called.map_err(|status| (status.code(), status.message().to_owned())) {
        Ok(_) | Err((Code::InvalidArgument, _)) => Answer::Reached,
        Err((Code::Unauthenticated | Code::PermissionDenied, reason)) => {
            assert!(!reason.is_empty(), "{method} is denied without a reason");
            Answer::Denied
        }
        Err((Code::Unavailable | Code::Unknown | Code::Internal | Code::Cancelled, _)) => {
            Answer::NoConnection
        }
        Err(other) => panic!("{method}: {other:?}"),
    }
}

/// Serves the port of `world` until the context's shutdown.
fn port(world: &World, authority: &Authority) -> (SocketAddr, Context) {
    rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
    let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let context = Context {
        service: "executor",
        replica: 1,
        bus: Bus::in_memory(world.log.clone()),
        clock: world.clock.clone(),
        health: Health::default(),
        shutdown: Default::default(),
        tls: Some(authority.tls("spiffe://perimeter/service/executor")),
    };
    let (serving, leases) = (context.clone(), world.leases.clone());
    tokio::spawn(async move {
        let freeze = OwnFreeze::new(leases.clone(), None, serving.clock.now());
        let trusted = Trusted::new(&[], []);
        serve(&serving, address, leases, Protected::special(), trusted, &freeze).await
    });
    (address, context)
}

#[tokio::test(flavor = "multi_thread")]
async fn ac1_every_method_is_open_to_whom_the_table_names_and_to_nobody_else() {
    let (authority, other, world) = (Authority::new(), Authority::new(), World::new());
    let (address, context) = port(&world, &authority);
    let begun = Instant::now();
    while tokio::net::TcpStream::connect(address).await.is_err() {
        assert!(begun.elapsed() < DEADLINE, "the port does not open");
        tokio::task::yield_now().await;
    }
    for who in ALL {
        let endpoint = Endpoint::from_shared(format!("https://{address}"))
            .unwrap()
            .tls_config(settings(who, &authority, &other))
            .unwrap();
        let nobody = NOBODY.map(|method| (method, [].as_slice()));
        for (method, may) in MAY.into_iter().chain(nobody) {
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
fn the_table_names_every_method_of_the_port_and_no_other() {
    let tested: BTreeSet<String> = MAY.iter().map(|(method, _)| (*method).to_owned()).collect();
    assert_eq!(tested, served());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_freeze_by_call_is_shown_with_who_asked_and_why_and_thawed_by_an_operator() {
    let (authority, mut world) = (Authority::new(), World::new());
    let (address, context) = port(&world, &authority);
    let mut responder =
        AdminClient::new(channel(address, &authority.tls("spiffe://perimeter/responder/bo")).await);
    let mut operator =
        AdminClient::new(channel(address, &authority.tls("spiffe://perimeter/operator/ada")).await);
    let because = |reason: &str| AdminRequest { reason: reason.to_owned() };
    let refused = responder.freeze(because(" ")).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert_eq!(told(&mut responder).await, (false, Vec::new()));
    responder.freeze(because("it blocks our partner")).await.unwrap();
    let asked = "spiffe://perimeter/responder/bo asked for it: it blocks our partner";
    operator.freeze(because("so say I")).await.unwrap();
    assert_eq!(told(&mut responder).await, (true, vec![asked.to_owned()]), "the first stays");
    world.decide(&block("81.2.69.142", START + 60_000)).await;
    assert!(!world.blocks("81.2.69.142"));
    let reply = operator.thaw(because("mended")).await.unwrap().into_inner();
    assert_eq!((reply.frozen, reply.point.as_str()), (false, "envoy/1"));
    assert!(world.blocks("81.2.69.142"));
    context.shutdown.cancel();
}

async fn told(client: &mut AdminClient<Channel>) -> (bool, Vec<String>) {
    let StateReply { frozen, causes, .. } =
        client.state(StateRequest {}).await.unwrap().into_inner();
    (frozen, causes.into_iter().map(|cause| cause.text).collect())
}
