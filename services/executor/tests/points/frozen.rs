//! A replica frozen by itself adds nothing and removes nothing, at every point, whatever its peer does.

use blocklist::Blocklist;
use executor::OwnFreeze;
use executor::logic::freeze::WITHHELD;
use executor::logic::ip_set::{Family, Found, Permission, mark_text, plan};
use executor::logic::waf::Sight as WafSight;
use executor::points::blocklist::{Mirror, Sight, pass};
use executor::points::envoy::{Answer, answer};
use ipnet::IpNet;
use proptest::prelude::*;
use schemas::effective::{blocked_by_log, blocked_networks};
use schemas::observable::representative;
use schemas::reader::Mark;
use schemas::{
    Action, Claim, Generation, Lease, Millis, Observable, Origin, Position, Protected, Status, View,
};
use uuid::Uuid;

use crate::acts::Looking;
use crate::common::{START, World, block, feed, operator};

const SECOND: Millis = 1_000;
const EVE: &str = "spiffe://perimeter/responder/eve";

fn freeze(world: &World) -> OwnFreeze {
    let freeze = OwnFreeze::new(world.leases.clone(), None, world.clock.now());
    freeze.freeze(EVE, "a test", world.clock.now());
    freeze
}

/// What a replica says, in the order of the observables.
fn said(world: &World, point: &mut Looking) -> Vec<(String, Status, String)> {
    let acts = point.tell(world, usize::MAX);
    let mut said: Vec<_> =
        acts.into_iter().map(|act| (act.observable.to_string(), act.status, act.reason)).collect();
    said.sort_by_key(|(observable, ..)| observable.clone());
    said
}

fn denied(world: &World, client: &str) -> bool {
    let (now, client) = (world.clock.now(), client.parse().unwrap());
    world.leases.read(|reader| {
        let answer = answer(reader.view(), &Protected::special(), client, now);
        matches!(answer, Answer::Deny(_))
    })
}

#[tokio::test]
async fn at_envoy_what_holds_goes_on_and_what_comes_is_withheld_with_the_reason() {
    let mut world = World::new();
    let mut point = Looking::default();
    world.decide(&block("81.2.69.142", START + 15 * SECOND)).await;
    said(&world, &mut point);
    world.clock.advance(SECOND);
    let freeze = freeze(&world);
    world.decide(&block("81.2.69.143", START + 60 * SECOND)).await;
    world.decide(&operator(Action::Block, "81.2.69.144", START + 60 * SECOND)).await;
    let denials = |world: &World| {
        ["81.2.69.142", "81.2.69.143", "81.2.69.144"].map(|client| denied(world, client))
    };
    assert_eq!(denials(&world), [true, false, true]);
    let withheld = ("81.2.69.143".to_owned(), Status::Failed, WITHHELD.to_owned());
    let by_operator = ("81.2.69.144".to_owned(), Status::Applied, String::new());
    assert_eq!(said(&world, &mut point), [withheld, by_operator]);
    world.clock.advance(15 * SECOND);
    assert_eq!(denials(&world), [false, false, true], "what holds ends on time");
    freeze.thaw(EVE, "it is over", world.clock.now());
    assert_eq!(denials(&world), [false, true, true]);
    let lifted = ("81.2.69.142".to_owned(), Status::Lifted, String::new());
    let applied = ("81.2.69.143".to_owned(), Status::Applied, String::new());
    assert_eq!(said(&world, &mut point), [lifted, applied]);
}

/// A peer that is not frozen shows a block; the frozen replica writes after it, at every change.
#[tokio::test]
async fn in_the_blocklist_what_the_peer_shows_stays_shown() {
    let (mut world, mut peer, redis) = (World::new(), World::unread(), Blocklist::in_memory());
    (peer.log, peer.clock) = (world.log.clone(), world.clock.clone());
    let (mut own, mut others) = (Mirror::new("own"), Mirror::new("others"));
    let freeze = freeze(&world);
    turn(&world, &mut own, &redis, "own").await;
    world.decide(&block("81.2.69.142", START + 60 * SECOND)).await;
    turn(&world, &mut own, &redis, "own").await;
    assert_eq!(shown(&redis, &world).await, None, "it adds nothing");
    peer.follow();
    turn(&peer, &mut others, &redis, "others").await;
    turn(&world, &mut own, &redis, "own").await;
    assert_eq!(shown(&redis, &world).await, Some(Action::Block));
    world.decide(&operator(Action::Allow, "81.2.69.142", START + 30 * SECOND)).await;
    // The allow ended that block for good; what a feed claims it only outranks.
    world.decide(&feed("81.2.69.142", START + 61 * SECOND)).await;
    peer.follow();
    turn(&world, &mut own, &redis, "own").await;
    assert_eq!(shown(&redis, &world).await, Some(Action::Allow));
    turn(&peer, &mut others, &redis, "others").await;
    world.clock.advance(30 * SECOND);
    turn(&peer, &mut others, &redis, "others").await;
    turn(&world, &mut own, &redis, "own").await;
    let held = shown(&redis, &world).await;
    assert_eq!(held, Some(Action::Block), "the peer's, of the very generation that outranked it");
    freeze.thaw(EVE, "it is over", world.clock.now());
    turn(&world, &mut own, &redis, "own").await;
    world.clock.advance(31 * SECOND);
    turn(&world, &mut own, &redis, "own").await;
    assert_eq!(shown(&redis, &world).await, None, "ended on time");
}

async fn shown(redis: &Blocklist, world: &World) -> Option<Action> {
    let observable = "81.2.69.142".parse().unwrap();
    redis.shown(&observable, world.clock.now()).await.unwrap().map(|shown| shown.action)
}

async fn turn(world: &World, mirror: &mut Mirror, redis: &Blocklist, writer: &str) {
    let now = world.clock.now();
    let sight = world
        .leases
        .read(|reader| Sight::of(reader.view(), Some(true), &Protected::special(), now));
    pass(mirror, &sight, redis, writer, true, now).await.unwrap();
}

const NETWORKS: [&str; 7] = [
    "81.2.69.0/24",
    "81.2.69.0/25",
    "81.2.69.64/26",
    "81.2.69.100",
    "81.2.69.101",
    "81.2.69.200",
    "81.2.70.7",
];

fn leases() -> impl Strategy<Value = View> {
    let origin = prop_oneof![Just(Origin::Pipeline), Just(Origin::Feed), Just(Origin::Operator)];
    let action = prop_oneof![3 => Just(Action::Block), 1 => Just(Action::Allow)];
    let claim = (0..NETWORKS.len(), origin, action, 0..10_i64, 0..20_i64);
    let log_frozen = prop::option::of(0..10_i64);
    (prop::collection::vec(claim, 0..12), log_frozen).prop_map(|(claims, log_frozen)| {
        let mut view = View::default();
        for (number, (network, origin, action, decided_at, until)) in claims.into_iter().enumerate()
        {
            let observable: Observable = NETWORKS[network].parse().unwrap();
            let held = view.lease(&observable).cloned();
            let mut lease = held.unwrap_or_else(|| Lease::empty(observable, 1));
            lease.generation = Generation { epoch: 1, offset: number as i64 };
            lease.claims.retain(|claim| claim.origin != origin);
            lease.claims.push(Claim {
                origin,
                action,
                until,
                strikes: 1,
                decision_id: Uuid::from_u128(number as u128),
                decided_at,
                counts: true,
                provenance: None,
                signature: None,
            });
            view.apply(lease);
        }
        if let Some(since) = log_frozen {
            view.apply_control(&frozen(), since);
        }
        view
    })
}

fn frozen() -> schemas::Control {
    schemas::Control {
        control_id: Uuid::nil(),
        scope: schemas::control::SCOPE_ALL.to_owned(),
        frozen: true,
        frozen_since: None,
        requested_at: 0,
        requested_by: String::new(),
        reason: String::new(),
        mode: None,
    }
}

fn covered(networks: &[IpNet], address: IpNet) -> bool {
    networks.iter().any(|network| network.contains(&address))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Address by address: nothing that stands and is blocked by anybody's answer goes, and nothing comes but what
    /// this replica and the others block alike.
    #[test]
    fn in_the_waf_a_frozen_replica_takes_nothing_and_brings_nothing_new(
        mut view in leases(),
        since in 0..10_i64,
        standing in prop::collection::btree_set(0..NETWORKS.len(), 0..5),
        owner in any::<bool>(),
        now in 5_000..5_010_i64,
    ) {
        // Claims end around now; whoever does not own waits three seconds more.
        let leases: Vec<Lease> = view.leases().cloned().collect();
        for mut lease in leases {
            lease.claims.iter_mut().for_each(|claim| claim.until += 4_995);
            view.apply(lease);
        }
        view.freeze_here(Some(since));
        let entries: Vec<String> = standing
            .iter()
            .map(|index| NETWORKS[*index].parse::<Observable>().unwrap().network().to_string())
            .collect();
        let mark = Mark { epoch: 1, position: Position { leases: 1, controls: 1 } };
        let found =
            Found::read(Family::V4, entries.iter().map(String::as_str), &mark_text(mark));
        let protected = Protected::special();
        let sight = WafSight::of(&view, true, &protected, owner.then_some(1), now);
        let permission = if owner { Permission::All(mark) } else { Permission::Due };
        let desired = sight.desired(Family::V4).keeping(&found);
        let planned = plan(&found, &desired, permission, false);
        let before: Vec<IpNet> = found.entries.iter().collect();
        let after: Vec<IpNet> = planned.entries.iter().collect();
        let here = blocked_networks(&view, &protected, now);
        let by_log = blocked_by_log(&view, &protected, now);
        for host in 0..=255_u8 {
            for network in [[81, 2, 69, host], [81, 2, 70, host]] {
                let address = IpNet::from(std::net::IpAddr::from(network));
                let blocked = [covered(&here, address), covered(&by_log, address)];
                match (covered(&before, address), covered(&after, address)) {
                    (true, false) => prop_assert_eq!(blocked, [false, false], "{} went", address),
                    (false, true) => prop_assert_eq!(blocked, [true, true], "{} came", address),
                    _ => {}
                }
                if owner && blocked == [true, true] {
                    prop_assert!(covered(&after, address), "{} is missing", address);
                }
                if owner && blocked == [false, false] {
                    prop_assert!(!covered(&after, address), "{} is too much", address);
                }
            }
        }
    }

    /// At Envoy: no automatic claim decided later refuses anybody, and whoever was refused by an earlier one still is.
    #[test]
    fn at_envoy_a_freeze_only_withholds(view in leases(), since in 0..10_i64, now in 0..20_i64) {
        let mut frozen = view.clone();
        frozen.freeze_here(Some(since));
        let decided: std::collections::HashMap<Uuid, (Origin, Millis)> = view
            .leases()
            .flat_map(|lease| &lease.claims)
            .map(|claim| (claim.decision_id, (claim.origin, claim.decided_at)))
            .collect();
        let may = |id: Uuid| decided[&id].0 == Origin::Operator || decided[&id].1 < since;
        for network in NETWORKS {
            let client = representative(network.parse::<Observable>().unwrap().network());
            let free = answer(&view, &Protected::special(), client, now);
            let held = answer(&frozen, &Protected::special(), client, now);
            if let Answer::Deny(id) = held {
                prop_assert!(may(id), "{} is refused by a claim that is withheld", client);
            }
            if let Answer::Deny(id) = free && may(id) {
                prop_assert_eq!(held, free, "{} was let in", client);
            }
        }
    }
}
