//! The gRPC ports: Override and Query over mutual TLS, Query in plaintext on loopback.
//!
//! Who may call what over mutual TLS is the table in [`proto::roles`]; plaintext serves only what changes nothing.

mod aging;
mod answers;
mod explain;
pub mod overrides;
pub mod query;
mod standing;
mod watching;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use pipeline::{Clock, Context, Leases, Publisher, Tls};
use proto::roles::Guard;
use proto::v1::override_server::OverrideServer;
use proto::v1::query_server::QueryServer;
use tokio::net::TcpListener;
use tokio_stream::StreamExt as _;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::transport::server::{Router, TcpIncoming};

use crate::index;
use crate::logic::Rules;
use aging::Aging;
use overrides::Overrides;
use query::Queries;

/// Longest request that is read.
const REQUEST_BYTES_MAX: usize = 64 * 1024;
const STREAMS_MAX: u32 = 128;
/// A connection is told to close at this age, and no stream of ours lasts longer: who may call is read off a certificate,
/// which may have run out since it was shown. A stream that begins shortly before its connection is of this age runs to
/// its own end, so a certificate is of use for at most twice this long after it was shown. At that age a connection is
/// closed: the streams of health and reflection, which are not ours, last for as long as it does.
pub(crate) const CONNECTION_AGE_MAX: Duration = Duration::from_secs(15 * 60);
/// How much sooner it is told to close, so that what ends in time is not cut off: a connection is some seconds old when its
/// client has shown who he is, and he goes on for a moment before he hears that he must leave.
const TOLD_SOONER: Duration = Duration::from_secs(20);
/// Longest call that is no stream, or one kept open would keep its connection. Whoever waits for Kafka is told sooner.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);
/// How often an idle connection is asked whether there is still somebody at its other end.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// The part of the decider that is ready once the copy of the leases is complete.
const LEASES: &str = "leases";

/// What the calls work on.
#[derive(Clone)]
pub struct Shared {
    pub rules: Arc<Rules>,
    pub leases: Leases,
    pub index: index::Shared,
    pub publisher: Publisher,
    pub clock: Clock,
}

/// Serves both ports until shutdown.
pub async fn serve(
    context: &Context,
    shared: Shared,
    api: SocketAddr,
    plaintext: Option<SocketAddr>,
) -> Result<()> {
    let tls = context
        .tls
        .clone()
        .context("the mTLS port needs DECIDER_TLS_CA, DECIDER_TLS_CERT and DECIDER_TLS_KEY")?;
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_not_serving::<QueryServer<Queries>>().await;
    health.set_not_serving::<OverrideServer<Overrides>>().await;
    let listener = bind(api, "DECIDER_API_ADDR").await?;
    let overriding = OverrideServer::new(Overrides::new(shared.clone()))
        .max_decoding_message_size(REQUEST_BYTES_MAX);
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(proto::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .build_v1()
            .context("could not build the reflection service")
    };
    let secured = secured(&tls)?
        .layer(Guard::default())
        .add_service(health_service.clone())
        .add_service(reflection()?)
        .add_service(querying(&shared, &context.shutdown))
        .add_service(overriding);
    let secured = async {
        let stop = context.shutdown.clone().cancelled_owned();
        let accepted = incoming(listener)
            .map(|accepted| accepted.map(|stream| Aging::new(stream, 2 * CONNECTION_AGE_MAX)));
        let served = secured.serve_with_incoming_shutdown(accepted, stop);
        served.await.context("the gRPC port stopped")
    };
    let open = async {
        let Some(address) = plaintext else { return Ok(()) };
        let listener = bind(address, "DECIDER_PLAINTEXT_ADDR").await?;
        let router = server()
            .add_service(health_service)
            .add_service(reflection()?)
            .add_service(querying(&shared, &context.shutdown));
        run(router, listener, &context.shutdown).await
    };
    let readiness = async {
        context.health.expect(LEASES);
        if complete(&shared.leases, &context.shutdown).await {
            health.set_serving::<QueryServer<Queries>>().await;
            // Whoever stops automation waits for nothing more. A call that must know more waits for it itself.
            health.set_serving::<OverrideServer<Overrides>>().await;
            context.health.set(LEASES, true);
        }
        Ok(())
    };
    tokio::try_join!(secured, open, readiness).map(|_| ())
}

/// Waits until the leases and controls were once read to their ends. Answers false when the process must stop first.
pub(crate) async fn complete(leases: &Leases, shutdown: &CancellationToken) -> bool {
    let mut changes = leases.changes();
    while !leases.read(|reader| reader.complete()) {
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return false },
            () = shutdown.cancelled() => return false,
        }
    }
    true
}

/// Serves Query without TLS, for tests in one process.
pub async fn serve_query(
    shared: Shared,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> Result<()> {
    let router = server().add_service(querying(&shared, &shutdown));
    run(router, listener, &shutdown).await
}

fn querying(shared: &Shared, shutdown: &CancellationToken) -> QueryServer<Queries> {
    QueryServer::new(Queries::new(shared.clone(), shutdown.clone()))
        .max_decoding_message_size(REQUEST_BYTES_MAX)
}

fn server() -> Server {
    Server::builder()
        .max_concurrent_streams(STREAMS_MAX)
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
}

/// A connection of that age takes nothing new; what began on it before is answered to its end. Without a grace after the
/// age: with one, tonic 0.14.9 does not tell the client to leave, but only drops the connection when the grace is over,
/// which is done here by [`Aging`].
fn secured(tls: &Tls) -> Result<Server> {
    server()
        .timeout(CALL_TIMEOUT)
        .max_connection_age(CONNECTION_AGE_MAX - TOLD_SOONER)
        .tls_config(proto::mtls::server(tls.ca(), tls.certificate(), tls.key()))
        .context(
            "could not use the certificates of DECIDER_TLS_CA, DECIDER_TLS_CERT and DECIDER_TLS_KEY",
        )
}

async fn bind(address: SocketAddr, setting: &str) -> Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!("could not listen on {address}; choose a free port with {setting}")
    })
}

fn incoming(listener: TcpListener) -> TcpIncoming {
    TcpIncoming::from(listener).with_nodelay(Some(true))
}

async fn run(router: Router, listener: TcpListener, shutdown: &CancellationToken) -> Result<()> {
    let served =
        router.serve_with_incoming_shutdown(incoming(listener), shutdown.clone().cancelled_owned());
    served.await.context("the gRPC port stopped")
}
