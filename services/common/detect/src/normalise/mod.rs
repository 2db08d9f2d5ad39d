//! A value as the attacked program would see it.
//!
//! Most values need no decoding: one pass over a table of [bytes](classes) finds that out and writes the text. The
//! others are decoded in place, until nothing changes or [`ROUNDS`] are over.

mod classes;
mod decode;
mod fold;
mod inner;
mod marks;
mod unicode;
mod views;

use crate::request::{Place, Value};
pub(crate) use classes::structural;
use classes::{
    AMPERSAND, BLANKS, DECODE, DOTS, PATH, PLUS, RISE, SHELL, SLASH, SLASH_DOT, SLASHES, SQL, Seen,
};
pub(crate) use decode::entity_sign;
pub use marks::Marks;
use memchr::{memchr, memchr2};

/// Most rounds of decoding.
pub const ROUNDS: usize = 3;
/// Most readings of one value, itself included.
pub const READINGS_MAX: usize = 4;
/// How deep a text may be encoded in another.
const DEPTH_MAX: u8 = 2;
/// Shortest value that may have a text encoded in it.
const WITHIN_BYTES_MIN: usize = 10;

/// One way to read a value. Views that are equal are the same slice.
#[derive(Debug, Clone, Copy)]
pub struct Reading<'a> {
    /// Decoded fully and in lower case, blanks folded into one space.
    pub text: &'a [u8],
    /// `text` without SQL comments, with concatenated strings joined.
    pub sql: &'a [u8],
    /// `text` without what a shell removes: quotes inside words, backslashes, `$IFS`, `${x}`.
    pub shell: &'a [u8],
    /// `text` as a path: slashes of one kind, `.` and doubled slashes removed; `..` stays.
    pub path: &'a [u8],
    pub marks: Marks,
    /// Nothing but letters, digits and the punctuation that is ordinary at its place: no structure to look for.
    pub quiet: bool,
}

/// Reads values, one at a time, into buffers that are reused.
#[derive(Debug, Default)]
pub struct Normaliser {
    decoded: Vec<u8>,
    text: Vec<u8>,
    folded: Vec<u8>,
    sql: Vec<u8>,
    shell: Vec<u8>,
    path: Vec<u8>,
    inner: [Vec<u8>; READINGS_MAX - 1],
    steps: u64,
}

/// Which bytes a quiet reading of a value at `place` may have.
pub(crate) fn quiet_bytes(place: Place) -> [bool; 256] {
    classes::quiet(place)
}

impl Normaliser {
    /// Bytes looked at so far, over all passes and values.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Calls `each` with the value itself and then with what was found encoded inside it (base64, hex), at most
    /// four readings.
    pub fn read(&mut self, value: &Value<'_>, mut each: impl FnMut(&Reading<'_>)) {
        let slash =
            !matches!(value.place, Place::Path | Place::Segment | Place::Referer | Place::Agent);
        if self.one(value, slash, Marks::default(), &mut each) {
            self.within(value, slash, &mut each);
        }
    }

    /// Reads what is encoded in the value just read.
    fn within(&mut self, value: &Value<'_>, slash: bool, each: &mut impl FnMut(&Reading<'_>)) {
        let mut inner = std::mem::take(&mut self.inner);
        let mut queue = Queue::default();
        self.search(slash, value.raw, 0, &mut inner, &mut queue);
        let mut next = 0;
        while next < queue.length {
            let source = std::mem::take(&mut inner[next]);
            let (marks, depth) = (queue.marks[next], queue.depth[next]);
            let within = Value { raw: &source, ..*value };
            let may = self.one(&Value { place: Place::Body, ..within }, slash, marks, each);
            if may && depth < DEPTH_MAX {
                self.search(slash, &source, depth, &mut inner, &mut queue);
            }
            inner[next] = source;
            next += 1;
        }
        self.inner = inner;
    }

    /// Queues what is encoded in the value just read, while there is room.
    fn search(
        &mut self,
        slash: bool,
        raw: &[u8],
        depth: u8,
        inner: &mut [Vec<u8>],
        queue: &mut Queue,
    ) {
        if !queue.has_room() {
            return;
        }
        let text = if self.decoded.is_empty() { raw } else { &self.decoded[..] };
        inner::search(text, slash, &mut self.steps, |run, mark| {
            inner::decode(run, mark, &mut inner[queue.length]);
            queue.push(mark, depth + 1)
        });
    }

    /// Reads one text; answers whether another may be encoded in it. `slash` says whether `/` may be a digit there.
    fn one(
        &mut self,
        value: &Value<'_>,
        slash: bool,
        outer: Marks,
        each: &mut impl FnMut(&Reading<'_>),
    ) -> bool {
        self.decoded.clear();
        let raw = value.raw;
        let mut seen = self.pass(raw, slash);
        let mut gone = false;
        let plus = seen.any & PLUS != 0
            && (matches!(value.place, Place::Query | Place::Form) || utf7_like(raw));
        let entity = seen.any & AMPERSAND != 0 && entity_like(raw);
        let mut marks = outer;
        if seen.any & DECODE != 0 || seen.pairs & BLANKS != 0 || plus || entity {
            self.decoded.extend_from_slice(raw);
            marks |= self.decode(value.place);
            seen = Seen::new(&self.decoded, slash);
            gone = self.decoded.is_empty();
            marks |= fold::text(&self.decoded, &mut self.text);
            if memchr2(b'\n', b'\r', raw).is_none()
                && memchr2(b'\n', b'\r', &self.decoded).is_some()
            {
                let inside = memchr2(b'\n', b'\r', self.decoded.trim_ascii()).is_some();
                marks |= Marks::LINE_BREAK | Marks::when(inside, Marks::LINE_INSIDE);
            }
            self.steps += 3 * self.decoded.len() as u64;
        }
        let source = if self.decoded.is_empty() { raw } else { &self.decoded };
        let ordinary = seen.ordinary(value);
        if seen.pairs & RISE != 0
            && !(ordinary && matches!(value.place, Place::Agent | Place::Header))
        {
            marks |= fold::mixed_case(source);
            self.steps += source.len() as u64;
        }
        self.views(value, seen, marks, ordinary, each);
        raw.len() >= WITHIN_BYTES_MIN && (gone || seen.may_encode(inner::RUN_MIN))
    }

    /// The one pass that every value gets: looks every byte up and writes it in lower case.
    fn pass(&mut self, raw: &[u8], slash: bool) -> Seen {
        self.steps += raw.len() as u64;
        self.text.clear();
        self.text.extend_from_slice(raw);
        self.text.make_ascii_lowercase();
        Seen::new(raw, slash)
    }

    /// Decodes until nothing changes.
    fn decode(&mut self, place: Place) -> Marks {
        let (buf, mut marks) = (&mut self.decoded, Marks::default());
        for round in 0..ROUNDS {
            self.steps += buf.len() as u64;
            let mut now = decode::utf7(buf);
            if round == 0 {
                if matches!(place, Place::Query | Place::Form) {
                    buf.iter_mut().filter(|b| **b == b'+').for_each(|b| *b = b' ');
                }
                if place == Place::Json {
                    now |= decode::json(buf);
                }
            }
            now |= decode::percent(buf, round);
            now |= decode::entity(buf);
            now |= decode::escapes(buf);
            let (folded, changed) = unicode::fold(buf);
            marks |= now | folded;
            if now.is_empty() && !changed {
                break;
            }
        }
        marks
    }

    fn views(
        &mut self,
        value: &Value<'_>,
        seen: Seen,
        mut marks: Marks,
        ordinary: bool,
        each: &mut impl FnMut(&Reading<'_>),
    ) {
        let Self { text, sql, shell, path, folded, decoded, .. } = self;
        let lines = !decoded.is_empty()
            && memchr(b'\n', decoded).is_some()
            && memchr2(b'-', b'#', decoded).is_some();
        let mut sql_source = &text[..];
        if lines {
            shell.clear();
            shell.extend_from_slice(decoded);
            if views::line_comments(shell) {
                fold::text(shell, folded);
                sql_source = folded;
            }
            self.steps += decoded.len() as u64;
        }
        let mut sql_view = sql_source;
        let mut shell_view = &text[..];
        let mut path_view = &text[..];
        let hop = value.place == Place::Header && classes::structural(value.name);
        if seen.any & SQL != 0 && !(ordinary || hop) {
            marks |= views::sql(sql_source, sql);
            self.steps += sql_source.len() as u64;
            sql_view = sql;
        }
        if seen.any & SHELL != 0 && !ordinary {
            marks |= views::shell(text, shell);
            self.steps += text.len() as u64;
            shell_view = shell;
        }
        let slashes = seen.any & SLASH != 0
            && (seen.pairs & (DOTS | SLASH_DOT) != 0
                || seen.pairs & SLASHES != 0 && doubled_slash(text));
        if slashes
            || (seen.any & PATH != 0 && value.place != Place::Agent)
            || (seen.pairs & DOTS != 0)
        {
            marks |= views::path(text, path);
            self.steps += text.len() as u64;
            path_view = path;
        }
        let same = |view: &'_ [u8]| view == &text[..];
        let reading = Reading {
            text,
            sql: if same(sql_view) { text } else { sql_view },
            shell: if same(shell_view) { text } else { shell_view },
            path: if same(path_view) { text } else { path_view },
            marks,
            quiet: ordinary && marks.0 & !Marks::ORDINARY.0 == 0,
        };
        each(&reading);
    }
}

/// Texts found inside, still to be read.
#[derive(Default)]
struct Queue {
    length: usize,
    marks: [Marks; READINGS_MAX - 1],
    depth: [u8; READINGS_MAX - 1],
}

impl Queue {
    /// Answers whether there is room for another.
    fn push(&mut self, mark: Marks, depth: u8) -> bool {
        self.marks[self.length] = mark;
        self.depth[self.length] = depth;
        self.length += 1;
        self.has_room()
    }

    fn has_room(&self) -> bool {
        self.length < self.marks.len()
    }
}

/// Whether slashes are doubled elsewhere than behind a scheme.
fn doubled_slash(text: &[u8]) -> bool {
    memchr::memchr_iter(b'/', text)
        .any(|at| text.get(at + 1) == Some(&b'/') && (at == 0 || text[at - 1] != b':'))
}

/// Whether an `&` begins what may be an entity.
fn entity_like(raw: &[u8]) -> bool {
    memchr::memchr_iter(b'&', raw).any(|at| match raw.get(at + 1) {
        Some(b'#') => true,
        Some(b) if b.is_ascii_alphabetic() => {
            raw[at + 1..].iter().take(9).any(|&b| b == b';')
                || matches!(raw.get(at + 2), Some(b't' | b'T' | b'm' | b'M' | b'u' | b'U'))
        }
        _ => false,
    })
}

fn utf7_like(raw: &[u8]) -> bool {
    memchr::memchr_iter(b'+', raw)
        .any(|at| raw.get(at + 1) == Some(&b'A') && raw.get(at + 4) == Some(&b'-'))
}
