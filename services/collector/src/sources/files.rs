//! Log files, followed through rotation by rename, truncation, copying with truncation and packing, or read to the end.
//!
//! What was read is remembered only once Kafka has it, in a file written whole or not at all; what is read twice after
//! a crash has the same ids. One pass does a bounded piece of work and never waits: a test drives it by hand. What a
//! file is and where it is read on is decided in [`crate::logic::follow`].

mod reader;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use observe::Trusted;
use observe::logs::Parser;
use pipeline::Context;
use schemas::Millis;

use crate::config::logs::Logs;
use crate::logic::follow::{FileId, Found, Place, Reading, State};
use crate::publish::{Outbox, Outgoing};
use reader::{CHUNK_BYTES, Opened, Probe, Progress, Reader};

/// Most files open at a time.
pub const READERS_MAX: usize = 512;
/// A pass ends when it has this much; the next begins with the file after.
const EVENTS_MAX: usize = 16_384;
const BYTES_MAX: usize = 8 * 1024 * 1024;
/// How often files are looked for.
const LOOK_INTERVAL_MS: Millis = 200;
const SAVE_INTERVAL_MS: Millis = 1_000;
/// How long a rotated file must be quiet until its writer has surely let go of it.
const LEAVING_QUIET_MS: Millis = 60 * 1_000;
const UNKNOWN_FORMAT: &str = "its first lines are in no format that is known; set format for its path in \
    COLLECTOR_LOGS_FILE, to a name of docs/formats.md or a template";

/// What a pass read: what to publish, and where reading goes on once that is in Kafka.
#[derive(Debug, Default)]
pub struct Batch {
    pub outgoing: Outgoing,
    /// By source.
    pub places: BTreeMap<String, Place>,
    /// Whether everything there is was read.
    pub idle: bool,
}

/// Follows files: a synchronous core without Kafka.
pub struct Follower {
    config: Logs,
    trusted: Trusted,
    state: State,
    /// What was not saved yet.
    unsaved: bool,
    saved_at: Millis,
    looked_at: Option<Millis>,
    readers: Vec<Reader>,
    /// Which reader a pass begins with.
    turn: usize,
    /// More files were found than may be open.
    crowded: bool,
    /// Files of which nothing is to be read as long as they stay as they are.
    left: HashMap<FileId, (u64, Millis)>,
    /// Files that could not be read, and why.
    failed: BTreeMap<FileId, String>,
    chunk: Vec<u8>,
}

/// Publishes what the files say until shutdown, or, if they are to be read once, until their ends.
pub async fn run(mut follower: Follower, outbox: Outbox, context: &Context) -> Result<()> {
    let (once, mut ended) = (follower.config.once, false);
    let mut batch = Batch::default();
    loop {
        // The next pass reads while Kafka takes what the last one read.
        let (passed, sent) = tokio::join!(
            pass(follower, context.clock.now()),
            outbox.send_until(batch.outgoing, &context.shutdown)
        );
        (follower, batch) = match (passed?, sent?) {
            ((mut follower, next), true) => {
                follower.acknowledged(batch.places);
                (follower, next)
            }
            ((unsent, _), false) => {
                follower = unsent;
                break;
            }
        };
        if !batch.idle && !context.shutdown.is_cancelled() {
            continue;
        }
        let outgoing = std::mem::take(&mut batch.outgoing);
        let idle = idle(outgoing.len());
        if !outbox.send_until(outgoing, &context.shutdown).await? {
            break;
        }
        follower.acknowledged(std::mem::take(&mut batch.places));
        ended = once && batch.idle;
        if context.shutdown.is_cancelled() || ended {
            break;
        }
        tokio::select! {
            () = context.shutdown.cancelled() => break,
            () = tokio::time::sleep(idle) => {}
        }
    }
    let now = context.clock.now();
    let left = move || {
        follower.save(now)?;
        if ended { follower.complete() } else { Ok(()) }
    };
    tokio::task::spawn_blocking(left).await?
}

/// How long nothing is looked at once everything was read, after a pass of so many events: where there are many, every
/// batch is worth more to everybody after us than the time that it waits.
fn idle(events: usize) -> Duration {
    Duration::from_millis(match events {
        4_000.. => 200,
        1_000.. => 100,
        200.. => 50,
        _ => 25,
    })
}

async fn pass(mut follower: Follower, now: Millis) -> Result<(Follower, Batch)> {
    let passing = move || follower.pass(now).map(|batch| (follower, batch));
    tokio::task::spawn_blocking(passing).await?
}

impl Follower {
    /// Reads the state file; none is a first start.
    pub fn open(config: Logs, trusted: Trusted) -> Result<Follower> {
        let state = match &config.state {
            Some(path) => read_state(path)?,
            None => State::default(),
        };
        Ok(Follower {
            config,
            trusted,
            looked_at: None,
            state,
            unsaved: false,
            saved_at: 0,
            readers: Vec::new(),
            turn: 0,
            crowded: false,
            left: HashMap::new(),
            failed: BTreeMap::new(),
            chunk: vec![0; CHUNK_BYTES],
        })
    }

    /// Looks for files if it is time to, and reads on in those that are open.
    pub fn pass(&mut self, now: Millis) -> Result<Batch> {
        if self.looked_at.is_none_or(|looked_at| now - looked_at >= LOOK_INTERVAL_MS) {
            self.look(now);
        }
        if self.unsaved && now - self.saved_at >= SAVE_INTERVAL_MS {
            self.save(now)?;
        }
        // Read once, a file that waits is looked for as soon as another has ended.
        let idle = !(self.crowded && self.config.once);
        let mut batch = Batch { idle, ..Batch::default() };
        let readers = self.readers.len();
        for count in 0..readers {
            let index = (self.turn + count) % readers;
            if batch.outgoing.len() >= EVENTS_MAX || batch.outgoing.bytes() >= BYTES_MAX {
                self.turn = index;
                batch.idle = false;
                break;
            }
            self.read(index, now, &mut batch);
        }
        self.readers.retain(|reader| !reader.ended);
        Ok(batch)
    }

    /// Notes that Kafka has what a pass read.
    pub fn acknowledged(&mut self, places: BTreeMap<String, Place>) {
        for (source, place) in places {
            self.state.advance(&source, place);
            self.unsaved = true;
        }
    }

    /// Writes the state file anew, whole or not at all.
    pub fn save(&mut self, now: Millis) -> Result<()> {
        self.saved_at = now;
        self.unsaved = false;
        let Some(path) = &self.config.state else { return Ok(()) };
        write_state(path, &self.state.text()).with_context(|| {
            format!(
                "could not write {}; is the folder ours to write in, and is there room",
                path.display()
            )
        })
    }

    /// Opens what is to be read and was not; says goodbye to what is no longer where it was.
    fn look(&mut self, now: Millis) {
        self.looked_at = Some(now);
        let was_crowded = std::mem::take(&mut self.crowded);
        let mut seen = HashSet::new();
        let mut unread_bytes = 0;
        for (path, (entry, rotated)) in self.config.found() {
            // What vanished since is found under its new name the next time.
            let Ok(metadata) = fs::metadata(&path) else { continue };
            if !metadata.is_file() {
                continue;
            }
            let (file, state) = reader::of(&metadata);
            if !seen.insert(file) {
                continue;
            }
            if let Some(reader) = self.readers.iter_mut().find(|reader| reader.file == file) {
                unread_bytes += reader.unread_bytes(state.0);
                reader.leaving = rotated;
            } else if self.left.get(&file) != Some(&state)
                && let Err(error) = self.begin(&path, entry, rotated, now)
            {
                self.fail(file, &path, &error);
                self.left.insert(file, state);
            }
        }
        for reader in self.readers.iter_mut().filter(|reader| !seen.contains(&reader.file)) {
            reader.leaving = true;
        }
        self.left.retain(|file, _| seen.contains(file));
        self.failed.retain(|file, _| seen.contains(file));
        if !self.crowded {
            self.state.looked_at = Some(now);
        } else if !was_crowded && !self.config.once {
            tracing::warn!("{READERS_MAX} log files are being written to at once; the others wait");
        }
        metrics::gauge!("perimeter_collector_files_open").set(self.readers.len() as f64);
        metrics::gauge!("perimeter_collector_files_unread_bytes").set(unread_bytes as f64);
    }

    /// Begins to read a file, if there is anything new in it.
    fn begin(&mut self, path: &Path, entry: usize, rotated: bool, now: Millis) -> io::Result<()> {
        if self.readers.len() >= READERS_MAX {
            let Some(quiet) = reader::quietest(&self.readers, now) else {
                self.crowded = true;
                return Ok(());
            };
            // Its place is kept, and it is opened again once it grows.
            let quiet = self.readers.swap_remove(quiet);
            self.left.insert(quiet.file, quiet.state);
        }
        // Without a first line it is nothing yet.
        let Some(probe) = Probe::open(path, self.config.once)? else { return Ok(()) };
        let name = path.to_string_lossy();
        let found = Found {
            file: probe.file,
            identity: probe.identity,
            host: &self.config.host,
            path: &name,
            changed_at: probe.state.1,
            rotated,
            bytes: probe.bytes(),
            from_end: self.config.files[entry].from_end,
        };
        let (source, place) = match self.state.reading(found) {
            Reading::Leave => {
                self.left.insert(probe.file, probe.state);
                return Ok(());
            }
            Reading::On { source, place } => (source, place),
            Reading::New { source, read_at, at_end } => {
                let offset = if at_end { probe.end_of_lines()? } else { 0 };
                (source, Place { offset, ..found.beginning(read_at) })
            }
        };
        // A copy of what is still being read waits for the end of that.
        if self.readers.iter().any(|reader| reader.source == source) {
            return Ok(());
        }
        let entry = &self.config.files[entry];
        let Some(format) = entry.format.clone().or_else(|| probe.format()) else {
            return Err(io::Error::other(UNKNOWN_FORMAT));
        };
        let parser = Parser::new(format, self.trusted.clone(), entry.dates);
        let (opened, place) = match Reader::open(&probe, source, &place, parser.clone())? {
            Opened::Another => {
                let (source, place) = (found.source_of_its_own(), found.beginning(place.read_at));
                (Reader::open(&probe, source, &place, parser.clone())?, place)
            }
            opened => (opened, place),
        };
        let mut reader = match opened {
            Opened::Here(reader) => *reader,
            Opened::Short if self.config.once => return Err(ErrorKind::UnexpectedEof.into()),
            // Nothing in it is new, until it grows.
            _ => {
                self.left.insert(probe.file, probe.state);
                return Ok(());
            }
        };
        reader.leaving = rotated;
        tracing::info!(path = %path.display(), source = reader.source, offset = place.offset, "reading a log file");
        self.state.advance(&reader.source, place);
        self.failed.remove(&reader.file);
        self.readers.push(reader);
        Ok(())
    }

    fn read(&mut self, index: usize, now: Millis, batch: &mut Batch) {
        let once = self.config.once;
        let reader = &mut self.readers[index];
        match reader.read(&mut self.chunk, now, batch) {
            Ok(Progress::More) => batch.idle = false,
            // What is written from now on is gathered for a while: small batches cost everybody after us more.
            Ok(Progress::Rest) => batch.idle &= !once,
            Ok(Progress::End) => {
                reader.ended = once || (reader.leaving && reader.quiet_ms(now) > LEAVING_QUIET_MS);
                if reader.ended {
                    reader.last_line(now, batch);
                }
            }
            Ok(Progress::Finished) => reader.ended = true,
            Ok(Progress::Packing) if once => {
                reader.ended = true;
                let (file, path) = (reader.file, reader.path.clone());
                return self.fail(file, &path, &ErrorKind::UnexpectedEof.into());
            }
            // It is looked at again once it has grown.
            Ok(Progress::Packing) => reader.ended = true,
            Ok(Progress::Cut) => {
                tracing::info!(path = %reader.path.display(), "a log file was cut or written anew");
                reader.ended = true;
                batch.idle = false;
                self.looked_at = None;
                return;
            }
            Err(error) => {
                reader.ended = true;
                let (file, path) = (reader.file, reader.path.clone());
                self.left.insert(file, reader.state);
                return self.fail(file, &path, &error);
            }
        }
        if reader.ended {
            self.left.insert(reader.file, reader.state);
        }
    }

    /// Notes that a file could not be read, and says so once: it may change many times a second.
    fn fail(&mut self, file: FileId, path: &Path, error: &io::Error) {
        metrics::counter!("perimeter_collector_files_unreadable_total").increment(1);
        let reason = format!("{}: {error}", path.display());
        if self.failed.insert(file, reason).is_none() {
            tracing::warn!(path = %path.display(), %error, "could not read a log file; it is tried again once it changes");
        }
    }

    /// Whether everything that was to be read once was read.
    pub fn complete(&self) -> Result<()> {
        if let Some(reason) = self.failed.values().next() {
            bail!("could not read {} of the log files; {reason}", self.failed.len());
        }
        if self.config.found().is_empty() {
            bail!("no file is there to read; does each path in COLLECTOR_LOGS_FILE match one?");
        }
        Ok(())
    }
}

fn read_state(path: &Path) -> Result<State> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(State::default()),
        read => read.with_context(|| format!("could not read {}", path.display()))?,
    };
    State::parse(&text).map_err(|cause| {
        anyhow::anyhow!(
            "could not use {}: {cause}; move it away to read every file from its beginning (what was read before keeps \
             its ids)",
            path.display()
        )
    })
}

/// A crash leaves the old file or the new one.
fn write_state(path: &Path, text: &str) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let new = PathBuf::from(name);
    let mut file = File::create(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    match path.parent() {
        Some(folder) if folder != Path::new("") => File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}
