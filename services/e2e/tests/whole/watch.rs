//! What must hold at every tick, whatever goes wrong: the invariants of the design.
//!
//! * I1: nothing protected is refused anywhere.
//! * I2, I3: a provider holds what must hold, and lets go of it in time.
//! * I5: a decision that ended does not come back.
//! * I6: no reader's generation of a lease goes down, nor does the position written at a provider.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ::executor::logic::ip_set::Family;
use ::executor::points::envoy::Answer;
use futures::executor::block_on;
use ipnet::IpNet;
use schemas::effective::blocked_networks;
use schemas::observable::representative;
use schemas::{Action, Effective, Generation, Millis, Observable, View, effective};
use uuid::Uuid;

use crate::executor;
use crate::world::World;

/// Both sets share one write every 1.25 s, and a tick is lost on the way.
const WAF_LATE_MS: Millis = 2_600;
/// A process that died begins with a read, and writes its mark into both sets first; one that sleeps misses its turn.
const WAF_DELAYED_MS: Millis = 6_000;

/// What was seen so far.
pub(crate) struct Watch {
    addresses: Vec<IpAddr>,
    /// Whether what holds must be what the log says: not while the log is another one than the readers hold.
    pub(crate) strict: bool,
    pub(crate) strict_blocklist: bool,
    /// Not while the provider itself fails.
    pub(crate) strict_waf: bool,
    /// Whether a decision may hold, not hold, and hold again: only a freeze does that.
    pub(crate) may_return: bool,
    /// A new owner writes its mark into both sets before anything else.
    owner_is_new: bool,
    answers: BTreeMap<IpAddr, Option<Uuid>>,
    ended: BTreeSet<(IpAddr, Uuid)>,
    shown: BTreeMap<Observable, Option<Uuid>>,
    /// Since when a network must be in the WAF, and when it last had to be.
    wanted: BTreeMap<IpNet, (Millis, Millis)>,
    held: BTreeSet<IpNet>,
    /// Since when each entry is in the WAF: what is asked for and taken back within one tick was never seen as wanted.
    came: BTreeMap<IpNet, Millis>,
    /// What every living replica knew to be blocked at the last tick, and by which decision.
    known: BTreeMap<IpNet, Uuid>,
    generations: BTreeMap<(u32, Observable), Generation>,
}

impl Watch {
    pub(crate) fn new(addresses: Vec<IpAddr>) -> Self {
        Watch {
            addresses,
            strict: true,
            strict_blocklist: true,
            strict_waf: true,
            may_return: false,
            owner_is_new: false,
            answers: BTreeMap::new(),
            ended: BTreeSet::new(),
            shown: BTreeMap::new(),
            wanted: BTreeMap::new(),
            held: BTreeSet::new(),
            came: BTreeMap::new(),
            known: BTreeMap::new(),
            generations: BTreeMap::new(),
        }
    }

    /// Learns that somebody else took everything out of the WAF.
    pub(crate) fn emptied(&mut self) {
        self.held.clear();
        self.wanted.clear();
    }

    /// From now on what holds must be what the log says. What should have held before is not counted, nor how long ago
    /// anything became due: without an owner a removal waits longer, and the provider's pace comes on top.
    pub(crate) fn resume(&mut self, now: Millis) {
        self.strict = true;
        self.owner_is_new = true;
        self.wanted.retain(|network, _| self.held.contains(network));
        self.wanted.values_mut().for_each(|times| *times = (now, now));
    }

    /// Forgets the generations seen at a replica: its process began anew.
    pub(crate) fn forget(&mut self, replica: u32) {
        self.generations.retain(|(of, _), _| *of != replica);
    }
}

/// The decision that must refuse `address`, by the log.
pub(crate) fn refusing(world: &World, address: IpAddr) -> Option<Uuid> {
    let truth = &world.truth;
    match effective(&truth.view, &truth.protected, address, world.now()) {
        Effective::Claim { claim, .. } if claim.action == Action::Block => Some(claim.decision_id),
        _ => None,
    }
}

/// Checks the world at one tick.
pub(crate) fn check(world: &mut World) {
    protected(world);
    generations(world);
    at_envoy(world);
    in_blocklist(world);
    in_waf(world);
}

/// What the WAF holds.
pub(crate) fn waf(world: &World) -> BTreeSet<IpNet> {
    let families = [Family::V4, Family::V6];
    let texts = families.into_iter().flat_map(|family| world.waf.addresses(family));
    texts.map(|text| text.parse().unwrap()).collect()
}

fn protected(world: &World) {
    for entry in waf(world) {
        let overlap = world.truth.protected.overlap(entry);
        assert!(overlap.is_none(), "I1: the WAF holds {entry}, which is protected: {overlap:?}");
    }
    for address in world.watch.addresses.iter().filter(|own| world.truth.protected.covers(**own)) {
        for executor in &world.executors {
            let refused = matches!(executor.answer(*address), Some(Answer::Deny(_)));
            assert!(!refused, "I1: {address} is protected and refused by {}", executor.replica);
        }
    }
}

fn generations(world: &mut World) {
    for executor in &world.executors {
        let Some(leases) = executor.leases() else { continue };
        let held: Vec<(Observable, Generation)> = leases.read(|reader| {
            let each = reader.view().leases();
            each.map(|lease| (lease.observable.clone(), lease.generation)).collect()
        });
        for (observable, generation) in held {
            let key = (executor.replica, observable);
            let before = world.watch.generations.get(&key).copied();
            assert!(before <= Some(generation), "I6: {key:?} went from {before:?} to {generation}");
            world.watch.generations.insert(key, generation);
        }
    }
}

fn at_envoy(world: &mut World) {
    let at = world.at();
    for address in world.watch.addresses.clone() {
        let expected = refusing(world, address);
        // What a replica answers that is frozen by itself is a story of its own: see tests/frozen.rs.
        let free = |executor: &&executor::Process| executor.frozen_at().is_none();
        for executor in world.executors.iter().filter(free).filter(|own| own.serving()) {
            let found = match executor.answer(address) {
                Some(Answer::Deny(id)) => Some(id),
                _ => None,
            };
            // A block that holds and must go on holding is never lost, however far behind a replica is.
            let holds = expected.is_some()
                && world.watch.answers.get(&address).copied().flatten() == expected;
            if world.watch.strict || holds {
                assert_eq!(found, expected, "{address} at envoy/{} at {at} ms", executor.replica);
            }
        }
        let found = world.executors.iter().find_map(|executor| executor.answer(address));
        let found = match found {
            Some(Answer::Deny(id)) => Some(id),
            Some(Answer::Pass(_)) => None,
            None => continue,
        };
        let before = world.watch.answers.insert(address, found).flatten();
        if before == found {
            continue;
        }
        world.timeline.push(format!("at {at} ms envoy refuses {address} by {found:?}"));
        if let Some(id) = before {
            world.watch.ended.insert((address, id));
        }
        if let Some(id) = found {
            let again = world.watch.ended.contains(&(address, id)) && !world.watch.may_return;
            assert!(!again, "I5: {id} came back for {address} at {at} ms");
        }
    }
}

/// The decision that the blocklist must show for a lease.
fn ruling(view: &View, observable: &Observable, now: Millis) -> Option<Uuid> {
    let claims = view.lease(observable)?.claims.iter();
    let in_force = claims.filter(|claim| claim.in_force(now, view.frozen_since()));
    in_force.max_by_key(|claim| (claim.origin, claim.action)).map(|claim| claim.decision_id)
}

fn in_blocklist(world: &mut World) {
    let (now, at) = (world.now(), world.at());
    let observables: Vec<Observable> =
        world.truth.view.leases().map(|lease| lease.observable.clone()).collect();
    for observable in observables {
        let shown = block_on(world.blocklist.shown(&observable, now)).unwrap();
        let found = shown.map(|shown| shown.decision_id);
        if world.watch.strict && world.watch.strict_blocklist {
            let expected = ruling(&world.truth.view, &observable, now);
            assert_eq!(found, expected, "{observable} in the blocklist at {at} ms");
        }
        let before = world.watch.shown.insert(observable.clone(), found).flatten();
        if before != found {
            world.timeline.push(format!("at {at} ms the blocklist shows {observable}: {found:?}"));
        }
    }
}

fn in_waf(world: &mut World) {
    let (now, at) = (world.now(), world.at());
    let blocked = blocked_networks(&world.truth.view, &world.truth.protected, now);
    let held = waf(world);
    let delayed = world.faults.delay() || world.watch.owner_is_new;
    let late = if delayed { WAF_DELAYED_MS } else { WAF_LATE_MS };
    let strict = world.watch.strict && world.watch.strict_waf;
    let ticked_at = world.ticked_at;
    let ruling: BTreeMap<IpNet, Uuid> = blocked
        .iter()
        .filter_map(|network| Some((*network, refusing(world, representative(*network))?)))
        .collect();
    let just_asked = &world.truth.just_blocked;
    let watch = &mut world.watch;
    for network in &blocked {
        let (since, last) = watch.wanted.entry(*network).or_insert((now, now));
        // A claim that took the place of another may find its network just taken out.
        let goes_on = ruling.get(network).is_some_and(|id| watch.known.get(network) == Some(id));
        if *last < ticked_at || !goes_on {
            *since = now;
        }
        *last = now;
        let covered = held.iter().any(|entry| entry.contains(network));
        assert!(
            covered || !goes_on || !watch.held.contains(network),
            "{network} was in the WAF, must be, and is not at {at} ms"
        );
        assert!(
            covered || now - *since <= late || !strict,
            "{network} should be in the WAF for {} ms at {at} ms",
            now - *since
        );
    }
    for entry in &held {
        // A replica that only removes what is due may leave a part of what was wanted.
        let around = watch.wanted.iter().filter(|(network, _)| network.contains(entry));
        let last = around.map(|(_, (_, last))| *last).max();
        let within_tick = just_asked.iter().any(|network| network.contains(entry));
        let asked = last.is_some() || watch.held.contains(entry) || within_tick || !strict;
        assert!(asked, "I2: {entry} came into the WAF at {at} ms, asked for by nobody");
        let came = *watch.came.entry(*entry).or_insert(now);
        let overdue = last.map_or(0, |last| now - last.max(came));
        assert!(!strict || overdue <= late, "I3: {entry} is still in the WAF at {at} ms");
    }
    watch.came.retain(|entry, _| held.contains(entry));
    watch.held = held;
    world.watch.known = known(world, &blocked);
}

/// Those of the blocked networks that every living replica knows to be blocked by one and the same decision.
fn known(world: &World, blocked: &[IpNet]) -> BTreeMap<IpNet, Uuid> {
    let (now, protected) = (world.now(), &world.truth.protected);
    let awake = world.executors.iter().filter(|executor| !executor.paused);
    let views: Vec<_> = awake.filter_map(|executor| executor.leases()).collect();
    let decision = |network: &IpNet| {
        let address = representative(*network);
        let mut decisions = views.iter().map(|leases| {
            leases.read(|reader| match effective(reader.view(), protected, address, now) {
                Effective::Claim { claim, .. } if claim.action == Action::Block => {
                    Some(claim.decision_id)
                }
                _ => None,
            })
        });
        let first = decisions.next().flatten()?;
        decisions.all(|other| other == Some(first)).then_some(first)
    };
    blocked.iter().filter_map(|network| Some((*network, decision(network)?))).collect()
}

/// Fails unless both providers and both replicas hold exactly what must hold.
pub(crate) fn equal(world: &World) {
    let blocked = blocked_networks(&world.truth.view, &world.truth.protected, world.now());
    let blocked: BTreeSet<IpNet> = blocked.into_iter().collect();
    assert_eq!(waf(world), blocked, "I9: the WAF is not equal after half a minute of quiet");
    for executor in &world.executors {
        let Some(leases) = executor.leases() else { continue };
        let held = leases
            .read(|reader| blocked_networks(reader.view(), &world.truth.protected, world.now()));
        let held: BTreeSet<IpNet> = held.into_iter().collect();
        assert_eq!(held, blocked, "I9: envoy/{} is not equal", executor.replica);
        assert_eq!(leases.read(|reader| reader.hold()), None, "I9: still holding");
    }
}
