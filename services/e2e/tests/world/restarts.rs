//! Redis forgets everything, or dies: rebuilt from the leases, and nobody is let in meanwhile.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use schemas::Observable;

use super::kit::{World, figure, now};
use super::log::Log;
use super::{addresses, truth};

const BLOCKED: u32 = 200;
const REBUILT_WITHIN: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r1_a_flushed_redis_is_rebuilt_and_nobody_is_let_in() {
    let world = World::alone().await;
    let log = Log::of(&world);
    let clients = blocked(&world, &log).await;
    world.redis(&["FLUSHALL"]).await.unwrap();
    rebuilt(&world, &log, &clients, "R1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r2_a_killed_redis_is_rebuilt_and_nobody_is_let_in() {
    let world = World::alone().await;
    let log = Log::of(&world);
    let clients = blocked(&world, &log).await;
    let before = world.pid("redis");
    world.kill("redis");
    let (_, ()) =
        tokio::join!(rebuilt(&world, &log, &clients, "R2"), world.replaced("redis", before));
}

async fn blocked(world: &World, log: &Log) -> Vec<IpAddr> {
    let clients = addresses::many(BLOCKED);
    let until = now() + 25_000;
    for client in &clients {
        log.publish(&truth::block(Observable::client(*client), until)).await;
    }
    truth::converged(world, log, Duration::from_secs(10)).await;
    clients
}

/// Waits until Redis shows everything again, while Envoy goes on refusing.
async fn rebuilt(world: &World, log: &Log, clients: &[IpAddr], row: &str) {
    let begun = Instant::now();
    let done = tokio_util::sync::CancellationToken::new();
    let refusing = async {
        let mut asked = 0;
        while !done.is_cancelled() {
            let client = clients[asked % clients.len()];
            assert_eq!(world.get(client, "/").await.status, 403, "{client} was let in");
            asked += 1;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        asked
    };
    let converging = async {
        truth::converged(world, log, REBUILT_WITHIN).await;
        done.cancel();
    };
    let (asked, ()) = tokio::join!(refusing, converging);
    figure(&format!(
        "{row}: {BLOCKED} records again after {} ms; {asked} requests refused meanwhile",
        begun.elapsed().as_millis()
    ));
}
