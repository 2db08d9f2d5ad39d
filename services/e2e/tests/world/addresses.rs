//! Addresses that no other test and no other run has, from public unicast space.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rand::Rng as _;

/// First octets without any special-purpose network.
const FIRST: [u8; 12] = [31, 37, 46, 62, 77, 81, 89, 91, 109, 151, 176, 178];

/// One IPv4 address.
pub(crate) fn v4() -> IpAddr {
    let mut random = rand::rng();
    let first = FIRST[random.random_range(0..FIRST.len())];
    // Even, so that no two of them are neighbours that a list would join into one network.
    let last = 2 * random.random_range(1..=126);
    IpAddr::V4(Ipv4Addr::new(first, random.random(), random.random(), last))
}

/// One IPv6 address, in a /64 of its own.
pub(crate) fn v6() -> IpAddr {
    let mut random = rand::rng();
    let network: u32 = random.random();
    let [high, low] = [(network >> 16) as u16, (network as u16) & 0xFFFE];
    IpAddr::V6(Ipv6Addr::new(0x2a00, 0x1450, high, low, 0, 0, 0, 9))
}

/// As many different IPv4 addresses, each in a /24 of its own.
pub(crate) fn many(count: u32) -> Vec<IpAddr> {
    let mut random = rand::rng();
    let first = FIRST[random.random_range(0..FIRST.len())];
    let begin: u32 = random.random_range(0..0x1_0000 - count.min(0xFFFF));
    (begin..begin + count)
        .map(|network| IpAddr::V4(Ipv4Addr::from((u32::from(first) << 24 | network << 8) + 66)))
        .collect()
}
