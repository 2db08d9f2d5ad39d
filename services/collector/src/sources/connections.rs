//! Connections: TLS with or without a certificate of the client's, and a limit in their number.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use pipeline::Tls;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long nothing is accepted after accepting failed, as without descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// TLS with our certificate. A client's certificate must be of our authority; none is as good: a sender may be known otherwise.
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

/// The handshake, in time; answers the SPIFFE URI of the client's certificate, if it showed one of our authority's.
pub(super) async fn secured(
    acceptor: &TlsAcceptor,
    stream: TcpStream,
    within: Duration,
) -> io::Result<(TlsStream<TcpStream>, Option<String>)> {
    let stream = tokio::time::timeout(within, acceptor.accept(stream)).await??;
    let (_, session) = stream.get_ref();
    let shown = session.peer_certificates().and_then(|certificates| certificates.first());
    let identity = shown.and_then(|certificate| proto::mtls::spiffe_uri(certificate));
    Ok((stream, identity))
}

/// Accepts until shutdown, at most `connections_max` at a time, then waits until every connection has come to its end.
pub(super) async fn serve<F>(
    listener: TcpListener,
    connections_max: usize,
    shutdown: &CancellationToken,
    mut connect: impl FnMut(TcpStream, SocketAddr) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let (tasks, slots) = (TaskTracker::new(), Arc::new(Semaphore::new(connections_max)));
    loop {
        let accepted = async {
            let slot = slots.clone().acquire_owned().await;
            (slot, listener.accept().await)
        };
        let (slot, accepted) = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = accepted => accepted,
        };
        let connection = match accepted {
            Ok((stream, peer)) => connect(stream, peer),
            Err(error) => {
                tracing::warn!(%error, "could not accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        tasks.spawn(async move {
            let _slot = slot;
            connection.await;
        });
    }
    tasks.close();
    tasks.wait().await;
}
