//! A small HTTP/1.1 client: one GET, bounded in time and size, over connections that are kept.

use std::time::Duration;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::{Request, Response};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

/// A client; clones share its connections.
#[derive(Clone)]
pub(crate) struct Http(Client<HttpConnector, Empty<Bytes>>);

impl Http {
    pub(crate) fn new(connections_max: usize) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(20))
            .pool_max_idle_per_host(connections_max)
            .build(connector);
        Http(client)
    }

    /// Sends `request`; the body of the answer has at most `body_bytes_max`.
    pub(crate) async fn get(
        &self,
        request: Request<Empty<Bytes>>,
        timeout: Duration,
        body_bytes_max: usize,
    ) -> Result<Response<Bytes>> {
        let uri = request.uri().clone();
        let sent = async {
            let (head, body) = self.0.request(request).await?.into_parts();
            let body = Limited::new(body, body_bytes_max).collect().await;
            let body = body.map_err(|error| anyhow::anyhow!(error))?;
            anyhow::Ok(Response::from_parts(head, body.to_bytes()))
        };
        tokio::time::timeout(timeout, sent)
            .await
            .with_context(|| format!("no answer from {uri} within {} ms", timeout.as_millis()))?
            .with_context(|| format!("could not get {uri}"))
    }
}
