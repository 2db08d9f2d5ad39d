//! How a log file is known again, and where it is read on: what was found in, what to do out. No file is opened here.
//!
//! A file is its first line, not its name: `access.log`, renamed to `access.log.1` and packed into `access.log.2.gz`,
//! goes on being the same source with the same offsets (of the unpacked text), so that whatever is read twice has the
//! same ids. Device and inode only say which file that was last.

use std::collections::BTreeMap;

use observe::logs::BYTE_ORDER_MARK;
use schemas::Millis;
use serde::{Deserialize, Serialize};
use sha1::{Digest as _, Sha1};
use uuid::Uuid;

/// Most files that are remembered; the ones not grown for longest are forgotten first.
pub const FILES_MAX: usize = 10_000;
/// Most bytes in which a file's first line must end.
pub const HEAD_BYTES_MAX: usize = super::lines::LINE_BYTES_MAX;
/// Longest part of a path in a source's name; of a longer one its end is taken.
const STEM_BYTES_MAX: usize = 512;
/// The form of the state file.
const VERSION: u32 = 1;
/// Under which identities and event ids are made. Never to change: ids would.
const NAMESPACE: Uuid = Uuid::from_u128(0x8c1f_6a52_0f5b_5d0e_9a35_44f0_6b1e_72d7);

/// Which file it is at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FileId {
    pub device: u64,
    pub inode: u64,
}

/// How far a source was read. Everything before `offset` is in Kafka.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    #[serde(flatten)]
    pub file: FileId,
    /// What the file's first line says: see [`identity`].
    pub identity: Uuid,
    /// In the unpacked text.
    pub offset: u64,
    /// How many bytes before `offset` have which digest, by which a copy is told from another file that begins alike.
    pub tail: Option<(u64, Uuid)>,
    /// When it was last read to its end: what comes after was not there before.
    pub read_at: Option<Millis>,
    /// The file's own time of its last change, when it was last read.
    pub changed_at: Millis,
}

/// What is kept in the state file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    version: u32,
    /// When all files were last looked for. A file that is found later was not there before.
    pub looked_at: Option<Millis>,
    sources: BTreeMap<String, Place>,
}

/// A file that was found, before it is opened for reading.
#[derive(Debug, Clone, Copy)]
pub struct Found<'a> {
    pub file: FileId,
    pub identity: Uuid,
    /// The host's name and the path, for the name of the source.
    pub host: &'a str,
    pub path: &'a str,
    pub changed_at: Millis,
    /// Only as a rotated neighbour of a file that was asked for: nothing older than our last look is read.
    pub rotated: bool,
    /// Unpacked; `None` where that is not known.
    pub bytes: Option<u64>,
    /// What was there before the very first look is not read.
    pub from_end: bool,
}

/// What to do with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// Nothing there is new.
    Leave,
    /// Read from its beginning, or from its end.
    New { source: String, read_at: Option<Millis>, at_end: bool },
    /// Read on at the place, if the text before it ends as the place says.
    On { source: String, place: Place },
}

impl Found<'_> {
    /// The place before its first line.
    pub fn beginning(&self, read_at: Option<Millis>) -> Place {
        let Found { file, identity, changed_at, .. } = *self;
        Place { file, identity, offset: 0, tail: None, read_at, changed_at }
    }

    /// A source for a file that begins like another and goes on differently.
    pub fn source_of_its_own(&self) -> String {
        let FileId { device, inode } = self.file;
        let own = digest(format!("{}/{device}/{inode}", self.identity).as_bytes());
        source(self.host, self.path, own)
    }
}

impl State {
    pub fn parse(text: &str) -> Result<State, String> {
        let state: State = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if state.version != VERSION {
            return Err(format!("it has version {}, and only {VERSION} is known", state.version));
        }
        Ok(state)
    }

    pub fn text(&self) -> String {
        let state = State { version: VERSION, ..self.clone() };
        serde_json::to_string_pretty(&state).expect("numbers, texts and maps by text have a form")
    }

    pub fn place(&self, source: &str) -> Option<&Place> {
        self.sources.get(source)
    }

    /// Notes that Kafka has everything of `source` before the place.
    pub fn advance(&mut self, source: &str, place: Place) {
        self.sources.insert(source.to_owned(), place);
        if self.sources.len() > FILES_MAX {
            let oldest = self.sources.iter().min_by_key(|(_, place)| place.changed_at);
            if let Some(source) = oldest.map(|(source, _)| source.clone()) {
                self.sources.remove(&source);
            }
        }
    }

    /// What to do with a file that is not being read.
    pub fn reading(&self, found: Found<'_>) -> Reading {
        let same = |place: &&Place| place.file == found.file && place.identity == found.identity;
        let known = self.sources.iter().find(|(_, place)| same(place));
        let named = source(found.host, found.path, found.identity);
        // A name of its own does not make it another file: it may have been renamed while we were away.
        if let Some((source, place)) = known.or_else(|| self.sources.get_key_value(&named)) {
            let bytes = found.bytes.unwrap_or(u64::MAX);
            let watched = place.file == found.file && !found.rotated;
            if bytes < place.offset || (bytes == place.offset && !watched) {
                return Reading::Leave;
            }
            let place = Place { file: found.file, ..place.clone() };
            return Reading::On { source: source.clone(), place };
        }
        if found.rotated && self.looked_at.is_none_or(|looked_at| found.changed_at < looked_at) {
            return Reading::Leave;
        }
        let at_end = found.from_end && self.looked_at.is_none();
        Reading::New { source: named, read_at: self.looked_at, at_end }
    }
}

/// What a file is, by its text up to and including the first line that is no comment; `None` while that has no end.
///
/// Every line of a log has its time, so two files that begin alike are copies. Comments (`#Software: …`) do begin alike.
pub fn identity(head: &[u8]) -> Option<Uuid> {
    Some(digest(&head[..identity_bytes(head)?]))
}

/// How much of `head` says what the file is.
pub fn identity_bytes(head: &[u8]) -> Option<usize> {
    let mut start = 0;
    loop {
        let end = start + memchr::memchr(b'\n', &head[start..])? + 1;
        let line = &head[start..end];
        if !line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line).starts_with(b"#") {
            return Some(end);
        }
        start = end;
    }
}

/// A digest of some bytes of a file.
pub fn digest(bytes: &[u8]) -> Uuid {
    Uuid::new_v5(&NAMESPACE, bytes)
}

/// The name of a source: one per sequence of offsets, whatever the file is called at the time.
pub fn source(host: &str, path: &str, identity: Uuid) -> String {
    let stem = stem(path);
    let mut start = stem.len().saturating_sub(STEM_BYTES_MAX);
    while !stem.is_char_boundary(start) {
        start += 1;
    }
    format!("file/{host}{}/{}", &stem[start..], identity.simple())
}

/// The ids of the events of one source: UUIDs of version 5 (RFC 9562) over its name and the offset of the line.
#[derive(Debug, Clone)]
pub struct EventIds {
    /// What every id of the source begins with, hashed; this crate's SHA-1 uses the processor's where it has one.
    begun: Sha1,
}

impl EventIds {
    pub fn of(source: &str) -> Self {
        EventIds { begun: Sha1::new_with_prefix(NAMESPACE).chain_update(source).chain_update("/") }
    }

    /// The id of the event of the line at `offset`.
    pub fn at(&self, offset: u64) -> Uuid {
        let (mut digits, mut from, mut left) = ([0; 20], 20, offset);
        while left > 0 || from == 20 {
            from -= 1;
            digits[from] = b'0' + (left % 10) as u8;
            left /= 10;
        }
        let hash = self.begun.clone().chain_update(&digits[from..]).finalize();
        let mut head = [0; 16];
        head.copy_from_slice(&hash[..16]);
        uuid::Builder::from_sha1_bytes(head).into_uuid()
    }
}

/// A path as it was before rotation: without `.gz` and without numbers and dates of their own in its name.
fn stem(path: &str) -> String {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let name = name.strip_suffix(".gz").unwrap_or(name);
    let mut stem = String::with_capacity(path.len());
    stem.push_str(folder);
    stem.push('/');
    for (index, part) in name.split_inclusive(['.', '-', '_']).enumerate() {
        let word = part.trim_end_matches(['.', '-', '_']);
        let number = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
        if index == 0 || !number {
            stem.push_str(part);
        } else if part.ends_with('.') {
            // `access-2026.log`: the separator after the number is the one that stays.
            stem.truncate(stem.trim_end_matches(['.', '-', '_']).len());
            stem.push('.');
        }
    }
    stem.truncate(stem.trim_end_matches(['.', '-', '_']).len());
    stem
}

/// When a line could first be read, so that our own downtime is not its lateness.
///
/// It was written before the file's last change (`changed_at`) and before now, and after `read_at`, when we last read
/// the file to its end (or looked for it, and it was not there). In between, the source's own time is believed: a line
/// that says it was written while we were away is not late, and one from long before is, however it came into the file.
/// Without a `read_at` (the first look at a file with a past) the last change is all there is.
pub fn received_at(
    observed_at: Option<Millis>,
    read_at: Option<Millis>,
    changed_at: Millis,
    now: Millis,
) -> Millis {
    let latest = changed_at.min(now);
    match (read_at, observed_at) {
        (Some(read_at), Some(observed_at)) => observed_at.max(read_at).min(latest.max(read_at)),
        _ => latest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rotated_file_keeps_the_name_it_had() {
        for (path, kept) in [
            ("/var/log/access.log", "/var/log/access.log"),
            ("/var/log/access.log.1", "/var/log/access.log"),
            ("/var/log/access.log.12.gz", "/var/log/access.log"),
            ("/var/log/access.log-20260101.gz", "/var/log/access.log"),
            ("/var/log/access-2026-01-01.log", "/var/log/access.log"),
            ("/var/log/u_ex260101.log", "/var/log/u_ex260101.log"),
            ("/var/log/8080.log", "/var/log/8080.log"),
        ] {
            assert_eq!(stem(path), kept, "{path}");
        }
    }

    #[test]
    fn comments_do_not_say_which_file_it_is_and_half_a_line_says_nothing() {
        let (one, two) = ("#Version: 1.0\n10:00 a\n", "#Version: 1.0\n11:00 a\n");
        assert_ne!(identity(one.as_bytes()), identity(two.as_bytes()));
        assert_eq!(identity(one.as_bytes()), identity(format!("{one}more").as_bytes()));
        assert_eq!(identity(b"#Version: 1.0\n"), None);
        // IIS may begin a file with a byte order mark, which makes its first comment no line of a request.
        let (one, two) = (format!("\u{FEFF}{one}"), format!("\u{FEFF}{two}"));
        assert_ne!(identity(one.as_bytes()), identity(two.as_bytes()));
        assert_eq!(identity("\u{FEFF}#Version: 1.0\n".as_bytes()), None);
        assert_eq!(identity(b"10:00"), None);
    }

    #[test]
    fn our_downtime_is_not_lateness_and_old_lines_are_late() {
        let minute = 60_000;
        let check = |observed_at: Millis, read_at, changed_at, now, expected| {
            assert_eq!(received_at(Some(observed_at), read_at, changed_at, now), expected);
        };
        // Followed: read 25 ms after it was written.
        check(10 * minute, Some(10 * minute - 5), 10 * minute + 1, 10 * minute + 20, 10 * minute);
        // Written while we were away for an hour.
        check(10 * minute, Some(5 * minute), 65 * minute, 65 * minute, 10 * minute);
        // Yesterday's line, appended while we were away.
        check(-900 * minute, Some(5 * minute), 65 * minute, 65 * minute, 5 * minute);
        // A file with a past, seen for the first time.
        check(0, None, 50 * minute, 65 * minute, 50 * minute);
        // A clock ahead of ours does not move the time of arrival.
        check(90 * minute, Some(64 * minute), 65 * minute, 65 * minute, 65 * minute);
    }
}
