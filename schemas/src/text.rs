//! The text of an address or a network without an allocation: what the hot topic `events` writes and compares.

use std::fmt::{self, Display, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;

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

    /// The text of an address, written without the machinery of formatting.
    pub(crate) fn address(address: IpAddr) -> Self {
        let mut text = ShortText { bytes: [0; BYTES_MAX], length: 0 };
        match address {
            IpAddr::V4(address) => text.dotted(address),
            IpAddr::V6(address) if address.to_ipv4_mapped().is_some() => return Self::of(address),
            IpAddr::V6(address) => text.groups(address),
        }
        text
    }

    /// The text of a network, as [`ShortText::address`].
    pub(crate) fn network(network: IpNet) -> Self {
        let mut text = Self::address(network.addr());
        text.push(b'/');
        text.number(network.prefix_len());
        text
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

    /// RFC 5952: lower case, no leading zeros, the first of the longest runs of two zero groups or more left out.
    fn groups(&mut self, address: Ipv6Addr) {
        let groups = address.segments();
        let left_out = zeros(groups);
        let mut at = 0;
        while at < groups.len() {
            if at == left_out.start && !left_out.is_empty() {
                self.push(b':');
                self.push(b':');
                at = left_out.end;
                continue;
            }
            if at > 0 && at != left_out.end {
                self.push(b':');
            }
            self.group(groups[at]);
            at += 1;
        }
    }

    fn group(&mut self, group: u16) {
        let digits = (16 - group.leading_zeros()).div_ceil(4).max(1);
        for digit in (0..digits).rev() {
            self.push(b"0123456789abcdef"[usize::from(group >> (4 * digit) & 0xf)]);
        }
    }

    /// Of the longest text there is always room for what an address or a network has.
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

/// The first of the longest runs of zero groups; empty where none has two.
fn zeros(groups: [u16; 8]) -> Range<usize> {
    let (mut longest, mut begun) = (0..0, 0);
    for (at, group) in groups.into_iter().enumerate() {
        if group != 0 {
            begun = at + 1;
        } else if at + 1 - begun > longest.len().max(1) {
            longest = begun..at + 1;
        }
    }
    longest
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

        #[test]
        fn runs_of_zeros_are_left_out_as_formatting_does(
            groups in proptest::array::uniform8(prop_oneof![3 => Just(0_u16), 1 => any::<u16>()]),
        ) {
            let address = IpAddr::V6(Ipv6Addr::from(groups));
            let short = ShortText::address(address);
            prop_assert_eq!(short.as_str(), address.to_string());
        }
    }

    #[test]
    fn the_longest_network_has_room() {
        let whole = ipnet::IpNet::from(IpAddr::V6(Ipv6Addr::from(u128::MAX)));
        assert_eq!(ShortText::of(whole).as_bytes().len(), BYTES_MAX);
    }
}
