//! A replica's own freeze: from when on it withholds, and the file and the calls that make it.

use std::path::Path;
use std::time::Duration;

use executor::OwnFreeze;
use executor::freeze::{look, watch};
use executor::logic::freeze::{Cause, Causes, FILE_REASON_BYTES_MAX, by_file};
use schemas::{Action, Millis};

use crate::common::{START, World, block, operator};

const SECOND: Millis = 1_000;
const ADA: &str = "spiffe://perimeter/operator/ada";

fn caused(at: Millis) -> Causes {
    Causes { file: Some(Cause { at, text: String::new() }), call: None }
}

/// Since when `world` would withhold for a cause that began at `at`.
#[track_caller]
fn check(world: &World, at: Millis, expected: Option<Millis>) {
    let now = world.clock.now();
    assert_eq!(world.leases.read(|reader| caused(at).since(reader, now)), expected);
}

#[tokio::test]
async fn whoever_knows_what_is_in_force_withholds_all_that_is_decided_after_the_newest_of_it() {
    let mut world = World::new();
    check(&world, START, Some(Millis::MIN));
    world.decide(&block("81.2.69.142", START + 20 * SECOND)).await;
    world.clock.advance(SECOND);
    world.decide(&block("81.2.69.143", START + 10 * SECOND)).await;
    world.clock.advance(SECOND);
    world.decide(&operator(Action::Block, "81.2.69.144", START + 60 * SECOND)).await;
    check(&world, START, Some(START + SECOND + 1));
    world.clock.advance(8 * SECOND);
    check(&world, START, Some(START + 1));
    world.leases.freeze_here(|_| Some(7));
    check(&world, START, Some(7));
    let none = world.leases.read(|reader| Causes::default().since(reader, START));
    assert_eq!(none, None, "without a cause it is not frozen");
}

#[tokio::test]
async fn what_waits_for_a_thaw_in_the_log_waits_for_this_freeze_too() {
    let mut world = World::new();
    world.freeze(true);
    world.decide(&block("81.2.69.142", START + 60 * SECOND)).await;
    let freeze = OwnFreeze::new(world.leases.clone(), None, world.clock.now());
    freeze.freeze(ADA, "a test", world.clock.now());
    world.clock.advance(SECOND);
    world.freeze(false);
    assert!(!world.blocks("81.2.69.142"));
    freeze.thaw(ADA, "it is over", world.clock.now());
    assert!(world.blocks("81.2.69.142"));
}

#[tokio::test]
async fn after_a_restart_the_files_own_time_says_what_was_decided_before() {
    let mut world = World::new();
    world.decide(&block("81.2.69.142", START + 60 * SECOND)).await;
    world.clock.advance(4 * SECOND);
    world.decide(&block("81.2.69.143", START + 60 * SECOND)).await;
    world.clock.advance(4 * SECOND);
    world.decide(&block("81.2.69.144", START + 60 * SECOND)).await;
    let mut restarted = World::unread();
    (restarted.log, restarted.clock) = (world.log.clone(), world.clock.clone());
    check(&restarted, START, Some(START + 5 * SECOND));
    check(&restarted, Millis::MAX, Some(restarted.clock.now() + 5 * SECOND));
    let freeze = OwnFreeze::new(restarted.leases.clone(), None, restarted.clock.now());
    freeze.looked(Ok(caused(START).file), restarted.clock.now());
    restarted.follow();
    let blocked = ["81.2.69.142", "81.2.69.143", "81.2.69.144"];
    assert_eq!(blocked.map(|client| restarted.blocks(client)), [true, true, false]);
}

#[tokio::test]
async fn it_is_frozen_until_every_cause_is_gone() {
    let mut world = World::new();
    let freeze = OwnFreeze::new(world.leases.clone(), None, START);
    let file = caused(START).file;
    freeze.freeze(ADA, "a test", START);
    freeze.looked(Ok(file.clone()), START);
    world.decide(&block("81.2.69.142", START + 60 * SECOND)).await;
    freeze.thaw(ADA, "it is over", START);
    assert!(!world.blocks("81.2.69.142"), "the file is still there");
    freeze.looked(Err("it hangs".to_owned()), START);
    assert!(!world.blocks("81.2.69.142"), "what it said last stands");
    assert_eq!(freeze.state().1.as_deref(), Some("it hangs; what the file said last stands"));
    freeze.looked(Ok(None), START);
    assert!(world.blocks("81.2.69.142"));
    assert_eq!(freeze.state(), (Causes::default(), None));
}

#[test]
fn the_file_freezes_by_being_there_and_its_first_line_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("freeze");
    let text = || look(&path).map(|found| found.map(|cause| cause.text));
    assert_eq!(text(), Ok(None));
    let there = |reason: &str| Ok(Some(format!("the file {} is there: {reason}", path.display())));
    std::fs::write(&path, "it blocks our partner\nand more\n").unwrap();
    assert_eq!(text(), there("it blocks our partner"));
    std::fs::write(&path, "").unwrap();
    assert_eq!(text(), there("it says nothing"));
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    assert_eq!(text(), there("it says nothing"));
    std::fs::remove_dir(&path).unwrap();
    std::os::unix::fs::symlink("/there/is/nothing", &path).unwrap();
    assert_eq!(text(), there("it says nothing"));
    drop(folder);
    assert!(
        text().unwrap_err().contains("cannot be looked at"),
        "nobody knows whether it is there"
    );
}

#[test]
fn a_reason_is_cut_and_obeyed_by_no_terminal() {
    let text = |bytes: &[u8]| by_file("f", bytes, 0).text;
    assert_eq!(text(b"\x1b[2Jred\x07\n"), "the file f is there: [2Jred");
    assert_eq!(text(b"\xff\xfe"), "the file f is there: \u{FFFD}\u{FFFD}");
    let long = text("é".repeat(500).as_bytes());
    assert_eq!(long.len(), "the file f is there: ".len() + FILE_REASON_BYTES_MAX);
}

#[tokio::test]
async fn the_file_is_watched_while_the_replica_runs() {
    let (world, folder) = (World::new(), tempfile::tempdir().unwrap());
    let path = folder.path().join("freeze");
    let freeze = OwnFreeze::new(world.leases.clone(), Some(&path), START);
    let context = world.context(0, None);
    let watching = watch(&context, &freeze, Some(path.clone()));
    let seen = async {
        place(&path, &world, true).await;
        assert_eq!(freeze.state().0.all().count(), 1);
        place(&path, &world, false).await;
        assert_eq!(freeze.state(), (Causes::default(), None));
        context.shutdown.cancel();
    };
    let (watched, ()) =
        tokio::time::timeout(Duration::from_secs(10), async { tokio::join!(watching, seen) })
            .await
            .unwrap();
    watched.unwrap();
}

/// Places the file or takes it away, and waits until the copy of the leases knows.
async fn place(path: &Path, world: &World, there: bool) {
    let mut changes = world.leases.changes();
    changes.mark_unchanged();
    if there {
        std::fs::write(path, "a test").unwrap();
    } else {
        std::fs::remove_file(path).unwrap();
    }
    while world.leases.read(|reader| reader.view().frozen_here().is_some()) != there {
        changes.changed().await.unwrap();
    }
}
