//! One conformance test for the blocklist in Redis and its twin in memory.
//!
//! Uses the server of `PERIMETER_REDIS_URL`, which it flushes, else a `redis-server` found on PATH.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::io::Write as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use blocklist::{BATCH_MAX, Blocklist, Change, Shown};
use schemas::{Action, Generation, Observable, Origin};
use uuid::Uuid;

const EPOCH: i64 = 1_763_700_000_000;

struct Server {
    process: Option<Child>,
    url: String,
    _dir: Option<tempfile::TempDir>,
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            process.kill().ok();
            process.wait().ok();
        }
    }
}

async fn server() -> Option<Server> {
    if let Ok(url) = std::env::var("PERIMETER_REDIS_URL") {
        return Some(Server { process: None, url, _dir: None });
    }
    let dir = tempfile::tempdir().unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let started = Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"])
        .arg(dir.path())
        .stdout(Stdio::null())
        .spawn();
    let Ok(process) = started else {
        let loud = "NO REDIS: neither PERIMETER_REDIS_URL nor redis-server on PATH; ONLY THE TWIN WAS TESTED\n";
        std::io::stderr().write_all(loud.as_bytes()).unwrap();
        return None;
    };
    let server = Server {
        process: Some(process),
        url: format!("redis://127.0.0.1:{port}"),
        _dir: Some(dir),
    };
    let waited_since = Instant::now();
    let probe = Blocklist::connect(&server.url).unwrap();
    while let Err(error) = probe.seal("probe").await {
        assert!(waited_since.elapsed() < Duration::from_secs(10), "{error}");
    }
    Some(server)
}

fn now() -> i64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis() as i64
}

fn shown(observable: &str, offset: i64, until: i64) -> Shown {
    Shown {
        observable: observable.parse().unwrap(),
        action: Action::Block,
        until,
        origin: Origin::Pipeline,
        decision_id: Uuid::from_u128(offset as u128),
        generation: Generation { epoch: EPOCH, offset },
    }
}

async fn conforms(blocklist: &Blocklist) {
    let (now, end) = (now(), now() + 60_000);
    let v4: Observable = "81.2.69.142".parse().unwrap();
    let v6 = shown("2a00:1450:0:5::/64", 3, end);
    blocklist.flush().await.unwrap();
    assert_eq!(blocklist.seal("0").await.unwrap(), None, "a flush breaks the seal");

    let first = shown("81.2.69.142", 7, end);
    let changes = [Change::Show(first.clone()), Change::Show(v6.clone())];
    assert!(blocklist.write(&changes, "0", None, "a").await.unwrap());
    assert!(blocklist.write(&changes, "0", None, "b").await.unwrap());
    assert_eq!(blocklist.seal("0").await.unwrap().as_deref(), Some("b"));
    assert_eq!(blocklist.seal("1").await.unwrap(), None, "every writer has its own seal");
    assert_eq!(blocklist.shown(&v4, now).await.unwrap(), Some(first.clone()));
    assert_eq!(blocklist.shown(&v6.observable, now).await.unwrap(), Some(v6.clone()));

    let late = [
        Change::Show(shown("81.2.69.142", 6, end + 1)),
        Change::Hide(v4.clone(), Generation { epoch: EPOCH, offset: 6 }),
        Change::Hide(v4.clone(), Generation { epoch: EPOCH - 1, offset: 100 }),
    ];
    assert!(blocklist.write(&late, "1", None, "c").await.unwrap());
    assert_eq!(
        blocklist.shown(&v4, now).await.unwrap(),
        Some(first),
        "a lower generation changes nothing"
    );

    let newer = Generation { epoch: EPOCH, offset: 8 };
    assert!(blocklist.write(&[Change::Hide(v4.clone(), newer)], "0", None, "d").await.unwrap());
    assert_eq!(blocklist.shown(&v4, now).await.unwrap(), None);

    let ended = shown("81.2.69.142", 9, now - 1);
    assert!(blocklist.write(&[Change::Show(ended)], "0", None, "e").await.unwrap());
    assert_eq!(blocklist.shown(&v4, now).await.unwrap(), None, "what ended is not shown");

    assert!(blocklist.write(&[], "0", None, "f").await.unwrap());
    assert!(blocklist.write(&[], "0", Some("f"), "f").await.unwrap(), "its own seal stands");
    let unsealed = [Change::Hide(v4.clone(), newer)];
    assert!(!blocklist.write(&unsealed, "0", Some("lost"), "h").await.unwrap(), "another seal");
    assert_eq!(blocklist.seal("0").await.unwrap().as_deref(), Some("f"), "nothing was written");
}

#[tokio::test]
async fn the_twin_conforms() {
    conforms(&Blocklist::in_memory()).await;
}

#[tokio::test]
async fn redis_conforms_and_takes_a_hundred_thousand_leases_in_ten_seconds() {
    let Some(server) = server().await else { return };
    let blocklist = Blocklist::connect(&server.url).unwrap();
    conforms(&blocklist).await;

    let until = now() + 600_000;
    let observable = |i: usize| format!("81.{}.{}.{}", i >> 16, (i >> 8) & 255, i & 255);
    let changes: Vec<Change> =
        (0..100_000).map(|i| Change::Show(shown(&observable(i), i as i64, until))).collect();
    let begun = Instant::now();
    for batch in changes.chunks(BATCH_MAX) {
        assert!(blocklist.write(batch, "0", None, "g").await.unwrap());
    }
    assert!(begun.elapsed() < Duration::from_secs(10), "took {:?}", begun.elapsed());
    let last: Observable = observable(99_999).parse().unwrap();
    assert!(blocklist.shown(&last, now()).await.unwrap().is_some());
}

#[tokio::test]
async fn a_redis_that_is_down_is_an_error_in_time_and_an_unusable_url_is_one_at_once() {
    let down = Blocklist::connect("redis://127.0.0.1:1").unwrap();
    let begun = Instant::now();
    assert!(down.seal("0").await.is_err());
    assert!(begun.elapsed() < Duration::from_secs(3));
    assert!(Blocklist::check_url("http://127.0.0.1").is_err());
    assert!(Blocklist::check_url("rediss://perimeter:secret@redis.example:6380/0").is_ok());
}
