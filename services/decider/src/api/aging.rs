//! Connections that are closed at an age, whatever is answered on them just then.
//!
//! tonic tells a client to leave, and then waits for what it began to end; what never ends keeps its connection for ever.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;
use tonic::transport::server::{Connected, TcpConnectInfo};

/// A connection that can be read and written until its age is reached.
pub(super) struct Aging {
    stream: TcpStream,
    over: Pin<Box<Sleep>>,
}

impl Aging {
    pub(super) fn new(stream: TcpStream, longest: Duration) -> Self {
        Aging { stream, over: Box::pin(tokio::time::sleep(longest)) }
    }

    /// The connection while it may be used. Whoever asks is woken when that is over.
    fn usable(&mut self, context: &mut Context<'_>) -> io::Result<Pin<&mut TcpStream>> {
        match self.over.as_mut().poll(context) {
            Poll::Ready(()) => Err(io::Error::new(io::ErrorKind::TimedOut, "it reached its age")),
            Poll::Pending => Ok(Pin::new(&mut self.stream)),
        }
    }
}

impl Connected for Aging {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        self.stream.connect_info()
    }
}

impl AsyncRead for Aging {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.usable(context)?.poll_read(context, buffer)
    }
}

impl AsyncWrite for Aging {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.usable(context)?.poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.usable(context)?.poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;
    use tokio_stream::StreamExt as _;
    use tonic::transport::server::TcpIncoming;
    use tonic::transport::{Endpoint, Server};
    use tonic_health::pb::HealthCheckRequest;
    use tonic_health::pb::health_client::HealthClient;

    use super::*;

    const LONGEST: Duration = Duration::from_secs(1);

    #[tokio::test]
    async fn a_stream_that_never_ends_ends_with_its_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint =
            Endpoint::from_shared(format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let (_reporter, health) = tonic_health::server::health_reporter();
        let accepted = TcpIncoming::from(listener)
            .map(|accepted| accepted.map(|stream| Aging::new(stream, LONGEST)));
        tokio::spawn(Server::builder().add_service(health).serve_with_incoming(accepted));
        let mut client = HealthClient::new(endpoint.connect().await.unwrap());
        let mut watching = client.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
        assert!(watching.message().await.unwrap().is_some(), "whether it serves is told at once");
        let ended = tokio::time::timeout(10 * LONGEST, watching.message()).await;
        ended.expect("the stream goes on").expect_err("it is cut off");
    }
}
