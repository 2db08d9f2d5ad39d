//! The only place that writes to the terminal, so that a closed pipe never ends a run.

use std::io::Write as _;

/// Writes one line to standard output.
pub fn say(line: impl AsRef<str>) {
    // Nobody may be reading any more; the run and its clean-up go on all the same.
    writeln!(std::io::stdout(), "{}", line.as_ref()).ok();
}

/// Writes one line to standard error.
pub fn warn(line: impl AsRef<str>) {
    writeln!(std::io::stderr(), "{}", line.as_ref()).ok();
}
