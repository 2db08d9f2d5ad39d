//! What becomes of a member whose stages take long to open.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use pipeline::{Bus, Context, Group, run};
use schemas::Topic;

use super::{Echo, World, count, decision};

/// How long the group waits for a member to poll.
const POLL_MS: &str = "2000";
const OPENING: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_opens_for_longer_than_the_group_waits_for_a_poll_opens_once_and_answers() {
    let world = World::new();
    let properties = [
        ("bootstrap.servers", world.cluster.bootstrap_servers()),
        ("session.timeout.ms", POLL_MS.to_owned()),
        ("max.poll.interval.ms", POLL_MS.to_owned()),
    ];
    let properties = properties.map(|(name, value)| (name.to_owned(), value)).to_vec();
    let context = Context { bus: Bus::kafka(properties).unwrap(), ..world.context() };
    context.bus.publisher().unwrap().publish(&decision("81.2.69.1", 1)).await.unwrap();
    let opened = Arc::new(AtomicUsize::new(0));
    let (seen, refuse) = (world.seen.clone(), world.refuse.clone());
    let (running, opening) = (context.clone(), opened.clone());
    let running = tokio::spawn(async move {
        run(&running, Group("echo"), move |_| {
            let first = opening.fetch_add(1, Ordering::SeqCst) == 0;
            let begun = Instant::now();
            while first && begun.elapsed() < OPENING {
                std::thread::park_timeout(OPENING);
            }
            Ok(Echo { seen: seen.clone(), refuse: refuse.clone() })
        })
        .await
    });
    world.until("answering", || count(&world.seen) == 1).await;
    let partitions = usize::try_from(Topic::Decisions.partitions()).unwrap();
    assert_eq!(opened.load(Ordering::SeqCst), partitions, "nothing was opened again");
    context.shutdown.cancel();
    running.await.unwrap().unwrap();
}
