//! Envoy in the local world: its configuration from the template, and what its admin port says.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::http;
use crate::install::venv;
use crate::paths::Paths;
use crate::process::Program;

const TEMPLATE: &str = include_str!("../envoy.yaml");
const START_DEADLINE: Duration = Duration::from_secs(30);
const ASK_EVERY: Duration = Duration::from_millis(50);

/// What the configuration depends on.
#[derive(Debug, Clone)]
pub struct Settings {
    pub listener: u16,
    pub admin: u16,
    pub application: u16,
    pub authz: [u16; 2],
    pub collector: u16,
    pub verifier: u16,
    pub certificates: PathBuf,
}

/// Writes the configuration; then Envoy can be started.
pub fn prepare(paths: &Paths, settings: &Settings) -> Result<Program> {
    let file = paths.world.join("envoy.yaml");
    std::fs::write(&file, render(settings))
        .with_context(|| format!("could not write {}", file.display()))?;
    let file = file.display().to_string();
    let arguments =
        ["-c", &file, "--log-level", "warn", "--concurrency", "2", "--disable-hot-restart"];
    Ok(Program {
        name: "envoy".to_owned(),
        path: binary(&venv(paths))?,
        arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
        environment: Vec::new(),
        folder: paths.world.clone(),
        log: paths.log("envoy"),
    })
}

/// The configuration as YAML.
pub fn render(settings: &Settings) -> String {
    let blanks = [
        ("listener_port", settings.listener.to_string()),
        ("admin_port", settings.admin.to_string()),
        ("application_port", settings.application.to_string()),
        ("authz_0_port", settings.authz[0].to_string()),
        ("authz_1_port", settings.authz[1].to_string()),
        ("collector_port", settings.collector.to_string()),
        ("verifier_port", settings.verifier.to_string()),
        ("certificates", settings.certificates.display().to_string()),
    ];
    let mut text = TEMPLATE.to_owned();
    for (name, value) in blanks {
        text = text.replace(&format!("{{{{{name}}}}}"), &value);
    }
    text
}

/// The program itself inside the wheel: without the wrapper script, one process is one process.
fn binary(venv: &Path) -> Result<PathBuf> {
    let libraries = venv.join("lib");
    let entries = std::fs::read_dir(&libraries)
        .with_context(|| format!("could not read {}", libraries.display()))?;
    for entry in entries.flatten() {
        let folder = entry.path().join("site-packages/envoy/_bin");
        let Ok(files) = std::fs::read_dir(&folder) else { continue };
        let named = files.flatten().map(|file| file.path()).find(|path| {
            path.is_file()
                && path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("envoy"))
        });
        if let Some(path) = named {
            return Ok(path);
        }
    }
    bail!("there is no Envoy in {}; remove that folder and start again", venv.display())
}

/// Waits until Envoy says that its listener is up.
pub async fn ready(admin: &str) -> Result<()> {
    wait(admin, "Envoy did not become ready", || async {
        matches!(http::get(admin, "/ready").await, Ok((200, _)))
    })
    .await
}

/// Waits until Envoy's own health checks found both executors.
pub async fn executors_healthy(admin: &str) -> Result<()> {
    wait(admin, "Envoy did not find both executors healthy", || async {
        http::get(admin, "/clusters").await.is_ok_and(|(_, text)| healthy_executors(&text) == 2)
    })
    .await
}

/// How many requests passed unasked because no executor answered.
pub async fn failed_open(admin: &str) -> Result<u64> {
    counter(admin, "http.ingress.ext_authz.failure_mode_allowed").await
}

/// How many requests were completed on the listener.
pub async fn completed(admin: &str) -> Result<u64> {
    counter(admin, "http.ingress.downstream_rq_completed").await
}

async fn counter(admin: &str, name: &str) -> Result<u64> {
    let (_, text) = http::get(admin, "/stats?filter=%5Ehttp%5C.ingress%5C.").await?;
    // A counter that never moved is not listed by every Envoy.
    Ok(http::envoy_counter(&text, name).unwrap_or(0))
}

async fn wait<F: Future<Output = bool>>(
    admin: &str,
    otherwise: &str,
    done: impl Fn() -> F,
) -> Result<()> {
    let asking = async {
        while !done().await {
            tokio::time::sleep(ASK_EVERY).await;
        }
    };
    tokio::time::timeout(START_DEADLINE, asking).await.with_context(|| {
        format!(
            "{otherwise} within {} s; its admin page is http://{admin}",
            START_DEADLINE.as_secs()
        )
    })
}

fn healthy_executors(clusters: &str) -> usize {
    let hosts = clusters.lines().filter(|line| line.starts_with("perimeter-authz::"));
    hosts.filter(|line| line.ends_with("::health_flags::healthy")).count()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn rendered() -> Value {
        let settings = Settings {
            listener: 101,
            admin: 102,
            application: 103,
            authz: [104, 105],
            collector: 106,
            verifier: 107,
            certificates: PathBuf::from("/certificates"),
        };
        let text = render(&settings);
        assert!(!text.contains("{{"), "a blank was left in\n{text}");
        serde_saphyr::from_str(&text).unwrap()
    }

    #[track_caller]
    fn check(pointer: &str, expected: impl Into<Value>) {
        let config = rendered();
        let found = config.pointer(&format!("/static_resources{pointer}")).cloned();
        assert_eq!(found, Some(expected.into()), "{pointer}");
    }

    const MANAGER: &str = "/listeners/0/filter_chains/0/filters/0/typed_config";

    #[test]
    fn the_client_is_the_last_address_before_one_trusted_proxy() {
        check(&format!("{MANAGER}/use_remote_address"), true);
        check(&format!("{MANAGER}/xff_num_trusted_hops"), 1);
    }

    #[test]
    fn it_fails_open_and_retries_the_other_executor() {
        let authz = format!("{MANAGER}/http_filters/0/typed_config");
        check(&format!("{authz}/failure_mode_allow"), true);
        check(&format!("{authz}/grpc_service/retry_policy/num_retries"), 5);
        check("/clusters/1/circuit_breakers/thresholds/0/max_retries", 10_000);
        check("/clusters/1/health_checks/0/interval", "0.5s");
        for (executor, port) in [(0, 104), (1, 105)] {
            let endpoint =
                format!("/clusters/1/load_assignment/endpoints/0/lb_endpoints/{executor}/endpoint");
            check(&format!("{endpoint}/address/socket_address/port_value"), port);
        }
    }

    #[test]
    fn every_service_must_prove_its_own_identity() {
        for (cluster, service) in [(1, "executor"), (2, "collector"), (3, "verifier")] {
            let tls =
                format!("/clusters/{cluster}/transport_socket/typed_config/common_tls_context");
            let san =
                format!("{tls}/validation_context/match_typed_subject_alt_names/0/matcher/exact");
            check(&san, format!("spiffe://perimeter/service/{service}"));
            check(
                &format!("{tls}/tls_certificates/0/private_key/filename"),
                "/certificates/envoy.key",
            );
        }
    }

    #[test]
    fn healthy_executors_are_counted() {
        let clusters = "perimeter-authz::127.0.0.1:1::health_flags::healthy\n\
                        perimeter-authz::127.0.0.1:2::health_flags::/failed_active_hc\n\
                        collector::127.0.0.1:3::health_flags::healthy\n";
        assert_eq!(healthy_executors(clusters), 1);
    }
}
