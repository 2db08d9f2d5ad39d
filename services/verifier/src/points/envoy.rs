//! Which replicas Envoy would ask, by its admin port.
//!
//! A host's name there is its point (`hostname: envoy/0` of the endpoint); without names the order of the hosts
//! in the cluster is the replicas' order.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use http_body_util::Empty;
use hyper::{Request, Uri};
use serde::Deserialize;

use crate::http::Http;
use crate::logic::Replicas;

const TIMEOUT: Duration = Duration::from_secs(1);
const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Envoy's admin port.
#[derive(Clone)]
pub struct Admin {
    http: Http,
    url: Uri,
    cluster: String,
}

impl Admin {
    pub fn new(url: Uri, cluster: String) -> Self {
        Admin { http: Http::new(1), url, cluster }
    }

    /// Asks for the replicas as they are now.
    pub async fn replicas(&self) -> Result<Replicas> {
        let authority = self.url.authority().map_or("", |authority| authority.as_str());
        let request = Request::get(format!("http://{authority}/clusters?format=json"))
            .body(Empty::<Bytes>::new())
            .context("could not build a request; is VERIFIER_ENVOY_ADMIN_URL a URL?")?;
        let response = self.http.get(request, TIMEOUT, BODY_BYTES_MAX).await?;
        if !response.status().is_success() {
            bail!("Envoy's admin port answered {}", response.status());
        }
        read(response.body(), &self.cluster)
    }
}

/// Reads what `/clusters?format=json` says about `cluster`.
pub fn read(body: &[u8], cluster: &str) -> Result<Replicas> {
    let clusters: Clusters =
        serde_json::from_slice(body).context("could not read Envoy's list of clusters")?;
    let found = clusters.cluster_statuses.into_iter().find(|found| found.name == cluster);
    let Some(found) = found else {
        bail!("Envoy has no cluster '{cluster}'; name the executors' with VERIFIER_ENVOY_CLUSTER");
    };
    let mut replicas = Replicas::default();
    for (index, host) in found.host_statuses.iter().enumerate() {
        let name = match host.hostname.strip_prefix("envoy/") {
            Some(_) => host.hostname.clone(),
            None => format!("envoy/{index}"),
        };
        if host.health_status.healthy() {
            replicas.asked.push(name.clone());
        }
        replicas.all.push(name);
    }
    // Envoy's panic routing: with fewer than half of them healthy (its default threshold) it asks them all.
    if replicas.asked.len() * 2 < replicas.all.len() {
        replicas.asked.clone_from(&replicas.all);
    }
    Ok(replicas)
}

#[derive(Deserialize)]
struct Clusters {
    #[serde(default)]
    cluster_statuses: Vec<Cluster>,
}

#[derive(Deserialize)]
struct Cluster {
    name: String,
    #[serde(default)]
    host_statuses: Vec<Host>,
}

#[derive(Deserialize)]
struct Host {
    #[serde(default)]
    hostname: String,
    #[serde(default)]
    health_status: Health,
}

/// Envoy leaves out what is false.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Health {
    failed_active_health_check: bool,
    failed_outlier_check: bool,
    failed_active_degraded_check: bool,
    pending_dynamic_removal: bool,
    eds_health_status: String,
}

impl Health {
    fn healthy(&self) -> bool {
        let known_bad = matches!(
            self.eds_health_status.as_str(),
            "UNHEALTHY" | "DRAINING" | "TIMEOUT" | "DEGRADED"
        );
        !(self.failed_active_health_check
            || self.failed_outlier_check
            || self.failed_active_degraded_check
            || self.pending_dynamic_removal
            || known_bad)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(hosts: &[&str], asked: &[&str]) {
        let statuses = hosts.join(",");
        let body = format!(
            r#"{{"cluster_statuses":[{{"name":"application"}},{{"name":"authz","added_via_api":false,"host_statuses":[{statuses}]}}]}}"#
        );
        assert_eq!(read(body.as_bytes(), "authz").unwrap().asked, asked);
    }

    const UP_0: &str = r#"{"hostname":"envoy/0","health_status":{"eds_health_status":"HEALTHY"}}"#;
    const UP_1: &str =
        r#"{"address":{},"health_status":{"eds_health_status":"HEALTHY"},"weight":1}"#;
    const DOWN_1: &str = r#"{"hostname":"envoy/1","health_status":{"failed_active_health_check":true,"eds_health_status":"HEALTHY"}}"#;
    const DOWN_2: &str =
        r#"{"hostname":"envoy/2","health_status":{"failed_active_health_check":true}}"#;

    #[test]
    fn envoy_asks_the_healthy_ones_and_all_when_too_few_are() {
        check(&[UP_0, UP_1], &["envoy/0", "envoy/1"]);
        check(&[UP_0, DOWN_1], &["envoy/0"]);
        check(&[UP_0, DOWN_1, DOWN_2], &["envoy/0", "envoy/1", "envoy/2"]);
        check(&[DOWN_2, DOWN_1], &["envoy/2", "envoy/1"]);
    }

    #[test]
    fn garbage_and_another_envoy_conclude_nothing() {
        assert!(read(b"<html>504</html>", "authz").is_err());
        assert!(read(br#"{"cluster_statuses":[]}"#, "authz").is_err());
    }
}
