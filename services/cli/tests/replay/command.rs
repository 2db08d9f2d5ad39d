//! The offline commands as a person runs them: what they print, and how they end.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// An attacker who guesses a password, one who injects SQL twice, a visitor, and a line that is none.
const LOG: &str = r#"81.2.69.10 - - [21/Nov/2026:13:00:00 +0000] "GET /shoes?size=42 HTTP/1.1" 200 512 "-" "Mozilla/5.0"
47.74.36.90 - - [21/Nov/2026:13:00:01 +0000] "GET /s?q=1+union+select+password,2+from+users-- HTTP/1.1" 200 99 "-" "curl/8"
58.180.25.128 - - [21/Nov/2026:13:00:02 +0000] "POST /login HTTP/1.1" 401 20 "-" "curl/8"
58.180.25.128 - - [21/Nov/2026:13:00:03 +0000] "POST /login HTTP/1.1" 401 20 "-" "curl/8"
this is no line of an access log
58.180.25.128 - - [21/Nov/2026:13:00:04 +0000] "POST /login HTTP/1.1" 401 20 "-" "curl/8"
58.180.25.128 - - [21/Nov/2026:13:00:05 +0000] "POST /login HTTP/1.1" 401 20 "-" "curl/8"
58.180.25.128 - - [21/Nov/2026:13:00:06 +0000] "POST /login HTTP/1.1" 401 20 "-" "curl/8"
47.74.36.90 - - [21/Nov/2026:13:10:00 +0000] "GET /s?q=1+union+select+password,2+from+users-- HTTP/1.1" 200 99 "-" "curl/8"
"#;
const START: i64 = 1_795_266_000_000;

/// Runs `perimeter` with `input`, away from any local world.
fn perimeter(arguments: &[&str], input: &str) -> Output {
    perimeter_in(&std::env::temp_dir(), arguments, input)
}

pub(crate) fn perimeter_in(folder: &Path, arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_perimeter"))
        .args(arguments)
        .current_dir(folder)
        .env_remove("PERIMETER_POLICY")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn rows(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn noted(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_replay_names_the_line_that_completed_each_decision() {
    let output = perimeter(&["replay", "--format", "combined", "-"], LOG);
    let told: Vec<String> = rows(&output)
        .iter()
        .map(|row| {
            let after = row["at"].as_i64().unwrap() - START;
            let lasts = row["until"].as_i64().unwrap() - START - after;
            let (observable, action) = (&row["observable"], &row["action"]);
            format!("{} {observable} {action} {after} {lasts} {}", row["line"], row["strikes"])
        })
        .collect();
    let expected = [
        r#"2 "47.74.36.90" "block" 1000 300000 1"#,
        r#"8 "58.180.25.128" "block" 6000 300000 1"#,
        r#"9 "47.74.36.90" "block" 600000 3600000 2"#,
    ];
    assert_eq!(told, expected);
    let noted = noted(&output);
    assert!(noted.contains("1 line(s) not read") && noted.contains("line 5"), "{noted}");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_summary_counts_and_a_log_in_another_format_ends_with_4() {
    let arguments = ["replay", "--format", "combined", "--summary", "--output", "json"];
    let output = perimeter(&arguments, LOG);
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["events"], 8);
    assert_eq!(summary["clients"], 3);
    assert_eq!(summary["clients_acted_against"], 2);
    assert_eq!(summary["observables"][0]["observable"], "47.74.36.90");
    assert_eq!(summary["observables"][0]["strikes"], 2);

    let output = perimeter(&["replay", "--format", "caddy"], LOG);
    assert_eq!(output.status.code(), Some(4), "{}", noted(&output));
}

/// A connection that timed out, one whose request was none, and a WebSocket, as a load balancer writes them.
#[test]
fn what_a_load_balancer_wrote_itself_convicts_nobody() {
    let line = |client: &str, status: &str, host: &str| {
        format!(
            "http 2026-11-21T13:00:00.000000Z app/shop/1 {client} - -1 -1 -1 {status} - 0 272 \"- http://{host}- -\" \"-\" - - - \"-\" \"-\" \"-\" - 2026-11-21T13:00:00Z \"-\" \"-\" \"-\"\n"
        )
    };
    let log = [
        line("47.74.36.90:5", "408", "k8s-x.us-east-1.elb.amazonaws.com:80"),
        line("47.74.36.91:5", "400", "k8s-x.us-east-1.elb.amazonaws.com:80"),
        line("2a02:a33c:4538:1:bcf4:5264:e01c:f215:50718", "101", "10.0.0.30:80"),
    ];
    let output = perimeter(&["replay", "--format", "aws-alb"], &log.concat());
    assert_eq!(rows(&output), [] as [Value; 0], "{}", noted(&output));
    assert_eq!((output.status.code(), noted(&output)), (Some(0), String::new()));
}

#[test]
fn a_summary_says_how_many_it_leaves_out_and_shows_those_acted_against_first() {
    // Eleven who only look at a tool for databases, three times each, and one who attacks once.
    let line = |client: usize, minute: usize, uri: &str| {
        format!(
            "81.2.69.{client} - - [21/Nov/2026:13:{minute:02}:00 +0000] \"GET {uri} HTTP/1.1\" 200 9 \"-\" \"curl/8\"\n"
        )
    };
    let mut log: String = (0..33).map(|at| line(at / 3 + 1, at, "/phpmyadmin/")).collect();
    log += &line(200, 40, "/?f=../../../../etc/passwd");
    let summary = |more: &[&str]| {
        perimeter(&[&["replay", "--format", "combined", "--summary"][..], more].concat(), &log)
    };
    let told = |more: &[&str]| String::from_utf8(summary(more).stdout).unwrap();
    let first = |text: &str| {
        let mut lines = text.lines().skip_while(|line| !line.starts_with("observable "));
        lines.nth(1).unwrap_or_default().to_owned()
    };
    for (top, left) in [
        (&[][..], Some("2 more not shown, 0 of them acted against; --top 12 shows all")),
        (
            &["--top", "0"][..],
            Some("12 more not shown, 1 of them acted against; --top 12 shows all"),
        ),
        (&["--top", "12"][..], None),
        (&["--top", "99"][..], None),
    ] {
        let text = told(top);
        match left {
            Some(left) => assert!(text.contains(left), "{top:?}: {text}"),
            None => assert!(!text.contains("not shown"), "{top:?}: {text}"),
        }
        if top.last() != Some(&"0") {
            assert!(first(&text).starts_with("81.2.69.200 "), "{top:?}: {text}");
        }
    }
    for (top, shown) in [(&[][..], 12), (&["--top", "3"][..], 3)] {
        let text = told(&[&["--output", "json"][..], top].concat());
        let document: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(document["observables"].as_array().unwrap().len(), shown, "{document}");
        assert_eq!(document["observables_not_shown"], 12 - shown, "{document}");
        assert_eq!(document["observables"][0]["observable"], "81.2.69.200");
    }
    assert_eq!(
        perimeter(&["replay", "--format", "combined", "--top", "3"], "").status.code(),
        Some(2)
    );
}

#[test]
fn a_bad_row_is_named_and_never_stops_the_rest() {
    let input = "{\"id\":1,\"method\":\"GET\",\"uri\":\"/\"}\nnot json\n{\"id\":2,\"method\":\"GET\",\"uri\":\"/?f=../../../../etc/passwd\"}\n";
    // An editor may have put a byte order mark before the first row.
    let output = perimeter(&["score", "--format", "requests"], &format!("\u{FEFF}{input}"));
    let labels: Vec<Value> = rows(&output).iter().map(|row| row["label"].clone()).collect();
    assert_eq!(labels, ["benign", "attack"]);
    let noted = noted(&output);
    assert!(
        noted.contains("line 2: ") && noted.contains("1 row(s) could not be scored"),
        "{noted}"
    );
    assert_eq!(output.status.code(), Some(4));
}

#[test]
fn a_policy_is_checked_without_anything_running() {
    let file = std::env::temp_dir().join(format!("perimeter-policy-{}.toml", std::process::id()));
    let check = |text: &str| {
        std::fs::write(&file, text).unwrap();
        let named = file.to_str().unwrap();
        perimeter(&["config", "check", "--policy", named, "--output", "json"], "")
    };
    let output = check("");
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["warnings"][0]["what"], "the mode is simulated");
    assert_eq!(document["effective"]["ladder"][0], "5m");
    assert_eq!(output.status.code(), Some(0));

    let output = check("mode = \"on\"");
    assert_eq!(output.status.code(), Some(64), "{}", noted(&output));
    std::fs::remove_file(&file).unwrap();
}

#[test]
fn the_doctor_finds_what_is_down_and_asks_the_rest() {
    let nowhere = "127.0.0.1:1";
    let arguments = ["doctor", "--output", "json", "--brokers", nowhere, "--endpoint"];
    let output = perimeter(&[&arguments[..], &["https://127.0.0.1:1"]].concat(), "");
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let parts: Vec<&str> = document["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| finding["part"].as_str().unwrap())
        .collect();
    assert_eq!(parts, ["kafka", "decider"]);
    assert_eq!(output.status.code(), Some(4), "{}", noted(&output));
}

#[test]
fn a_real_access_log_is_replayed_to_its_end() {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let data = std::env::var_os("PERIMETER_DATA").map_or(beside, PathBuf::from);
    let file = data.join("timeline/access.log.gz");
    if !file.is_file() {
        #[allow(clippy::print_stderr, reason = "a skipped test says so")]
        {
            eprintln!("skipped: {} is missing", file.display());
        }
        return;
    }
    let file = file.canonicalize().unwrap();
    let arguments = ["replay", "--format", "combined", "--summary", "--output", "json"];
    let output = perimeter(&[&arguments[..], &[file.to_str().unwrap()]].concat(), "");
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    let read = summary["events"].as_u64().unwrap() + summary["unread"].as_u64().unwrap();
    assert_eq!(read, 20_000);
    assert!(summary["clients_acted_against"].as_u64().unwrap() > 0, "{summary}");
}
