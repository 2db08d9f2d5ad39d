//! Real files, followed by explicit passes.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use collector::config::logs::Logs;
use collector::publish::{Outbox, Watch};
use collector::sources::files::{Follower, READERS_MAX};
use flate2::Compression;
use flate2::write::GzEncoder;
use observe::Trusted;
use pipeline::memory::Log;
use pipeline::{Bus, Clock};
use schemas::Protected;
use tempfile::TempDir;

use super::{NOW, dead, events};

/// A folder of logs, and what Kafka has of it.
pub(super) struct World {
    pub(super) folder: TempDir,
    pub(super) log: Log,
    pub(super) outbox: Outbox,
    now: i64,
}

impl World {
    pub(super) fn new() -> Self {
        let clock = Clock::manual(NOW);
        let log = Log::new(clock.clone());
        let publisher = Bus::in_memory(log.clone()).publisher().unwrap();
        let outbox = Outbox::new("logs", publisher, Watch::new(Protected::special()), clock);
        World { folder: TempDir::new().unwrap(), log, outbox, now: NOW }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn follower(&self) -> Follower {
        self.follower_of(
            "state = \"FOLDER/state.json\"\n\
             [[file]]\npath = \"FOLDER/access.log\"\nformat = \"combined\"",
        )
    }

    /// A follower with these settings, in which FOLDER stands for ours.
    pub(super) fn follower_of(&self, settings: &str) -> Follower {
        let text = settings.replace("FOLDER", &self.folder.path().display().to_string());
        Follower::open(Logs::parse(&text, "web").unwrap(), Trusted::default()).unwrap()
    }

    pub(super) fn append(&self, name: &str, text: &str) {
        let mut file = OpenOptions::new().create(true).append(true).open(self.path(name)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    /// Passes until there is nothing more to read, and for as long as files are looked for again.
    pub(super) async fn settle(&mut self, follower: &mut Follower) {
        for _ in 0..4 {
            self.now += 250;
            let batch = follower.pass(self.now).unwrap();
            self.outbox.send(batch.outgoing).await.unwrap();
            follower.acknowledged(batch.places);
        }
        follower.save(self.now).unwrap();
    }

    /// The paths that were asked for, in the order of the sources and their positions.
    pub(super) fn uris(&self) -> Vec<String> {
        events(&self.log).into_iter().map(|event| event.uri).collect()
    }
}

pub(super) fn line(uri: &str) -> String {
    format!(
        "81.2.69.142 - - [28/May/2026:20:26:40 +0000] \"GET {uri} HTTP/1.1\" 200 2 \"-\" \"test\"\n"
    )
}

#[tokio::test]
async fn a_line_waits_for_its_end_and_a_bad_one_stops_nothing() {
    let mut world = World::new();
    let mut follower = world.follower();
    let whole = line("/b");
    world.append("access.log", &format!("{}no access log\n{}", line("/a"), &whole[..20]));
    world.settle(&mut follower).await;
    assert_eq!(world.uris(), ["/a"]);
    assert_eq!(dead(&world.log), ["malformed"]);
    world.append("access.log", &whole[20..]);
    world.settle(&mut follower).await;
    assert_eq!(world.uris(), ["/a", "/b"]);
}

#[tokio::test]
async fn a_renamed_file_is_read_to_its_end_and_the_new_one_from_its_beginning() {
    let mut world = World::new();
    let mut follower = world.follower();
    world.append("access.log", &line("/a"));
    world.settle(&mut follower).await;
    world.append("access.log", &line("/b"));
    fs::rename(world.path("access.log"), world.path("access.log.1")).unwrap();
    world.append("access.log.1", &line("/c"));
    world.append("access.log", &line("/first-of-the-new"));
    world.settle(&mut follower).await;
    let mut uris = world.uris();
    uris.sort();
    assert_eq!(uris, ["/a", "/b", "/c", "/first-of-the-new"]);
}

#[tokio::test]
async fn what_copytruncate_left_in_the_copy_is_read_there() {
    let mut world = World::new();
    let mut follower = world.follower();
    world.append("access.log", &line("/a"));
    world.settle(&mut follower).await;
    world.append("access.log", &line("/b"));
    fs::copy(world.path("access.log"), world.path("access.log.1")).unwrap();
    fs::write(world.path("access.log"), line("/new")).unwrap();
    world.settle(&mut follower).await;
    let mut uris = world.uris();
    uris.sort();
    assert_eq!(uris, ["/a", "/b", "/new"]);
}

#[tokio::test]
async fn a_restart_reads_on_in_what_was_rotated_and_packed_meanwhile() {
    let mut world = World::new();
    let mut follower = world.follower();
    world.append("access.log", &line("/a"));
    world.settle(&mut follower).await;
    drop(follower);
    let text = line("/a") + &line("/b");
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(text.as_bytes()).unwrap();
    fs::write(world.path("access.log.1.gz"), packed.finish().unwrap()).unwrap();
    fs::remove_file(world.path("access.log")).unwrap();
    world.append("access.log", &line("/c"));
    let mut follower = world.follower();
    world.settle(&mut follower).await;
    let mut uris = world.uris();
    uris.sort();
    assert_eq!(uris, ["/a", "/b", "/c"]);
}

#[tokio::test]
async fn what_is_still_being_packed_is_not_read_again() {
    let mut world = World::new();
    let mut follower = world.follower();
    world.append("access.log", &(line("/a") + &line("/b")));
    world.settle(&mut follower).await;
    drop(follower);
    fs::remove_file(world.path("access.log")).unwrap();
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(line("/a").as_bytes()).unwrap();
    packer.flush().unwrap();
    fs::write(world.path("access.log.1.gz"), packer.get_ref()).unwrap();
    let mut follower = world.follower();
    world.settle(&mut follower).await;
    assert_eq!(world.uris(), ["/a", "/b"]);
    packer.write_all((line("/b") + &line("/c")).as_bytes()).unwrap();
    fs::write(world.path("access.log.1.gz"), packer.finish().unwrap()).unwrap();
    world.settle(&mut follower).await;
    assert_eq!(world.uris(), ["/a", "/b", "/c"]);
}

#[tokio::test]
async fn of_more_files_than_may_be_open_the_quiet_ones_give_way() {
    let mut world = World::new();
    let settings =
        "state = \"FOLDER/state.json\"\n[[file]]\npath = \"FOLDER/*.log\"\nformat = \"combined\"";
    let mut follower = world.follower_of(settings);
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_millis(NOW as u64 - 60_000);
    let count = READERS_MAX + 8;
    for number in 0..count {
        let name = format!("{number:04}.log");
        world.append(&name, &line(&format!("/{number}")));
        fs::File::open(world.path(&name)).unwrap().set_modified(long_ago).unwrap();
    }
    world.settle(&mut follower).await;
    assert_eq!(world.uris().len(), count);
    world.append("0000.log", &line("/again"));
    world.settle(&mut follower).await;
    assert_eq!(world.uris().len(), count + 1, "what gave way is opened again once it grows");
}

/// Row S3: whoever ships the logs again, with or without our memory of them, gets the same ids and positions.
#[tokio::test]
async fn logs_that_are_shipped_again_are_the_same_events() {
    let mut world = World::new();
    world.append("access.log", &(line("/a") + &line("/b")));
    let mut follower = world.follower();
    world.settle(&mut follower).await;
    let mut follower = world.follower();
    world.settle(&mut follower).await;
    assert_eq!(world.uris().len(), 2, "what is remembered is not read again");
    for _ in 0..3 {
        fs::remove_file(world.path("state.json")).unwrap();
        let text = fs::read(world.path("access.log")).unwrap();
        fs::remove_file(world.path("access.log")).unwrap();
        fs::write(world.path("access.log"), text).unwrap();
        let mut follower = world.follower();
        world.settle(&mut follower).await;
    }
    let mut places: Vec<_> = events(&world.log)
        .into_iter()
        .map(|event| (event.event_id, event.source, event.position))
        .collect();
    assert_eq!(places.len(), 8);
    places.sort();
    places.dedup();
    assert_eq!(places.len(), 2);
}

/// What sshd writes of one try: first what PAM said, then its own line.
const TRY: [&str; 2] = [
    "2026-05-28T20:26:40+00:00 web sshd[7]: error: PAM: Authentication failure for ann from 81.2.69.142\n",
    "2026-05-28T20:26:40+00:00 web sshd[7]: Failed keyboard-interactive/pam for ann from 81.2.69.142 port 5 ssh2\n",
];

#[tokio::test]
async fn a_login_of_which_two_lines_tell_is_one_when_a_restart_stands_between_them() {
    const OTHER: &str =
        "2026-05-28T20:26:40+00:00 web sshd[8]: Connection closed by 81.2.69.143 port 5\n";
    let [by_pam, own] = TRY;
    // In a file of a few lines, in one so long that its head says nothing of its end, and after a whole try.
    for (before, tries) in
        [(String::new(), 1), (OTHER.repeat(2_000), 1), (OTHER.repeat(70) + by_pam + own, 2)]
    {
        let mut world = World::new();
        let settings = "state = \"FOLDER/state.json\"\n[[file]]\npath = \"FOLDER/auth.log\"\nformat = \"sshd\"";
        let mut follower = world.follower_of(settings);
        world.append("auth.log", &(before + by_pam + OTHER));
        world.settle(&mut follower).await;
        let mut follower = world.follower_of(settings);
        world.append("auth.log", own);
        world.settle(&mut follower).await;
        assert_eq!(events(&world.log).len(), tries);
        // Nobody told of this one before.
        world.append("auth.log", own);
        world.settle(&mut follower).await;
        assert_eq!(events(&world.log).len(), tries + 1);
    }
}

#[tokio::test]
async fn what_kafka_does_not_have_is_read_again() {
    let mut world = World::new();
    world.append("access.log", &line("/a"));
    let mut follower = world.follower();
    drop(follower.pass(NOW).unwrap());
    follower.save(NOW).unwrap();
    let mut follower = world.follower();
    world.settle(&mut follower).await;
    assert_eq!(world.uris(), ["/a"]);
}
