//! Connections of the intake: TLS with or without a certificate of the client's, HTTP/1.1, limits in number and time.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use pipeline::Tls;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Patience;

/// Most connections at a time; the next waits until one ends.
const CONNECTIONS_MAX: usize = 512;
pub(super) const HANDSHAKE_MAX: Duration = Duration::from_secs(5);
/// How long a client may take for the head of a request, and stay idle before one.
pub(super) const HEAD_MAX: Duration = Duration::from_secs(15);
/// How long nothing is accepted after accepting failed, as without descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Who is at the other end.
#[derive(Debug, Clone, Default)]
pub(super) struct Peer {
    /// The SPIFFE URI of the client's certificate, if it showed one of our authority's.
    pub(super) identity: Option<String>,
}

/// TLS with our certificate. A client's certificate must be of our authority; none is as good, a token may come.
pub(super) fn acceptor(tls: &Tls) -> Result<TlsAcceptor> {
    let unusable = "could not use COLLECTOR_TLS_CA, _CERT and _KEY; are they PEM, and do they belong together?";
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(tls.ca.as_bytes()) {
        roots.add(certificate.context(unusable)?).context(unusable)?;
    }
    let clients = WebPkiClientVerifier::builder(Arc::new(roots))
        .allow_unauthenticated()
        .build()
        .context(unusable)?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(tls.certificate.as_bytes())
        .collect::<Result<_, _>>()
        .context(unusable)?;
    let key = PrivateKeyDer::from_pem_slice(tls.key.as_bytes()).context(unusable)?;
    let config = ServerConfig::builder()
        .with_client_cert_verifier(clients)
        .with_single_cert(chain, key)
        .context(unusable)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Serves until shutdown, then lets every request that began come to its end.
pub(super) async fn serve(
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    router: Router,
    patience: Patience,
    shutdown: &CancellationToken,
) {
    let (tasks, slots) = (TaskTracker::new(), Arc::new(Semaphore::new(CONNECTIONS_MAX)));
    loop {
        let accepted = async {
            let slot = slots.clone().acquire_owned().await;
            (slot, listener.accept().await)
        };
        let (slot, accepted) = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = accepted => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "could not accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let (acceptor, router, shutdown) = (acceptor.clone(), router.clone(), shutdown.clone());
        tasks.spawn(async move {
            let _slot = slot;
            if let Err(error) = connect(stream, acceptor, router, patience, &shutdown).await {
                tracing::debug!(%error, "a connection broke");
            }
        });
    }
    tasks.close();
    tasks.wait().await;
}

async fn connect(
    stream: TcpStream,
    acceptor: Option<TlsAcceptor>,
    router: Router,
    patience: Patience,
    shutdown: &CancellationToken,
) -> io::Result<()> {
    let Some(acceptor) = acceptor else {
        return talk(stream, Peer::default(), router, patience, shutdown).await;
    };
    let stream = tokio::time::timeout(patience.handshake, acceptor.accept(stream)).await??;
    let (_, session) = stream.get_ref();
    let shown = session.peer_certificates().and_then(|certificates| certificates.first());
    let identity = shown.and_then(|certificate| proto::mtls::spiffe_uri(certificate));
    talk(stream, Peer { identity }, router, patience, shutdown).await
}

async fn talk<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    peer: Peer,
    router: Router,
    patience: Patience,
    shutdown: &CancellationToken,
) -> io::Result<()> {
    let service = TowerToHyperService::new(router.layer(Extension(peer)));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(patience.head)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let outcome = tokio::select! {
        outcome = connection.as_mut() => outcome,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    outcome.map_err(io::Error::other)
}
