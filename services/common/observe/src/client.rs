//! Whose request it is: the address that a block would hit, and how far that address is proved.
//!
//! The one place where `X-Forwarded-For` is read. The header is believed from the right, and only as far as each
//! hop was written by a proxy we trust: everything left of that is the client's own text.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;
use schemas::Provenance;
use schemas::observable::{canonical_address, canonical_network};

/// Most hops of `X-Forwarded-For` that are looked at, from the right; empty ones count.
pub const HOPS_MAX: usize = 32;
/// Longest text of one hop, in bytes: the longest IPv6 address with brackets, zone and port.
pub const HOP_BYTES_MAX: usize = 72;
/// Most bytes of `X-Forwarded-For` that are looked at, from the right.
pub const HEADER_BYTES_MAX: usize = 2 * 1024;

/// The client of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// Canonical: without port or zone, IPv4 inside IPv6 unwrapped.
    pub address: IpAddr,
    /// `SocketPeer` when the peer itself is the client, `ProxyAsserted` when a trusted proxy named it.
    pub provenance: Provenance,
}

/// Whose `X-Forwarded-For` is believed.
#[derive(Debug, Clone, Default)]
pub struct Trusted {
    proxies: Vec<IpNet>,
    interfaces: Vec<IpAddr>,
}

impl Trusted {
    /// `proxies` as the policy names them; `interfaces` are the host's own addresses.
    ///
    /// A proxy that is reached over loopback writes the host's own address where it means itself (measured with
    /// Envoy 1.40), so these are believed too, but only for a loopback peer.
    pub fn new(proxies: &[IpNet], interfaces: impl IntoIterator<Item = IpAddr>) -> Self {
        Trusted {
            proxies: proxies.iter().copied().map(canonical_network).collect(),
            interfaces: interfaces.into_iter().map(canonical_address).collect(),
        }
    }

    fn proxy(&self, address: IpAddr) -> bool {
        self.proxies.iter().any(|network| network.contains(&address))
    }

    fn own(&self, address: IpAddr) -> bool {
        self.interfaces.contains(&address)
    }
}

/// The client behind `peer`, by the rightmost hop that is not one of ours.
///
/// `forwarded_for` are the values of `X-Forwarded-For` in the order they were sent; `None` or `[]` is no header.
///
/// * The header of a peer that is not trusted is its own text and is ignored: the peer is the client.
/// * A hop that cannot be read, or that lies beyond the limits, ends the walk: the last hop that a trusted proxy
///   vouched for is the answer. That hop is a proxy, and proxies are protected, so nobody is blocked for it.
/// * When every hop is trusted, or there is none, nobody outside asked: the answer is the peer.
pub fn client_address<'a, V>(peer: IpAddr, forwarded_for: V, trusted: &Trusted) -> Client
where
    V: IntoIterator<Item = &'a str>,
    V::IntoIter: DoubleEndedIterator,
{
    let peer = canonical_address(peer);
    let itself = Client { address: peer, provenance: Provenance::SocketPeer };
    if !trusted.proxy(peer) {
        return itself;
    }
    let mut verified = itself;
    let mut hops = 0;
    let mut bytes = 0;
    for value in forwarded_for.into_iter().rev() {
        for hop in value.rsplit(',') {
            hops += 1;
            bytes += hop.len() + 1;
            if hops > HOPS_MAX || bytes > HEADER_BYTES_MAX {
                return verified;
            }
            let hop = hop.trim_matches([' ', '\t']);
            if hop.is_empty() {
                // An empty element of a list says nothing (RFC 9110, 5.6.1.2).
                continue;
            }
            let Some(address) = hop_address(hop) else { return verified };
            let asserted = Client { address, provenance: Provenance::ProxyAsserted };
            if trusted.proxy(address) {
                verified = asserted;
            } else if !(peer.is_loopback() && trusted.own(address)) {
                return asserted;
            }
            // The host's own address stands for the loopback peer and, not being protected, is never the answer.
        }
    }
    itself
}

/// The address of one hop as proxies write it, with or without port, brackets and zone.
pub(crate) fn hop_address(hop: &str) -> Option<IpAddr> {
    if hop.len() > HOP_BYTES_MAX {
        return None;
    }
    if let Some(bracketed) = hop.strip_prefix('[') {
        let (inside, after) = bracketed.split_once(']')?;
        let port_given = after.strip_prefix(':').is_some_and(is_port);
        return if after.is_empty() || port_given { address_v6(inside) } else { None };
    }
    if hop.bytes().filter(|byte| *byte == b':').count() > 1 {
        return address_v6(hop);
    }
    let address = match hop.split_once(':') {
        Some((address, port)) if is_port(port) => address,
        Some(_) => return None,
        None => hop,
    };
    address.parse().ok().map(IpAddr::V4)
}

fn address_v6(text: &str) -> Option<IpAddr> {
    let address = match text.split_once('%') {
        Some((address, zone)) if is_zone(zone) => address,
        Some(_) => return None,
        None => text,
    };
    let address: Ipv6Addr = address.parse().ok()?;
    Some(canonical_address(IpAddr::V6(address)))
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

fn is_zone(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    !text.is_empty() && text.len() <= 16 && text.bytes().all(allowed)
}
