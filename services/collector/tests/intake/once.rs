//! Which files are read, as what, and what becomes of those that cannot be.

use std::fs;
use std::io::Write as _;

use anyhow::Result;
use collector::config::{Config, logs::Logs};
use collector::sources::files::run;
use flate2::Compression;
use flate2::write::GzEncoder;
use observe::Policy;
use pipeline::{Bus, Clock, Context, Health};
use schemas::Activity;
use tokio_util::sync::CancellationToken;

use super::files::{World, line};
use super::{NOW, dead, events};

const LOGIN: &str =
    "May 28 20:26:40 web sshd[7]: Failed password for ann from 81.2.69.144 port 5 ssh2\n";

fn context(world: &World) -> Context {
    Context {
        service: "collector",
        replica: 0,
        bus: Bus::in_memory(world.log.clone()),
        clock: Clock::manual(NOW),
        health: Health::default(),
        shutdown: CancellationToken::new(),
        tls: None,
    }
}

/// Reads FOLDER/*.log once; answers how that ended.
async fn once(world: &World) -> Result<()> {
    let follower = world.follower_of("once = true\n[[file]]\npath = \"FOLDER/*.log\"");
    run(follower, world.outbox.clone(), &context(world)).await
}

#[tokio::test]
async fn a_pattern_finds_its_files_and_each_is_known_by_its_lines() {
    let mut world = World::new();
    world.append("shop.log", &line("/a"));
    world.append("auth.log", LOGIN);
    world.append("notes.txt", &line("/not-asked-for"));
    let mut follower =
        world.follower_of("state = \"FOLDER/state.json\"\n[[file]]\npath = \"FOLDER/[as]*.log\"");
    world.settle(&mut follower).await;
    world.append("api.log", &line("/later"));
    world.settle(&mut follower).await;
    let mut found: Vec<_> =
        events(&world.log).into_iter().map(|event| (event.activity, event.uri)).collect();
    found.sort_by(|one, other| one.1.cmp(&other.1));
    let request = Activity::HttpRequest;
    assert_eq!(
        found,
        [
            (Activity::Login, String::new()),
            (request, "/a".to_owned()),
            (request, "/later".to_owned())
        ]
    );
}

#[tokio::test]
async fn a_file_in_no_known_format_is_read_once_its_lines_are_known() {
    let mut world = World::new();
    world.append("odd.log", "a note\n");
    let mut follower =
        world.follower_of("state = \"FOLDER/state.json\"\n[[file]]\npath = \"FOLDER/*.log\"");
    world.settle(&mut follower).await;
    let error = follower.complete().unwrap_err().to_string();
    assert!(error.contains("odd.log") && error.contains("set format"), "{error}");
    world.append("odd.log", &line("/a"));
    world.settle(&mut follower).await;
    follower.complete().unwrap();
    assert_eq!(world.uris(), ["/a"]);
    assert_eq!(dead(&world.log), ["malformed"]);
}

#[tokio::test]
async fn read_once_a_file_needs_no_last_end_and_reading_ends() {
    let world = World::new();
    let text = line("/a") + line("/b").trim_end();
    world.append("shop.log", &text);
    world.append("short.log", line("/c").trim_end());
    once(&world).await.unwrap();
    let mut uris = world.uris();
    uris.sort();
    assert_eq!(uris, ["/a", "/b", "/c"]);
}

#[tokio::test]
async fn a_byte_order_mark_is_no_line_and_a_blank_file_is_none() {
    let world = World::new();
    for (name, uri) in [("one.log", "/a"), ("two.log", "/b")] {
        let fields = "#Fields: date time c-ip cs-method cs-uri-stem";
        let request = format!("2026-05-28 20:26:40 81.2.69.142 GET {uri}");
        world.append(name, &format!("\u{FEFF}{fields}\r\n{request}\r\n"));
    }
    world.append("blank.log", "\n \r\n\n");
    once(&world).await.unwrap();
    let mut uris = world.uris();
    uris.sort();
    assert_eq!(uris, ["/a", "/b"]);
    assert!(dead(&world.log).is_empty());
}

#[tokio::test]
async fn what_could_not_be_read_once_ends_in_an_error_after_all_else_was_read() {
    for (name, bytes, words) in [
        ("odd.log", b"a note\n".to_vec(), "set format"),
        ("cut.log.gz", packed(&line("/b"))[..40].to_vec(), "incomplete deflate stream"),
    ] {
        let world = World::new();
        world.append("shop.log", &line("/a"));
        fs::write(world.path(name), bytes).unwrap();
        let settings = "once = true\n[[file]]\npath = \"FOLDER/*.log*\"\nformat = \"auto\"";
        let ended = run(world.follower_of(settings), world.outbox.clone(), &context(&world)).await;
        let error = ended.unwrap_err().to_string();
        assert!(error.contains(name) && error.contains(words), "{error}");
        assert_eq!(world.uris(), ["/a"]);
    }
    let error = once(&World::new()).await.unwrap_err().to_string();
    assert!(error.contains("COLLECTOR_LOGS_FILE"), "{error}");
}

fn packed(text: &str) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(text.as_bytes()).unwrap();
    packed.finish().unwrap()
}

#[tokio::test]
async fn from_its_end_a_file_is_read_only_where_nothing_is_remembered() {
    let mut world = World::new();
    let settings =
        "state = \"FOLDER/state.json\"\n[[file]]\npath = \"FOLDER/*.log*\"\nfrom = \"end\"";
    let half = line("/b");
    world.append("shop.log", &format!("{}{}", line("/old"), &half[..20]));
    fs::write(world.path("shop.log.1.gz"), packed(&line("/older"))).unwrap();
    let mut follower = world.follower_of(settings);
    world.settle(&mut follower).await;
    assert!(world.uris().is_empty(), "{:?}", world.uris());
    world.append("shop.log", &format!("{}{}", &half[20..], line("/c")));
    world.append("new.log", &line("/new"));
    world.settle(&mut follower).await;
    drop(follower);
    world.append("shop.log", &line("/while-away"));
    world.append("other.log", &line("/other"));
    let mut follower = world.follower_of(settings);
    world.settle(&mut follower).await;
    let mut uris = world.uris();
    uris.sort();
    assert_eq!(uris, ["/b", "/c", "/new", "/other", "/while-away"]);
}

#[tokio::test]
async fn a_state_that_cannot_be_used_leaves_the_collector_unready() {
    let world = World::new();
    fs::write(world.path("state.json"), "{").unwrap();
    let folder = world.folder.path().display();
    let text = format!("state = \"{folder}/state.json\"\n[[file]]\npath = \"{folder}/*.log\"");
    let config = Config {
        envoy: None,
        logs: Some(Logs::parse(&text, "web").unwrap()),
        intake: None,
        syslog: None,
        kafka: None,
        policy: Policy::parse("").unwrap(),
    };
    let context = context(&world);
    let error = collector::start(config, context.clone()).await.unwrap_err().to_string();
    assert!(error.contains("state.json"), "{error}");
    assert_eq!(context.health.ready(), Err("not ready: log files".to_owned()));
}
