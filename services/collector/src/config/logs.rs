//! The file that `COLLECTOR_LOGS_FILE` names: which log files are read, and as what.

use std::collections::BTreeMap;
use std::path::PathBuf;

use observe::logs::{Dates, Format};
use serde::Deserialize;

use super::parts;

/// Most entries of the file.
const ENTRIES_MAX: usize = 256;
/// What rotation adds to a name.
const ROTATED: [&str; 2] = [".*", "-*"];

/// The log files to read.
#[derive(Debug, Clone)]
pub struct Logs {
    /// Where what was read is remembered; nowhere when files are read once.
    pub state: Option<PathBuf>,
    /// The host's name in the names of sources.
    pub host: String,
    /// Read everything to its end, and be done.
    pub once: bool,
    pub files: Vec<Entry>,
}

/// Files that are read in the same way.
#[derive(Debug, Clone)]
pub struct Entry {
    pub path: String,
    /// `None` is found out for each file.
    pub format: Option<Format>,
    pub dates: Dates,
    /// Of what was there before the very first start nothing is read.
    pub from_end: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    state: Option<PathBuf>,
    host: Option<String>,
    #[serde(default)]
    once: bool,
    #[serde(default)]
    file: Vec<FormEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FormEntry {
    path: String,
    #[serde(default = "parts::auto")]
    format: String,
    #[serde(default)]
    utc_offset_minutes: i16,
    year: Option<u16>,
    #[serde(default)]
    from: FormFrom,
}

/// Where the very first start begins in a file that is there.
#[derive(Deserialize, Default, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum FormFrom {
    #[default]
    Beginning,
    End,
}

impl Logs {
    /// Reads and checks the file's text. `host` is this machine's name. Says what to write where it cannot be used.
    pub fn parse(text: &str, host: &str) -> Result<Logs, String> {
        let form: Form = toml::from_str(text).map_err(|error| super::sentence(text, &error))?;
        if form.file.is_empty() || form.file.len() > ENTRIES_MAX {
            return Err(format!(
                "it has {} [[file]] entries; write 1 to {ENTRIES_MAX}, each with path = \"/var/log/…\"",
                form.file.len()
            ));
        }
        match &form.state {
            None if !form.once => {
                return Err("state is not set; name a file of ours, for example \
                     state = \"/var/lib/perimeter/logs.json\", or write once = true"
                    .to_owned());
            }
            Some(state) if state.parent().is_none_or(|folder| !folder.is_dir()) => {
                return Err(format!("there is no folder for state = {}; make it", state.display()));
            }
            _ => {}
        }
        let files = form.file.into_iter().map(entry).collect::<Result<Vec<_>, _>>()?;
        if form.once
            && let Some(file) = files.iter().find(|file| file.from_end)
        {
            let path = &file.path;
            return Err(format!("from = \"end\" of {path} leaves nothing to read once"));
        }
        let host = form.host.unwrap_or_else(|| host.to_owned());
        if host.is_empty() || host.len() > 255 || host.contains('/') {
            return Err("host must be a name of at most 255 bytes without slashes".to_owned());
        }
        Ok(Logs { state: form.state, host, once: form.once, files })
    }

    /// The files there are, each with its entry and whether it is only a rotated neighbour of what was asked for.
    pub(crate) fn found(&self) -> BTreeMap<PathBuf, (usize, bool)> {
        let mut found = BTreeMap::new();
        for (index, entry) in self.files.iter().enumerate() {
            for path in matching(&entry.path) {
                found.insert(path, (index, false));
            }
        }
        for (index, entry) in self.files.iter().enumerate() {
            for end in ROTATED {
                for path in matching(&format!("{}{end}", entry.path)) {
                    found.entry(path).or_insert((index, true));
                }
            }
        }
        found
    }
}

/// The paths that match; a folder that cannot be read has none.
fn matching(pattern: &str) -> impl Iterator<Item = PathBuf> + use<> {
    glob::glob(pattern).into_iter().flatten().filter_map(Result::ok)
}

fn entry(form: FormEntry) -> Result<Entry, String> {
    let path = form.path;
    if !path.starts_with('/') {
        return Err(format!("path = \"{path}\" must begin with /"));
    }
    glob::Pattern::new(&path).map_err(|error| format!("path = \"{path}\": {error}"))?;
    let format = parts::format(&form.format, &path)?;
    let dates = parts::dates(form.year, form.utc_offset_minutes, &path)?;
    let from_end = form.from == FormFrom::End;
    Ok(Entry { path, format, dates, from_end })
}
