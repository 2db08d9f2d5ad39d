//! What happened in the last 24 hours, bounded, folded from the topics. Answers Query; decides nothing.
//!
//! It keeps the newest records that fit, by the time at which they happened and never by the order in which they
//! arrived, so every decider that read the same topics answers the same. What is older, or fell out because there was
//! too much, is "not retained", never "none".

mod figures;
mod point;
mod shared;
mod story;
mod told;
mod words;

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use ipnet::IpNet;
use proto::v1::{Happening, PointState};
use schemas::{Control, Decision, Effect, Enforcement, Millis, Setting, Topic};
use uuid::Uuid;

pub use shared::Shared;
pub use story::{Consequence, Story};
use told::Place;
pub use told::Told;

/// The topics that it is folded from.
pub const TOPICS: [Topic; 5] =
    [Topic::Detections, Topic::Decisions, Topic::Enforcements, Topic::Outcomes, Topic::Controls];
/// Most records that are kept.
pub const RECORDS_MAX: usize = 300_000;
/// Most memory that they take.
pub const BYTES_MAX: usize = 128 * 1024 * 1024;
/// What a story takes beside its records.
const STORY_BYTES: usize = 512;

/// How much is kept: whichever is reached first.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    pub records_max: usize,
    pub bytes_max: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Bounds { records_max: RECORDS_MAX, bytes_max: BYTES_MAX }
    }
}

/// The index itself: pure, one writer.
#[derive(Debug, Default)]
pub struct Index {
    /// By decision.
    stories: HashMap<Uuid, Story>,
    /// Every record, oldest first, with its story.
    order: BTreeSet<(Place, Uuid)>,
    /// Whom the records of a story are about.
    about: BTreeMap<IpNet, HashSet<Uuid>>,
    bytes: usize,
    /// The newest that fell out. What lies there or before is refused, or the answers would depend on who came first.
    floor: Option<Place>,
    /// The topics that were once read to their ends.
    read: HashSet<Topic>,
    bounds: Bounds,
}

/// What one point said within what is retained.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spoken {
    /// Highest level ever seen there: what "proved" means at this point.
    pub highest: i32,
    pub last_at: Millis,
}

impl Index {
    /// An index of another size than the usual one.
    pub fn bounded(bounds: Bounds) -> Self {
        Index { bounds, ..Index::default() }
    }

    /// Takes a record in; answers whether it is told for the first time.
    pub fn take(&mut self, appended_at: Millis, told: impl Into<Told>) -> bool {
        let told = told.into();
        let place = told.place(appended_at);
        if self.floor.is_some_and(|floor| place <= floor) {
            return false;
        }
        let (id, bytes, network) = (told.story(), told.bytes(), told.network());
        let story = match self.stories.entry(id) {
            Entry::Occupied(story) => story.into_mut(),
            Entry::Vacant(vacant) => {
                self.bytes += STORY_BYTES;
                vacant.insert(Story::default())
            }
        };
        let first = !story.tells(place);
        if !story.insert(place, told) {
            return false;
        }
        self.order.insert((place, id));
        if let Some(network) = network {
            self.about.entry(network).or_default().insert(id);
        }
        self.bytes += bytes;
        while self.order.len() > self.bounds.records_max || self.bytes > self.bounds.bytes_max {
            self.forget_oldest();
        }
        first
    }

    /// Drops what happened before `before`, and refuses it from now on.
    pub fn forget(&mut self, before: Millis) {
        let floor = Place::just_before(before);
        while self.order.first().is_some_and(|(place, _)| *place <= floor) {
            self.forget_oldest();
        }
        self.floor = self.floor.max(Some(floor));
    }

    /// Learns that `topic` was once read to its end.
    pub fn completed(&mut self, topic: Topic) {
        self.read.insert(topic);
    }

    /// Whether a record of `topic` that is not here is not retained; before that it may only not have been read.
    pub fn has_read(&self, topic: Topic) -> bool {
        self.read.contains(&topic)
    }

    /// The same of every topic.
    pub fn complete(&self) -> bool {
        TOPICS.into_iter().all(|topic| self.has_read(topic))
    }

    /// What happened before is not retained; 0 where nothing ever fell out.
    pub fn retained_since(&self) -> Millis {
        self.floor.map_or(0, |floor| floor.at.saturating_add(1))
    }

    /// How many records are kept, and the memory they take.
    pub fn size(&self) -> (usize, usize) {
        (self.order.len(), self.bytes)
    }

    pub fn story(&self, decision_id: Uuid) -> Option<&Story> {
        self.stories.get(&decision_id)
    }

    pub fn decision_of(&self, decision_id: Uuid) -> Option<&Decision> {
        Some(self.story(decision_id)?.decision()?.1)
    }

    /// What the control of this id asked for, if it is known; `Some(None)` is a scope of a later version.
    pub fn control_of(&self, control_id: Uuid) -> Option<Option<Setting>> {
        self.story(control_id)?.told().find_map(|(_, told)| match told {
            Told::Control(control) => Some(control.setting()),
            _ => None,
        })
    }

    /// Where the decision stands, point by point.
    pub fn points_of(&self, decision_id: Uuid) -> Vec<PointState> {
        self.story(decision_id).map(Story::points).unwrap_or_default()
    }

    /// The stories about `network`, and about those around and inside it, oldest first.
    pub fn stories(&self, network: IpNet) -> Vec<(Uuid, &Story)> {
        let around = std::iter::successors(network.supernet(), IpNet::supernet);
        let around = around.filter_map(|network| self.about.get(&network));
        // Networks stand by their first address, and of those that share it the largest first.
        let last = IpNet::from(network.broadcast());
        let inside = self.about.range(network..=last).map(|(_, ids)| ids);
        let ids: BTreeSet<Uuid> = around.chain(inside).flatten().copied().collect();
        let mut stories: Vec<(Uuid, &Story)> =
            ids.into_iter().filter_map(|id| Some((id, self.stories.get(&id)?))).collect();
        stories.sort_by_key(|(id, story)| (story.first(), *id));
        stories
    }

    /// What last happened to `network`, and to those around and inside it, oldest first, each thing once; at most `limit`.
    pub fn history(&self, network: IpNet, limit: usize) -> Vec<Happening> {
        let mut told: Vec<_> = self
            .stories(network)
            .into_iter()
            .flat_map(|(_, story)| first_tellings(story.told()))
            .collect();
        told.sort_by_key(|(place, _)| *place);
        let passed_over = told.len().saturating_sub(limit);
        told[passed_over..].iter().map(|(place, told)| words::happening(place.at, told)).collect()
    }

    /// Freezes, thaws and changes of the mode, oldest first, each once, and in words.
    pub fn controls(&self) -> Vec<(&Control, Happening)> {
        let told = self.stories.values().flat_map(|story| first_tellings(story.told()));
        let mut controls: Vec<_> = told
            .filter_map(|(place, told)| match told {
                Told::Control(control) => Some((place, control.as_ref(), told)),
                _ => None,
            })
            .collect();
        controls.sort_by_key(|(place, _, _)| *place);
        let in_words = controls.into_iter();
        in_words.map(|(place, control, told)| (control, words::happening(place.at, told))).collect()
    }

    /// The points that spoke. What the fold of an executor refused is told with the decision itself.
    pub fn points(&self) -> BTreeMap<String, Spoken> {
        let mut points: BTreeMap<String, Spoken> = BTreeMap::new();
        let said = self.stories.values().flat_map(Story::consequences);
        for said in said.filter(|said| said.point() != Enforcement::FOLD) {
            if !points.contains_key(said.point()) {
                points.insert(said.point().to_owned(), Spoken::default());
            }
            let Some(spoken) = points.get_mut(said.point()) else { continue };
            spoken.last_at = spoken.last_at.max(said.at());
            if matches!(said, Consequence::Proof(proof) if proof.effect == Effect::Effective) {
                spoken.highest = spoken.highest.max(said.level());
            }
        }
        points
    }

    fn forget_oldest(&mut self) {
        let Some((place, id)) = self.order.pop_first() else { return };
        self.floor = self.floor.max(Some(place));
        let Entry::Occupied(mut story) = self.stories.entry(id) else { return };
        // The oldest of all is the oldest of its own story.
        let told = story.get_mut().forget_first();
        self.bytes -= told.as_ref().map_or(0, Told::bytes);
        let network = told.and_then(|told| told.network());
        if let Some(network) = network.filter(|network| !story.get().is_about(*network)) {
            let ids = self.about.get_mut(&network);
            if ids.is_some_and(|ids| ids.remove(&id) && ids.is_empty()) {
                self.about.remove(&network);
            }
        }
        if story.get().is_empty() {
            story.remove();
            self.bytes -= STORY_BYTES;
        }
    }
}

/// What is told, each record as it was told first.
fn first_tellings<'a>(
    told: impl Iterator<Item = (Place, &'a Told)>,
) -> impl Iterator<Item = (Place, &'a Told)> {
    let mut seen = HashSet::new();
    told.filter(move |(place, _)| seen.insert((place.kind, place.id)))
}
