//! The scorer's memory, in buckets small enough for one record.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Millis, Observable};

/// One bucket of one partition's state, with the offset at which it was taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    pub partition: i32,
    pub bucket: i32,
    /// How many buckets this partition's state is cut into.
    pub bucket_count: i32,
    /// The next offset of `events` to apply on top of this bucket.
    pub next_offset: i64,
    pub windows: Vec<Window>,
    pub sources: Vec<SourcePosition>,
    /// Ids of recent events whose publisher gives no positions, oldest first.
    pub recent_ids: Vec<Uuid>,
}

/// What one rule remembers of one observable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Window {
    pub rule: String,
    pub observable: Observable,
    /// Event times of what counts, oldest first.
    pub seen_at: Vec<Millis>,
    /// Event time of the last detection of this rule.
    pub detected_at: Option<Millis>,
}

/// The highest position seen of one source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SourcePosition {
    pub source: String,
    pub position: i64,
    /// Event time of that event, so that dead sources can be forgotten.
    pub seen_at: Millis,
}
