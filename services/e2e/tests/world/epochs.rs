//! X4: an epoch that nobody knows. Nothing is added, nothing is taken away, and an adoption ends it.

use std::time::Duration;

use schemas::{Epoch, LeaseEntry, Observable};

use super::kit::{World, eventually, figure, now, said};
use super::log::Log;
use super::{addresses, truth};

const EXECUTORS: [&str; 2] = ["executor-0", "executor-1"];
/// How long additions are watched for while all hold.
const WATCHED: Duration = Duration::from_secs(3);
const CONVERGED_WITHIN: Duration = Duration::from_secs(10);

#[tokio::test]
async fn x4_another_epoch_adds_nothing_and_takes_nothing_away_until_it_is_adopted() {
    let world = World::alone().await;
    let log = Log::of(&world);
    let (held, waiting) = (addresses::v4(), addresses::v4());
    let until = now() + 60_000;
    log.publish(&truth::block(Observable::client(held), until)).await;
    truth::converged(&world, &log, CONVERGED_WITHIN).await;

    let begun = now();
    log.publish(&LeaseEntry::Epoch(Epoch { epoch: begun, replaces: Vec::new() })).await;
    holding(&world, true).await;
    let alarmed_ms = now() - begun;
    log.publish(&truth::block(Observable::client(waiting), until)).await;
    let outcome = unchanged(&world, held, waiting).await;
    // Adopted whatever happened, or every later test would fail for it.
    let adopted = world.perimeter(&["bootstrap", "kafka", "--adopt"]).await;
    assert!(adopted.status.success(), "{}", said(&adopted));
    outcome.unwrap();

    holding(&world, false).await;
    truth::refused(&world, waiting, CONVERGED_WITHIN).await;
    truth::refused(&world, held, CONVERGED_WITHIN).await;
    truth::converged(&world, &log, CONVERGED_WITHIN).await;
    figure(&format!(
        "X4: held {alarmed_ms} ms after a foreign epoch; 0 additions and 0 removals until it was adopted"
    ));
}

/// Waits until every executor says that it holds, or that it does not.
async fn holding(world: &World, holds: bool) {
    let wanted = f64::from(u8::from(holds));
    for executor in EXECUTORS {
        eventually(&format!("{executor} holds: {holds}"), CONVERGED_WITHIN, async || {
            (world.metric(executor, "perimeter_mode").await == wanted).then_some(())
        })
        .await;
    }
}

/// Watches that what is held stays and what waits does not come into force.
async fn unchanged(
    world: &World,
    held: std::net::IpAddr,
    waiting: std::net::IpAddr,
) -> Result<(), String> {
    let network = |client| Observable::client(client).network();
    let begun = std::time::Instant::now();
    while begun.elapsed() < WATCHED {
        if world.get(held, "/").await.status != 403 {
            return Err(format!("{held} was let in while holding"));
        }
        if world.get(waiting, "/").await.status == 403 {
            return Err(format!("{waiting} was blocked while holding"));
        }
        if let Some(networks) = truth::waf(world).await {
            if !networks.contains(&network(held)) {
                return Err(format!("the WAF let {held} go while holding"));
            }
            if networks.contains(&network(waiting)) {
                return Err(format!("the WAF got {waiting} while holding"));
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}
