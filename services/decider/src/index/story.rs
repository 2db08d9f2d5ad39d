//! Everything told of one decision, in the order of time: its cause, itself, and what came of it.

use std::collections::{BTreeMap, HashMap, VecDeque};

use ipnet::IpNet;
use proto::v1::PointState;
use schemas::{Decision, Detection, Enforcement, Millis, Outcome, Phase};

use super::point::Point;
use super::told::{Place, Told};
use crate::names;

/// How far back a record is looked for before it counts as told for the first time.
const LOOK_BACK_MAX: usize = 256;

/// The story of one decision, or of one control.
#[derive(Debug, Default)]
pub struct Story {
    told: VecDeque<(Place, Told)>,
}

/// Something that a point did or that the verifier saw there.
#[derive(Debug, Clone, Copy)]
pub enum Consequence<'a> {
    Act(&'a Enforcement),
    Proof(&'a Outcome),
}

impl Story {
    /// Takes a record in; false for one that is here already.
    pub(super) fn insert(&mut self, place: Place, told: Told) -> bool {
        let index = self.told.partition_point(|(other, _)| *other < place);
        let known = self.told.get(index).is_some_and(|(other, _)| *other == place);
        if !known {
            self.told.insert(index, (place, told));
        }
        !known
    }

    /// Whether the same record was told at another time.
    pub(super) fn tells(&self, place: Place) -> bool {
        let recent = self.told.iter().rev().take(LOOK_BACK_MAX);
        recent.into_iter().any(|(other, _)| (other.kind, other.id) == (place.kind, place.id))
    }

    pub(super) fn forget_first(&mut self) -> Option<Told> {
        self.told.pop_front().map(|(_, told)| told)
    }

    pub(super) fn first(&self) -> Option<Place> {
        self.told.front().map(|(place, _)| *place)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.told.is_empty()
    }

    pub(super) fn told(&self) -> impl Iterator<Item = (Place, &Told)> {
        self.told.iter().map(|(place, told)| (*place, told))
    }

    /// Whom it is about; nobody for a control.
    pub fn network(&self) -> Option<IpNet> {
        self.told.iter().find_map(|(_, told)| told.network())
    }

    /// Whether a record of it is about `network`.
    pub(super) fn is_about(&self, network: IpNet) -> bool {
        self.told.iter().any(|(_, told)| told.network() == Some(network))
    }

    /// When the first of what is retained was told.
    pub fn began_at(&self) -> Millis {
        self.first().map_or(0, |place| place.at)
    }

    /// The cause.
    pub fn detection(&self) -> Option<&Detection> {
        self.told.iter().find_map(|(_, told)| match told {
            Told::Detection(detection) => Some(detection.as_ref()),
            _ => None,
        })
    }

    /// The decision, and when it was first appended.
    pub fn decision(&self) -> Option<(Millis, &Decision)> {
        self.told.iter().find_map(|(place, told)| match told {
            Told::Decision(decision) => Some((place.at, decision.as_ref())),
            _ => None,
        })
    }

    /// What came of it, oldest first, repetitions included.
    pub fn consequences(&self) -> impl Iterator<Item = Consequence<'_>> {
        self.told.iter().filter_map(|(_, told)| match told {
            Told::Enforcement(act) => Some(Consequence::Act(act)),
            Told::Outcome(outcome) => Some(Consequence::Proof(outcome)),
            Told::Detection(_) | Told::Decision(_) | Told::Control(_) => None,
        })
    }

    /// What came of it, oldest first, each where it says something else than what its point last said.
    pub fn steps(&self) -> Vec<Consequence<'_>> {
        let mut last = HashMap::new();
        let mut steps: Vec<_> = self.consequences().collect();
        steps.retain(|step| {
            last.insert((step.point(), step.level()), (step.phase(), step.state()))
                != Some((step.phase(), step.state()))
        });
        steps
    }

    /// Where the decision stands, point by point.
    pub fn points(&self) -> Vec<PointState> {
        let mut points: BTreeMap<&str, Point<'_>> = BTreeMap::new();
        for consequence in self.consequences() {
            points.entry(consequence.point()).or_default().take(consequence);
        }
        points.iter().map(|(name, point)| point.state(name)).collect()
    }
}

impl<'a> Consequence<'a> {
    pub fn at(self) -> Millis {
        match self {
            Consequence::Act(act) => act.enforced_at,
            Consequence::Proof(proof) => proof.verified_at,
        }
    }

    pub fn point(self) -> &'a str {
        match self {
            Consequence::Act(act) => &act.point,
            Consequence::Proof(proof) => &proof.point,
        }
    }

    pub fn phase(self) -> Phase {
        match self {
            Consequence::Act(act) => act.phase,
            Consequence::Proof(proof) => proof.phase,
        }
    }

    /// Until when what it is about was to hold.
    pub fn until(self) -> Option<Millis> {
        match self {
            Consequence::Act(act) => act.until,
            Consequence::Proof(proof) => proof.until,
        }
    }

    /// Of a proof; 0 for an act.
    pub fn level(self) -> i32 {
        match self {
            Consequence::Act(_) => 0,
            Consequence::Proof(proof) => proof.level,
        }
    }

    /// The status of an act, the effect of a proof.
    pub fn state(self) -> &'static str {
        match self {
            Consequence::Act(act) => names::status(act.status),
            Consequence::Proof(proof) => names::effect(proof.effect),
        }
    }

    pub fn reason(self) -> &'a str {
        match self {
            Consequence::Act(act) => &act.reason,
            Consequence::Proof(proof) => &proof.reason,
        }
    }
}
