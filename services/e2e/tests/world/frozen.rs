//! Executors frozen by themselves, one by its file and one by call: only additions by automation stop.

use std::path::PathBuf;
use std::time::Duration;

use executor::logic::freeze::WITHHELD;
use schemas::{Decision, Observable, Status};

use super::closes::blocked;
use super::kit::{SQL_INJECTION, World, eventually, now};
use super::log::Log;
use super::{addresses, truth};

const SEEN_WITHIN: Duration = Duration::from_secs(5);
/// How long a withheld attacker is watched.
const WATCHED_MS: i64 = 1_500;

/// Both executors frozen; thawed when dropped, or every later test would fail for it.
struct Frozen<'a> {
    world: &'a World,
    file: PathBuf,
    by_call: String,
}

impl<'a> Frozen<'a> {
    async fn new(world: &'a World) -> Self {
        let file = PathBuf::from(world.at("/services/executor-0/freeze_file"));
        let frozen = Frozen { world, file, by_call: world.at("/services/executor-1/authz") };
        std::fs::write(&frozen.file, "a test of the file\n").unwrap();
        let answer = world.json(&frozen.asking("freeze")).await;
        assert_eq!(answer.pointer("/executors/0/frozen"), Some(&true.into()), "{answer}");
        eventually("the file is seen", SEEN_WITHIN, async || {
            (world.metric("executor-0", "perimeter_executor_frozen").await > 0.0).then_some(())
        })
        .await;
        frozen
    }

    fn asking<'b>(&'b self, what: &'b str) -> [&'b str; 5] {
        [what, "--reason", "a test of the call", "--executor", &self.by_call]
    }
}

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        std::fs::remove_file(&self.file).ok();
        self.world.command(&self.asking("thaw")).into_std().output().ok();
    }
}

#[tokio::test]
async fn a_file_and_a_call_stop_what_automation_adds_and_nothing_else() {
    let world = World::alone().await;
    let log = Log::of(&world);
    let (earlier, attacker, named) = (addresses::v4(), addresses::v4(), addresses::v4());
    world.get(earlier, SQL_INJECTION).await;
    truth::refused(&world, earlier, SEEN_WITHIN).await;
    let before = blocked(&log, &Observable::client(earlier)).await;
    let frozen = Frozen::new(&world).await;

    world.get(attacker, SQL_INJECTION).await;
    let withheld = blocked(&log, &Observable::client(attacker)).await;
    world.json(&["block", &named.to_string(), "--for", "20s", "--reason", "by hand"]).await;
    truth::refused(&world, named, SEEN_WITHIN).await;
    let begun = now();
    while now() < begun + WATCHED_MS {
        assert_ne!(world.get(attacker, "/").await.status, 403, "{attacker} is refused");
        let refused = world.get(earlier, "/").await.status == 403;
        assert!(before.until > Some(now()), "the machine was too slow for this test");
        assert!(refused, "{earlier} was let in before its end");
    }
    told(&log, &withheld).await;
    let status = world.json(&["status"]).await;
    let executors = status["executors"].to_string();
    assert!(executors.contains("is there: a test of the file"), "{executors}");
    assert!(executors.contains("asked for it: a test of the call"), "{executors}");
    assert_eq!(status["frozen"], false, "the log knows nothing of it");
    let mode = world.metric("executor-0", "perimeter_mode").await;
    assert_eq!(mode, 0.0, "what it withholds itself is no freeze of all");

    drop(frozen);
    assert!(withheld.until > Some(now()), "the machine was too slow for this test");
    truth::refused(&world, attacker, SEEN_WITHIN).await;
}

/// Waits until both executors say that they withhold it.
async fn told(log: &Log, decision: &Decision) {
    log.wait("both executors say that they withhold it", SEEN_WITHIN, |read| {
        let told = read.enforcements.iter().map(|at| &at.record).filter(|said| {
            said.decision_id == decision.decision_id
                && (said.status, said.reason.as_str()) == (Status::Failed, WITHHELD)
                && said.point.starts_with("envoy/")
        });
        (told.count() == 2).then_some(())
    })
    .await;
}
