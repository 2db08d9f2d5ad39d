//! The detector beside libmodsecurity with the OWASP Core Rule Set, for the same requests in the same run: part of
//! `cargo verify --deep`. `loadtest/peers` says how it is measured.

use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::install::{self, cargo};
use crate::needs::{self, Check, Need};
use crate::paths::Paths;
use crate::process;
use crate::terminal::say;

/// What the peer needs besides; nothing else of ours uses it.
const NEEDS: [Need; 2] = [
    Need {
        package: "libmodsecurity-dev",
        why: "to measure the detector beside it",
        check: Check::File("/usr/include/modsecurity/modsecurity.h"),
    },
    Need {
        package: "modsecurity-crs",
        why: "the rules that it is measured with",
        check: Check::File("/usr/share/modsecurity-crs/owasp-crs.load"),
    },
];

/// Measures. Answers whether the detector is fast enough beside its peer, or nothing where there are no rows to measure
/// with.
pub async fn run(paths: &Paths) -> Option<Result<bool>> {
    let beside = paths.root.join("../shared/data");
    let data = std::env::var_os("PERIMETER_DATA").map_or(beside, PathBuf::from);
    let rows = data.join("http/http_requests.jsonl.gz");
    if !rows.is_file() {
        say(format!("skipped: the detector beside its peer: {} is missing", rows.display()));
        return None;
    }
    Some(measure(paths, rows).await)
}

async fn measure(paths: &Paths, rows: PathBuf) -> Result<bool> {
    install::bring(&needs::missing(&NEEDS, needs::present)).await?;
    let mut command = cargo(paths);
    command.args(["run", "--release", "--quiet", "-p", "detect", "--example", "peers", "--"]);
    let mut child = command.arg(rows).arg("--speed").spawn().context("could not start cargo")?;
    Ok(process::finish(&mut child).await.context("could not wait for cargo")?.success())
}
