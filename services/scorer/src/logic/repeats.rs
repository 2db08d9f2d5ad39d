//! Which events were seen before: by position where the source has positions, else by id. Bounded.

use std::collections::{HashMap, HashSet, VecDeque};

use schemas::{EventView, Millis, SourcePosition};
use uuid::Uuid;

/// Most sources of which a position is kept.
pub const SOURCES_MAX: usize = 10_000;
/// Most ids kept of events whose publisher gives no positions.
pub const IDS_MAX: usize = 4_096;
/// Room for the sources in the record of bucket 0, beside the ids.
const SOURCES_BYTES_MAX: usize = 320 * 1024;
/// A source in a record, without its name.
const SOURCE_BYTES: usize = 24;
const EVICTED_SHARE: usize = 8;

/// What was seen of every source of one partition.
#[derive(Debug, Default)]
pub struct Repeats {
    sources: HashMap<String, Place>,
    sources_bytes: usize,
    ids: VecDeque<Uuid>,
    known_ids: HashSet<Uuid>,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    position: i64,
    seen_at: Millis,
}

impl Repeats {
    /// Whether this event, or a later one of its source, was seen before; else remembers it.
    pub fn repeated(&mut self, event: &EventView<'_>) -> bool {
        match event.position {
            Some(position) => self.repeated_position(event.source, position, event.observed_at),
            None => self.repeated_id(event.event_id),
        }
    }

    fn repeated_position(&mut self, source: &str, position: i64, seen_at: Millis) -> bool {
        if let Some(place) = self.sources.get_mut(source) {
            if position <= place.position {
                return true;
            }
            *place = Place { position, seen_at: place.seen_at.max(seen_at) };
            return false;
        }
        let bytes = source.len() + SOURCE_BYTES;
        if self.sources.len() >= SOURCES_MAX || self.sources_bytes + bytes > SOURCES_BYTES_MAX {
            self.evict();
        }
        self.sources_bytes += bytes;
        self.sources.insert(source.to_owned(), Place { position, seen_at });
        false
    }

    fn repeated_id(&mut self, id: Uuid) -> bool {
        if !self.known_ids.insert(id) {
            return true;
        }
        self.ids.push_back(id);
        if self.ids.len() > IDS_MAX
            && let Some(oldest) = self.ids.pop_front()
        {
            self.known_ids.remove(&oldest);
        }
        false
    }

    /// Forgets the sources that were quiet for longest. A collector that restarted never uses its old names again.
    fn evict(&mut self) {
        let mut oldest: Vec<(Millis, String)> =
            self.sources.iter().map(|(source, place)| (place.seen_at, source.clone())).collect();
        oldest.sort();
        let share = (oldest.len() / EVICTED_SHARE).max(1);
        for (_, source) in oldest.into_iter().take(share) {
            self.sources_bytes -= source.len() + SOURCE_BYTES;
            self.sources.remove(&source);
        }
    }

    /// The sources in a fixed order, and the ids, oldest first.
    pub(crate) fn export(&self) -> (Vec<SourcePosition>, Vec<Uuid>) {
        let mut sources: Vec<SourcePosition> = self
            .sources
            .iter()
            .map(|(source, place)| SourcePosition {
                source: source.clone(),
                position: place.position,
                seen_at: place.seen_at,
            })
            .collect();
        sources.sort_by(|a, b| a.source.cmp(&b.source));
        (sources, self.ids.iter().copied().collect())
    }

    pub(crate) fn restore(sources: Vec<SourcePosition>, ids: Vec<Uuid>) -> Self {
        let mut repeats = Repeats {
            known_ids: ids.iter().copied().collect(),
            ids: ids.into(),
            ..Repeats::default()
        };
        for held in sources {
            repeats.sources_bytes += held.source.len() + SOURCE_BYTES;
            repeats
                .sources
                .insert(held.source, Place { position: held.position, seen_at: held.seen_at });
        }
        repeats
    }
}
