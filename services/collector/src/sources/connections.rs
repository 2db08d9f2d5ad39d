//! Connections: TLS with or without a certificate of the client's, and a limit in their number.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long nothing is accepted after accepting failed, as without descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

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
