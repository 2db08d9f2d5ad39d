//! The typed value being judged, in its one canonical form.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};

/// Width of the IPv6 network that counts as one client.
pub const CLIENT_PREFIX_V6: u8 = 64;
const SHARD_PREFIX_V4: u8 = 24;

/// What a decision is about.
///
/// Text form: `81.2.69.142` for one IPv4 address, `81.2.69.0/24` for a network, `2a00:1450:0:5::/64` for an IPv6
/// client. Host bits are zero, IPv4 written inside IPv6 is unwrapped, so equal values have equal text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "WireObservable", into = "WireObservable")]
pub enum Observable {
    /// An address or a network.
    Ip(IpNet),
}

/// Why a text is not an observable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    #[error(
        "'{0}' is not an IP address or network; write for example 81.2.69.142, 81.2.69.0/24 or 2a00:1450::/64"
    )]
    NotAnAddress(String),
    #[error("observable kind '{0}' is not known to this version")]
    UnknownKind(String),
}

impl Observable {
    /// The observable of one client: an IPv4 address, or the /64 of an IPv6 address.
    pub fn client(address: IpAddr) -> Self {
        Observable::Ip(client_network(address))
    }

    /// The network this observable covers.
    pub fn network(&self) -> IpNet {
        match self {
            Observable::Ip(network) => *network,
        }
    }
}

/// Unwraps IPv4 written inside IPv6 (`::ffff:10.0.0.1` is 10.0.0.1).
pub fn canonical_address(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// Canonical form of a network: host bits zero, IPv4 inside IPv6 unwrapped.
pub fn canonical_network(network: IpNet) -> IpNet {
    match network {
        IpNet::V4(v4) => IpNet::V4(v4.trunc()),
        IpNet::V6(v6) => match v6.addr().to_ipv4_mapped() {
            Some(v4) if v6.prefix_len() >= 96 => {
                IpNet::V4(Ipv4Net::new_assert(v4, v6.prefix_len() - 96).trunc())
            }
            _ => IpNet::V6(v6.trunc()),
        },
    }
}

/// The network that counts as one client: /32 for IPv4, /64 for IPv6.
pub fn client_network(address: IpAddr) -> IpNet {
    match canonical_address(address) {
        IpAddr::V4(v4) => IpNet::V4(Ipv4Net::from(v4)),
        IpAddr::V6(v6) => IpNet::V6(Ipv6Net::new_assert(v6, CLIENT_PREFIX_V6).trunc()),
    }
}

/// The network by which `events` is keyed, so that an address and its network share a partition.
pub fn shard_network(address: IpAddr) -> IpNet {
    match canonical_address(address) {
        IpAddr::V4(v4) => IpNet::V4(Ipv4Net::new_assert(v4, SHARD_PREFIX_V4).trunc()),
        IpAddr::V6(v6) => IpNet::V6(Ipv6Net::new_assert(v6, CLIENT_PREFIX_V6).trunc()),
    }
}

/// An address inside `network` that stands for it in a probe: the network's own for IPv4, `::1` of it for IPv6.
pub fn representative(network: IpNet) -> IpAddr {
    match network {
        IpNet::V4(v4) => IpAddr::V4(v4.network()),
        IpNet::V6(v6) if v6.prefix_len() == 128 => IpAddr::V6(v6.addr()),
        IpNet::V6(v6) => IpAddr::V6(Ipv6Addr::from(u128::from(v6.network()) | 1)),
    }
}

impl From<IpNet> for Observable {
    fn from(network: IpNet) -> Self {
        Observable::Ip(canonical_network(network))
    }
}

impl fmt::Display for Observable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Observable::Ip(IpNet::V4(host)) if host.prefix_len() == 32 => {
                write!(f, "{}", host.addr())
            }
            Observable::Ip(network) => write!(f, "{network}"),
        }
    }
}

impl FromStr for Observable {
    type Err = ParseError;

    /// Reads an address or a network. A bare IPv6 address means its client network, the /64.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let text = text.trim();
        if let Ok(network) = text.parse::<IpNet>() {
            return Ok(Observable::from(network));
        }
        match text.parse::<IpAddr>() {
            Ok(address) => Ok(Observable::client(address)),
            Err(_) => Err(ParseError::NotAnAddress(text.to_owned())),
        }
    }
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(rename = "Observable")]
struct WireObservable {
    kind: WireKind,
    value: String,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WireKind {
    Other,
    Ip,
}

impl From<Observable> for WireObservable {
    fn from(observable: Observable) -> Self {
        WireObservable { kind: WireKind::Ip, value: observable.to_string() }
    }
}

impl TryFrom<WireObservable> for Observable {
    type Error = ParseError;

    fn try_from(wire: WireObservable) -> Result<Self, ParseError> {
        match wire.kind {
            WireKind::Ip => wire.value.parse(),
            WireKind::Other => Err(ParseError::UnknownKind(wire.value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, canonical: &str) {
        let observable: Observable = text.parse().unwrap();
        assert_eq!(observable.to_string(), canonical);
        assert_eq!(observable.to_string().parse::<Observable>().unwrap(), observable);
    }

    #[test]
    fn equal_values_have_equal_text() {
        check("81.2.69.142", "81.2.69.142");
        check("81.2.69.142/32", "81.2.69.142");
        check("81.2.69.142/24", "81.2.69.0/24");
        check("::ffff:10.0.0.1", "10.0.0.1");
        check("::ffff:10.0.0.0/104", "10.0.0.0/8");
        check("2A00:1450:0:5::9", "2a00:1450:0:5::/64");
        check("2a00:1450:0:5::9/128", "2a00:1450:0:5::9/128");
        check("0.0.0.0/0", "0.0.0.0/0");
        check("::/0", "::/0");
    }

    #[test]
    fn what_is_not_an_address_is_refused_with_an_example() {
        let error = "81.2.69".parse::<Observable>().unwrap_err();
        assert!(error.to_string().contains("81.2.69.142"), "{error}");
    }
}
