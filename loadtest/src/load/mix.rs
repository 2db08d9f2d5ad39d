//! Who sends what: ordinary clients and a share of attackers, as a function of a seed. No I/O, no clock.
//!
//! Events are made before the run and only dated while it goes on, so that the sender costs little beside the pipeline
//! that is measured.

use std::net::IpAddr;

use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use schemas::topic::partition_of_key;
use schemas::{Category, Event, Millis, Observable, Protected, Provenance, Record, Topic};

use crate::traffic::plan::{Addresses, Family, Request, attack, page};

/// Events made of each ordinary client: so many different requests it can send.
const REQUESTS_PER_CLIENT: usize = 4;
const HOSTS: [&str; 3] = ["shop.example", "www.shop.example", "api.shop.example"];
const SECTIONS: [&str; 8] =
    ["lamps", "chairs", "tables", "mugs", "shelves", "rugs", "beds", "clocks"];
const API: [&str; 5] =
    ["/api/v1/cart", "/api/v1/me", "/api/v1/orders", "/api/v1/prices", "/healthz"];
const AGENTS: [&str; 10] = [
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36 Edg/141.0.0.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 Version/18.6 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Safari/605.1.15",
    "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "okhttp/4.12.0",
    "curl/8.14.1",
    "python-requests/2.32.3",
];

/// How the traffic is made up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shape {
    pub seed: u64,
    /// Of all requests, from 0 to 1.
    pub attacks: f64,
    pub attackers: usize,
    pub clients: usize,
}

/// One event that is ready but for its id, position and time.
#[derive(Debug, Clone, PartialEq)]
pub struct Prepared {
    pub event: Event,
    pub key: String,
    pub partition: i32,
    /// The client, where the event is an attack.
    pub attacker: Option<Observable>,
}

/// An endless sequence of events.
pub struct Mix {
    rng: ChaCha8Rng,
    attacks: f64,
    benign: Vec<Prepared>,
    attacking: Vec<Prepared>,
    next_attacker: usize,
    next_position: i64,
}

impl Mix {
    /// Equal shapes give equal sequences. Nobody comes from a network in `protected`, and no two share a network.
    pub fn new(shape: Shape, source: &str, protected: Protected) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(shape.seed);
        let mut addresses = Addresses::new(ChaCha8Rng::from_rng(&mut rng), protected);
        let mut drawn =
            |index: usize| addresses.draw(if index % 3 == 2 { Family::V6 } else { Family::V4 });
        let mut benign = Vec::with_capacity(shape.clients * REQUESTS_PER_CLIENT);
        for index in 0..shape.clients {
            let client = drawn(index);
            let agent = pick(&AGENTS, &mut rng);
            for _ in 0..REQUESTS_PER_CLIENT {
                let request = ordinary(agent, &mut rng);
                let status = status(&mut rng);
                let event = event(client, source, request, status, &mut rng);
                benign.push(prepared(event, None));
            }
        }
        let attacking = (0..shape.attackers).map(|index| {
            let client = drawn(index);
            // An attacker keeps to one kind: two kinds of one client would be two detections.
            let kind =
                if index % 2 == 0 { Category::SqlInjection } else { Category::PathTraversal };
            let request = attack(kind, pick(&AGENTS, &mut rng), &mut rng);
            let event = event(client, source, request, 200, &mut rng);
            prepared(event, Some(Observable::client(client)))
        });
        let attacking = attacking.collect();
        Mix { attacks: shape.attacks, benign, attacking, next_attacker: 0, next_position: 0, rng }
    }

    /// Everybody who takes part.
    pub fn clients(&self) -> impl Iterator<Item = Observable> {
        self.benign.iter().chain(&self.attacking).map(|one| Observable::client(one.event.client))
    }

    /// The next event, dated. Attackers take turns, so that each waits as long as there are many.
    pub fn next(&mut self, observed_at: Millis) -> &Prepared {
        let one = if self.rng.random_bool(self.attacks) {
            self.next_attacker = (self.next_attacker + 1) % self.attacking.len();
            &mut self.attacking[self.next_attacker]
        } else {
            let index = self.rng.random_range(0..self.benign.len());
            &mut self.benign[index]
        };
        one.event.event_id =
            uuid::Builder::from_random_bytes(self.rng.random::<u128>().to_be_bytes()).into_uuid();
        one.event.position = Some(self.next_position);
        one.event.observed_at = observed_at;
        self.next_position += 1;
        one
    }
}

fn prepared(event: Event, attacker: Option<Observable>) -> Prepared {
    let key = event.key();
    let partition = partition_of_key(key.as_bytes(), Topic::Events.partitions());
    Prepared { event, key, partition, attacker }
}

fn event(
    client: IpAddr,
    source: &str,
    request: Request,
    status: i32,
    rng: &mut ChaCha8Rng,
) -> Event {
    let host = pick(&HOSTS, rng);
    let referred = rng.random_bool(0.6);
    Event {
        source: source.to_owned(),
        method: request.method.to_owned(),
        host: Some(host.to_owned()),
        uri: request.target,
        status: Some(status),
        agent: Some(request.agent.to_owned()),
        referer: referred.then(|| format!("https://{host}/{}", pick(&SECTIONS, rng))),
        ..Event::request(client, Provenance::SocketPeer, 0)
    }
}

/// Pages of the shop as in the other traffic, and what an ordinary site has besides.
fn ordinary(agent: &'static str, rng: &mut ChaCha8Rng) -> Request {
    let target = match rng.random_range(0..10) {
        0..4 => return page(agent, rng),
        4..7 => format!(
            "/products/{}?category={}&sort=price&page={}&utm_source=newsletter",
            rng.random_range(1..20_000),
            pick(&SECTIONS, rng),
            rng.random_range(1..40)
        ),
        7 => format!("/static/{:016x}.js", rng.random::<u64>()),
        8 => format!("{}?since={}", pick(&API, rng), rng.random_range(0..1_000_000)),
        _ => format!(
            "/{}/{}/{}",
            pick(&SECTIONS, rng),
            pick(&SECTIONS, rng),
            rng.random_range(1..400)
        ),
    };
    Request { method: "GET", target, form: None, agent }
}

fn status(rng: &mut ChaCha8Rng) -> i32 {
    match rng.random_range(0..100) {
        0..80 => 200,
        80..86 => 304,
        86..90 => 302,
        90..96 => 404,
        96..98 => 401,
        98 => 403,
        _ => 500,
    }
}

fn pick(choices: &[&'static str], rng: &mut ChaCha8Rng) -> &'static str {
    choices.choose(rng).expect("every table here has entries")
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use proptest::prelude::*;

    use super::*;

    fn mix(seed: u64, attacks: f64) -> Mix {
        let shape = Shape { seed, attacks, attackers: 20, clients: 200 };
        Mix::new(shape, "loadtest/test", Protected::special())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn attacks_have_their_share_and_each_attacker_its_turn(seed: u64, percent in 0_u32..=50) {
            const EVENTS: usize = 20_000;
            let share = f64::from(percent) / 100.0;
            let mut mix = mix(seed, share);
            let mut by_attacker: HashMap<Observable, usize> = HashMap::new();
            for _ in 0..EVENTS {
                if let Some(attacker) = mix.next(1).attacker.clone() {
                    *by_attacker.entry(attacker).or_default() += 1;
                }
            }
            let attacks: usize = by_attacker.values().sum();
            let off = (attacks as f64 / EVENTS as f64 - share).abs();
            // Six standard deviations: one case in half a billion.
            prop_assert!(off <= 6.0 * (share * (1.0 - share) / EVENTS as f64).sqrt(), "{attacks}");
            let most = by_attacker.values().max().copied().unwrap_or(0);
            prop_assert!(by_attacker.values().all(|turns| most - turns <= 1));
        }

        #[test]
        fn every_event_lies_where_its_client_belongs_and_comes_once(seed: u64) {
            let (mut first, mut again) = (mix(seed, 0.02), mix(seed, 0.02));
            let mut ids = HashSet::new();
            let mut v6 = 0;
            for position in 0..500 {
                let one = first.next(7_000 + position);
                prop_assert_eq!(one, again.next(7_000 + position));
                prop_assert_eq!((one.event.position, one.event.observed_at), (Some(position), 7_000 + position));
                prop_assert_eq!(&one.key, &one.event.key());
                prop_assert!((0..6).contains(&one.partition));
                prop_assert!(ids.insert(one.event.event_id));
                v6 += u32::from(one.event.client.is_ipv6());
            }
            prop_assert!((50..=300).contains(&v6), "{v6} of 500 by IPv6");
        }
    }
}
