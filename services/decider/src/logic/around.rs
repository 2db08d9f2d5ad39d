//! What an operator allows around an observable. Data in, data out.
//!
//! A past knows the very observables of its own partition. A network around one of them has another key, and so perhaps
//! another partition, so it is looked for in the copy of the leases, which has them all.

use ipnet::IpNet;
use schemas::observable::representative;
use schemas::{Action, Claim, Lease, Millis, Observable, Origin, View};

/// An operator's allow of a network around an observable.
#[derive(Debug, Clone)]
pub struct Around {
    pub network: IpNet,
    pub claim: Claim,
}

/// The operator's allow around `observable` that is in force at `at`; of several, the one that lasts longest.
pub fn allowed_around(view: &View, observable: &Observable, at: Millis) -> Option<Around> {
    let network = observable.network();
    let around = |lease: &&Lease| {
        let wider = lease.observable.network();
        wider != network && wider.contains(&network)
    };
    let allow = |lease: &Lease| {
        let claim = lease.claim(Origin::Operator)?;
        let holds = claim.action == Action::Allow && at < claim.until;
        holds.then(|| Around { network: lease.observable.network(), claim: claim.clone() })
    };
    view.covering(representative(network))
        .filter(around)
        .filter_map(allow)
        .max_by_key(|around| around.claim.until)
}
