//! Row AC1 on the executors' port: every method × everybody who may knock, over real mutual TLS on loopback.

#[path = "../../../../proto/tests/knocks/mod.rs"]
mod knocks;

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use envoy_types::pb::envoy::service::auth::v3::authorization_server::SERVICE_NAME;
use executor::OwnFreeze;
use executor::points::envoy::serve;
use knocks::Knocks::{self, *};
use knocks::{OF_OUR_AUTHORITY, check};
use observe::Trusted;
use pipeline::Context;
use prost::Message as _;
use prost_types::FileDescriptorSet;
use proto::v1::admin_client::AdminClient;
use proto::v1::{AdminRequest, StateReply, StateRequest};
use schemas::Protected;
use tonic::Code;
use tonic::transport::Channel;

use crate::authority::Authority;
use crate::common::tls::channel;
use crate::common::{START, World, block};

const DEADLINE: Duration = Duration::from_secs(10);

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

/// Serves the port of `world` until the context's shutdown.
fn port(world: &World, authority: &Authority) -> (SocketAddr, Context) {
    let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let tls = authority.tls("spiffe://perimeter/service/executor");
    let context = world.context(1, Some(tls));
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
    let (authority, world) = (Authority::new(), World::new());
    let (address, context) = port(&world, &authority);
    let begun = Instant::now();
    while tokio::net::TcpStream::connect(address).await.is_err() {
        assert!(begun.elapsed() < DEADLINE, "the port does not open");
        tokio::task::yield_now().await;
    }
    let nobody = NOBODY.map(|method| (method, [].as_slice()));
    check(address, &authority, &[&MAY[..], &nobody[..]].concat()).await;
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
