//! Sends probes: HTTP requests through Envoy as if they came from an address, signed so that nobody scores them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::{Request, StatusCode, Uri};
use observe::probe::{PROBE_HEADER, PROBE_PATH, PrivateKey, sign};
use schemas::Millis;

use crate::http::Http;
use crate::logic::{Answer, IN_FLIGHT_MAX, SendProbe};

const TIMEOUT: Duration = Duration::from_secs(1);
const BODY_BYTES_MAX: usize = 64 * 1024;

/// Sends probes; clones share connections.
#[derive(Clone)]
pub struct Prober {
    http: Http,
    base: Uri,
    key: Arc<PrivateKey>,
}

impl Prober {
    /// `base` is Envoy's listener.
    pub fn new(base: Uri, key: Arc<PrivateKey>) -> Self {
        Prober { http: Http::new(IN_FLIGHT_MAX), base, key }
    }

    /// Sends one probe. Whatever goes wrong is an answer, too.
    pub async fn send(&self, probe: SendProbe, now: Millis) -> Answer {
        let signed = sign(probe.address, PROBE_PATH, now, probe.nonce, &self.key);
        let authority = self.base.authority().map_or("", |authority| authority.as_str());
        let request = Request::get(format!("http://{authority}{PROBE_PATH}"))
            .header("x-forwarded-for", probe.address.to_string())
            .header("user-agent", "perimeter-probe")
            .header(PROBE_HEADER, signed)
            .body(Empty::<Bytes>::new());
        let request = match request {
            Ok(request) => request,
            Err(error) => {
                tracing::error!(%error, "could not build a probe; is VERIFIER_PROBE_URL a URL?");
                return Answer::Failed;
            }
        };
        match self.http.get(request, TIMEOUT, BODY_BYTES_MAX).await {
            Ok((StatusCode::FORBIDDEN, _)) => Answer::Refused,
            Ok((StatusCode::NO_CONTENT, _)) => Answer::Passed,
            Ok((status, _)) => {
                tracing::debug!(%status, "a probe was answered by something else");
                Answer::Failed
            }
            Err(error) => {
                tracing::debug!(error = format!("{error:#}"), "a probe was not answered");
                Answer::Failed
            }
        }
    }
}
