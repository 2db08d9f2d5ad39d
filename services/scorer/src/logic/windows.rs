//! Hits per rule and observable, in event time, in buckets that fit one snapshot record each.
//!
//! Everything here is a function of the hits in their order, evictions too: whoever replays them gets the same.

use std::collections::HashMap;

use schemas::{Millis, Observable, Window};

use crate::logic::rules::{Rule, Threshold};

/// Into how many buckets the state of a partition is cut. Never changed without reading the old count too.
pub const BUCKETS: usize = 256;
/// Most windows of one partition.
pub const WINDOWS_MAX: usize = 200_000;
/// After a detection, the next one for the same rule and observable is worth a decision only this much later. It is
/// short on purpose: an attacker who goes on when a block ends must be detected by the first request that is enough.
pub const DETECTION_INTERVAL_MS: Millis = 2_000;
/// Room for the windows of one bucket in its record.
const BUCKET_BYTES: usize = 450 * 1024;
/// A window in a record, without its times: rule, observable, counts.
const WINDOW_BYTES: usize = 120;
const TIME_BYTES: usize = 10;
/// How much of a full bucket is let go at once, so that a flood pays for sorting once in a while.
const EVICTED_SHARE: usize = 8;

/// What a window is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Name of the rule.
    pub rule: &'static str,
    /// Whether the address was proved well enough to convict. Unproved hits are counted apart, so that nobody can
    /// fill another's window with forged lines.
    pub proved: bool,
    pub observable: Observable,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Held {
    /// Event times of the newest hits that no detection has counted yet, oldest first; of a rule to which one hit is
    /// enough, of the newest.
    seen_at: Vec<Millis>,
    detected_at: Option<Millis>,
}

#[derive(Debug, Default)]
struct Bucket {
    windows: HashMap<Key, Held>,
    changed: bool,
}

/// All windows of one partition.
#[derive(Debug)]
pub struct Windows {
    buckets: Vec<Bucket>,
    bucket_windows_max: usize,
}

/// One hit.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    pub at: Millis,
    /// A late event is evidence, but completes nothing.
    pub late: bool,
}

impl Windows {
    /// No window yet; `hits_max` is the highest threshold of all rules.
    pub fn new(hits_max: usize) -> Self {
        let by_bytes = BUCKET_BYTES / (WINDOW_BYTES + TIME_BYTES * hits_max);
        let mut buckets = Vec::with_capacity(BUCKETS);
        buckets.resize_with(BUCKETS, Bucket::default);
        Windows { buckets, bucket_windows_max: by_bytes.clamp(1, WINDOWS_MAX / (BUCKETS - 1)) }
    }

    /// The bucket of an observable. Bucket 0 holds no windows: it is for what was seen of each source.
    pub fn bucket_of(observable: &Observable) -> usize {
        let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
        let network = observable.network();
        let mut mix =
            |byte: u8| hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        match network.addr() {
            std::net::IpAddr::V4(v4) => v4.octets().into_iter().for_each(&mut mix),
            std::net::IpAddr::V6(v6) => v6.octets().into_iter().for_each(&mut mix),
        }
        mix(network.prefix_len());
        1 + ((hash ^ (hash >> 32)) % (BUCKETS as u64 - 1)) as usize
    }

    /// Notes a hit; answers whether it makes a detection.
    pub fn hit(&mut self, key: Key, seen: Seen, threshold: Threshold) -> bool {
        let most = self.bucket_windows_max;
        let bucket = &mut self.buckets[Self::bucket_of(&key.observable)];
        bucket.changed = true;
        if bucket.windows.len() >= most && !bucket.windows.contains_key(&key) {
            bucket.evict(most);
        }
        let held = bucket.windows.entry(key).or_default();
        let complete = held.note(seen.at, threshold);
        let due = held
            .detected_at
            .is_none_or(|last| seen.at >= last.saturating_add(DETECTION_INTERVAL_MS));
        if !complete || seen.late || !due {
            return false;
        }
        held.detected_at = Some(seen.at);
        if threshold.hits > 1 {
            // What was counted is answered for; the next detection is of what comes.
            held.seen_at.clear();
        }
        true
    }

    /// How many windows are held.
    pub fn len(&self) -> usize {
        self.buckets.iter().map(|bucket| bucket.windows.len()).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Which buckets changed since they were last taken.
    pub(crate) fn changed(&self) -> impl Iterator<Item = usize> {
        self.buckets.iter().enumerate().filter(|(_, bucket)| bucket.changed).map(|(index, _)| index)
    }

    pub(crate) fn mark_all(&mut self) {
        self.buckets.iter_mut().for_each(|bucket| bucket.changed = true);
    }

    /// The windows of a bucket in a fixed order; it then counts as unchanged.
    pub(crate) fn take(&mut self, bucket: usize) -> Vec<Window> {
        self.buckets[bucket].changed = false;
        self.export(bucket)
    }

    pub(crate) fn export(&self, bucket: usize) -> Vec<Window> {
        let mut held: Vec<(&Key, &Held)> = self.buckets[bucket].windows.iter().collect();
        held.sort_by_key(|(key, _)| *key);
        held.into_iter()
            .map(|(key, held)| Window {
                rule: if key.proved {
                    key.rule.to_owned()
                } else {
                    format!("{}{UNPROVED}", key.rule)
                },
                observable: key.observable.clone(),
                seen_at: held.seen_at.clone(),
                detected_at: held.detected_at,
            })
            .collect()
    }

    /// Puts a window back; one of a rule that this version does not know is forgotten. Where two rules of an earlier
    /// version became one, what was detected last stands.
    pub(crate) fn restore(&mut self, window: Window) {
        let (name, proved) = match window.rule.strip_suffix(UNPROVED) {
            Some(name) => (name, false),
            None => (window.rule.as_str(), true),
        };
        let Some(rule) = Rule::named(name) else { return };
        let bucket = Self::bucket_of(&window.observable);
        let key = Key { rule: rule.name(), proved, observable: window.observable };
        let held = Held { seen_at: window.seen_at, detected_at: window.detected_at };
        let windows = &mut self.buckets[bucket].windows;
        if windows.get(&key).is_none_or(|other| other.last_at() <= held.last_at()) {
            windows.insert(key, held);
        }
    }
}

/// Ends the rule's name of a window of unproved hits, in a snapshot.
const UNPROVED: &str = "/unproved";

impl Held {
    /// Keeps the newest hits; answers whether this one is among them and they are enough.
    fn note(&mut self, at: Millis, threshold: Threshold) -> bool {
        let place = self.seen_at.partition_point(|seen| *seen <= at);
        self.seen_at.insert(place, at);
        let surplus = self.seen_at.len().saturating_sub(threshold.hits);
        self.seen_at.drain(..surplus);
        let (Some(first), Some(last)) = (self.seen_at.first(), self.seen_at.last()) else {
            return false;
        };
        let kept = place >= surplus;
        kept && self.seen_at.len() == threshold.hits
            && last.saturating_sub(*first) < threshold.window_ms
    }

    fn last_at(&self) -> Millis {
        self.seen_at.last().copied().max(self.detected_at).unwrap_or(Millis::MIN)
    }
}

impl Bucket {
    /// Lets the windows go that were quiet for longest, by event time.
    fn evict(&mut self, most: usize) {
        let mut oldest: Vec<(Millis, Key)> =
            self.windows.iter().map(|(key, held)| (held.last_at(), key.clone())).collect();
        oldest.sort();
        for (_, key) in oldest.into_iter().take((most / EVICTED_SHARE).max(1)) {
            self.windows.remove(&key);
        }
    }
}
