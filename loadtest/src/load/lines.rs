//! Events as lines of an access log, in the combined format, appended to a file that the collector follows.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

use anyhow::Context as _;
use schemas::{Event, Millis};

const DAY_S: i64 = 86_400;
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
/// Lines are written together once so many bytes wait.
const BUFFER_BYTES: usize = 128 * 1024;

/// A log file that grows.
pub struct LogFile {
    file: File,
    waiting: Vec<u8>,
    /// The second that `stamp` tells.
    second: Option<i64>,
    stamp: String,
}

impl LogFile {
    /// Opens a file for appending; makes it where there is none.
    pub fn append(path: &Path) -> anyhow::Result<Self> {
        let file = File::options().create(true).append(true).open(path).with_context(|| {
            format!("could not open {} for writing; does its folder exist", path.display())
        })?;
        let waiting = Vec::with_capacity(BUFFER_BYTES + 1024);
        Ok(LogFile { file, waiting, second: None, stamp: String::new() })
    }

    /// Adds one line.
    pub fn add(&mut self, event: &Event) -> io::Result<()> {
        let second = event.observed_at.div_euclid(1_000);
        if self.second != Some(second) {
            self.second = Some(second);
            self.stamp = stamp(event.observed_at);
        }
        line(event, &self.stamp, &mut self.waiting)?;
        if self.waiting.len() >= BUFFER_BYTES { self.flush() } else { Ok(()) }
    }

    /// Writes what waits.
    pub fn flush(&mut self) -> io::Result<()> {
        self.file.write_all(&self.waiting)?;
        self.waiting.clear();
        Ok(())
    }
}

fn line(event: &Event, stamp: &str, out: &mut Vec<u8>) -> io::Result<()> {
    let (method, uri) = (&event.method, &event.uri);
    let status = event.status.unwrap_or(200);
    let referer = event.referer.as_deref().unwrap_or("-");
    let agent = event.agent.as_deref().unwrap_or("-");
    writeln!(
        out,
        "{} - - [{stamp}] \"{method} {uri} HTTP/1.1\" {status} {} \"{referer}\" \"{agent}\"",
        event.client,
        512 + uri.len() * 7,
    )
}

/// `10/Oct/2023:08:32:31 +0000`.
fn stamp(at: Millis) -> String {
    let seconds = at.div_euclid(1_000);
    let (year, month, day) = date(seconds.div_euclid(DAY_S));
    let second = seconds.rem_euclid(DAY_S);
    let (hour, minute) = (second / 3_600, second / 60 % 60);
    let month = MONTHS[month - 1];
    format!("{day:02}/{month}/{year:04}:{hour:02}:{minute:02}:{:02} +0000", second % 60)
}

/// Year, month from 1 and day of a count of days since 1970 (Hinnant, "chrono-compatible low-level date algorithms").
fn date(days: i64) -> (i64, usize, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, later) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (year + era * 400 + later, month as usize, day)
}

#[cfg(test)]
mod tests {
    use schemas::Protected;

    use super::*;
    use crate::load::mix::{Mix, Shape};

    #[test]
    fn times_are_written_as_servers_write_them() {
        for (at, written) in [
            (0, "01/Jan/1970:00:00:00 +0000"),
            (951_782_400_999, "29/Feb/2000:00:00:00 +0000"),
            (1_696_919_551_000, "10/Oct/2023:06:32:31 +0000"),
            (1_798_761_599_000, "31/Dec/2026:23:59:59 +0000"),
        ] {
            assert_eq!(stamp(at), written);
        }
    }

    #[test]
    fn every_event_is_one_line_whose_fields_can_be_told_apart() {
        let shape = Shape { seed: 1, attacks: 0.5, attackers: 50, clients: 50 };
        let mut mix = Mix::new(shape, "loadtest/test", Protected::special());
        for _ in 0..2_000 {
            let event = &mix.next(1_696_919_551_000).event;
            let mut written = Vec::new();
            line(event, "10/Oct/2023:06:32:31 +0000", &mut written).unwrap();
            let written = String::from_utf8(written).unwrap();
            assert_eq!(
                (written.matches('\n').count(), written.matches('"').count()),
                (1, 6),
                "{written}"
            );
            assert!(written.starts_with(&format!("{} - - [10/Oct/", event.client)));
            assert!(
                written.contains(&format!("\"{} {} HTTP/1.1\" 200 ", event.method, event.uri))
                    || event.status != Some(200)
            );
        }
    }
}
