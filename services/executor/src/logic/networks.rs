//! Sets of networks that can be asked for overlap. Data in, data out.

use std::collections::BTreeSet;

use ipnet::IpNet;
use schemas::effective::without;

/// Networks, indexed so that overlap costs a lookup per prefix length that exists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Networks {
    sorted: BTreeSet<IpNet>,
    lengths: BTreeSet<u8>,
}

impl FromIterator<IpNet> for Networks {
    fn from_iter<I: IntoIterator<Item = IpNet>>(networks: I) -> Self {
        let sorted: BTreeSet<IpNet> = networks.into_iter().map(|network| network.trunc()).collect();
        let lengths = sorted.iter().map(IpNet::prefix_len).collect();
        Networks { sorted, lengths }
    }
}

impl Networks {
    pub fn iter(&self) -> impl Iterator<Item = IpNet> {
        self.sorted.iter().copied()
    }

    pub fn len(&self) -> usize {
        self.sorted.len()
    }

    pub fn is_empty(&self) -> bool {
        self.sorted.is_empty()
    }

    /// Whether exactly this network is a member.
    pub fn contains(&self, network: IpNet) -> bool {
        self.sorted.contains(&network)
    }

    /// The widest member that contains `network`, itself included.
    pub fn covering(&self, network: IpNet) -> Option<IpNet> {
        let shorter = self.lengths.range(..=network.prefix_len());
        shorter
            .filter_map(|length| widened(network, *length))
            .find(|wide| self.sorted.contains(wide))
    }

    /// The members that contain `network` or lie inside it.
    pub fn overlapping(&self, network: IpNet) -> Vec<IpNet> {
        let shorter = self.lengths.range(..network.prefix_len());
        let mut found: Vec<IpNet> = shorter
            .filter_map(|length| widened(network, *length))
            .filter(|wide| self.sorted.contains(wide))
            .collect();
        let last = IpNet::from(network.broadcast());
        found.extend(
            self.sorted.range(network.trunc()..=last).filter(|inner| network.contains(*inner)),
        );
        found
    }
}

/// What of `networks` is not in `taken`.
pub fn minus(networks: &[IpNet], taken: &Networks) -> Vec<IpNet> {
    networks.iter().flat_map(|network| without(*network, &taken.overlapping(*network))).collect()
}

fn widened(network: IpNet, length: u8) -> Option<IpNet> {
    IpNet::new(network.addr(), length).ok().map(|wide| wide.trunc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(members: &[&str], asked: &str, overlapping: &[&str]) {
        let net = |text: &&str| text.parse::<IpNet>().unwrap();
        let networks: Networks = members.iter().map(net).collect();
        let mut found = networks.overlapping(net(&asked));
        found.sort();
        let mut expected: Vec<IpNet> = overlapping.iter().map(net).collect();
        expected.sort();
        assert_eq!(found, expected);
    }

    #[test]
    fn overlap_finds_what_contains_and_what_lies_inside() {
        let members = ["81.2.69.0/24", "81.2.69.142/32", "81.2.70.0/24", "2a00:1450:0:5::/64"];
        check(&members, "81.2.69.142/32", &["81.2.69.0/24", "81.2.69.142/32"]);
        check(&members, "81.2.69.0/24", &["81.2.69.0/24", "81.2.69.142/32"]);
        check(&members, "81.2.0.0/16", &["81.2.69.0/24", "81.2.69.142/32", "81.2.70.0/24"]);
        check(&members, "2a00:1450::/32", &["2a00:1450:0:5::/64"]);
        check(&members, "1.1.1.1/32", &[]);
    }
}
