//! The `perimeter` command against a running world, found by itself from a folder below the checkout.

use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};

use super::kit::{World, said};
use super::{addresses, truth};

#[tokio::test]
async fn an_operator_sees_blocks_and_unblocks() {
    let world = World::calm().await;
    let client = addresses::v4();
    let text = client.to_string();
    let status = world.json(&["status"]).await;
    assert_eq!(status["mode"], "enforced");
    assert_eq!(status["frozen"], false);
    world.json(&["block", &text, "--for", "1m", "--reason", "by hand"]).await;
    truth::refused(&world, client, Duration::from_secs(5)).await;
    let got = world.json(&["get", &text]).await;
    assert_eq!((&got["action"], &got["protected"]), (&Value::from("block"), &Value::from(false)));
    let listed = world.json(&["list"]).await;
    let claims = listed["claims"].as_array().unwrap();
    assert!(claims.iter().any(|claim| claim["observable"] == text.as_str()), "{listed}");
    world.json(&["unblock", &text, "--for", "1m", "--reason", "a mistake"]).await;
    super::kit::eventually("let in again", Duration::from_secs(5), async || {
        (world.get(client, "/").await.status == 200).then_some(())
    })
    .await;
    assert_eq!(world.json(&["get", &text]).await["action"], "allow");
    for arguments in [vec!["status"], vec!["list"], vec!["get", &text]] {
        let output = world.perimeter(&arguments).await;
        assert!(output.status.success() && !output.stdout.is_empty(), "{}", said(&output));
    }
}

#[tokio::test]
async fn watch_shows_the_next_thing_that_happens() {
    let world = World::calm().await;
    let client = addresses::v4();
    let text = client.to_string();
    let mut child = world
        .command(&["watch", &text, "--output", "json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // The block is asked for again until the watch, which takes a moment to begin, shows one.
    let first = async {
        let key = uuid::Uuid::new_v4().to_string();
        let arguments =
            ["block", &text, "--for", "5s", "--reason", "watched", "--idempotency-key", &key];
        tokio::time::sleep(Duration::from_millis(500)).await;
        world.json(&arguments).await;
        lines.next_line().await.unwrap().unwrap()
    };
    let first = tokio::time::timeout(Duration::from_secs(10), first).await.unwrap();
    let happening: Value = serde_json::from_str(&first).unwrap();
    assert_eq!(happening["observable"], text.as_str(), "{first}");
    assert!(happening["kind"].is_string() && happening["text"].is_string(), "{first}");
    child.kill().await.unwrap();
}

#[tokio::test]
async fn every_failure_has_its_documented_exit_code_and_one_sentence() {
    let world = World::calm().await;
    let nowhere = ["status", "--endpoint", "https://127.0.0.1:1"];
    let (ca, cert, key) = (
        world.at("/certificates/ca"),
        world.at("/certificates/operator_cert"),
        world.at("/certificates/operator_key"),
    );
    let identity = ["--ca", &ca, "--cert", &cert, "--key", &key];
    let api = format!("https://{}", world.at("/services/decider/api"));
    let folder = world.at("/certificates/dir");
    let (service_cert, service_key) =
        (format!("{folder}/scorer.pem"), format!("{folder}/scorer.key"));
    let as_a_service =
        ["--endpoint", &api, "--ca", &ca, "--cert", &service_cert, "--key", &service_key];
    let block = ["block", "81.2.69.142", "--for", "5m", "--reason", "not mine to say"];
    let cases: [(Vec<&str>, i32, &str); 7] = [
        ([&nowhere[..], &identity].concat(), 1, "could not reach the decider"),
        ([&block[..], &as_a_service].concat(), 1, "operator"),
        (vec!["block", "81.2.69.142"], 2, "--for"),
        (vec!["block", "not-an-address", "--for", "5m", "--reason", "x"], 1, "not an IP address"),
        (vec!["block", "127.0.0.1", "--for", "5m", "--reason", "x"], 3, "protected"),
        (vec!["status", "--ca", "/nowhere/ca.pem", "--endpoint", &api], 64, ""),
        (
            vec!["bootstrap", "kafka", "--dry-run", "--policy", "/nowhere.toml", "--adopt"],
            64,
            "/nowhere.toml",
        ),
    ];
    for (arguments, code, words) in cases {
        let output = world.perimeter(&arguments).await;
        let text = said(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
        assert!(text.contains(words) && !text.contains("panicked"), "{arguments:?}: {text}");
    }
}
