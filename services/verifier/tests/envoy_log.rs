//! Envoy's log over real mutual TLS: a signed probe's entry proves a block, anybody else's proves nothing.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

#[path = "../../common/pipeline/tests/authority/mod.rs"]
mod authority;
mod common;

use std::collections::HashMap;
use std::time::Duration;

use authority::Authority;
use common::{ATTACKER, EPOCH, T0, block};
use envoy_types::pb::envoy::config::core::v3 as core_v3;
use envoy_types::pb::envoy::data::accesslog::v3 as log_v3;
use envoy_types::pb::envoy::service::accesslog::v3 as service_v3;
use envoy_types::pb::google::protobuf as pb;
use observe::probe::{Nonce, PROBE_HEADER, PROBE_PATH, PrivateKey, sign};
use pipeline::{Clock, Tls};
use rcgen::{KeyPair, PKCS_ED25519};
use schemas::{Decision, Effect, Generation};
use service_v3::access_log_service_client::AccessLogServiceClient;
use service_v3::stream_access_logs_message::{HttpAccessLogEntries, LogEntries};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};
use verifier::Verification;
use verifier::logic::{Answer, Input, Replicas, SendProbe};
use verifier::probes::SentProbes;
use verifier::sources::envoy::Log;

fn entry(
    probe: SendProbe,
    header: String,
    point: &str,
    decision: &Decision,
) -> log_v3::HttpAccessLogEntry {
    let text = |text: &str| pb::Value { kind: Some(pb::value::Kind::StringValue(text.to_owned())) };
    let fields = HashMap::from([
        ("point".to_owned(), text(point)),
        ("decision_id".to_owned(), text(&decision.decision_id.to_string())),
    ]);
    let socket = core_v3::SocketAddress {
        address: probe.address.to_string(),
        ..core_v3::SocketAddress::default()
    };
    let address =
        core_v3::Address { address: Some(core_v3::address::Address::SocketAddress(socket)) };
    let flags = log_v3::ResponseFlags {
        unauthorized_details: Some(log_v3::response_flags::Unauthorized { reason: 1 }),
        ..log_v3::ResponseFlags::default()
    };
    let metadata = core_v3::Metadata {
        filter_metadata: HashMap::from([(
            "envoy.filters.http.ext_authz".to_owned(),
            pb::Struct { fields },
        )]),
        ..core_v3::Metadata::default()
    };
    log_v3::HttpAccessLogEntry {
        common_properties: Some(log_v3::AccessLogCommon {
            downstream_remote_address: Some(address),
            response_flags: Some(flags),
            metadata: Some(metadata),
            ..log_v3::AccessLogCommon::default()
        }),
        request: Some(log_v3::HttpRequestProperties {
            request_headers: HashMap::from([(PROBE_HEADER.to_owned(), header)]),
            ..log_v3::HttpRequestProperties::default()
        }),
        ..log_v3::HttpAccessLogEntry::default()
    }
}

async fn send(
    channel: Channel,
    entries: Vec<log_v3::HttpAccessLogEntry>,
) -> Result<(), tonic::Status> {
    let message = service_v3::StreamAccessLogsMessage {
        identifier: None,
        log_entries: Some(LogEntries::HttpLogs(HttpAccessLogEntries { log_entry: entries })),
    };
    let stream = tokio_stream::iter([message]);
    AccessLogServiceClient::new(channel).stream_access_logs(stream).await.map(|_| ())
}

#[tokio::test]
async fn an_entry_proves_what_we_sent_for_that_address_and_nothing_else() {
    let authority = Authority::new();
    let pem = KeyPair::generate_for(&PKCS_ED25519).unwrap().serialize_pem();
    let (own, foreign) =
        (PrivateKey::from_pem(&pem).unwrap(), KeyPair::generate_for(&PKCS_ED25519));
    let foreign = PrivateKey::from_pem(&foreign.unwrap().serialize_pem()).unwrap();
    let clock = Clock::manual(T0);
    let verification = Verification::new(common::core(3));

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let shutdown = CancellationToken::new();
    let sent = SentProbes::default();
    let log = Log::new(verification.clone(), clock.clone(), sent.clone());
    let (tls, stop) = (authority.tls("spiffe://perimeter/service/verifier"), shutdown.clone());
    let server = tokio::spawn(async move { log.serve(listener, &tls, stop).await });
    let connect = async |tls: &Tls| {
        let settings = proto::mtls::client(tls.ca(), tls.certificate(), tls.key(), "localhost");
        let endpoint = Endpoint::from_shared(format!("https://127.0.0.1:{port}")).unwrap();
        endpoint.tls_config(settings).unwrap().connect().await.unwrap()
    };
    let envoy = connect(&authority.tls("spiffe://perimeter/service/envoy")).await;
    let operator = connect(&authority.tls("spiffe://perimeter/operator/ada")).await;

    let decision = block(ATTACKER, 1, 60_000);
    let probe = begin(&verification, &decision);
    let signed = |key: &PrivateKey| sign(probe.address, PROBE_PATH, T0, probe.nonce, key);
    let proved = |verification: &Verification| {
        let (effects, _) = verification.take();
        let level_3 = effects.publish.into_iter().filter(|publish| publish.outcome.level == 3);
        level_3.map(|publish| publish.outcome.effect).collect::<Vec<_>>()
    };

    sent.insert(&signed(&own), probe, T0);
    let genuine = || vec![entry(probe, signed(&own), "envoy/0", &decision)];
    let refused = send(operator, genuine()).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::PermissionDenied);
    let forged = vec![entry(probe, signed(&foreign), "envoy/0", &decision)];
    send(envoy.clone(), forged).await.unwrap();
    let later = SendProbe { nonce: Nonce([9; 16]), ..probe };
    let unsent = sign(later.address, PROBE_PATH, T0, later.nonce, &own);
    send(envoy.clone(), vec![entry(later, unsent, "envoy/0", &decision)]).await.unwrap();
    let elsewhere = SendProbe { address: "81.2.69.143".parse().unwrap(), ..probe };
    send(envoy.clone(), vec![entry(elsewhere, signed(&own), "envoy/0", &decision)]).await.unwrap();
    assert_eq!(proved(&verification), []);
    send(envoy, genuine()).await.unwrap();
    assert_eq!(proved(&verification), [Effect::Effective]);

    shutdown.cancel();
    let stopped = tokio::time::timeout(Duration::from_secs(5), server).await;
    stopped.expect("an open stream must not delay the end").unwrap().unwrap();
}

/// Decides, lets the first probe go out, and answers the control probe.
fn begin(verification: &Verification, decision: &Decision) -> SendProbe {
    let asked = vec!["envoy/0".to_owned()];
    verification.apply(Input::Replicas(Replicas { all: asked.clone(), asked }), T0);
    let generation = Generation { epoch: EPOCH, offset: 0 };
    let appended = schemas::fold::Appended { generation, at: T0 };
    let boxed = Box::new(decision.clone());
    verification.apply(Input::Decision { decision: boxed, appended, trace: None }, T0);
    verification.apply(Input::Tick, T0 + 10);
    let (effects, _) = verification.take();
    let address = schemas::observable::representative(decision.observable.network());
    for control in effects.probes.iter().filter(|probe| probe.address != address) {
        let answered = Input::Answered { nonce: control.nonce, answer: Answer::Passed(None) };
        verification.apply(answered, T0 + 10);
    }
    *effects.probes.iter().find(|probe| probe.address == address).unwrap()
}
