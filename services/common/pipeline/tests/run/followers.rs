//! What a follower learns while there is always more to read.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pipeline::{Follow, From, Update, follow};
use schemas::Topic;
use tokio_util::sync::CancellationToken;

use super::{WAIT, World, decision};

/// Takes its time over each record, and stops once it is told of an end after one.
struct Slow {
    read: Arc<AtomicUsize>,
    shutdown: CancellationToken,
}

impl Follow for Slow {
    fn update(&mut self, update: Update<'_>) {
        match update {
            Update::Record(_) => {
                self.read.fetch_add(1, Ordering::SeqCst);
                std::thread::park_timeout(Duration::from_millis(20));
            }
            Update::End { .. } if self.read.load(Ordering::SeqCst) > 0 => self.shutdown.cancel(),
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_much_that_was_written_before_ends_are_told_and_a_shutdown_is_heeded() {
    let world = World::new();
    let context = world.context();
    let many: Vec<_> = (0..300).map(|strikes| decision("81.2.69.1", strikes)).collect();
    context.bus.publisher().unwrap().publish_all(&many).await.unwrap();
    let read = Arc::<AtomicUsize>::default();
    let sink = Slow { read: read.clone(), shutdown: context.shutdown.clone() };
    let topics = [(Topic::Decisions, From::Beginning)];
    let following = follow(&context, &topics, sink);
    tokio::time::timeout(WAIT, following).await.expect("it stops").unwrap();
    let read = read.load(Ordering::SeqCst);
    assert!(read < many.len(), "all {read} were read first");
}
