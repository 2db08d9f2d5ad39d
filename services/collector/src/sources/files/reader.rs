//! One open log file, plain or packed: its lines from where they were last read.

use std::fs::{File, Metadata};
use std::io::{self, BufReader, ErrorKind, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use memchr::{memchr, memrchr};
use observe::logs::{DETECT_LINES_MAX, Format, Parser, detect};
use observe::{Dead, Line};
use schemas::Millis;
use uuid::Uuid;

use super::Batch;
use crate::logic::follow::{self, EventIds, FileId, HEAD_BYTES_MAX, Place};
use crate::logic::lines::{LINE_BYTES_MAX, Lines, Piece, TAIL_BYTES_MAX};
use crate::publish::{Origin, Outgoing};

/// Most bytes of one file in one pass.
pub(super) const CHUNK_BYTES: usize = 1024 * 1024;
/// Most lines of the head of a file that its parser is shown before it reads on in the middle.
const PRIMING_LINES_MAX: usize = 64;
/// How much before that place it is shown as well: two lines may tell of one login, with others between them.
const RECENT_BYTES_MAX: u64 = 4 * 1024;
/// How often a place is noted whose only news is that nothing was written.
const QUIET_NOTE_MS: Millis = 5_000;
/// How long a file must be quiet before it is closed for another.
const GIVES_WAY_QUIET_MS: Millis = 1_000;

/// A file before it is read: what it is.
pub(super) struct Probe {
    pub(super) path: PathBuf,
    pub(super) file: FileId,
    /// Size on the disk and time of the last change: the same two, and nothing happened to it.
    pub(super) state: (u64, Millis),
    pub(super) identity: Uuid,
    pub(super) packed: bool,
    head: Vec<u8>,
}

/// What a pass over one file came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// A whole chunk was read; there is more.
    More,
    /// Everything there was by then was read.
    Rest,
    /// There was nothing new.
    End,
    /// It ended for good.
    Finished,
    /// It ends in the middle: somebody is still packing it.
    Packing,
    /// It is not the file it was: truncated, or written anew.
    Cut,
}

/// An open file.
pub(super) struct Reader {
    pub(super) path: PathBuf,
    pub(super) file: FileId,
    pub(super) source: String,
    ids: EventIds,
    /// Rotated or removed: it ends when it was quiet for a while.
    pub(super) leaving: bool,
    pub(super) ended: bool,
    /// Size and time of the last change when it was last read.
    pub(super) state: (u64, Millis),
    identity: Uuid,
    head_bytes: usize,
    input: Input,
    lines: Lines,
    parser: Parser,
    read_at: Option<Millis>,
    noted_at: Millis,
    tail: Option<(u64, Uuid)>,
}

enum Input {
    Plain(File),
    Packed(Box<MultiGzDecoder<BufReader<File>>>),
}

/// The parts of [`Metadata`] that say which file it is and what happened to it.
pub(super) fn of(metadata: &Metadata) -> (FileId, (u64, Millis)) {
    let file = FileId { device: metadata.dev(), inode: metadata.ino() };
    (file, (metadata.len(), changed_at(metadata)))
}

fn changed_at(metadata: &Metadata) -> Millis {
    metadata.mtime().saturating_mul(1_000).saturating_add(metadata.mtime_nsec() / 1_000_000)
}

impl Probe {
    /// Looks at a file; `None` while its first line has no end, if it may still get one: a `whole` file does not grow.
    pub(super) fn open(path: &Path, whole: bool) -> io::Result<Option<Probe>> {
        let file = File::open(path)?;
        let (id, state) = of(&file.metadata()?);
        let packed = path.extension().is_some_and(|extension| extension == "gz");
        let mut head = Vec::new();
        let limit = HEAD_BYTES_MAX as u64;
        let read = if packed {
            MultiGzDecoder::new(BufReader::new(file)).take(limit).read_to_end(&mut head)
        } else {
            file.take(limit).read_to_end(&mut head)
        };
        match read {
            // Somebody is still packing it; of a whole file there must at least be something.
            Err(error)
                if error.kind() == ErrorKind::UnexpectedEof && !(whole && head.is_empty()) => {}
            read => drop(read?),
        }
        // Blank lines alone say nothing, not even in which format the others will be.
        if head.len() < HEAD_BYTES_MAX && head.trim_ascii().is_empty() {
            return Ok(None);
        }
        let identity = match follow::identity(&head) {
            Some(identity) => identity,
            // A first line that is too long is as good a name as any: it goes to the dead letters.
            None if head.len() == HEAD_BYTES_MAX => follow::digest(&head),
            None if whole && !head.is_empty() => follow::digest(&head),
            None => return Ok(None),
        };
        Ok(Some(Probe { path: path.to_owned(), file: id, state, identity, packed, head }))
    }

    /// The format that its first lines are in.
    pub(super) fn format(&self) -> Option<Format> {
        let lines: Vec<&[u8]> =
            self.head.split(|byte| *byte == b'\n').take(DETECT_LINES_MAX).collect();
        detect(&lines)
    }

    /// Where the last line that has an end ends, in the unpacked text.
    pub(super) fn end_of_lines(&self) -> io::Result<u64> {
        let mut file = File::open(&self.path)?;
        if self.packed {
            return io::copy(&mut MultiGzDecoder::new(BufReader::new(file)), &mut io::sink());
        }
        let start = self.state.0.saturating_sub(LINE_BYTES_MAX as u64);
        let mut tail = Vec::new();
        file.seek(SeekFrom::Start(start))?;
        file.read_to_end(&mut tail)?;
        Ok(start + memrchr(b'\n', &tail).map_or(tail.len(), |found| found + 1) as u64)
    }

    /// The length of the text, where it is known without unpacking.
    pub(super) fn bytes(&self) -> Option<u64> {
        (!self.packed).then_some(self.state.0)
    }
}

/// What was found where reading was to go on.
pub(super) enum Opened {
    Here(Box<Reader>),
    /// A packed file that ends before the place: it is being packed still, or is a copy of less than was read.
    Short,
    /// Another file, which only begins like the one that was read.
    Another,
}

/// The one of `readers` to which nothing has been written for longest, if that is a while and it was read to its end.
pub(super) fn quietest(readers: &[Reader], now: Millis) -> Option<usize> {
    let quiet = |reader: &Reader| reader.at_end() && reader.quiet_ms(now) > GIVES_WAY_QUIET_MS;
    let quiet = readers.iter().enumerate().filter(|(_, reader)| quiet(reader));
    quiet.max_by_key(|(_, reader)| reader.quiet_ms(now)).map(|(at, _)| at)
}

impl Reader {
    /// Reads from the place, if the text before it is what was read then.
    pub(super) fn open(
        probe: &Probe,
        source: String,
        place: &Place,
        parser: Parser,
    ) -> io::Result<Opened> {
        let file = File::open(&probe.path)?;
        let (tail_bytes, tail) = place.tail.map_or((0, None), |(bytes, tail)| (bytes, Some(tail)));
        let start = place.offset.saturating_sub(tail_bytes);
        let mut before = vec![0; usize::try_from(tail_bytes).unwrap_or(0).min(TAIL_BYTES_MAX)];
        let (read, input) = if probe.packed {
            let mut packed = MultiGzDecoder::new(BufReader::new(file));
            let skipped = io::copy(&mut packed.by_ref().take(start), &mut io::sink());
            let read = skipped.and_then(|_| packed.read_exact(&mut before));
            (read, Input::Packed(Box::new(packed)))
        } else {
            (file.read_exact_at(&mut before, start), Input::Plain(file))
        };
        match read {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof && probe.packed => {
                return Ok(Opened::Short);
            }
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(Opened::Another),
            read => read?,
        }
        if tail.is_some_and(|tail| tail != follow::digest(&before)) {
            return Ok(Opened::Another);
        }
        let recent = match &input {
            Input::Plain(file) => recent(file, place.offset),
            Input::Packed(_) => before,
        };
        let head_bytes = follow::identity_bytes(&probe.head).unwrap_or(probe.head.len());
        Ok(Opened::Here(Box::new(Reader {
            path: probe.path.clone(),
            file: probe.file,
            ids: EventIds::of(&source),
            source,
            leaving: false,
            ended: false,
            state: probe.state,
            identity: probe.identity,
            head_bytes,
            input,
            lines: Lines::starting_at(place.offset),
            parser: primed(parser, &probe.head, &recent, place),
            read_at: place.read_at,
            noted_at: place.read_at.unwrap_or(0),
            tail: place.tail,
        })))
    }

    /// Reads what comes next into `batch`.
    pub(super) fn read(
        &mut self,
        chunk: &mut [u8],
        now: Millis,
        batch: &mut Batch,
    ) -> io::Result<Progress> {
        let read = match &mut self.input {
            Input::Plain(file) => {
                let metadata = file.metadata()?;
                self.state = of(&metadata).1;
                if metadata.len() < self.lines.end() {
                    return Ok(Progress::Cut);
                }
                if metadata.len() > self.lines.end() {
                    let head = &mut chunk[..self.head_bytes];
                    file.read_exact_at(head, 0)?;
                    if follow::digest(head) != self.identity {
                        return Ok(Progress::Cut);
                    }
                }
                file.read_at(chunk, self.lines.end())?
            }
            Input::Packed(packed) => match packed.read(chunk) {
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                    return Ok(Progress::Packing);
                }
                Ok(0) => {
                    self.last_line(now, batch);
                    return Ok(Progress::Finished);
                }
                read => read?,
            },
        };
        self.lines.push(&chunk[..read]);
        let mut took = false;
        while let Some(piece) = self.lines.next_line() {
            took = true;
            let times = Times { read_at: self.read_at, changed_at: self.state.1, now };
            let origin = Origin { source: &self.source, position: piece.offset };
            take(&mut self.parser, origin, &self.ids, piece, times, &mut batch.outgoing);
        }
        if took {
            self.tail = self.lines.tail().map(|tail| (tail.len() as u64, follow::digest(tail)));
        }
        if read == 0 {
            self.read_at = Some(now);
        }
        if took || now - self.noted_at >= QUIET_NOTE_MS {
            self.note(now, batch);
        }
        Ok(match read {
            0 => Progress::End,
            // An unpacked chunk may be short in the middle.
            read if read < chunk.len() && matches!(self.input, Input::Plain(_)) => Progress::Rest,
            _ => Progress::More,
        })
    }

    /// Takes what is left as a line: nobody will end it any more.
    pub(super) fn last_line(&mut self, now: Millis, batch: &mut Batch) {
        let times = Times { read_at: self.read_at, changed_at: self.state.1, now };
        if let Some(piece) = self.lines.last_line() {
            let origin = Origin { source: &self.source, position: piece.offset };
            take(&mut self.parser, origin, &self.ids, piece, times, &mut batch.outgoing);
            self.tail = None;
        }
        self.read_at = Some(now);
        self.note(now, batch);
    }

    /// Whether all of it was read as it last was; a packed file ends by itself.
    fn at_end(&self) -> bool {
        matches!(self.input, Input::Plain(_)) && self.state.0 <= self.lines.end()
    }

    /// How long nothing was written to it.
    pub(super) fn quiet_ms(&self, now: Millis) -> Millis {
        now - self.state.1
    }

    /// How much of a file of `bytes` bytes was not read.
    pub(super) fn unread_bytes(&self, bytes: u64) -> u64 {
        match self.input {
            Input::Plain(_) => bytes.saturating_sub(self.lines.end()),
            Input::Packed(_) => 0,
        }
    }

    /// Where reading goes on once Kafka has what is in the batch.
    fn note(&mut self, now: Millis, batch: &mut Batch) {
        self.noted_at = now;
        let place = Place {
            file: self.file,
            identity: self.identity,
            offset: self.lines.next_offset(),
            tail: self.tail,
            read_at: self.read_at,
            changed_at: self.state.1,
        };
        batch.places.insert(self.source.clone(), place);
    }
}

#[derive(Clone, Copy)]
struct Times {
    read_at: Option<Millis>,
    changed_at: Millis,
    now: Millis,
}

impl Times {
    fn received_at(self, observed_at: Option<Millis>) -> Millis {
        follow::received_at(observed_at, self.read_at, self.changed_at, self.now)
    }
}

/// Makes an event or a dead letter of a line.
fn take(
    parser: &mut Parser,
    origin: Origin<'_>,
    ids: &EventIds,
    piece: Piece<'_>,
    times: Times,
    out: &mut Outgoing,
) {
    if piece.too_long {
        let dead = Dead::too_long(format!("the line has more than {LINE_BYTES_MAX} bytes"));
        return out.dead(origin, &dead, piece.bytes);
    }
    match parser.line(piece.bytes, times.received_at(None)) {
        Ok(Line::Event(observation)) => {
            let received_at = times.received_at(observation.observed_at);
            let (event_id, source) = (ids.at(piece.offset), origin.source.to_owned());
            let position = i64::try_from(piece.offset).ok();
            let event = observation.into_event(event_id, source, position, received_at);
            out.event(&event, times.now);
        }
        Ok(Line::Nothing) => {}
        Err(dead) => out.dead(origin, &dead, piece.bytes),
    }
}

/// What stands just before `offset`; nothing where that is not there any more.
fn recent(file: &File, offset: u64) -> Vec<u8> {
    let bytes = offset.min(RECENT_BYTES_MAX);
    let mut recent = vec![0; bytes as usize];
    let read = file.read_exact_at(&mut recent, offset - bytes);
    read.map_or_else(|_| Vec::new(), |()| recent)
}

/// A parser that has seen how the file begins, as some formats say there what their lines mean, and what stands just
/// before the place, as if it had read on to there. It is shown no line twice.
fn primed(mut parser: Parser, head: &[u8], recent: &[u8], place: &Place) -> Parser {
    let known = head.len().min(usize::try_from(place.offset).unwrap_or(usize::MAX));
    let mut lines = Lines::default();
    lines.push(&head[..known]);
    for _ in 0..PRIMING_LINES_MAX {
        let Some(line) = lines.next_line() else { break };
        drop(parser.line(line.bytes, place.changed_at));
    }
    let begins = place.offset.saturating_sub(recent.len() as u64);
    let unseen = match lines.next_offset().checked_sub(begins) {
        Some(seen) => recent.get(usize::try_from(seen).unwrap_or(usize::MAX)..),
        // It begins inside a line.
        None => memchr(b'\n', recent).map(|end| &recent[end + 1..]),
    };
    let mut lines = Lines::default();
    lines.push(unseen.unwrap_or_default());
    while let Some(line) = lines.next_line() {
        drop(parser.line(line.bytes, place.changed_at));
    }
    parser
}
