//! What stands in the log, decoded.

use pipeline::memory::Log;
use schemas::{
    Action, Control, Decision, Detection, Enforcement, Lease, LeaseEntry, Millis, Origin,
};
use schemas::{Outcome, Provenance, Reason, Record};
use uuid::Uuid;

fn all<R: for<'a> Record<View<'a> = R>>(log: &Log) -> Vec<R> {
    let messages = log.messages(R::TOPIC.name());
    messages.iter().map(|(_, _, message)| R::decode(&message.payload).unwrap()).collect()
}

pub(crate) fn detections(log: &Log) -> Vec<Detection> {
    all(log)
}

pub(crate) fn decisions(log: &Log) -> Vec<Decision> {
    all(log)
}

pub(crate) fn enforcements(log: &Log) -> Vec<Enforcement> {
    all(log)
}

pub(crate) fn outcomes(log: &Log) -> Vec<Outcome> {
    all(log)
}

pub(crate) fn controls(log: &Log) -> Vec<Control> {
    all(log)
}

pub(crate) fn leases(log: &Log) -> Vec<Lease> {
    let leases = all::<LeaseEntry>(log).into_iter().filter_map(|entry| match entry {
        LeaseEntry::Lease(lease) => Some(lease),
        LeaseEntry::Epoch(_) => None,
    });
    leases.collect()
}

/// A block as the pipeline would decide it. `name` tells it from others.
pub(crate) fn block(name: &str, observable: &str, until: Option<Millis>) -> Decision {
    let id = format!("{name}/{observable}/{until:?}");
    Decision {
        decision_id: Uuid::new_v5(&Uuid::NAMESPACE_URL, id.as_bytes()),
        until,
        strikes: 1,
        explanation: name.to_owned(),
        provenance: Some(Provenance::ProxyAsserted),
        ..Decision::by_pipeline(Action::Block, observable.parse().unwrap())
    }
}

/// An operator's word.
pub(crate) fn operator(name: &str, action: Action, observable: &str, until: Millis) -> Decision {
    Decision {
        action,
        origin: Origin::Operator,
        reason: Reason::Override,
        strikes: 0,
        provenance: None,
        decided_by: Some("spiffe://perimeter/operator/ada".to_owned()),
        ..block(name, observable, Some(until))
    }
}
