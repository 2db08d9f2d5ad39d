//! What a run does, as a function of its seed: who comes, from where, when, and what they ask for.
//!
//! Pure: no I/O and no clock. When an attacker returns depends on the world, so the plan only says in which order
//! its incidents come and from which address.

mod addresses;
mod requests;

use std::net::IpAddr;
use std::time::Duration;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use schemas::{Category, Observable, Protected};

pub use addresses::{Addresses, Family};
pub use requests::{Request, accepted, agent, attack, page, plain};

/// Good requests a second, all visitors together.
pub const GOOD_PER_SECOND: u32 = 150;
/// How many visitors browse at the same time.
pub const VISITOR_COUNT: usize = 300;
/// Shortest run that still has time for its attacks.
pub const SECONDS_MIN: u64 = 10;

/// Attacks that no new incident follows, so that it can be proved and lifted.
const LAST_BEGIN_BEFORE_END_S: u64 = 30;
/// Below this a run has fewer attackers, and the last begins half-way.
const SHORT_RUN_S: u64 = 60;
/// Shortest time from one incident of an attacker to its next: the first step of the demo's ladder.
const ROUND_S_MIN: u64 = 15;
/// Attackers that return from the same address, to show strikes.
const STUBBORN_SLOTS: usize = 2;

const KINDS: [(Category, Family); 6] = [
    (Category::SqlInjection, Family::V4),
    (Category::PathTraversal, Family::V6),
    (Category::BruteForce, Family::V4),
    (Category::SqlInjection, Family::V6),
    (Category::PathTraversal, Family::V4),
    (Category::BruteForce, Family::V6),
];

/// One attack from one address, to be proved, held and lifted.
#[derive(Debug, Clone, PartialEq)]
pub struct IncidentPlan {
    pub id: usize,
    pub category: Category,
    pub family: Family,
    pub address: IpAddr,
    pub agent: &'static str,
}

impl IncidentPlan {
    /// What the pipeline will decide about.
    pub fn observable(&self) -> Observable {
        Observable::client(self.address)
    }
}

/// One attacker: its incidents come one after the other.
#[derive(Debug, Clone, PartialEq)]
pub struct Attacker {
    /// When its first incident begins.
    pub begins_after: Duration,
    pub incidents: Vec<IncidentPlan>,
}

/// Everything that is decided before the first request.
pub struct Plan {
    pub seed: u64,
    pub seconds: u64,
    /// No incident begins later than this.
    pub last_begin: Duration,
    /// An attack that has to be proved and lifted before anything else begins.
    pub canary: IncidentPlan,
    pub attackers: Vec<Attacker>,
    pub visitors: Visitors,
}

impl Plan {
    /// Plans a run of `seconds`. Equal arguments give equal plans.
    pub fn new(seed: u64, seconds: u64, protected: Protected) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut addresses = Addresses::new(ChaCha8Rng::from_rng(&mut rng), protected);
        let short = seconds < SHORT_RUN_S;
        let last_begin_s = if short { seconds / 2 } else { seconds - LAST_BEGIN_BEFORE_END_S };
        let mut incidents = Incidents { next_id: 0, addresses: &mut addresses, rng: &mut rng };
        let canary = incidents.plan(Category::SqlInjection, Family::V4, None);
        let attackers = attackers(short, Duration::from_secs(last_begin_s), &mut incidents);
        let visitors = Visitors::new(&mut addresses, ChaCha8Rng::from_rng(&mut rng));
        Plan {
            seed,
            seconds,
            last_begin: Duration::from_secs(last_begin_s),
            canary,
            attackers,
            visitors,
        }
    }
}

/// Ten attackers whose beginnings are spread over one step of the ladder, and one that begins last.
fn attackers(short: bool, last_begin: Duration, incidents: &mut Incidents<'_>) -> Vec<Attacker> {
    let count = if short { KINDS.len() } else { 10 };
    let spread = last_begin.min(Duration::from_secs(ROUND_S_MIN));
    let rounds = last_begin.as_secs() / ROUND_S_MIN + 1;
    let mut attackers = Vec::with_capacity(count + 1);
    for slot in 0..count {
        let begins_after = spread * slot as u32 / count as u32;
        let stubborn = !short && slot >= count - STUBBORN_SLOTS;
        let mut planned: Vec<IncidentPlan> = Vec::new();
        for round in 0..rounds {
            // The attackers beyond the six kinds begin again with the first kind, shifted by their round.
            let (category, family) = KINDS[(slot + round as usize) % KINDS.len()];
            let same = planned.last().filter(|_| stubborn);
            let family = same.map_or(family, |last| last.family);
            let address = same.map(|last| last.address);
            planned.push(incidents.plan(category, family, address));
        }
        attackers.push(Attacker { begins_after, incidents: planned });
    }
    let closing = incidents.plan(Category::SqlInjection, Family::V6, None);
    attackers.push(Attacker { begins_after: last_begin, incidents: vec![closing] });
    attackers
}

struct Incidents<'a> {
    next_id: usize,
    addresses: &'a mut Addresses,
    rng: &'a mut ChaCha8Rng,
}

impl Incidents<'_> {
    fn plan(
        &mut self,
        category: Category,
        family: Family,
        address: Option<IpAddr>,
    ) -> IncidentPlan {
        let id = self.next_id;
        self.next_id += 1;
        let address = address.unwrap_or_else(|| self.addresses.draw(family));
        IncidentPlan { id, category, family, address, agent: agent(self.rng) }
    }
}

/// Ordinary people, browsing: an endless, seeded sequence of requests.
pub struct Visitors {
    rng: ChaCha8Rng,
    visitors: Vec<Visitor>,
}

#[derive(Debug, Clone, PartialEq)]
struct Visitor {
    address: IpAddr,
    agent: &'static str,
    /// A visitor mistypes its password once at most: five failures a minute are an attack.
    mistyped: bool,
}

impl Visitors {
    fn new(addresses: &mut Addresses, mut rng: ChaCha8Rng) -> Self {
        let visitors = (0..VISITOR_COUNT)
            .map(|index| {
                let family = if index % 3 == 2 { Family::V6 } else { Family::V4 };
                Visitor { address: addresses.draw(family), agent: agent(&mut rng), mistyped: false }
            })
            .collect();
        Visitors { rng, visitors }
    }

    /// The next request and the address it comes from.
    pub fn next_request(&mut self) -> (IpAddr, Request) {
        let index = self.rng.random_range(0..self.visitors.len());
        let visitor = &mut self.visitors[index];
        if !self.rng.random_bool(0.05) {
            return (visitor.address, requests::page(visitor.agent, &mut self.rng));
        }
        let mistyped = !visitor.mistyped && self.rng.random_bool(0.1);
        visitor.mistyped |= mistyped;
        (visitor.address, requests::login(mistyped, visitor.agent, &mut self.rng))
    }

    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.visitors.iter().map(|visitor| visitor.address)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use schemas::observable::shard_network;

    use super::*;

    fn plan(seed: u64, seconds: u64) -> Plan {
        Plan::new(seed, seconds, Protected::special())
    }

    fn attacking(plan: &Plan) -> impl Iterator<Item = &IncidentPlan> {
        plan.attackers.iter().flat_map(|attacker| &attacker.incidents).chain([&plan.canary])
    }

    #[test]
    fn no_address_is_ever_protected() {
        let protected = Protected::special();
        for seed in 0..50 {
            let mut addresses =
                Addresses::new(ChaCha8Rng::seed_from_u64(seed), Protected::special());
            for index in 0..10_000 {
                let address = addresses.draw(if index % 2 == 0 { Family::V4 } else { Family::V6 });
                assert!(!protected.covers(address), "{address} of seed {seed}");
            }
        }
    }

    #[test]
    fn what_the_policy_protects_is_left_alone_too() {
        let half = ("0.0.0.0/1".parse().unwrap(), "half of everything".to_owned());
        let mut addresses = Addresses::new(ChaCha8Rng::seed_from_u64(1), Protected::with([half]));
        for _ in 0..1_000 {
            assert!(matches!(addresses.draw(Family::V4), IpAddr::V4(v4) if v4.octets()[0] >= 128));
        }
    }

    #[test]
    fn nobody_shares_a_network_with_an_attacker() {
        for seed in 0..200 {
            let plan = plan(seed, 120);
            let attackers: HashSet<_> =
                attacking(&plan).map(|incident| shard_network(incident.address)).collect();
            let visitors: HashSet<_> = plan.visitors.addresses().map(shard_network).collect();
            assert!(attackers.is_disjoint(&visitors), "seed {seed}");
            assert_eq!(visitors.len(), VISITOR_COUNT, "seed {seed}");
        }
    }

    #[test]
    fn equal_seeds_give_equal_plans() {
        let (mut first, mut again, other) = (plan(7, 120), plan(7, 120), plan(8, 120));
        assert_eq!(first.attackers, again.attackers);
        assert_ne!(first.attackers, other.attackers);
        for _ in 0..1_000 {
            assert_eq!(first.visitors.next_request(), again.visitors.next_request());
        }
    }

    #[test]
    fn every_kind_attacks_and_the_last_begins_on_time() {
        for (seconds, last_begin_s) in [(10, 5), (30, 15), (60, 30), (120, 90), (3600, 3570)] {
            let plan = plan(1, seconds);
            let kinds: HashSet<_> = plan
                .attackers
                .iter()
                .map(|a| (a.incidents[0].category, a.incidents[0].family))
                .collect();
            assert_eq!(kinds.len(), KINDS.len(), "{seconds} s");
            let last = plan.attackers.iter().map(|attacker| attacker.begins_after).max();
            assert_eq!(last, Some(Duration::from_secs(last_begin_s)), "{seconds} s");
            let ids: Vec<usize> = attacking(&plan).map(|incident| incident.id).collect();
            assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len(), "{seconds} s");
        }
    }

    #[test]
    fn visitors_mistype_now_and_then_but_nobody_twice() {
        let mut visitors = plan(3, 120).visitors;
        let mut mistyped = HashSet::new();
        for _ in 0..50_000 {
            let (address, request) = visitors.next_request();
            if request.form.is_some_and(|form| !accepted(&form)) {
                assert!(mistyped.insert(address), "{address} mistyped twice");
            }
        }
        assert!(!mistyped.is_empty());
    }
}
