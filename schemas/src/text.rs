//! The text of an address or a network without an allocation: what the hot topic `events` writes and compares.

use std::fmt::{self, Display, Write as _};
use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;

/// Longest text: an IPv6 network whose every group has four digits.
const BYTES_MAX: usize = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128".len();

/// A text on the stack.
pub(crate) struct ShortText {
    bytes: [u8; BYTES_MAX],
    length: usize,
}

impl ShortText {
    /// The text of an address or a network.
    pub(crate) fn of(address: impl Display) -> Self {
        let mut text = ShortText { bytes: [0; BYTES_MAX], length: 0 };
        write!(text, "{address}").expect("there is room for the longest network");
        text
    }

    /// The text of an address, which for one of version 4 is written without the machinery of formatting.
    pub(crate) fn address(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => {
                let mut text = ShortText { bytes: [0; BYTES_MAX], length: 0 };
                text.dotted(address);
                text
            }
            IpAddr::V6(address) => Self::of(address),
        }
    }

    /// The text of a network, as [`ShortText::address`].
    pub(crate) fn network(network: IpNet) -> Self {
        match network {
            IpNet::V4(network) => {
                let mut text = ShortText { bytes: [0; BYTES_MAX], length: 0 };
                text.dotted(network.addr());
                text.push(b'/');
                text.number(network.prefix_len());
                text
            }
            IpNet::V6(network) => Self::of(network),
        }
    }

    fn dotted(&mut self, address: Ipv4Addr) {
        for (at, octet) in address.octets().into_iter().enumerate() {
            if at > 0 {
                self.push(b'.');
            }
            self.number(octet);
        }
    }

    fn number(&mut self, number: u8) {
        if number >= 100 {
            self.push(b'0' + number / 100);
        }
        if number >= 10 {
            self.push(b'0' + number / 10 % 10);
        }
        self.push(b'0' + number % 10);
    }

    /// Of the longest text of version 4 there is always room for one more byte.
    fn push(&mut self, byte: u8) {
        self.bytes[self.length] = byte;
        self.length += 1;
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).expect("only whole texts were written")
    }
}

impl fmt::Write for ShortText {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length + text.len();
        self.bytes.get_mut(self.length..end).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use proptest::prelude::*;

    use super::*;
    use crate::observable::shard_network;

    proptest! {
        #[test]
        fn it_is_the_text_that_formatting_gives(address: IpAddr) {
            let network = shard_network(address);
            let (short, long) = (ShortText::address(address), ShortText::network(network));
            prop_assert_eq!(short.as_str(), address.to_string());
            prop_assert_eq!(long.as_str(), network.to_string());
        }
    }

    #[test]
    fn the_longest_network_has_room() {
        let whole = ipnet::IpNet::from(IpAddr::V6(Ipv6Addr::from(u128::MAX)));
        assert_eq!(ShortText::of(whole).as_bytes().len(), BYTES_MAX);
    }
}
