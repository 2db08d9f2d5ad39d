//! The port for Envoy, over real mutual TLS on loopback.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use envoy_types::pb::envoy::config::core::v3::{Address, SocketAddress, address};
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{HttpRequest, Peer, Request};
use envoy_types::pb::envoy::service::auth::v3::authorization_client::AuthorizationClient;
use envoy_types::pb::envoy::service::auth::v3::check_response::HttpResponse;
use envoy_types::pb::envoy::service::auth::v3::{AttributeContext, CheckRequest, CheckResponse};
use envoy_types::pb::google::protobuf::value::Kind;
use executor::OwnFreeze;
use executor::points::envoy::{DECISION_HEADER, serve};
use observe::Trusted;
use observe::probe::{POINT_HEADER, PROBE_PATH};
use pipeline::{Context, Leases};
use schemas::Protected;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_health::pb::health_client::HealthClient;

use crate::authority::Authority;
use crate::common::tls::channel;
use crate::common::{START, World, block};

async fn ask(
    channel: &Channel,
    peer: &str,
    forwarded_for: Option<&str>,
) -> Result<CheckResponse, Status> {
    ask_for(channel, "/", peer, forwarded_for).await
}

async fn ask_for(
    channel: &Channel,
    path: &str,
    peer: &str,
    forwarded_for: Option<&str>,
) -> Result<CheckResponse, Status> {
    let headers = forwarded_for.map(|value| ("x-forwarded-for".to_owned(), value.to_owned()));
    let socket = SocketAddress { address: peer.to_owned(), ..SocketAddress::default() };
    let source = Peer {
        address: Some(Address { address: Some(address::Address::SocketAddress(socket)) }),
        ..Peer::default()
    };
    let http = HttpRequest {
        path: path.to_owned(),
        headers: headers.into_iter().collect(),
        ..HttpRequest::default()
    };
    let attributes = AttributeContext {
        source: Some(source),
        request: Some(Request { http: Some(http), ..Request::default() }),
        ..AttributeContext::default()
    };
    let request = CheckRequest { attributes: Some(attributes) };
    AuthorizationClient::new(channel.clone()).check(request).await.map(tonic::Response::into_inner)
}

fn metadata(response: &CheckResponse, name: &str) -> Option<String> {
    match response.dynamic_metadata.as_ref()?.fields.get(name)?.kind.as_ref()? {
        Kind::StringValue(text) => Some(text.clone()),
        _ => None,
    }
}

/// Headers that whoever asked Envoy will see in its answer.
fn shown(response: &CheckResponse) -> Vec<&str> {
    let headers = match response.http_response.as_ref() {
        Some(HttpResponse::OkResponse(passed)) => &passed.response_headers_to_add,
        Some(HttpResponse::DeniedResponse(denied)) => &denied.headers,
        _ => return Vec::new(),
    };
    headers.iter().filter_map(|option| Some(option.header.as_ref()?.key.as_str())).collect()
}

async fn answering(context: Context, address: SocketAddr, leases: Leases) -> anyhow::Result<()> {
    let trusted = Trusted::new(&["127.0.0.1/32".parse().unwrap()], []);
    let freeze = OwnFreeze::new(leases.clone(), None, context.clock.now());
    serve(&context, address, leases, Protected::special(), trusted, &freeze).await
}

#[tokio::test(flavor = "multi_thread")]
async fn envoy_is_answered_over_mutual_tls_and_nobody_else() {
    let authority = Authority::new();
    let mut world = World::unread();
    let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let tls = authority.tls("spiffe://perimeter/service/executor");
    let context = world.context(1, Some(tls));
    let server = tokio::spawn(answering(context.clone(), address, world.leases.clone()));
    let envoy = channel(address, &authority.tls("spiffe://perimeter/service/envoy")).await;
    let health = async || {
        let asked = tonic_health::pb::HealthCheckRequest { service: String::new() };
        HealthClient::new(envoy.clone()).check(asked).await.unwrap().into_inner().status
    };
    assert_eq!(health().await, 2, "NOT_SERVING");
    let unread = ask(&envoy, "127.0.0.1", Some("81.2.69.142")).await.unwrap_err();
    assert_eq!(unread.code(), Code::Unavailable);

    let epoch = schemas::Epoch { epoch: crate::common::EPOCH, replaces: Vec::new() };
    world.append(&schemas::LeaseEntry::Epoch(epoch));
    world.follow();
    let decision = block("81.2.69.142", START + 60_000);
    world.decide(&decision).await;

    let denied = ask(&envoy, "127.0.0.1", Some("9.9.9.9, 81.2.69.142")).await.unwrap();
    assert_eq!(denied.status.as_ref().unwrap().code, Code::PermissionDenied as i32);
    assert_eq!(metadata(&denied, "point").unwrap(), "envoy/1");
    assert_eq!(metadata(&denied, "decision_id").unwrap(), decision.decision_id.to_string());
    let forged = ask(&envoy, "127.0.0.1", Some("81.2.69.142, 9.9.9.9")).await.unwrap();
    assert_eq!(
        forged.status.as_ref().unwrap().code,
        0,
        "what the client itself wrote counts for nothing"
    );
    assert_eq!(metadata(&forged, "point").unwrap(), "envoy/1");
    assert_eq!(metadata(&forged, "decision_id"), None);
    let nonsense = ask(&envoy, "somewhere", None).await.unwrap_err();
    assert_eq!(nonsense.code(), Code::InvalidArgument, "an error, never a denial");

    only_a_probe_sees_who_answered(&envoy).await;

    let begun = Instant::now();
    while health().await != 1 {
        assert!(begun.elapsed() < Duration::from_secs(5), "SERVING once it has read");
    }
    world.clock.advance(5_001);
    while health().await != 2 {
        assert!(begun.elapsed() < Duration::from_secs(10), "NOT_SERVING when stale");
    }
    let stale = ask(&envoy, "127.0.0.1", Some("81.2.69.142")).await.unwrap();
    assert_eq!(
        stale.status.unwrap().code,
        Code::PermissionDenied as i32,
        "and answers all the same"
    );

    only_services_of_ours_may_ask(address, &authority).await;
    answers_come_from_memory(&envoy).await;
    context.shutdown.cancel();
    drop(envoy);
    server.await.unwrap().unwrap();
}

async fn only_a_probe_sees_who_answered(envoy: &Channel) {
    for (path, client, headers) in [
        ("/", "81.2.69.142", &[DECISION_HEADER][..]),
        ("/", "9.9.9.9", &[]),
        (PROBE_PATH, "81.2.69.142", &[DECISION_HEADER, POINT_HEADER]),
        (PROBE_PATH, "9.9.9.9", &[POINT_HEADER]),
    ] {
        let answer = ask_for(envoy, path, "127.0.0.1", Some(client)).await.unwrap();
        assert_eq!(shown(&answer), headers, "{path} for {client}");
    }
}

async fn only_services_of_ours_may_ask(address: SocketAddr, authority: &Authority) {
    let operator = channel(address, &authority.tls("spiffe://perimeter/operator/ada")).await;
    let refused = ask(&operator, "127.0.0.1", None).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let strangers = Authority::new().tls("spiffe://perimeter/service/envoy");
    let stranger = channel(address, &strangers);
    assert!(
        tokio::time::timeout(Duration::from_millis(300), stranger).await.is_err(),
        "another authority"
    );
}

async fn answers_come_from_memory(envoy: &Channel) {
    let mut slowest = Duration::ZERO;
    for _ in 0..200 {
        let begun = Instant::now();
        ask(envoy, "127.0.0.1", Some("81.2.69.142")).await.unwrap();
        slowest = slowest.max(begun.elapsed());
    }
    assert!(slowest < Duration::from_millis(250), "{slowest:?}");
}
