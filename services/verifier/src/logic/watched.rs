//! The claims under watch, found by id, by network, by when they are to be looked at, and by whose turn it is.
//!
//! A claim is taken out, changed and kept again, so that no index can disagree with it.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use schemas::Millis;
use uuid::Uuid;

use super::claim::Tracked;

/// Whose probe goes out first when more are due than may be under way: the smallest turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Turn {
    rank: u32,
    order: Millis,
    id: Uuid,
}

impl Turn {
    /// Who was tried least comes first, and of those the newest: the end of thousands of blocks at once must not delay
    /// the proof of one that begins now. What is proved already comes last, and of those the longest due.
    pub(super) fn of(tracked: &Tracked) -> Turn {
        let (rank, order) = match tracked.proved_at {
            None => (tracked.tries, -tracked.since),
            Some(_) => (u32::MAX, tracked.next_probe_at),
        };
        Turn { rank, order, id: tracked.decision_id }
    }
}

/// The claims, and every way to find them.
#[derive(Default)]
pub(super) struct Watched {
    claims: HashMap<Uuid, Tracked>,
    by_network: BTreeSet<(IpNet, Uuid)>,
    due: BTreeSet<(Millis, Uuid)>,
    turns: BTreeSet<Turn>,
    /// How many must hold and are not proved.
    unproved: usize,
    /// How many are not settled in the WAF, IPv4 and IPv6.
    open_in_waf: [usize; 2],
}

impl Watched {
    /// Takes a claim out; whoever does so keeps it again, or it is no longer watched.
    pub(super) fn take(&mut self, id: Uuid) -> Option<Tracked> {
        let tracked = self.claims.remove(&id)?;
        self.by_network.remove(&(tracked.network, id));
        self.due.remove(&(tracked.due, id));
        if let Some(turn) = &tracked.turn {
            self.turns.remove(turn);
        }
        self.unproved -= usize::from(tracked.unproved());
        if tracked.open_in_waf() {
            self.open_in_waf[family(tracked.network)] -= 1;
        }
        Some(tracked)
    }

    pub(super) fn keep(&mut self, tracked: Tracked) {
        let id = tracked.decision_id;
        self.by_network.insert((tracked.network, id));
        self.due.insert((tracked.due, id));
        self.turns.extend(tracked.turn);
        self.unproved += usize::from(tracked.unproved());
        if tracked.open_in_waf() {
            self.open_in_waf[family(tracked.network)] += 1;
        }
        self.claims.insert(id, tracked);
    }

    pub(super) fn get(&self, id: Uuid) -> Option<&Tracked> {
        self.claims.get(&id)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Tracked> {
        self.claims.values()
    }

    pub(super) fn ids(&self) -> Vec<Uuid> {
        self.claims.keys().copied().collect()
    }

    pub(super) fn len(&self) -> usize {
        self.claims.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.claims.is_empty()
    }

    /// How many blocks must hold and are not proved; one that is taken out is not counted.
    pub(super) fn unproved(&self) -> usize {
        self.unproved
    }

    /// When the next claim is to be looked at, and which.
    pub(super) fn next_due(&self) -> Option<(Millis, Uuid)> {
        self.due.first().copied()
    }

    /// Whose probe is to go out next.
    pub(super) fn next_turn(&self) -> Option<Uuid> {
        self.turns.first().map(|turn| turn.id)
    }

    /// Whether anything is not settled in the WAF, IPv4 and IPv6.
    pub(super) fn open_in_waf(&self) -> [bool; 2] {
        self.open_in_waf.map(|count| count > 0)
    }

    /// The claims inside or around `network`.
    pub(super) fn touching(&self, network: IpNet) -> Vec<Uuid> {
        let network = network.trunc();
        let from = (with_length(network, 0, network.network()), Uuid::nil());
        let to = (with_length(network, network.max_prefix_len(), network.broadcast()), Uuid::max());
        let inside = self.by_network.range(from..=to).filter(|(own, _)| network.contains(own));
        let around = (0..network.prefix_len()).flat_map(|length| {
            let own = with_length(network, length, network.network()).trunc();
            self.by_network.range((own, Uuid::nil())..=(own, Uuid::max()))
        });
        inside.chain(around).map(|(_, id)| *id).collect()
    }
}

fn family(network: IpNet) -> usize {
    usize::from(matches!(network, IpNet::V6(_)))
}

/// `address` with another prefix length, not truncated, of the family of `network`.
fn with_length(network: IpNet, length: u8, address: IpAddr) -> IpNet {
    let other = match address {
        IpAddr::V4(v4) => Ipv4Net::new(v4, length).map(IpNet::V4),
        IpAddr::V6(v6) => Ipv6Net::new(v6, length).map(IpNet::V6),
    };
    other.unwrap_or(network)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use schemas::{Claim, Decision};

    use super::*;

    fn network() -> impl Strategy<Value = IpNet> {
        // Few distinct bits, so that networks often lie inside each other.
        let v4 = (0_u32..4, 6_u8..=32).prop_map(|(bits, length)| {
            IpNet::V4(Ipv4Net::new((0x5102_0000 | bits << 8 | bits).into(), length).unwrap())
        });
        let v6 = (0_u128..4, 20_u8..=64).prop_map(|(bits, length)| {
            let address = 0x2a00_1450_u128 << 96 | bits << 70 | bits << 64;
            IpNet::V6(Ipv6Net::new(address.into(), length).unwrap())
        });
        prop_oneof![v4, v6].prop_map(|network| network.trunc())
    }

    fn tracked(network: IpNet, id: u128) -> Tracked {
        let json = include_str!("../../../../schemas/examples/decision/v1/block.json");
        let mut decision: Decision = serde_json::from_str(json).unwrap();
        decision.observable = network.to_string().parse().unwrap();
        decision.decision_id = Uuid::from_u128(id);
        let claim = Claim {
            origin: decision.origin,
            action: decision.action,
            until: 1,
            strikes: 1,
            decision_id: decision.decision_id,
            decided_at: 0,
            counts: true,
            provenance: None,
            signature: None,
        };
        Tracked::new(&decision, &claim, None, 0)
    }

    proptest! {
        #[test]
        fn what_touches_a_network_is_what_a_walk_over_all_finds(
            networks in prop::collection::vec(network(), 0..40),
            asked in network(),
            taken in any::<prop::sample::Index>(),
        ) {
            let mut watched = Watched::default();
            for (id, network) in networks.iter().enumerate() {
                watched.keep(tracked(*network, id as u128));
            }
            if !networks.is_empty() {
                watched.take(Uuid::from_u128(taken.index(networks.len()) as u128));
            }
            let touches = |own: IpNet| own.contains(&asked) || asked.contains(&own);
            let mut expected: Vec<Uuid> =
                watched.all().filter(|own| touches(own.network)).map(|own| own.decision_id).collect();
            let mut found = watched.touching(asked);
            expected.sort();
            found.sort();
            prop_assert_eq!(found, expected);
        }
    }
}
