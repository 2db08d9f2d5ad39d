//! Redis forgets everything, or dies: rebuilt from the leases, and nobody is let in meanwhile.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use blocklist::Blocklist;
use executor::points::blocklist::{Mirror, Sight, pass};
use schemas::{
    Action, Claim, Generation, Lease, Millis, Observable, Origin, Protected, Provenance, View,
};
use uuid::Uuid;

use super::kit::{World, figure, now, shown};
use super::log::Log;
use super::{addresses, truth};

const BLOCKED: u32 = 200;
/// What row R1 asks for. So many leases are more than the WAF holds, so the loop's own passes are driven here.
const RECORDS: u32 = 100_000;
const REBUILT_WITHIN: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r1_a_flushed_redis_is_rebuilt_and_nobody_is_let_in() {
    let world = World::alone().await;
    let log = Log::of(&world);
    let clients = blocked(&world, &log).await;
    world.redis(&["FLUSHALL"]).await.unwrap();
    rebuilt(&world, &log, &clients, "R1").await;
}

#[tokio::test]
async fn r1_a_hundred_thousand_records_are_rebuilt_within_ten_seconds() {
    let world = World::alone().await;
    let redis = Blocklist::connect(&world.at("/redis/url")).unwrap();
    let now = now();
    let sight = Sight::of(&leases(RECORDS, now + 600_000), Some(true), &Protected::special(), now);
    let mut mirror = Mirror::new("e2e");
    pass(&mut mirror, &sight, &redis, "e2e", true, now).await.unwrap();
    world.redis(&["FLUSHALL"]).await.unwrap();
    let begun = Instant::now();
    pass(&mut mirror, &sight, &redis, "e2e", true, now).await.unwrap();
    let took = begun.elapsed();
    let there = shown(&world).await.unwrap().len();
    world.redis(&["FLUSHALL"]).await.unwrap();
    assert!(there >= RECORDS as usize, "{there} records are there");
    assert!(took < REBUILT_WITHIN, "{took:?}");
    figure(&format!("R1: {RECORDS} records again after {} ms", took.as_millis()));
}

/// As many leases, each with one block until `until`.
fn leases(count: u32, until: Millis) -> View {
    let mut view = View::default();
    for number in 0..count {
        let address = u32::from(Ipv4Addr::new(81, 0, 0, 0)) + number;
        let decision_id = Uuid::from_u128(u128::from(number));
        view.apply(Lease {
            observable: Observable::client(IpAddr::V4(Ipv4Addr::from(address))),
            generation: Generation { epoch: 1, offset: i64::from(number) },
            claims: vec![Claim {
                origin: Origin::Pipeline,
                action: Action::Block,
                until,
                strikes: 1,
                decision_id,
                decided_at: until - 600_000,
                counts: true,
                provenance: Some(Provenance::SocketPeer),
                signature: None,
            }],
            recent_decisions: vec![decision_id],
        });
    }
    view
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
