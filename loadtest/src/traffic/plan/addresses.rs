//! Client addresses: seeded, public, and no two in one network. No I/O, no clock.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use schemas::Protected;
use schemas::observable::shard_network;

/// The first sixteen bits of the networks the five registries hand out; the low four bits are drawn.
const REGISTRIES_V6: [u16; 5] = [0x2400, 0x2600, 0x2800, 0x2a00, 0x2c00];

/// IPv4 or IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    V4,
    V6,
}

/// Draws addresses, each from a /24 or /64 that it has not drawn from before.
///
/// So a visitor never shares a network with an attacker, and an address never comes twice.
pub struct Addresses {
    rng: ChaCha8Rng,
    protected: Protected,
    drawn: HashSet<IpNet>,
}

impl Addresses {
    pub fn new(rng: ChaCha8Rng, protected: Protected) -> Self {
        Addresses { rng, protected, drawn: HashSet::new() }
    }

    /// The next address. Most of the space is free, so few draws are thrown away.
    pub fn draw(&mut self, family: Family) -> IpAddr {
        loop {
            let address = match family {
                Family::V4 => self.random_v4(),
                Family::V6 => self.random_v6(),
            };
            let network = shard_network(address);
            if self.protected.overlap(network).is_none() && self.drawn.insert(network) {
                return address;
            }
        }
    }

    fn random_v4(&mut self) -> IpAddr {
        let [first, second, third, _] = self.rng.random::<u32>().to_be_bytes();
        // Neither .0 nor .255: those look like a network and its broadcast.
        IpAddr::V4(Ipv4Addr::new(first, second, third, self.rng.random_range(1..=254)))
    }

    fn random_v6(&mut self) -> IpAddr {
        let registry = REGISTRIES_V6[self.rng.random_range(0..REGISTRIES_V6.len())];
        let mut segments = Ipv6Addr::from(self.rng.random::<u128>()).segments();
        segments[0] = registry | (segments[0] & 0xF);
        IpAddr::V6(Ipv6Addr::from(segments))
    }
}
