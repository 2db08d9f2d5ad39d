//! The admin port: `/livez`, `/readyz`, `/metrics`.
//!
//! Ready means every part said so and no drain has begun; alive only means reachable.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, Result};
use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Readiness of a process: the conjunction of its parts.
#[derive(Clone, Default)]
pub struct Health(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    parts: BTreeMap<String, bool>,
    draining: bool,
}

impl Health {
    /// Names a part that must become ready. Call before the part starts.
    pub fn expect(&self, part: impl Into<String>) {
        self.lock().parts.entry(part.into()).or_insert(false);
    }

    /// Says whether a part is ready.
    pub fn set(&self, part: impl Into<String>, ready: bool) {
        self.lock().parts.insert(part.into(), ready);
    }

    /// Readiness ends for good.
    pub fn drain(&self) {
        self.lock().draining = true;
    }

    /// `Ok` when ready, else what is missing.
    pub fn ready(&self) -> Result<(), String> {
        let state = self.lock();
        if state.draining {
            return Err("draining".to_owned());
        }
        // The admin port opens before any part could be named, and a process without parts does nothing yet.
        if state.parts.is_empty() {
            return Err("not ready: nothing has started yet".to_owned());
        }
        let missing: Vec<&str> = state
            .parts
            .iter()
            .filter(|(_, ready)| !**ready)
            .map(|(part, _)| part.as_str())
            .collect();
        if missing.is_empty() { Ok(()) } else { Err(format!("not ready: {}", missing.join(", "))) }
    }

    /// Serves the admin port until shutdown.
    pub async fn serve(
        &self,
        address: SocketAddr,
        metrics: telemetry::Metrics,
        shutdown: CancellationToken,
    ) -> Result<JoinHandle<()>> {
        let listener = TcpListener::bind(address).await.with_context(|| {
            format!("could not listen on {address} for health and metrics; choose a free port with …_ADMIN_ADDR")
        })?;
        let health = self.clone();
        let app = Router::new()
            .route("/livez", get(|| async { "alive" }))
            .route(
                "/readyz",
                get(move || async move {
                    match health.ready() {
                        Ok(()) => (StatusCode::OK, "ready".to_owned()),
                        Err(missing) => (StatusCode::SERVICE_UNAVAILABLE, missing),
                    }
                }),
            )
            .route("/metrics", get(move || async move { metrics.render() }));
        Ok(tokio::spawn(async move {
            let served =
                axum::serve(listener, app).with_graceful_shutdown(shutdown.cancelled_owned()).await;
            if let Err(error) = served {
                tracing::warn!(%error, "the admin port stopped");
            }
        }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::Health;

    #[test]
    fn a_process_is_ready_when_every_part_is_and_never_again_once_it_drains() {
        let health = Health::default();
        assert_eq!(health.ready(), Err("not ready: nothing has started yet".to_owned()));
        health.expect("stage");
        health.expect("view");
        health.set("stage", true);
        assert_eq!(health.ready(), Err("not ready: view".to_owned()));
        health.set("view", true);
        assert_eq!(health.ready(), Ok(()));
        health.drain();
        assert_eq!(health.ready(), Err("draining".to_owned()));
    }
}
