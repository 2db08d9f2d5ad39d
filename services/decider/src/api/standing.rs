//! What operators decided last about a network and about those around and inside it. Data in, data out.

use std::collections::{BTreeMap, VecDeque};

use ipnet::IpNet;
use schemas::{Decision, Millis, Origin, View};

use super::answers;
use crate::index::Index;
use crate::logic::overrides::Standing;

/// The newest of what the leases, the index and this process itself know of each of these networks.
///
/// `just` is what this process decided, oldest first, with the time. What of it is not read yet is newer than all that
/// is: the decisions about one network stand in one partition.
pub(super) fn standing(
    network: IpNet,
    view: &View,
    index: &Index,
    just: &VecDeque<(Millis, Decision)>,
) -> Vec<Standing> {
    let mut newest: BTreeMap<IpNet, (Millis, Standing)> = BTreeMap::new();
    for lease in answers::leases_about(view, network) {
        let Some(claim) = lease.claim(Origin::Operator) else { continue };
        let network = lease.observable.network();
        let (action, until, decision_id) = (claim.action, claim.until, claim.decision_id);
        let standing = Standing { network, action, until, decision_id };
        newest.insert(network, (claim.decided_at, standing));
    }
    for (_, story) in index.stories(network) {
        let Some((at, decision)) = story.decision() else { continue };
        let Some(standing) = by_operator(decision) else { continue };
        if newest.get(&standing.network).is_none_or(|(known_at, _)| *known_at < at) {
            newest.insert(standing.network, (at, standing));
        }
    }
    let unread = just.iter().filter(|(at, decision)| {
        let lease = view.lease(&decision.observable);
        // What was read long ago may have fallen out of the index since.
        *at >= index.retained_since()
            && index.decision_of(decision.decision_id).is_none()
            && lease.is_none_or(|lease| !lease.recent_decisions.contains(&decision.decision_id))
    });
    for (at, decision) in unread {
        if let Some(standing) = by_operator(decision)
            && answers::concerns(network, standing.network)
        {
            newest.insert(standing.network, (*at, standing));
        }
    }
    newest.into_values().map(|(_, standing)| standing).collect()
}

fn by_operator(decision: &Decision) -> Option<Standing> {
    let network = decision.observable.network();
    let (action, until, decision_id) = (decision.action, decision.until?, decision.decision_id);
    let operator = decision.origin == Origin::Operator;
    operator.then_some(Standing { network, action, until, decision_id })
}
