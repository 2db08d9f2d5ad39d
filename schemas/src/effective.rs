//! What holds for an address: the only answer, used by Envoy's point, the WAF's list, the verifier and `list`.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::{Action, Claim, Control, Lease, Millis, Mode, Observable, Origin, Protected, Setting};

/// Leases and controls as far as one reader has read them.
#[derive(Debug, Clone, Default)]
pub struct View {
    leases: HashMap<IpNet, Lease>,
    /// How many leases there are of each prefix length, so that a lookup asks only for lengths that exist.
    lengths_v4: BTreeMap<Reverse<u8>, usize>,
    lengths_v6: BTreeMap<Reverse<u8>, usize>,
    /// Since when the log says that automation is frozen.
    frozen_since: Option<Millis>,
    /// Since when this reader withholds by itself what automation decides.
    frozen_here: Option<Millis>,
    mode: Option<Mode>,
}

/// What applying a lease to a view came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// The view now holds it.
    Newer,
    /// The view already held this generation; it now holds these claims.
    Same,
    /// A late write of somebody who was behind: ignored.
    Lower,
}

/// What holds for one address.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Effective<'a> {
    /// Protected: nothing may hold.
    Protected,
    /// The winning claim, and the network of its lease.
    Claim { network: IpNet, claim: &'a Claim },
    /// Nobody claims anything.
    Nothing,
}

impl Effective<'_> {
    /// The action to take: allow where nothing is claimed.
    pub fn action(&self) -> Action {
        match self {
            Effective::Claim { claim, .. } => claim.action,
            Effective::Protected | Effective::Nothing => Action::Allow,
        }
    }
}

impl View {
    /// Takes a lease in, unless what is held is of a higher generation.
    pub fn apply(&mut self, lease: Lease) -> Applied {
        let network = lease.observable.network();
        if let Some(held) = self.leases.get(&network) {
            if lease.generation < held.generation {
                return Applied::Lower;
            }
            let applied =
                if lease.generation == held.generation { Applied::Same } else { Applied::Newer };
            self.leases.insert(network, lease);
            return applied;
        }
        *self.lengths_mut(network).entry(Reverse(network.prefix_len())).or_default() += 1;
        self.leases.insert(network, lease);
        Applied::Newer
    }

    /// Takes a control in. `appended_at` is the broker's append time.
    pub fn apply_control(&mut self, control: &Control, appended_at: Millis) {
        match control.setting() {
            Some(Setting::Frozen(frozen)) => {
                let since =
                    control.frozen_since.map_or(appended_at, |since| since.min(appended_at));
                self.frozen_since = frozen.then_some(since);
            }
            Some(Setting::Mode(mode)) => self.mode = Some(mode),
            None => {}
        }
    }

    /// The mode that an operator asked for, if one ever did. The policy's is its upper bound.
    pub fn mode(&self) -> Option<Mode> {
        self.mode
    }

    /// Since when automation is frozen, by broker append time: by the log, or from earlier on by this reader itself.
    pub fn frozen_since(&self) -> Option<Millis> {
        self.frozen_since.into_iter().chain(self.frozen_here).min()
    }

    /// As [`View::frozen_since`], whatever this reader itself withholds: what all readers agree on.
    pub fn frozen_by_log(&self) -> Option<Millis> {
        self.frozen_since
    }

    /// Since when this reader withholds by itself what automation decides.
    pub fn frozen_here(&self) -> Option<Millis> {
        self.frozen_here
    }

    /// Withholds automatic claims that were decided at `since` or later, whatever the log says; `None` ends that.
    pub fn freeze_here(&mut self, since: Option<Millis>) {
        self.frozen_here = since;
    }

    pub fn lease(&self, observable: &Observable) -> Option<&Lease> {
        self.leases.get(&observable.network())
    }

    pub fn leases(&self) -> impl Iterator<Item = &Lease> {
        self.leases.values()
    }

    pub fn len(&self) -> usize {
        self.leases.len()
    }

    pub fn is_empty(&self) -> bool {
        self.leases.is_empty()
    }

    /// Drops leases all of whose claims ended before `ended_before`: what the topic's retention removes as well.
    pub fn forget_ended(&mut self, ended_before: Millis) {
        let old = |lease: &Lease| lease.claims.iter().all(|claim| claim.until < ended_before);
        let networks: Vec<IpNet> =
            self.leases.iter().filter(|(_, lease)| old(lease)).map(|(n, _)| *n).collect();
        for network in networks {
            self.leases.remove(&network);
            let lengths = self.lengths_mut(network);
            if let Some(count) = lengths.get_mut(&Reverse(network.prefix_len())) {
                *count -= 1;
                if *count == 0 {
                    lengths.remove(&Reverse(network.prefix_len()));
                }
            }
        }
    }

    /// The leases that cover `address`, narrowest first.
    pub fn covering(&self, address: IpAddr) -> impl Iterator<Item = &Lease> {
        let address = address.to_canonical();
        let lengths = match address {
            IpAddr::V4(_) => &self.lengths_v4,
            IpAddr::V6(_) => &self.lengths_v6,
        };
        lengths
            .keys()
            .filter_map(move |Reverse(length)| self.leases.get(&network_of(address, *length)))
    }

    /// Whether any lease is narrower than `network`, so that one of them may lie inside it.
    pub fn any_narrower_than(&self, network: IpNet) -> bool {
        let lengths = match network {
            IpNet::V4(_) => &self.lengths_v4,
            IpNet::V6(_) => &self.lengths_v6,
        };
        lengths.keys().next().is_some_and(|Reverse(longest)| *longest > network.prefix_len())
    }

    fn lengths_mut(&mut self, network: IpNet) -> &mut BTreeMap<Reverse<u8>, usize> {
        match network {
            IpNet::V4(_) => &mut self.lengths_v4,
            IpNet::V6(_) => &mut self.lengths_v6,
        }
    }
}

/// What holds for `address` at `now`.
///
/// Over all covering claims in force: protected, then an operator's allow, then an operator's action, then the
/// pipeline, then a feed; among equals the narrower. Never the order of arrival.
pub fn effective<'a>(
    view: &'a View,
    protected: &Protected,
    address: IpAddr,
    now: Millis,
) -> Effective<'a> {
    let mut best: Option<(IpNet, &Claim)> = None;
    for lease in view.covering(address) {
        let network = lease.observable.network();
        for claim in lease.claims.iter().filter(|claim| claim.in_force(now, view.frozen_since())) {
            // Leases come narrowest first, so only a strictly higher rank takes the place.
            if best.is_none_or(|(_, held)| rank(claim) > rank(held)) {
                best = Some((network, claim));
            }
        }
    }
    match best {
        None => Effective::Nothing,
        Some(_) if protected.covers(address) => Effective::Protected,
        Some((network, claim)) => Effective::Claim { network, claim },
    }
}

/// The networks to put on a list that can only say "block": what is effectively blocked at `now`, minimal and sorted.
///
/// An operator's allow inside a blocked network is cut out of it. For every address, being on this list and
/// [`effective`] answering `Block` are the same thing.
pub fn blocked_networks(view: &View, protected: &Protected, now: Millis) -> Vec<IpNet> {
    blocked(view, protected, view.frozen_since(), now)
}

/// As [`blocked_networks`], whatever this reader itself withholds: what others may have put on a list that they share
/// with it.
pub fn blocked_by_log(view: &View, protected: &Protected, now: Millis) -> Vec<IpNet> {
    blocked(view, protected, view.frozen_by_log(), now)
}

fn blocked(
    view: &View,
    protected: &Protected,
    frozen_since: Option<Millis>,
    now: Millis,
) -> Vec<IpNet> {
    let mut blocks = Vec::new();
    let mut automatic_allows = Vec::new();
    let mut holes: Vec<IpNet> = protected.networks().map(|(network, _)| network).collect();
    for lease in view.leases() {
        let network = lease.observable.network();
        for claim in lease.claims.iter().filter(|claim| claim.in_force(now, frozen_since)) {
            match (claim.action, claim.origin) {
                (Action::Block, origin) => blocks.push((origin, network)),
                (Action::Allow, Origin::Operator) => holes.push(network),
                (Action::Allow, origin) => automatic_allows.push((origin, network)),
                (Action::Observe, _) => {}
            }
        }
    }
    let mut blocked = Vec::new();
    for (origin, network) in blocks {
        let mut pieces = without(network, &holes);
        for (by, allowed) in &automatic_allows {
            // The same order as in `effective`: the origin, then the narrower.
            if (*by, allowed.prefix_len()) > (origin, network.prefix_len()) {
                pieces = pieces.into_iter().flat_map(|piece| without(piece, &[*allowed])).collect();
            }
        }
        blocked.extend(pieces);
    }
    let mut networks = IpNet::aggregate(&blocked);
    networks.sort();
    networks
}

fn rank(claim: &Claim) -> (bool, Origin) {
    (claim.origin == Origin::Operator && claim.action == Action::Allow, claim.origin)
}

/// `network` with every network of `holes` cut out.
pub fn without(network: IpNet, holes: &[IpNet]) -> Vec<IpNet> {
    let inside: Vec<IpNet> = holes
        .iter()
        .copied()
        .filter(|hole| network.contains(hole) || hole.contains(&network))
        .collect();
    if inside.is_empty() {
        return vec![network];
    }
    if inside.iter().any(|hole| hole.contains(&network)) {
        return Vec::new();
    }
    match network.subnets(network.prefix_len() + 1) {
        Ok(halves) => halves.flat_map(|half| without(half, &inside)).collect(),
        Err(_) => Vec::new(),
    }
}

fn network_of(address: IpAddr, length: u8) -> IpNet {
    match address {
        IpAddr::V4(v4) => IpNet::V4(Ipv4Net::new_assert(v4, length).trunc()),
        IpAddr::V6(v6) => IpNet::V6(Ipv6Net::new_assert(v6, length).trunc()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cutting_a_hole_leaves_the_rest() {
        let net = |text: &str| text.parse::<IpNet>().unwrap();
        let rest = without(net("81.2.69.0/30"), &[net("81.2.69.1/32")]);
        assert_eq!(rest, vec![net("81.2.69.0/32"), net("81.2.69.2/31")]);
        assert_eq!(without(net("81.2.69.1/32"), &[net("81.2.69.0/30")]), Vec::new());
    }
}
