//! This replica's own freeze: it watches the file that freezes it, keeps what was asked for by call, and tells the copy
//! of the leases. Needs neither Kafka nor any other process.
//!
//! What is not here: what a freeze means, and from when on it withholds. That is [`crate::logic::freeze`].

use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use pipeline::{Context, Leases};
use schemas::Millis;

use crate::logic::freeze::{Cause, Causes, by_call, by_file};

const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// From then on a look that has not come back is told as a problem; it is waited for all the same.
const LOOK_TIMEOUT: Duration = Duration::from_secs(5);
/// How much of the file is read for its first line.
const READ_BYTES_MAX: u64 = 1_024;

/// Why this replica is frozen, if it is; clones share it.
#[derive(Clone)]
pub struct OwnFreeze {
    state: Arc<Mutex<State>>,
    leases: Leases,
}

#[derive(Debug, Clone, Default)]
struct State {
    causes: Causes,
    /// Why the file could not be looked at.
    problem: Option<String>,
}

impl OwnFreeze {
    /// Looks at the file once, so that nothing is answered before it is known.
    pub fn new(leases: Leases, file: Option<&Path>, now: Millis) -> Self {
        let freeze = OwnFreeze { state: Arc::default(), leases };
        freeze.show(&Causes::default());
        if let Some(file) = file {
            freeze.looked(look(file), now);
        }
        freeze
    }

    /// Why it is frozen; and what is wrong with the file.
    pub fn state(&self) -> (Causes, Option<String>) {
        let state = self.lock();
        (state.causes.clone(), state.problem.clone())
    }

    /// Freezes until [`OwnFreeze::thaw`] or the end of the process. Whoever called first stays the cause.
    pub fn freeze(&self, identity: &str, reason: &str, now: Millis) {
        tracing::warn!(identity, reason, "asked to freeze this executor");
        self.change(now, |causes| {
            causes.call.get_or_insert_with(|| by_call(identity, reason, now));
        });
    }

    /// Ends what was asked for by call.
    pub fn thaw(&self, identity: &str, reason: &str, now: Millis) {
        tracing::warn!(identity, reason, "asked to thaw this executor");
        self.change(now, |causes| causes.call = None);
    }

    /// Learns what a look at the file came to. One that failed changes nothing: what it said last stands.
    pub fn looked(&self, looked: Result<Option<Cause>, String>, now: Millis) {
        match looked {
            Ok(found) => {
                self.lock().problem = None;
                if self.lock().causes.file != found {
                    self.change(now, |causes| causes.file = found);
                }
            }
            Err(error) => {
                let problem = format!("{error}; what the file said last stands");
                if self.lock().problem.replace(problem.clone()).as_ref() != Some(&problem) {
                    tracing::error!(
                        problem,
                        "could not look at the file that freezes this executor"
                    );
                }
            }
        }
    }

    fn change(&self, now: Millis, change: impl FnOnce(&mut Causes)) {
        let mut state = self.lock();
        change(&mut state.causes);
        let causes = state.causes.clone();
        // Still locked: of two changes the later one must be the one that stands.
        self.leases.freeze_here(|reader| causes.since(reader, now));
        self.show(&causes);
        drop(state);
        match causes.all().next() {
            Some(cause) => tracing::warn!(
                cause = cause.text,
                "frozen: this executor adds nothing that automation decides"
            ),
            None => tracing::warn!("thawed: this executor adds what automation decides"),
        }
    }

    fn show(&self, causes: &Causes) {
        for (name, cause) in [("file", &causes.file), ("call", &causes.call)] {
            metrics::gauge!("perimeter_executor_frozen", "cause" => name)
                .set(f64::from(u8::from(cause.is_some())));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks at the file again and again until shutdown. A look that hangs delays nobody else.
pub async fn watch(context: &Context, freeze: &OwnFreeze, file: Option<PathBuf>) -> Result<()> {
    let Some(file) = file else { return Ok(()) };
    loop {
        let path = file.clone();
        let mut looking = tokio::task::spawn_blocking(move || look(&path));
        let looked = loop {
            tokio::select! {
                looked = &mut looking => break looked.unwrap_or_else(|error| Err(error.to_string())),
                () = tokio::time::sleep(LOOK_TIMEOUT) => {
                    let slow = format!("{} does not answer", file.display());
                    freeze.looked(Err(slow), context.clock.now());
                }
                () = context.shutdown.cancelled() => return Ok(()),
            }
        };
        freeze.looked(looked, context.clock.now());
        tokio::select! {
            () = tokio::time::sleep(LOOK_INTERVAL) => {}
            () = context.shutdown.cancelled() => return Ok(()),
        }
    }
}

/// Whether the file is there, and what it says. It is only told to be away where its folder could be looked into.
pub fn look(file: &Path) -> Result<Option<Cause>, String> {
    let name = file.display();
    let failed = |error: std::io::Error| format!("{name} cannot be looked at: {error}");
    // Of a link its own times count: they say when it was put there.
    let found = match std::fs::symlink_metadata(file) {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
            std::fs::metadata(folder.unwrap_or(Path::new("."))).map_err(failed)?;
            return Ok(None);
        }
        Err(error) => return Err(failed(error)),
    };
    let at = found.ctime().saturating_mul(1_000).saturating_add(found.ctime_nsec() / 1_000_000);
    Ok(Some(by_file(&name.to_string(), &text(file), at)))
}

/// The beginning of the file, if it is one that can be read: what stands there freezes whatever it says.
fn text(file: &Path) -> Vec<u8> {
    let mut text = Vec::new();
    if std::fs::metadata(file).is_ok_and(|found| found.is_file())
        && let Ok(opened) = std::fs::File::open(file)
        && opened.take(READ_BYTES_MAX).read_to_end(&mut text).is_err()
    {
        text.clear();
    }
    text
}
