//! What an attacker writes about himself: forged addresses, forged probes, chains of every kind.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use observe::probe::{Nonce, PROBE_HEADER, PROBE_PATH, PrivateKey, sign};
use observe::{Trusted, client_address};
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use schemas::{Action, Event, LeaseEntry, Observable};

use super::addresses;
use super::closes::blocked;
use super::kit::{SQL_INJECTION, World, now};
use super::log::Log;

const CHAINS: usize = 1_000;
const CHAINS_AT_ONCE: usize = 8;
const LOGGED_WITHIN: Duration = Duration::from_secs(10);
const FORWARDED: &str = "x-forwarded-for";

#[tokio::test]
async fn a_forged_forwarded_for_gets_its_sender_blocked_and_never_the_forged_address() {
    let world = World::calm().await;
    let log = Log::of(&world);
    let forms: [fn(&str, &str) -> Vec<String>; 6] = [
        |victim, attacker| vec![format!("{victim}, {attacker}")],
        |victim, attacker| vec![victim.to_owned(), attacker.to_owned()],
        |victim, attacker| vec![format!("{victim}:443, {attacker}")],
        |victim, attacker| vec![format!("unknown, {victim},, {attacker}")],
        |victim, attacker| vec![format!("127.0.0.1, {victim}, 127.0.0.1, {attacker}")],
        |victim, attacker| vec![format!("{victim}, <script>, {attacker}:8080")],
    ];
    let mut victims = Vec::new();
    for form in forms {
        let (victim, attacker) = (addresses::v4(), addresses::v4());
        let values = form(&victim.to_string(), &attacker.to_string());
        let headers: Vec<(&str, String)> =
            values.into_iter().map(|value| (FORWARDED, value)).collect();
        world.ask(SQL_INJECTION, &headers).await;
        blocked(&log, &Observable::client(attacker)).await;
        victims.push((Observable::client(victim), victim));
    }
    for (observable, victim) in victims {
        let read = log.read();
        let acted = |action: Action| action == Action::Block;
        assert!(
            !read
                .decisions
                .iter()
                .any(|at| at.record.observable == observable && acted(at.record.action)),
            "{victim} was named by an attacker, and blocked"
        );
        let leased = |entry: &LeaseEntry| matches!(entry, LeaseEntry::Lease(lease) if lease.observable == observable);
        assert!(!read.leases.iter().any(|at| leased(&at.record)), "{victim} has a lease");
    }
}

#[tokio::test]
async fn a_forged_probe_is_an_ordinary_event_and_counted() {
    let world = World::calm().await;
    let log = Log::of(&world);
    let key =
        PrivateKey::from_pem(&std::fs::read_to_string(world.at("/probe/private_key")).unwrap())
            .unwrap();
    let nonce = || Nonce(rand::random());
    let counted = world.metric("collector", "perimeter_collector_probe_forged_total").await;
    let (ours, other) = (addresses::v4(), addresses::v4());
    let genuine = sign(ours, PROBE_PATH, now(), nonce(), &key);
    let mut broken = sign(other, PROBE_PATH, now(), nonce(), &key).into_bytes();
    let place = broken.len() - 10;
    broken[place] = if broken[place] == b'A' { b'B' } else { b'A' };
    let sent = [
        (ours, genuine.clone(), true),
        (ours, genuine, false),
        (other, String::from_utf8(broken).unwrap(), false),
        (other, sign(ours, PROBE_PATH, now(), nonce(), &key), false),
        (other, sign(other, PROBE_PATH, now() - 20_000, nonce(), &key), false),
        (other, sign(other, "/", now(), nonce(), &key), false),
        (other, "v1.nonsense".to_owned(), false),
    ];
    let run: u64 = rand::random();
    for (number, (client, header, believed)) in sent.iter().enumerate() {
        // The path is what is signed; the query tells the events apart.
        let target = format!("{PROBE_PATH}?run={run}-{number}");
        let headers = [(FORWARDED, client.to_string()), (PROBE_HEADER, header.clone())];
        world.ask(&target, &headers).await;
        // Envoy's workers log on streams of their own, so one after the other: the replay must not come first.
        let event = event(&log, &target).await;
        assert_eq!((event.client, event.probe), (*client, *believed), "probe {number}");
    }
    let more = world.metric("collector", "perimeter_collector_probe_forged_total").await - counted;
    assert!(more >= 6.0, "{more} forged probes were counted, not 6");
    // An ordinary event is scored: the header hides nothing.
    let attacker = addresses::v4();
    let attack = format!("{PROBE_PATH}{}", SQL_INJECTION.trim_start_matches("/products"));
    let headers = [(FORWARDED, attacker.to_string()), (PROBE_HEADER, "v1.nonsense".to_owned())];
    world.ask(&attack, &headers).await;
    blocked(&log, &Observable::client(attacker)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s2_the_client_of_a_thousand_chains_through_envoy_is_the_one_that_the_function_names() {
    let world = World::calm().await;
    let log = Log::of(&world);
    let policy = world.policy();
    let trusted = Trusted::new(policy.trusted(), []);
    let run: u64 = rand::random();
    let mut random = ChaCha8Rng::seed_from_u64(20_261_121);
    let chains: Vec<Vec<String>> = (0..CHAINS).map(|_| chain(&mut random)).collect();
    let listener = world.at("/envoy/listener");
    let ask = async |number: usize| {
        let target = format!("/static/{run}-{number}.css");
        let headers: Vec<(&str, String)> =
            chains[number].iter().map(|value| (FORWARDED, value.clone())).collect();
        super::kit::exchange(&listener, "GET", &target, &headers, "").await.status
    };
    for first in (0..CHAINS).step_by(CHAINS_AT_ONCE) {
        let together = (first..first + CHAINS_AT_ONCE).map(&ask);
        let statuses = futures::future::join_all(together).await;
        assert!(!statuses.contains(&0), "no answer among chains {first}…");
    }
    let prefix = format!("/static/{run}-");
    let events: Vec<Event> = log
        .wait("an event for each of 1,000 chains", LOGGED_WITHIN, |read| {
            let of_run = read.events.iter().filter(|at| at.record.uri.starts_with(&prefix));
            let events: Vec<Event> = of_run.map(|at| at.record.clone()).collect();
            (events.len() == CHAINS).then_some(events)
        })
        .await;
    let mut named = 0;
    for event in events {
        let number = event.uri[prefix.len()..].trim_end_matches(".css").parse::<usize>().unwrap();
        let sent = chains[number].iter().map(String::as_str);
        let expected = client_address(IpAddr::V4(Ipv4Addr::LOCALHOST), sent, &trusted);
        assert_eq!(
            (event.client, event.provenance),
            (expected.address, expected.provenance),
            "the chain was {:?}",
            chains[number]
        );
        named += usize::from(!expected.address.is_loopback());
    }
    assert!(named > CHAINS / 2, "only {named} chains name anybody");
}

/// Zero to two headers of zero to four hops, of every form that proxies and liars write.
fn chain(random: &mut ChaCha8Rng) -> Vec<String> {
    let headers = *[0, 1, 1, 1, 1, 2].choose(random).unwrap();
    let mut chain = Vec::new();
    for _ in 0..headers {
        let hops = random.random_range(1..=4);
        let hops: Vec<String> = (0..hops).map(|_| hop(random)).collect();
        let comma = *[",", ", ", " , "].choose(random).unwrap();
        chain.push(hops.join(comma));
    }
    chain
}

fn hop(random: &mut ChaCha8Rng) -> String {
    let v4 = Ipv4Addr::new(81, random.random(), random.random(), random.random());
    let v6 = format!("2a00:1450:{:x}:{:x}::9", random.random::<u16>(), random.random::<u16>());
    match random.random_range(0..16) {
        0..6 => v4.to_string(),
        6..8 => v6,
        8 => format!("{v4}:{}", random.random::<u16>()),
        9 => format!("[{v6}]:{}", random.random::<u16>()),
        10 => format!("fe80::{:x}%eth0", random.random::<u16>()),
        11 => format!("::ffff:{v4}"),
        12 | 13 => "127.0.0.1".to_owned(),
        14 => ["10.0.0.1", "192.168.1.7", "203.0.113.42"].choose(random).unwrap().to_string(),
        _ => ["unknown", "_hidden", "81.2.69", "1.2.3.4.5", "localhost", "%00"]
            .choose(random)
            .unwrap()
            .to_string(),
    }
}

async fn event(log: &Log, uri: &str) -> Event {
    log.wait(&format!("an event for {uri}"), LOGGED_WITHIN, |read| {
        read.events.iter().map(|at| &at.record).find(|event| event.uri == uri).cloned()
    })
    .await
}
