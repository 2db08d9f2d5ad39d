//! The points `envoy/N`: Envoy asks this replica about every request (ext_authz), and is answered from memory.
//!
//! Before the leases were once read to their end the answer is UNAVAILABLE, so that Envoy asks the other replica;
//! afterwards every request is answered for ever, and `grpc.health.v1` says whether a fresher replica is to be preferred.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, Result};
use envoy_types::pb::envoy::config::core::v3::address::Address as AddressKind;
use envoy_types::pb::envoy::config::core::v3::{HeaderValue, HeaderValueOption};
use envoy_types::pb::envoy::service::auth::v3::authorization_server::{
    Authorization, AuthorizationServer,
};
use envoy_types::pb::envoy::service::auth::v3::check_response::HttpResponse;
use envoy_types::pb::envoy::service::auth::v3::{
    CheckRequest, CheckResponse, DeniedHttpResponse, OkHttpResponse,
};
use envoy_types::pb::envoy::r#type::v3::HttpStatus;
use envoy_types::pb::google::protobuf::{Struct, Value, value::Kind};
use envoy_types::pb::google::rpc::Status as RpcStatus;
use observe::probe::{POINT_HEADER, PROBE_PATH};
use observe::{Trusted, client_address};
use pipeline::{Clock, Context, Leases, Seen};
use proto::roles::Guard;
use schemas::{Action, Effective, Millis, Protected, Reader, View, effective};
use tokio::net::TcpListener;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Code, Request, Response, Status};
use tonic_health::ServingStatus;
use uuid::Uuid;

use super::{Outbox, pause, reached, show};
use crate::api;
use crate::freeze::OwnFreeze;
use crate::logic::envoy::{EnvoyPoint, name};
use crate::recall::Recalled;
use crate::view::serving;

/// Header of a refused answer.
pub const DECISION_HEADER: &str = "x-perimeter-decision";
const FORBIDDEN: i32 = 403;
const HEALTH_INTERVAL: Duration = Duration::from_millis(250);
/// The part of readiness that says whether Envoy had time to see us. Who restarts one replica after the other waits for
/// it: the other one may only go once this one is asked again.
const SEEN: &str = "seen by Envoy's health check";
const SEEN_AFTER_MS: Millis = 1_000;
/// Envoy's health check comes every 0.5 s: long enough for it to turn to the other replica before this one is gone.
const LEAVE_AFTER: Duration = Duration::from_millis(1_000);
/// Shortest pause between two passes over the leases, so that a storm of them is taken together.
const PASS_INTERVAL: Duration = Duration::from_millis(20);
const PASS_WAIT_MAX_MS: Millis = 1_000;

/// What Envoy is answered about one client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Let it pass; the decision is that of an operator's allow, if one holds.
    Pass(Option<Uuid>),
    Deny(Uuid),
}

/// What holds for `client` at `now`.
pub fn answer(view: &View, protected: &Protected, client: IpAddr, now: Millis) -> Answer {
    match effective(view, protected, client, now) {
        Effective::Claim { claim, .. } if claim.action == Action::Block => {
            Answer::Deny(claim.decision_id)
        }
        Effective::Claim { claim, .. } => Answer::Pass(Some(claim.decision_id)),
        Effective::Protected | Effective::Nothing => Answer::Pass(None),
    }
}

/// Tells of this point until shutdown.
pub async fn reconcile(
    context: &Context,
    leases: &Leases,
    protected: Protected,
    outbox: &Outbox,
    recalled: &Recalled,
) -> Result<()> {
    let mut point = EnvoyPoint::new(context.replica, protected);
    let mut changes = leases.changes();
    let mut seen = Seen::default();
    loop {
        let now = context.clock.now();
        if let Some(untold) = recalled.take(point.name()) {
            point.recall(untold);
        }
        let mut until = now + PASS_WAIT_MAX_MS;
        // Nobody waits for the leases while it is told what was seen there.
        let pass = leases.read_since(&mut seen, |reader, changed| {
            reader.complete().then(|| point.look(reader.view(), changed, now))
        });
        if let Some(pass) = pass {
            outbox.put(point.settle(&pass, now, outbox.room()));
            let held = point.held();
            show(point.name(), held, held, 0);
            reached(point.name(), now);
            until = until.min(point.due_at());
        }
        tokio::select! {
            () = tokio::time::sleep(pause(now, until, PASS_INTERVAL)) => {}
            changed = changes.changed() => {
                if changed.is_err() {
                    return Ok(());
                }
                tokio::time::sleep(PASS_INTERVAL).await;
            }
            () = context.shutdown.cancelled() => return Ok(()),
        }
    }
}

/// Answers Envoy, and whoever asks about this replica's own freeze, until shutdown. Who may is the table in
/// [`proto::roles`]. Fails at once where the address is taken.
pub async fn serve(
    context: &Context,
    address: SocketAddr,
    leases: Leases,
    protected: Protected,
    trusted: Trusted,
    freeze: &OwnFreeze,
) -> Result<()> {
    let tls =
        context.tls.as_ref().context("the port for Envoy needs EXECUTOR_TLS_CA, _CERT and _KEY")?;
    let listener = TcpListener::bind(address).await.with_context(|| {
        format!(
            "could not listen on {address} for Envoy; choose a free port with EXECUTOR_AUTHZ_ADDR"
        )
    })?;
    context.health.expect(SEEN);
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter.set_service_status("", ServingStatus::NotServing).await;
    let authorization = Authz {
        point: name(context.replica),
        leases: leases.clone(),
        protected,
        trusted,
        clock: context.clock.clone(),
    };
    let server = Server::builder()
        .tls_config(proto::mtls::server(tls.ca(), tls.certificate(), tls.key()))
        .context("could not use the certificates of EXECUTOR_TLS_CERT and EXECUTOR_TLS_KEY")?
        .http2_keepalive_interval(Some(Duration::from_secs(10)))
        .layer(Guard::default())
        .add_service(health)
        .add_service(api::admin(context, freeze))
        .add_service(AuthorizationServer::new(authorization))
        .serve_with_incoming_shutdown(
            TcpIncoming::from(listener).with_nodelay(Some(true)),
            leave(context, reporter, leases),
        );
    server.await.context("could not go on answering Envoy")
}

/// Reports the replica's health; ends when Envoy had time to turn away from a replica that stops.
async fn leave(context: &Context, reporter: tonic_health::server::HealthReporter, leases: Leases) {
    let mut serving_since = None;
    loop {
        let now = context.clock.now();
        let fresh = serving(leases.read(Reader::complete), leases.age_ms(now));
        serving_since = if fresh { serving_since.or(Some(now)) } else { None };
        // Once seen it stays ready: with Kafka away it goes on answering.
        if serving_since.is_some_and(|since| now - since >= SEEN_AFTER_MS) {
            context.health.set(SEEN, true);
        }
        let status = if fresh { ServingStatus::Serving } else { ServingStatus::NotServing };
        reporter.set_service_status("", status).await;
        metrics::gauge!("perimeter_serving").set(f64::from(u8::from(fresh)));
        tokio::select! {
            () = tokio::time::sleep(HEALTH_INTERVAL) => {}
            () = context.shutdown.cancelled() => break,
        }
    }
    reporter.set_service_status("", ServingStatus::NotServing).await;
    tokio::time::sleep(LEAVE_AFTER).await;
}

struct Authz {
    point: String,
    leases: Leases,
    protected: Protected,
    trusted: Trusted,
    clock: Clock,
}

#[tonic::async_trait]
impl Authorization for Authz {
    async fn check(
        &self,
        request: Request<CheckRequest>,
    ) -> Result<Response<CheckResponse>, Status> {
        let begun = std::time::Instant::now();
        let client = client_of(request.get_ref(), &self.trusted)?;
        let now = self.clock.now();
        let answer = self.leases.read(|reader| {
            reader.complete().then(|| answer(reader.view(), &self.protected, client, now))
        });
        let label = match answer {
            None => "unavailable",
            Some(Answer::Pass(_)) => "pass",
            Some(Answer::Deny(_)) => "deny",
        };
        metrics::counter!("perimeter_authz_checks_total", "answer" => label).increment(1);
        metrics::histogram!("perimeter_authz_seconds").record(begun.elapsed().as_secs_f64());
        match answer {
            None => Err(Status::unavailable(
                "the leases are not read to their end yet; ask the other replica",
            )),
            Some(answer) => {
                let probed = path_of(request.get_ref()) == Some(PROBE_PATH);
                Ok(Response::new(response(&self.point, answer, probed)))
            }
        }
    }
}

/// The client of the request. What cannot be read is an error, so that Envoy's own failure mode decides, never a denial.
fn client_of(request: &CheckRequest, trusted: &Trusted) -> Result<IpAddr, Status> {
    let attributes = request.attributes.as_ref();
    let source = attributes
        .and_then(|attributes| attributes.source.as_ref()?.address.as_ref()?.address.as_ref());
    let Some(AddressKind::SocketAddress(source)) = source else {
        return Err(Status::new(Code::InvalidArgument, "the request names no source address"));
    };
    let peer: IpAddr = source
        .address
        .parse()
        .map_err(|_| Status::new(Code::InvalidArgument, "the source is not an IP address"))?;
    let http = attributes.and_then(|attributes| attributes.request.as_ref()?.http.as_ref());
    let forwarded_for =
        http.and_then(|http| http.headers.get("x-forwarded-for")).map(String::as_str);
    Ok(client_address(peer, forwarded_for, trusted).address)
}

/// Path and query of the request.
fn path_of(request: &CheckRequest) -> Option<&str> {
    let http = request.attributes.as_ref()?.request.as_ref()?.http.as_ref()?;
    Some(&http.path)
}

/// `probed`: the answer shows which point gave it.
fn response(point: &str, answer: Answer, probed: bool) -> CheckResponse {
    let text = |text: String| Value { kind: Some(Kind::StringValue(text)) };
    let (code, decision_id) = match answer {
        Answer::Pass(decision_id) => (Code::Ok, decision_id),
        Answer::Deny(decision_id) => (Code::PermissionDenied, Some(decision_id)),
    };
    let mut fields = std::collections::HashMap::with_capacity(2);
    fields.insert("point".to_owned(), text(point.to_owned()));
    if let Some(decision_id) = decision_id {
        fields.insert("decision_id".to_owned(), text(decision_id.to_string()));
    }
    let shown = probed.then(|| header(POINT_HEADER, point.to_owned()));
    let http_response = match answer {
        Answer::Pass(_) => HttpResponse::OkResponse(OkHttpResponse {
            response_headers_to_add: shown.into_iter().collect(),
            ..OkHttpResponse::default()
        }),
        Answer::Deny(decision_id) => HttpResponse::DeniedResponse(DeniedHttpResponse {
            status: Some(HttpStatus { code: FORBIDDEN }),
            headers: std::iter::once(header(DECISION_HEADER, decision_id.to_string()))
                .chain(shown)
                .collect(),
            body: "refused\n".to_owned(),
        }),
    };
    CheckResponse {
        status: Some(RpcStatus { code: code as i32, ..RpcStatus::default() }),
        dynamic_metadata: Some(Struct { fields }),
        http_response: Some(http_response),
    }
}

fn header(name: &str, value: String) -> HeaderValueOption {
    let header = HeaderValue { key: name.to_owned(), value, ..HeaderValue::default() };
    HeaderValueOption { header: Some(header), ..HeaderValueOption::default() }
}

/// Whose `X-Forwarded-For` is believed: the policy's proxies, and this host's own addresses behind loopback.
pub fn trusted(policy: &observe::Policy) -> Trusted {
    let interfaces = match if_addrs::get_if_addrs() {
        Ok(interfaces) => interfaces.iter().map(if_addrs::Interface::ip).collect(),
        Err(error) => {
            tracing::warn!(%error, "could not list the host's addresses; a proxy on loopback may look like a client");
            Vec::new()
        }
    };
    Trusted::new(policy.trusted(), interfaces)
}
