//! Streams of messages over TCP, plain or in TLS. One batch of a connection waits for Kafka at a time, and nothing is
//! read meanwhile: with [`CONNECTIONS_MAX`] that bounds the memory.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use observe::Dead;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsAcceptor;

use super::{Inner, Stream};
use crate::config::syslog::Transport;
use crate::logic::frames::Frames;
use crate::logic::networks::Sender;
use crate::publish::Outgoing;
use crate::sources::connections;

/// Most connections of one listener; the next waits until one ends.
const CONNECTIONS_MAX: usize = 512;
/// Most bytes that are read at once.
const CHUNK_BYTES: usize = 16 * 1024;
/// Most events and dead letters of one batch.
const EVENTS_MAX: usize = 512;

/// How a connection ended.
enum End {
    Closed,
    /// It was idle, or a message took too long.
    Late(Duration),
    Shutdown,
}

pub(super) async fn serve(
    inner: &Arc<Inner>,
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
) {
    connections::serve(listener, CONNECTIONS_MAX, &inner.shutdown, |stream, peer| {
        let (inner, acceptor) = (inner.clone(), acceptor.clone());
        async move {
            if let Err(error) = connect(&inner, stream, peer, acceptor).await {
                tracing::debug!(%error, %peer, "a connection broke");
            }
        }
    })
    .await;
}

async fn connect(
    inner: &Inner,
    stream: TcpStream,
    peer: SocketAddr,
    acceptor: Option<TlsAcceptor>,
) -> io::Result<()> {
    let address = peer.ip();
    let by_network = inner.senders.of_address(address);
    let Some(acceptor) = acceptor else {
        match by_network {
            Some(sender) => talk(inner, sender, stream).await,
            None => inner.refuse(Transport::Tcp, address, None),
        }
        return Ok(());
    };
    let (stream, identity) =
        connections::secured(&acceptor, stream, inner.patience.handshake).await?;
    let by_identity = identity.as_deref().and_then(|identity| inner.senders.of_identity(identity));
    match by_identity.or(by_network) {
        Some(sender) => talk(inner, sender, stream).await,
        None => inner.refuse(Transport::Tls, address, identity.as_deref()),
    }
    Ok(())
}

async fn talk(inner: &Inner, sender: Arc<Sender>, mut connection: impl AsyncRead + Unpin) {
    let mut stream = inner.stream(sender);
    tracing::info!(source = stream.source, "a syslog connection opened");
    let mut frames = Frames::default();
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut since = Instant::now();
    let end = loop {
        let pending = frames.pending();
        let within = if pending { inner.patience.message } else { inner.patience.idle };
        let read = tokio::select! {
            biased;
            () = inner.shutdown.cancelled() => break End::Shutdown,
            read = timeout_at(since + within, connection.read(&mut chunk)) => read,
        };
        match read {
            Err(_) => break End::Late(within),
            // How it broke makes no difference to what came before.
            Ok(Err(_) | Ok(0)) => break End::Closed,
            Ok(Ok(read)) => frames.push(&chunk[..read]),
        }
        let Some(messages) = publish(inner, &mut stream, &mut frames).await else { return };
        // How long Kafka took is not the sender's fault.
        if messages > 0 || !pending {
            since = Instant::now();
        }
    };
    finish(inner, stream, frames, end).await;
}

/// Publishes every message that has ended; answers how many, or nothing when shutdown came in between.
async fn publish(inner: &Inner, stream: &mut Stream, frames: &mut Frames) -> Option<usize> {
    let (now, mut messages, mut outgoing) = (inner.clock.now(), 0, Outgoing::default());
    while let Some(piece) = frames.next_frame() {
        stream.take(piece, now, &mut outgoing);
        messages += 1;
        if outgoing.len() >= EVENTS_MAX && !inner.send(std::mem::take(&mut outgoing)).await {
            return None;
        }
    }
    inner.send(outgoing).await.then_some(messages)
}

/// What becomes of the message that had begun.
async fn finish(inner: &Inner, stream: Stream, mut frames: Frames, end: End) {
    let mut outgoing = Outgoing::default();
    let reason = match end {
        End::Shutdown => None,
        End::Closed => Some("the connection ended inside the message".to_owned()),
        End::Late(within) => Some(format!("the message did not end within {} s", within.as_secs())),
    };
    if let (Some(reason), Some(piece)) = (reason, frames.rest()) {
        stream.bury(piece, &Dead::malformed(reason), &mut outgoing);
    }
    inner.send(outgoing).await;
    tracing::info!(source = stream.source, "a syslog connection ended");
}
