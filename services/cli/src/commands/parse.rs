//! `perimeter parse`: how the collector would read log files. Reads them to their ends and connects to nothing.

use std::collections::BTreeMap;
use std::path::Path;

use observe::logs::{DETECT_LINES_MAX, Dates, Format, LINE_BYTES_MAX, Parser, detect};
use observe::{Dead, Line, Trusted};
use schemas::{Event, Millis};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::args::{LogFormat, Parse};
use crate::commands::show;
use crate::failure::{Failure, Outcome};
use crate::input::{self, Lines};
use crate::output::Printer;

/// Prints one JSON line a file, after the first events of it. A file that cannot be read keeps no other from being
/// shown; each is named at the end.
pub(crate) fn run(arguments: &Parse, printer: &Printer) -> Outcome {
    let mut failures = Vec::new();
    for file in &arguments.files {
        failures.extend(parse(arguments, file, printer)?);
    }
    let Some(last) = failures.pop() else { return Ok(()) };
    for failure in failures {
        printer.note(&failure.to_string())?;
    }
    Err(last)
}

/// What became of a file's lines.
#[derive(Default)]
struct Tally {
    lines: u64,
    events: u64,
    skipped: u64,
    dead: BTreeMap<&'static str, u64>,
    first_dead: Option<(u64, Dead)>,
}

/// Prints what a file says, as far as it can be read. Answers why it could not be read to its end.
fn parse(arguments: &Parse, path: &Path, printer: &Printer) -> Result<Option<Failure>, Failure> {
    let mut file = match Lines::open(path, LINE_BYTES_MAX + 1) {
        Ok(lines) => Readable { lines, failure: None },
        Err(failure) => return Ok(Some(failure)),
    };
    let mut first: Vec<(Vec<u8>, u64)> = Vec::new();
    if matches!(arguments.format, LogFormat::Auto) {
        while first.len() < DETECT_LINES_MAX
            && let Some(line) = file.next_line()
        {
            first.push((line.bytes.to_vec(), line.offset));
        }
    }
    let format = match &arguments.format {
        LogFormat::Declared(format) => Some(format.clone()),
        LogFormat::Auto => {
            let texts: Vec<&[u8]> = first.iter().map(|(bytes, _)| bytes.as_slice()).collect();
            detect(&texts)
        }
    };
    let mut reader = Reader::new(arguments, path, format);
    for (bytes, offset) in &first {
        reader.take(bytes, *offset, printer)?;
    }
    while let Some(line) = file.next_line() {
        reader.take(line.bytes, line.offset, printer)?;
    }
    if file.failure.is_none() || reader.tally.lines > 0 {
        printer.json_line(&reader.summary())?;
    }
    Ok(file.failure)
}

/// The lines of a file up to its end, or to where it could not be read any more.
struct Readable {
    lines: Lines,
    failure: Option<Failure>,
}

impl Readable {
    fn next_line(&mut self) -> Option<input::Line<'_>> {
        if self.failure.is_some() {
            return None;
        }
        match self.lines.next() {
            Ok(line) => line,
            Err(failure) => {
                self.failure = Some(failure);
                None
            }
        }
    }
}

/// Parses the lines of one file and counts.
struct Reader {
    source: String,
    name: Option<String>,
    parser: Option<Parser>,
    show: u64,
    now: Millis,
    tally: Tally,
}

impl Reader {
    fn new(arguments: &Parse, path: &Path, format: Option<Format>) -> Self {
        let dates = Dates { year: arguments.year, offset_minutes: arguments.utc_offset };
        let trusted = Trusted::new(&arguments.proxies, []);
        Reader {
            source: path.display().to_string(),
            name: format.as_ref().map(Format::to_string),
            parser: format.map(|format| Parser::new(format, trusted, dates)),
            show: arguments.show,
            now: show::now(),
            tally: Tally::default(),
        }
    }

    fn take(&mut self, bytes: &[u8], offset: u64, printer: &Printer) -> Outcome {
        let tally = &mut self.tally;
        tally.lines += 1;
        let read = match &mut self.parser {
            Some(parser) => parser.line(bytes, self.now),
            None if bytes.trim_ascii().is_empty() => Ok(Line::Nothing),
            None => Err(Dead::unsupported("the file is in no format that is known; name one")),
        };
        match read {
            Ok(Line::Nothing) => tally.skipped += 1,
            Ok(Line::Event(observation)) => {
                tally.events += 1;
                if tally.events <= self.show {
                    let id = format!("{}/{offset}", self.source);
                    let id = Uuid::new_v5(&Uuid::NAMESPACE_URL, id.as_bytes());
                    let position = i64::try_from(offset).ok();
                    let event = observation.into_event(id, self.source.clone(), position, self.now);
                    printer.json_line(&shown(&event))?;
                }
            }
            Err(dead) => {
                *tally.dead.entry(dead.class).or_default() += 1;
                tally.first_dead.get_or_insert((tally.lines, dead));
            }
        }
        Ok(())
    }

    fn summary(&self) -> Value {
        let tally = &self.tally;
        let first_dead = tally.first_dead.as_ref().map(
            |(line, dead)| json!({ "line": line, "class": dead.class, "reason": dead.reason }),
        );
        json!({
            "file": self.source,
            "format": self.name,
            "lines": tally.lines,
            "events": tally.events,
            "skipped": tally.skipped,
            "dead": tally.dead,
            "first_dead": first_dead,
        })
    }
}

/// An event as it would be published, its body as the text that events are sent in with.
fn shown(event: &Event) -> Value {
    let mut shown = json!(event);
    if let Some(body) = &event.body {
        shown["body"] = String::from_utf8_lossy(body).into();
    }
    shown
}
