//! What an operator allows around an observable. Data in, data out.
//!
//! A past knows the very observables of its own partition. A network around one of them has another key, and so perhaps
//! another partition. It is looked for in the copy of the leases, which has them all, and in what operators said of
//! networks, which is known before an executor has folded it.

use std::collections::BTreeMap;

use ipnet::IpNet;
use schemas::observable::{client_network, representative};
use schemas::{
    Action, Appended, Claim, Decision, Folded, Generation, Millis, Observable, Origin, View, fold,
};

use super::Rules;

/// Of how many networks is kept what operators said. What is said of more of them is known once an executor folded it.
const NETWORKS_MAX: usize = 10_000;

/// An operator's allow of a network around an observable.
#[derive(Debug, Clone)]
pub struct Around {
    pub network: IpNet,
    pub claim: Claim,
}

/// What operators said of networks, as `decisions` tells it: folded as the executors fold it, who may be behind or away.
#[derive(Debug, Default)]
pub struct Networks {
    view: View,
    epoch: Millis,
}

impl Networks {
    /// Takes in the decision at `offset`, appended at `at`, if it is an operator's and about more than one client.
    pub fn take(&mut self, rules: &Rules, offset: i64, at: Millis, decision: &Decision) {
        let network = decision.observable.network();
        let of_one = client_network(representative(network)).prefix_len() <= network.prefix_len();
        if of_one || decision.origin != Origin::Operator {
            return;
        }
        let held = self.view.lease(&decision.observable);
        if held.is_none() && self.view.len() >= NETWORKS_MAX {
            return;
        }
        let appended = Appended { generation: Generation { epoch: self.epoch, offset }, at };
        let folded = fold(held, decision, appended, &rules.protected, &rules.limits);
        if let Folded::Lease(lease) = folded {
            self.view.apply(lease);
        }
    }

    /// Learns that `decisions` was made anew: what was said stays, offsets begin again.
    pub fn restart(&mut self) {
        self.epoch += 1;
    }

    /// Drops what ended before `ended_before`.
    pub fn forget_ended(&mut self, ended_before: Millis) {
        self.view.forget_ended(ended_before);
    }
}

/// The operator's allow around `observable` that is in force at `at`; of several, the one that lasts longest. Of each
/// network the newest word counts, be it in the leases or on its way to them.
pub fn allowed_around(
    view: &View,
    networks: &Networks,
    observable: &Observable,
    at: Millis,
) -> Option<Around> {
    let network = observable.network();
    let address = representative(network);
    let mut newest: BTreeMap<IpNet, &Claim> = BTreeMap::new();
    for lease in view.covering(address).chain(networks.view.covering(address)) {
        let wider = lease.observable.network();
        if wider == network || !wider.contains(&network) {
            continue;
        }
        let Some(claim) = lease.claim(Origin::Operator) else { continue };
        if newest.get(&wider).is_none_or(|known| known.decided_at < claim.decided_at) {
            newest.insert(wider, claim);
        }
    }
    newest
        .into_iter()
        .filter(|(_, claim)| claim.action == Action::Allow && at < claim.until)
        .max_by_key(|(_, claim)| claim.until)
        .map(|(network, claim)| Around { network, claim: claim.clone() })
}
