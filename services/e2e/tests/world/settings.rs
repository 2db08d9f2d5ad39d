//! Bad settings, busy ports, no broker: one clear sentence, the right exit code, nothing half-started.

use std::net::TcpListener;
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::process::Command;

use super::kit::{World, eventually, exchange, program, said};

const PROGRAMS: [&str; 5] = ["collector", "scorer", "decider", "executor", "verifier"];
const ENDS_WITHIN: Duration = Duration::from_secs(10);

/// A program with the settings that every service needs, none of which leads anywhere.
pub(crate) fn service(world: &World, name: &str) -> Command {
    let prefix = name.to_uppercase();
    let folder = world.at("/certificates/dir");
    let mut command = Command::new(program(name));
    command.env_clear().kill_on_drop(true).stdout(Stdio::piped()).stderr(Stdio::piped());
    for (setting, value) in [
        ("ADMIN_ADDR", "127.0.0.1:0".to_owned()),
        ("REPLICA", "7".to_owned()),
        ("POLICY_FILE", world.at("/policy")),
        ("TLS_CA", format!("{folder}/ca.pem")),
        ("TLS_CERT", format!("{folder}/{name}.pem")),
        ("TLS_KEY", format!("{folder}/{name}.key")),
    ] {
        command.env(format!("{prefix}_{setting}"), value);
    }
    // A port on which nobody answers.
    command.env("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9");
    let own: &[(&str, &str)] = match name {
        "collector" => &[("ENVOY_ALS_ADDR", "127.0.0.1:0")],
        "decider" => &[("API_ADDR", "127.0.0.1:0")],
        "executor" => &[("AUTHZ_ADDR", "127.0.0.1:0")],
        "verifier" => &[
            ("ENVOY_ALS_ADDR", "127.0.0.1:0"),
            ("ENVOY_ADMIN_URL", "http://127.0.0.1:9"),
            ("PROBE_URL", "http://127.0.0.1:9"),
        ],
        _ => &[],
    };
    for (setting, value) in own {
        command.env(format!("{prefix}_{setting}"), value);
    }
    match name {
        "collector" => command.env("COLLECTOR_PROBE_PUBLIC_KEY", world.at("/probe/public_key")),
        "verifier" => command.env("VERIFIER_PROBE_PRIVATE_KEY", world.at("/probe/private_key")),
        _ => &mut command,
    };
    command
}

async fn ended(command: &mut Command) -> Output {
    tokio::time::timeout(ENDS_WITHIN, command.output()).await.expect("it ends by itself").unwrap()
}

/// It ended with `code`, naming what is wrong, in one line that is no panic.
fn check(name: &str, output: &Output, code: i32, words: &str) {
    let text = said(output);
    assert_eq!(output.status.code(), Some(code), "{name}: {text}");
    assert!(text.contains(words) && !text.contains("panicked"), "{name}: {text}");
    if code == 64 {
        assert_eq!(text.trim().lines().count(), 1, "{name} says more than a sentence: {text}");
    }
}

#[tokio::test]
async fn a_bad_setting_ends_every_service_with_64_and_one_sentence() {
    let world = World::calm().await;
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("policy.toml");
    std::fs::write(&broken, "mode = \"enforced\"\nladdder = 3\n").unwrap();
    for name in PROGRAMS {
        let set = |setting: &str| format!("{}_{setting}", name.to_uppercase());
        check(
            name,
            &ended(service(&world, name).env_remove(set("ADMIN_ADDR"))).await,
            64,
            "ADMIN_ADDR",
        );
        check(
            name,
            &ended(service(&world, name).env(set("ADMN_ADDR"), "x")).await,
            64,
            "ADMN_ADDR",
        );
        check(name, &ended(service(&world, name).env(set("REPLICA"), "one")).await, 64, "REPLICA");
        let no_brokers = ended(service(&world, name).env_remove("KAFKA_BOOTSTRAP_SERVERS")).await;
        check(name, &no_brokers, 64, "KAFKA_BOOTSTRAP_SERVERS");
        let no_property = ended(service(&world, name).env("KAFKA_NO_SUCH_THING", "1")).await;
        check(name, &no_property, 64, "no.such.thing");
        let no_registry = ended(service(&world, name).env("SCHEMA_REGISTRY_URL", "ftp://x")).await;
        check(name, &no_registry, 64, "SCHEMA_REGISTRY_URL");
        let no_scheme =
            ended(service(&world, name).env("OTEL_EXPORTER_OTLP_ENDPOINT", "grpc://x:4317")).await;
        check(name, &no_scheme, 64, "write http://HOST:4317 or https://HOST:4317");
        let no_filter = ended(service(&world, name).env("RUST_LOG", "info=no=level")).await;
        check(name, &no_filter, 64, "RUST_LOG");
        let no_file = ended(service(&world, name).env(set("TLS_CERT"), "/nowhere/cert.pem")).await;
        check(name, &no_file, 64, "/nowhere/cert.pem");
        let other = if name == "scorer" { "decider" } else { "scorer" };
        let key = format!("{}/{other}.key", world.at("/certificates/dir"));
        let not_its_key = ended(service(&world, name).env(set("TLS_KEY"), &key)).await;
        check(name, &not_its_key, 64, &key);
        let no_authority = ended(service(&world, name).env(set("TLS_CA"), &broken)).await;
        check(name, &no_authority, 64, "it holds no certificate in PEM");
        let mut encrypted = service(&world, name);
        encrypted.env("KAFKA_SECURITY_PROTOCOL", "ssl");
        encrypted.env("KAFKA_SSL_CA_LOCATION", "/nowhere/ca.pem");
        check(name, &ended(&mut encrypted).await, 64, "ssl.ca.location=/nowhere/ca.pem");
        let bad_policy = ended(service(&world, name).env(set("POLICY_FILE"), &broken)).await;
        check(name, &bad_policy, 64, "laddder");
    }
}

#[tokio::test]
async fn a_busy_port_ends_every_service_with_1_and_its_address() {
    let world = World::calm().await;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (name, setting) in [
        ("collector", "ADMIN_ADDR"),
        ("collector", "ENVOY_ALS_ADDR"),
        ("scorer", "ADMIN_ADDR"),
        ("decider", "ADMIN_ADDR"),
        ("decider", "API_ADDR"),
        ("executor", "ADMIN_ADDR"),
        ("executor", "AUTHZ_ADDR"),
        ("verifier", "ADMIN_ADDR"),
        ("verifier", "ENVOY_ALS_ADDR"),
    ] {
        let setting = format!("{}_{setting}", name.to_uppercase());
        let output = ended(service(&world, name).env(&setting, &address)).await;
        check(&format!("{name} with a busy {setting}"), &output, 1, &address);
    }
}

#[tokio::test]
async fn an_executor_without_kafka_runs_and_says_that_it_is_not_ready() {
    let world = World::calm().await;
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut command = service(&world, "executor");
    command.env("EXECUTOR_ADMIN_ADDR", &free);
    // Nobody answers there either, and the rest was set by Kubernetes and for Kafka's scripts: none of it ends a service.
    for (name, value) in [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://127.0.0.1:9"),
        ("KAFKA_PORT", "tcp://10.0.0.11:9092"),
        ("KAFKA_HEAP_OPTS", "-Xmx1g"),
        ("EXECUTOR_SERVICE_HOST", "10.0.0.12"),
    ] {
        command.env(name, value);
    }
    let mut child = command.spawn().unwrap();
    eventually("the executor lives", ENDS_WITHIN, async || {
        (exchange(&free, "GET", "/livez", &[], "").await.status == 200).then_some(())
    })
    .await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(child.try_wait().unwrap().is_none(), "it ended for want of a broker");
    assert_eq!(exchange(&free, "GET", "/livez", &[], "").await.status, 200);
    assert_eq!(exchange(&free, "GET", "/readyz", &[], "").await.status, 503);
    let pid = i32::try_from(child.id().unwrap()).unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGTERM)
        .unwrap();
    let status = tokio::time::timeout(ENDS_WITHIN, child.wait()).await.expect("it ends when told");
    assert!(status.unwrap().code().is_some_and(|code| code <= 1));
}
