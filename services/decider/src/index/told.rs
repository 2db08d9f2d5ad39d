//! One record as the index keeps it: when, of which story, about whom, and what it takes in memory.

use ipnet::IpNet;
use schemas::{Control, Decision, Detection, Enforcement, Millis, Outcome};
use uuid::Uuid;

/// A record of one of the topics that the index is folded from.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    Detection(Box<Detection>),
    Decision(Box<Decision>),
    Enforcement(Box<Enforcement>),
    Outcome(Box<Outcome>),
    Control(Box<Control>),
}

/// What a record is, in the order in which one leads to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Kind {
    Detection,
    Decision,
    Enforcement,
    Outcome,
    Control,
}

/// The place of a record in time. The same record told again at the same time has the same place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) at: Millis,
    pub(super) kind: Kind,
    pub(super) id: Uuid,
}

impl Place {
    /// After everything that happened before `at`, and before everything else.
    pub(super) fn just_before(at: Millis) -> Self {
        Place { at: at.saturating_sub(1), kind: Kind::Control, id: Uuid::max() }
    }
}

/// What a record takes beside its own fields: its places in both orders, and what the allocator adds.
const RECORD_BYTES: usize = 192;
const ALLOCATION_BYTES: usize = 16;

impl Told {
    /// Acts and proofs say themselves when they were; the others happened when they were appended.
    pub(super) fn place(&self, appended_at: Millis) -> Place {
        let (at, kind, id) = match self {
            Told::Detection(detection) => (appended_at, Kind::Detection, detection.detection_id),
            Told::Decision(decision) => (appended_at, Kind::Decision, decision.decision_id),
            Told::Enforcement(act) => (act.enforced_at, Kind::Enforcement, act.enforcement_id),
            Told::Outcome(outcome) => (outcome.verified_at, Kind::Outcome, outcome.outcome_id),
            Told::Control(control) => (appended_at, Kind::Control, control.control_id),
        };
        Place { at, kind, id }
    }

    /// The decision whose story it belongs to; a control's own id.
    pub(super) fn story(&self) -> Uuid {
        match self {
            Told::Detection(detection) => crate::logic::decision_id(detection.detection_id),
            Told::Decision(decision) => decision.decision_id,
            Told::Enforcement(act) => act.decision_id,
            Told::Outcome(outcome) => outcome.decision_id,
            Told::Control(control) => control.control_id,
        }
    }

    /// Whom it is about; nobody where it is about everything.
    pub(super) fn network(&self) -> Option<IpNet> {
        match self {
            Told::Detection(detection) => Some(detection.observable.network()),
            Told::Decision(decision) => Some(decision.observable.network()),
            Told::Enforcement(act) => Some(act.observable.network()),
            Told::Outcome(outcome) => Some(outcome.observable.network()),
            Told::Control(_) => None,
        }
    }

    /// What it takes in memory, a little more rather than less. A test compares the sum with what the process takes.
    pub(super) fn bytes(&self) -> usize {
        let own = match self {
            Told::Detection(detection) => size_of::<Detection>() + evidence(detection),
            Told::Decision(decision) => {
                let Decision { explanation, decided_by, signature, .. } = decision.as_ref();
                let decided_by = decided_by.as_ref().map_or(0, String::capacity);
                let signature = signature.as_ref().map_or(0, Vec::capacity);
                let heap = [explanation.capacity(), decided_by, signature];
                size_of::<Decision>() + heap.map(allocated).iter().sum::<usize>()
            }
            Told::Enforcement(act) => {
                size_of::<Enforcement>()
                    + allocated(act.point.capacity())
                    + allocated(act.reason.capacity())
            }
            Told::Outcome(outcome) => {
                size_of::<Outcome>()
                    + allocated(outcome.point.capacity())
                    + allocated(outcome.reason.capacity())
            }
            Told::Control(control) => {
                let Control { scope, requested_by, reason, .. } = control.as_ref();
                let heap = [scope, requested_by, reason].map(String::capacity);
                size_of::<Control>() + heap.map(allocated).iter().sum::<usize>()
            }
        };
        RECORD_BYTES + allocated(own)
    }
}

fn evidence(detection: &Detection) -> usize {
    let texts = detection.evidence.iter().flat_map(|piece| {
        [&piece.rule, &piece.place, &piece.value, &piece.explanation].map(String::capacity)
    });
    let slots = detection.evidence.capacity() * size_of::<schemas::Evidence>();
    allocated(slots) + texts.map(allocated).sum::<usize>()
}

fn allocated(bytes: usize) -> usize {
    if bytes == 0 { 0 } else { bytes + ALLOCATION_BYTES }
}

macro_rules! told {
    ($($record:ident),*) => {$(
        impl From<$record> for Told {
            fn from(record: $record) -> Self {
                Told::$record(Box::new(record))
            }
        }
    )*};
}
told!(Detection, Decision, Enforcement, Outcome, Control);
