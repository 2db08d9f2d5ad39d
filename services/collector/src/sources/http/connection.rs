//! Connections of the intake: HTTP/1.1, with limits in number and time.

use std::io;
use std::time::Duration;

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::Patience;
use crate::sources::connections;

/// Most connections at a time; the next waits until one ends.
const CONNECTIONS_MAX: usize = 512;
pub(super) const HANDSHAKE_MAX: Duration = Duration::from_secs(5);
/// How long a client may take for the head of a request, and stay idle before one.
pub(super) const HEAD_MAX: Duration = Duration::from_secs(15);

/// Who is at the other end.
#[derive(Debug, Clone, Default)]
pub(super) struct Peer {
    /// The SPIFFE URI of the client's certificate, if it showed one of our authority's.
    pub(super) identity: Option<String>,
}

/// Serves until shutdown, then lets every request that began come to its end.
pub(super) async fn serve(
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    router: Router,
    patience: Patience,
    shutdown: &CancellationToken,
) {
    connections::serve(listener, CONNECTIONS_MAX, shutdown, |stream, _| {
        let (acceptor, router, shutdown) = (acceptor.clone(), router.clone(), shutdown.clone());
        async move {
            if let Err(error) = connect(stream, acceptor, router, patience, &shutdown).await {
                tracing::debug!(%error, "a connection broke");
            }
        }
    })
    .await;
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
    let (stream, identity) = connections::secured(&acceptor, stream, patience.handshake).await?;
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
