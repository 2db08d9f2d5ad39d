//! The fuses that every party checks for itself: what may never be blocked, how wide, how long.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::observable::canonical_network;
use crate::{Action, Decision, Millis, Origin};

/// Networks that nobody may ever block: see RFC 6890 (special purpose) and RFC 4291 (IPv6 scopes).
const SPECIAL_NETWORKS: [(&str, &str); 29] = [
    ("0.0.0.0/8", "this network"),
    ("10.0.0.0/8", "private"),
    ("100.64.0.0/10", "carrier-grade NAT"),
    ("127.0.0.0/8", "loopback"),
    ("169.254.0.0/16", "link-local"),
    ("172.16.0.0/12", "private"),
    ("192.0.0.0/24", "protocol assignments"),
    ("192.0.2.0/24", "documentation"),
    ("192.31.196.0/24", "AS112"),
    ("192.52.193.0/24", "AMT"),
    ("192.88.99.0/24", "6to4 relay"),
    ("192.168.0.0/16", "private"),
    ("192.175.48.0/24", "AS112"),
    ("198.18.0.0/15", "benchmarking"),
    ("198.51.100.0/24", "documentation"),
    ("203.0.113.0/24", "documentation"),
    ("224.0.0.0/4", "multicast"),
    ("240.0.0.0/4", "reserved and broadcast"),
    ("::/96", "unspecified, loopback and IPv4-compatible"),
    ("::ffff:0:0/96", "IPv4-mapped"),
    ("64:ff9b::/96", "NAT64"),
    ("64:ff9b:1::/48", "NAT64"),
    ("100::/64", "discard only"),
    ("2001::/23", "protocol assignments"),
    ("2001:db8::/32", "documentation"),
    ("2002::/16", "6to4"),
    ("3fff::/20", "documentation"),
    ("fc00::/7", "private"),
    ("fe80::/9", "link-local and site-local"),
];
const MULTICAST_V6: &str = "ff00::/8";

/// What automation, and operators too, may never act against. Overlap counts, not equality.
#[derive(Debug, Clone)]
pub struct Protected {
    networks: Vec<(IpNet, String)>,
    v4: Ranges,
    v6: Ranges,
}

/// First and last address of what is protected, lowest first, none overlapping another: most networks asked for lie in
/// no range, and every event is asked for.
#[derive(Debug, Clone)]
struct Ranges(Vec<(u128, u128)>);

impl Ranges {
    fn of<'a>(networks: impl Iterator<Item = &'a IpNet>) -> Self {
        let mut all: Vec<(u128, u128)> = networks.map(range).collect();
        all.sort_unstable();
        let mut ranges: Vec<(u128, u128)> = Vec::with_capacity(all.len());
        for (first, last) in all {
            match ranges.last_mut() {
                Some((_, end)) if first <= *end => *end = last.max(*end),
                _ => ranges.push((first, last)),
            }
        }
        Ranges(ranges)
    }

    fn overlap(&self, network: &IpNet) -> bool {
        let (first, last) = range(network);
        let next = self.0.partition_point(|(_, end)| *end < first);
        self.0.get(next).is_some_and(|(begin, _)| *begin <= last)
    }
}

/// First and last address of a network, as numbers of its family.
fn range(network: &IpNet) -> (u128, u128) {
    match network {
        IpNet::V4(v4) => (u32::from(v4.network()).into(), u32::from(v4.broadcast()).into()),
        IpNet::V6(v6) => (v6.network().into(), v6.broadcast().into()),
    }
}

impl Protected {
    /// The special networks alone.
    pub fn special() -> Self {
        let special = SPECIAL_NETWORKS.iter().copied().chain([(MULTICAST_V6, "multicast")]);
        let networks = special
            .map(|(text, name)| {
                (text.parse().expect("the table holds valid networks"), name.to_owned())
            })
            .collect();
        Protected::new(networks)
    }

    /// The special networks and `own`, each with the name under which a refusal mentions it.
    pub fn with(own: impl IntoIterator<Item = (IpNet, String)>) -> Self {
        let mut networks = Protected::special().networks;
        networks.extend(own.into_iter().map(|(network, name)| (canonical_network(network), name)));
        Protected::new(networks)
    }

    /// Exactly `networks`, without the special ones. Only a test profile may use it, to act on documentation ranges.
    pub fn only(networks: impl IntoIterator<Item = (IpNet, String)>) -> Self {
        Protected::new(networks.into_iter().map(|(n, name)| (canonical_network(n), name)).collect())
    }

    fn new(networks: Vec<(IpNet, String)>) -> Self {
        let (v4, v6): (Vec<&IpNet>, Vec<&IpNet>) = networks
            .iter()
            .map(|(network, _)| network)
            .partition(|network| network.addr().is_ipv4());
        let (v4, v6) = (Ranges::of(v4.into_iter()), Ranges::of(v6.into_iter()));
        Protected { networks, v4, v6 }
    }

    /// The first protected network that contains `network` or lies inside it, with its name.
    pub fn overlap(&self, network: IpNet) -> Option<(IpNet, &str)> {
        let network = canonical_network(network);
        let ranges = if network.addr().is_ipv4() { &self.v4 } else { &self.v6 };
        if !ranges.overlap(&network) {
            return None;
        }
        self.networks
            .iter()
            .find(|(own, _)| own.contains(&network) || network.contains(own))
            .map(|(own, name)| (*own, name.as_str()))
    }

    /// Whether a single address is protected.
    pub fn covers(&self, address: IpAddr) -> bool {
        self.overlap(IpNet::from(address.to_canonical())).is_some()
    }

    /// All of it, for display.
    pub fn networks(&self) -> impl Iterator<Item = (IpNet, &str)> {
        self.networks.iter().map(|(network, name)| (*network, name.as_str()))
    }
}

/// How wide and how long a decision may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Shortest prefix that automation may block.
    pub automatic_prefix_min_v4: u8,
    pub automatic_prefix_min_v6: u8,
    /// Shortest prefix that one operator may block.
    pub operator_prefix_min_v4: u8,
    pub operator_prefix_min_v6: u8,
    /// Longest automatic claim.
    pub automatic_max_ms: Millis,
    /// Longest claim of an operator.
    pub operator_max_ms: Millis,
    /// How long after its end a claim still counts as a strike.
    pub strike_memory_ms: Millis,
}

impl Default for Limits {
    fn default() -> Self {
        const DAY_MS: Millis = 24 * 60 * 60 * 1000;
        Limits {
            automatic_prefix_min_v4: 32,
            automatic_prefix_min_v6: 64,
            operator_prefix_min_v4: 24,
            operator_prefix_min_v6: 56,
            automatic_max_ms: DAY_MS,
            operator_max_ms: 7 * DAY_MS,
            strike_memory_ms: 7 * DAY_MS,
        }
    }
}

/// Why a decision may not be put in force.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("{observable} overlaps {network} ({name}), which is protected")]
    Protected { observable: String, network: IpNet, name: String },
    #[error("{observable} is wider than /{narrowest}, the widest that {origin:?} may act on")]
    TooWide { observable: String, narrowest: u8, origin: Origin },
    #[error("the decision to {action:?} {observable} has no end; every claim needs one")]
    NoEnd { observable: String, action: Action },
    #[error("the decision on {observable} ended {late_ms} ms before it was decided")]
    AlreadyEnded { observable: String, late_ms: Millis },
    #[error(
        "{observable} was learnt in a way that cannot convict; only a peer or a trusted proxy can"
    )]
    Provenance { observable: String },
}

impl Limits {
    /// The longest claim of `origin`.
    pub fn longest_ms(&self, origin: Origin) -> Millis {
        if origin.automatic() { self.automatic_max_ms } else { self.operator_max_ms }
    }

    fn narrowest(&self, origin: Origin, network: IpNet) -> u8 {
        match (network, origin.automatic()) {
            (IpNet::V4(_), true) => self.automatic_prefix_min_v4,
            (IpNet::V6(_), true) => self.automatic_prefix_min_v6,
            (IpNet::V4(_), false) => self.operator_prefix_min_v4,
            (IpNet::V6(_), false) => self.operator_prefix_min_v6,
        }
    }
}

/// Checks a decision against the fuses and answers its `until`, capped.
///
/// The decider asks before it decides, the executor again before it folds: a broken or forged decision passes
/// neither. `decided_at` is the decider's clock there and the broker's append time here.
pub fn admit(
    decision: &Decision,
    decided_at: Millis,
    protected: &Protected,
    limits: &Limits,
) -> Result<Millis, Refusal> {
    let observable = || decision.observable.to_string();
    let network = decision.observable.network();
    if decision.action != Action::Allow {
        if let Some((own, name)) = protected.overlap(network) {
            return Err(Refusal::Protected {
                observable: observable(),
                network: own,
                name: name.to_owned(),
            });
        }
        let unproved = decision.provenance.is_some_and(|provenance| !provenance.may_convict());
        if decision.origin == Origin::Pipeline && (unproved || decision.provenance.is_none()) {
            return Err(Refusal::Provenance { observable: observable() });
        }
    }
    let narrowest = limits.narrowest(decision.origin, network);
    if network.prefix_len() < narrowest {
        return Err(Refusal::TooWide {
            observable: observable(),
            narrowest,
            origin: decision.origin,
        });
    }
    let Some(until) = decision.until else {
        return Err(Refusal::NoEnd { observable: observable(), action: decision.action });
    };
    let begun_at =
        decision.detected_at.map_or(decided_at, |detected_at| detected_at.min(decided_at));
    if until <= begun_at {
        return Err(Refusal::AlreadyEnded {
            observable: observable(),
            late_ms: decided_at.saturating_sub(until),
        });
    }
    Ok(until.min(decided_at.saturating_add(limits.longest_ms(decision.origin))))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn network() -> impl Strategy<Value = IpNet> {
        // Few bits, so that networks meet, at their edges too.
        let v4 =
            (0_u32..64, 26_u8..=32).prop_map(|(bits, prefix)| (IpAddr::V4(bits.into()), prefix));
        let v6 = (0_u128..64, 122_u8..=128)
            .prop_map(|(bits, prefix)| (IpAddr::V6((1 << 100 | bits).into()), prefix));
        prop_oneof![v4, v6].prop_map(|(address, prefix)| IpNet::new(address, prefix).unwrap())
    }

    proptest! {
        #[test]
        fn what_lies_in_no_range_overlaps_nothing(
            own in prop::collection::vec(network(), 0..8), asked in network()
        ) {
            let protected = Protected::only(own.iter().map(|network| (*network, String::new())));
            let asked = canonical_network(asked);
            let overlap = |own: &IpNet| own.contains(&asked) || asked.contains(own);
            let each = own.iter().map(|network| canonical_network(*network)).find(overlap);
            prop_assert_eq!(protected.overlap(asked).map(|(network, _)| network), each);
        }
    }
}
