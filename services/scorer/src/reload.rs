//! Rule packs, model and exceptions from files, looked at again and again while the scorer runs.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use detect::model;
use detect::signatures::pack::PACK_BYTES_MAX;
use detect::signatures::signing::PackKey;
use schemas::Millis;

use crate::detectors::Detectors;
use crate::logic::files::{Found, Good, PACKS_MAX, Read, Refused};

/// How often the files are looked at.
pub const INTERVAL: Duration = Duration::from_secs(2);
const SIGNATURE_BYTES_MAX: usize = 1_024;
const EXCEPTIONS_BYTES_MAX: usize = 1 << 20;

/// Where the files are.
#[derive(Debug, Clone, Default)]
pub struct Files {
    /// A folder of packs, `NAME.toml` with `NAME.toml.sig` beside it.
    pub packs: Option<PathBuf>,
    /// Whose signatures are believed.
    pub keys: Vec<PackKey>,
    pub model: Option<PathBuf>,
    pub exceptions: Option<PathBuf>,
}

/// The files, what was read of them last, and the last good of each.
pub struct Watched {
    files: Files,
    found: Found,
    good: Good,
}

impl Watched {
    pub fn new(files: Files) -> Self {
        metrics::gauge!("perimeter_scorer_files_refused").set(0.0);
        Watched { files, found: Found::default(), good: Good::default() }
    }

    /// Reads the files at `now`; where they differ from the last time, puts in force what is good of them and says what
    /// is not. Whatever they hold, this never fails.
    pub fn look(&mut self, detectors: &Detectors, now: Millis) {
        if let Some(refused) = self.taken(detectors, now) {
            tell(&refused);
        }
    }

    /// The same, and answers what was refused; nothing where no file has changed.
    pub fn taken(&mut self, detectors: &Detectors, now: Millis) -> Option<Vec<Refused>> {
        let found = read(&self.files);
        if self.found == found {
            return None;
        }
        let taken = self.good.take_safely(|good| good.take(&found, &self.files.keys, now));
        self.found = found;
        match taken {
            Ok((detector, refused)) => {
                detectors.replace(detector);
                Some(refused)
            }
            Err(refused) => Some(vec![refused]),
        }
    }
}

fn tell(refused: &[Refused]) {
    metrics::gauge!("perimeter_scorer_files_refused").set(refused.len() as f64);
    metrics::counter!("perimeter_scorer_reloads_total").increment(1);
    for Refused { file, why } in refused {
        tracing::error!(file, why, "not taken over: the last good one stays in force");
    }
    tracing::info!(refused = refused.len(), "rule packs, model and exceptions were read");
}

fn read(files: &Files) -> Found {
    let bytes = |file: &PathBuf, most| limited(file, most);
    Found {
        packs: files.packs.as_deref().map(packs),
        model: files.model.as_ref().map(|file| bytes(file, model::FILE_BYTES_MAX)),
        exceptions: files.exceptions.as_ref().map(|file| bytes(file, EXCEPTIONS_BYTES_MAX)),
    }
}

fn packs(folder: &Path) -> Result<BTreeMap<String, Read>, String> {
    let wrong = |error: std::io::Error| format!("could not read {}: {error}", folder.display());
    let mut packs = BTreeMap::new();
    for entry in std::fs::read_dir(folder).map_err(wrong)? {
        let path = entry.map_err(wrong)?.path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        if packs.len() == PACKS_MAX {
            return Err(format!("{} holds more than {PACKS_MAX} packs", folder.display()));
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let pack = limited(&path, PACK_BYTES_MAX)?;
        // Without a signature the pack is refused by name, not the whole folder.
        let signature = path.with_added_extension("sig");
        let signature = limited(&signature, SIGNATURE_BYTES_MAX).unwrap_or_default();
        packs.insert(name, Read { pack, signature });
    }
    Ok(packs)
}

/// The bytes of a file, and one more where it has more than `most`: enough to be refused for.
fn limited(file: &Path, most: usize) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    File::open(file)
        .and_then(|open| open.take(most as u64 + 1).read_to_end(&mut bytes))
        .map_err(|error| format!("could not read {}: {error}", file.display()))?;
    Ok(bytes)
}
