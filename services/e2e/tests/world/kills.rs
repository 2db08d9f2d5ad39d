//! Executors killed again and again while decisions arrive: nothing lost, nothing doubled, no gap.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use ipnet::IpNet;
use schemas::{Decision, Effect, Millis, Observable, Phase, Status};
use uuid::Uuid;

use super::kit::{World, deep, figure, now};
use super::log::{Log, Read};
use super::{addresses, truth};

const EXECUTORS: [&str; 2] = ["executor-0", "executor-1"];
const KILL_EVERY: Duration = Duration::from_millis(700);
const CONVERGED_WITHIN: Duration = Duration::from_secs(5);
/// I3 for two dirty sets, and the time it takes to look.
const OVERRUN_MAX_MS: Millis = 2_500 + 300;
const SAMPLE: usize = 40;

/// How much of it: more under `cargo verify --deep`.
struct Size {
    decisions: u32,
    kills: usize,
    /// From the first decision to the end of all.
    lasts_ms: Millis,
}

impl Size {
    fn chosen() -> Size {
        match deep() {
            true => Size { decisions: 5_000, kills: 40, lasts_ms: 60_000 },
            false => Size { decisions: 500, kills: 6, lasts_ms: 16_000 },
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn k1_killed_executors_lose_no_decision_and_double_none() {
    let world = World::alone().await;
    let log = Log::of(&world);
    let size = Size::chosen();
    let clients = addresses::many(size.decisions);
    let until = now() + size.lasts_ms;
    let published = async {
        let mut ids = BTreeMap::new();
        for client in &clients {
            let decision = truth::block(Observable::client(*client), until);
            log.publish(&decision).await;
            ids.insert(decision.decision_id, decision);
        }
        ids
    };
    let killed = async {
        for number in 0..size.kills {
            tokio::time::sleep(KILL_EVERY).await;
            world.kill(EXECUTORS[number % 2]);
        }
    };
    let (decisions, ()) = tokio::join!(published, killed);
    for executor in EXECUTORS {
        world.ready(executor).await;
    }
    let started = Instant::now();
    truth::converged(&world, &log, CONVERGED_WITHIN).await;
    let converged_ms = started.elapsed().as_millis();
    let in_time =
        || assert!(now() < until, "the machine was too slow for this test: some of it ended");
    in_time();
    none_lost(&log, &decisions);
    for client in clients.iter().step_by(clients.len() / SAMPLE) {
        assert_eq!(world.get(*client, "/").await.status, 403, "{client} was let in");
    }
    in_time();
    let overrun_ms = gone(&world, &decisions, until).await;
    none_doubled(&log, &decisions).await;
    if deep() {
        lifts_proved(&log, &decisions, until).await;
    }
    figure(&format!(
        "K1: {} decisions, {} kills, converged {converged_ms} ms after the last start, last removal {overrun_ms} ms after until",
        decisions.len(),
        size.kills
    ));
}

/// Every decision became the claim of its lease.
fn none_lost(log: &Log, decisions: &BTreeMap<Uuid, Decision>) {
    let view = truth::view(&log.read());
    let claims = view.leases().flat_map(|lease| &lease.claims);
    let leased: BTreeSet<Uuid> = claims.map(|claim| claim.decision_id).collect();
    let lost: Vec<&Uuid> = decisions.keys().filter(|id| !leased.contains(id)).collect();
    assert!(lost.is_empty(), "{} lost, for example {:?}", lost.len(), lost.first());
}

/// Waits for the end of all, and answers how long after `until` the WAF held the last one.
async fn gone(world: &World, decisions: &BTreeMap<Uuid, Decision>, until: Millis) -> Millis {
    let networks: BTreeSet<IpNet> =
        decisions.values().map(|decision| decision.observable.network()).collect();
    loop {
        let (asked_at, held) = (now(), truth::waf(world).await);
        let left = held.map(|held| held.intersection(&networks).count());
        match left {
            Some(0) => {
                assert!(asked_at >= until, "removed before the end");
                return (asked_at - until).max(0);
            }
            Some(left) if asked_at < until => assert_eq!(left, networks.len(), "removed too early"),
            _ => {}
        }
        assert!(
            asked_at < until + OVERRUN_MAX_MS,
            "{left:?} are still there {OVERRUN_MAX_MS} ms late"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// At every point each decision was in effect once: applied, then lifted, and never again.
async fn none_doubled(log: &Log, decisions: &BTreeMap<Uuid, Decision>) {
    let lifted = |read: &Read| {
        let lifted: BTreeSet<Uuid> = read
            .enforcements
            .iter()
            .filter(|at| at.record.point == "aws-waf" && at.record.status == Status::Lifted)
            .map(|at| at.record.decision_id)
            .collect();
        decisions.keys().all(|id| lifted.contains(id)).then_some(())
    };
    log.wait("every lift at the WAF told", Duration::from_secs(5), lifted).await;
    let read = log.read();
    let mut told: BTreeMap<(Uuid, &str), Vec<(Status, Millis)>> = BTreeMap::new();
    for at in read.enforcements.iter().filter(|at| decisions.contains_key(&at.record.decision_id)) {
        let acts = told.entry((at.record.decision_id, at.record.point.as_str())).or_default();
        acts.push((at.record.status, at.record.enforced_at));
    }
    for ((id, point), acts) in told {
        let lifted_at = acts.iter().filter(|(status, _)| *status == Status::Lifted);
        let lifted_at = lifted_at.map(|(_, at)| *at).min().unwrap_or(Millis::MAX);
        let sound = acts.iter().all(|(status, at)| match status {
            Status::Applied => *at <= lifted_at,
            Status::Lifted => true,
            _ => false,
        });
        assert!(sound, "{id} at {point}: {acts:?}");
    }
}

/// Thousands of lifts at once keep the verifier busy for a while; the next test begins when it is through.
async fn lifts_proved(log: &Log, decisions: &BTreeMap<Uuid, Decision>, until: Millis) {
    let lifted = |read: &Read| {
        let outcomes = read.outcomes.iter().map(|at| &at.record);
        let proved = outcomes.filter(|told| {
            (told.phase, told.level, told.effect) == (Phase::Lift, 3, Effect::Effective)
        });
        let proved: BTreeSet<Uuid> = proved.map(|told| told.decision_id).collect();
        decisions.keys().all(|id| proved.contains(id)).then_some(())
    };
    log.wait("every lift at Envoy proved", Duration::from_secs(120), lifted).await;
    figure(&format!("K1: every lift proved {} ms after until", now() - until));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn x1_restarting_each_executor_opens_no_gap_at_envoy_or_in_the_waf() {
    let world = World::alone().await;
    let log = Log::of(&world);
    let clients = addresses::many(30);
    let until = now() + 20_000;
    for client in &clients {
        log.publish(&truth::block(Observable::client(*client), until)).await;
    }
    truth::converged(&world, &log, Duration::from_secs(8)).await;
    let due: BTreeSet<IpNet> =
        clients.iter().map(|client| Observable::client(*client).network()).collect();
    let done = tokio_util::sync::CancellationToken::new();
    let restarted = async {
        for executor in EXECUTORS {
            world.restart(executor).await;
            // The other one is only restarted once Envoy asks this one again: with both gone it fails open.
            world.executors_healthy().await;
        }
        done.cancel();
    };
    let (asked, ()) = tokio::join!(no_gap(&world, &clients, &due, &done), restarted);
    assert!(now() < until, "the machine was too slow for this test");
    figure(&format!(
        "X1: {asked} requests refused and every read of the WAF whole, over two restarts"
    ));
}

/// Asks Envoy and the WAF again and again; answers how many requests were refused.
async fn no_gap(
    world: &World,
    clients: &[IpAddr],
    due: &BTreeSet<IpNet>,
    done: &tokio_util::sync::CancellationToken,
) -> usize {
    let mut asked = 0;
    let open = world.failed_open().await;
    while !done.is_cancelled() {
        for client in clients.iter().cycle().skip(asked).take(8) {
            let answer = world.get(*client, "/").await;
            if answer.status != 403 {
                let open = world.failed_open().await - open;
                panic!("{client} was let in, {open} requests unasked: {}", answer.head);
            }
            asked += 1;
        }
        if let Some(held) = truth::waf(world).await {
            assert!(due.is_subset(&held), "the WAF lost {:?}", due.difference(&held).next());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    asked
}
