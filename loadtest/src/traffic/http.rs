//! Requests to the edge, as a trusted proxy would pass them on: the client's address in `X-Forwarded-For`.

use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::{CONTENT_TYPE, USER_AGENT};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use schemas::Millis;

use super::plan::Request;

/// A request without an answer by then counts as refused.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// The header that the sample application puts on every answer of its own, and nobody else does.
pub const APPLICATION_MARKER: &str = "x-sample-application";
/// The header in which a refusal names the decision behind it.
pub const DECISION_HEADER: &str = "x-perimeter-decision";

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);
const IDLE_CONNECTIONS_MAX: usize = 64;

/// The wall clock, in UTC milliseconds.
pub fn now() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis::try_from(since.as_millis()).unwrap_or(Millis::MAX)
}

/// What became of one request.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub sent_at: Millis,
    pub answered_at: Millis,
    /// The answer carries the application's marker, so the application gave it.
    pub by_application: bool,
    /// Absent when there was no answer at all.
    pub status: Option<u16>,
    /// Empty when the application answered, else what came instead.
    pub detail: String,
}

/// Envoy's listener.
#[derive(Clone)]
pub struct Edge {
    client: Client<HttpConnector, Full<Bytes>>,
    authority: String,
}

impl Edge {
    /// `listener` is `host:port`, with or without `http://`.
    pub fn new(listener: &str) -> anyhow::Result<Self> {
        let authority = listener.trim_start_matches("http://").trim_end_matches('/').to_owned();
        authority.parse::<hyper::http::uri::Authority>().with_context(|| {
            format!("'{listener}' is not the address of a listener; write host:port")
        })?;
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
            .build(connector);
        Ok(Edge { client, authority })
    }

    /// Sends one request from `address` and reads the whole answer. Never fails: no answer is an answer too.
    pub async fn ask(&self, address: IpAddr, request: &Request) -> Answer {
        let sent_at = now();
        let asked = tokio::time::timeout(ANSWER_TIMEOUT, self.exchange(address, request)).await;
        let answered_at = now();
        let (by_application, status, detail) = match asked {
            Ok(Ok((status, true, _))) => (true, Some(status), String::new()),
            Ok(Ok((status, false, decision))) => {
                let by = decision
                    .map_or_else(String::new, |decision| format!(" by decision {decision}"));
                (false, Some(status), format!("{status}{by}, without the application's marker"))
            }
            Ok(Err(error)) => (false, None, format!("{error:#}")),
            Err(_) => (false, None, format!("no answer within {} s", ANSWER_TIMEOUT.as_secs())),
        };
        Answer { sent_at, answered_at, by_application, status, detail }
    }

    /// Status, whether the marker is there, and the decision that a refusal names.
    async fn exchange(
        &self,
        address: IpAddr,
        request: &Request,
    ) -> anyhow::Result<(u16, bool, Option<String>)> {
        let mut built = hyper::Request::builder()
            .method(request.method)
            .uri(format!("http://{}{}", self.authority, request.target))
            .header("x-forwarded-for", address.to_string())
            .header(USER_AGENT, request.agent);
        if request.form.is_some() {
            built = built.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        let body = Full::from(request.form.clone().unwrap_or_default());
        let response = self.client.request(built.body(body)?).await?;
        let (head, body) = response.into_parts();
        // Read to its end, so that the connection can be used again and a cut-off answer is seen.
        let _bytes = body.collect().await.context("the answer broke off")?.to_bytes();
        let decision = head
            .headers
            .get(DECISION_HEADER)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned);
        Ok((head.status.as_u16(), head.headers.contains_key(APPLICATION_MARKER), decision))
    }
}
