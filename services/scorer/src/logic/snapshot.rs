//! The memory of a partition as records, and back.
//!
//! A round of snapshots is every bucket that changed, all taken at one offset, and bucket 0 last. So whoever finds
//! bucket 0 at an offset knows that every other bucket is in the log as it was there, or did not change since it was
//! written. A replay begins at bucket 0's offset; a bucket that was written later in an unfinished round applies only
//! what it has not seen. A bucket 0 at offset 0 says: `events` was made anew, nothing written before counts.

use std::collections::BTreeMap;

use observe::Policy;
use schemas::{Millis, Snapshot};

use crate::detectors::Detectors;
use crate::logic::Memory;
use crate::logic::repeats::Repeats;
use crate::logic::windows::{BUCKETS, Windows};

/// Least append time between two rounds.
const ROUND_INTERVAL_MS: Millis = 1_000;
/// A round of so many buckets makes the next one wait an interval longer, so that a flood does not become two.
const ROUND_BUCKETS: usize = 32;

/// The newest snapshot of each bucket of one partition.
#[derive(Debug, Default)]
pub struct Collected(BTreeMap<usize, Snapshot>);

impl Collected {
    /// Takes in the next record of the partition's log, oldest first.
    pub fn add(&mut self, snapshot: Snapshot) {
        let bucket = match usize::try_from(snapshot.bucket) {
            Ok(bucket) if bucket < BUCKETS && snapshot.bucket_count == BUCKETS as i32 => bucket,
            // Cut into another number of buckets, by another version: the replay does its work.
            _ => return,
        };
        if bucket == 0 && snapshot.next_offset == 0 {
            self.0.clear();
        }
        // A paused twin may write late what was true earlier; the higher offset knows more.
        let newer = self.0.get(&bucket).is_none_or(|held| held.next_offset <= snapshot.next_offset);
        if newer {
            self.0.insert(bucket, snapshot);
        }
    }
}

impl Memory {
    /// The memory as it was collected, at bucket 0's offset; empty where it does not belong to this log.
    ///
    /// A snapshot is published only after its offset was committed. One beyond `committed` speaks of a log that is
    /// no more, or of offsets that somebody reset.
    pub fn restore(
        policy: &Policy,
        detectors: &Detectors,
        partition: i32,
        collected: Collected,
        committed: i64,
    ) -> Memory {
        let mut memory = Memory::new(policy, detectors, partition);
        if collected.0.values().any(|snapshot| snapshot.next_offset > committed) {
            memory.begin_anew();
            return memory;
        }
        for (bucket, snapshot) in collected.0 {
            memory.applied[bucket] = snapshot.next_offset;
            if bucket == 0 {
                memory.next_offset = snapshot.next_offset;
                memory.repeats = Repeats::restore(snapshot.sources, snapshot.recent_ids);
            }
            for window in snapshot.windows {
                memory.windows.restore(window);
            }
        }
        memory
    }

    /// Ends a replay: the next record to be applied is the one at `committed`.
    pub fn replayed_to(&mut self, committed: i64) {
        self.next_offset = self.next_offset.max(committed);
    }

    /// Whether enough happened since the last round.
    pub fn snapshot_due(&self) -> bool {
        let Some(appended_at) = self.appended_at else { return false };
        let waits = 1 + (self.round_buckets / ROUND_BUCKETS) as Millis;
        self.next_offset > self.applied[0]
            && self
                .round_at
                .is_none_or(|last| appended_at.saturating_sub(last) >= waits * ROUND_INTERVAL_MS)
    }

    /// Takes a round of snapshots at [`Memory::next_offset`].
    pub fn snapshot(&mut self) -> Vec<Snapshot> {
        let changed: Vec<usize> = self.windows.changed().filter(|bucket| *bucket != 0).collect();
        let mut round = Vec::with_capacity(changed.len() + 2);
        if std::mem::take(&mut self.anew) {
            round.push(self.empty_bucket(0, 0));
        }
        for bucket in changed {
            let windows = self.windows.take(bucket);
            self.applied[bucket] = self.next_offset;
            round.push(Snapshot { windows, ..self.empty_bucket(bucket, self.next_offset) });
        }
        let (sources, recent_ids) = self.repeats.export();
        self.applied[0] = self.next_offset;
        round.push(Snapshot { sources, recent_ids, ..self.empty_bucket(0, self.next_offset) });
        self.round_at = self.appended_at;
        self.round_buckets = round.len();
        round
    }

    /// Everything remembered, without touching it: what two memories must agree on to be the same.
    pub fn export(&self) -> Vec<Snapshot> {
        let (sources, recent_ids) = self.repeats.export();
        let of_windows = (1..BUCKETS).map(|bucket| Snapshot {
            windows: self.windows.export(bucket),
            ..self.empty_bucket(bucket, self.next_offset)
        });
        let of_sources = Snapshot { sources, recent_ids, ..self.empty_bucket(0, self.next_offset) };
        std::iter::once(of_sources).chain(of_windows).collect()
    }

    /// Forgets everything: the log was made anew. The next round says so and replaces every bucket.
    pub(super) fn begin_anew(&mut self) {
        self.windows = Windows::new(self.rules.hits_max());
        self.windows.mark_all();
        self.repeats = Repeats::default();
        self.applied = vec![0; BUCKETS];
        self.next_offset = 0;
        self.round_at = None;
        self.anew = true;
    }

    fn empty_bucket(&self, bucket: usize, next_offset: i64) -> Snapshot {
        Snapshot {
            partition: self.partition,
            bucket: bucket as i32,
            bucket_count: BUCKETS as i32,
            next_offset,
            windows: Vec::new(),
            sources: Vec::new(),
            recent_ids: Vec::new(),
        }
    }
}
