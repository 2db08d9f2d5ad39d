//! Sends probes: HTTP requests through Envoy as if they came from an address, signed so that nobody scores them.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::{Request, Response, StatusCode, Uri};
use observe::probe::{
    NONCES_MAX, Nonce, POINT_HEADER, PROBE_AGE_MAX_MS, PROBE_HEADER, PROBE_PATH, PrivateKey, sign,
};
use schemas::Millis;

use crate::http::Http;
use crate::logic::{Answer, IN_FLIGHT_MAX, SendProbe};

const TIMEOUT: Duration = Duration::from_secs(1);
const BODY_BYTES_MAX: usize = 64 * 1024;
const POINT_BYTES_MAX: usize = 64;

/// What was sent lately, word for word; clones share it. At most [`NONCES_MAX`].
///
/// Envoy's log says which probe an entry is about by the header that we wrote. To know our own words again costs a look
/// into a table; to verify their signature, which nobody else could have made, costs some fifty times as much.
#[derive(Clone, Default)]
pub struct SentProbes(Arc<Mutex<Sent>>);

#[derive(Default)]
struct Sent {
    by_header: HashMap<Arc<str>, SendProbe>,
    in_order: VecDeque<(Millis, Arc<str>)>,
}

impl SentProbes {
    /// Remembers the header of a probe for as long as a probe is believed.
    pub fn insert(&self, header: &str, probe: SendProbe, now: Millis) {
        let mut sent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((at, _)) = sent.in_order.front()
            && (*at < now - PROBE_AGE_MAX_MS || sent.in_order.len() >= NONCES_MAX)
            && let Some((_, old)) = sent.in_order.pop_front()
        {
            sent.by_header.remove(&old);
        }
        let header: Arc<str> = header.into();
        sent.by_header.insert(header.clone(), probe);
        sent.in_order.push_back((now, header));
    }

    /// The probe that carried `header`, if it was for `address`: for another it proves nothing.
    pub fn find(&self, header: &str, address: IpAddr) -> Option<Nonce> {
        let sent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sent.by_header.get(header).filter(|probe| probe.address == address).map(|probe| probe.nonce)
    }
}

/// Sends probes; clones share connections.
#[derive(Clone)]
pub struct Prober {
    http: Http,
    base: Uri,
    key: Arc<PrivateKey>,
    sent: SentProbes,
}

impl Prober {
    /// `base` is Envoy's listener; what goes out is remembered in `sent`.
    pub fn new(base: Uri, key: Arc<PrivateKey>, sent: SentProbes) -> Self {
        Prober { http: Http::new(IN_FLIGHT_MAX), base, key, sent }
    }

    /// Sends one probe. Whatever goes wrong is an answer, too.
    pub async fn send(&self, probe: SendProbe, now: Millis) -> Answer {
        let signed = sign(probe.address, PROBE_PATH, now, probe.nonce, &self.key);
        self.sent.insert(&signed, probe, now);
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
            Ok(response) => match response.status() {
                StatusCode::FORBIDDEN => Answer::Refused(point(&response)),
                StatusCode::NO_CONTENT => Answer::Passed(point(&response)),
                status => {
                    tracing::debug!(%status, "a probe was answered by something else");
                    Answer::Failed
                }
            },
            Err(error) => {
                tracing::debug!(error = format!("{error:#}"), "a probe was not answered");
                Answer::Failed
            }
        }
    }
}

/// The replica that the answer names.
fn point(response: &Response<Bytes>) -> Option<String> {
    let named = response.headers().get(POINT_HEADER)?.to_str().ok()?;
    (named.len() <= POINT_BYTES_MAX).then(|| named.to_owned())
}
