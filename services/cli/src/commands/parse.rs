//! `perimeter parse`: how the collector would read log files. Reads them to their ends and connects to nothing.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use anyhow::Context as _;
use flate2::bufread::MultiGzDecoder;
use observe::logs::{DETECT_LINES_MAX, Dates, Format, LINE_BYTES_MAX, Parser, detect};
use observe::{Dead, Line, Trusted};
use schemas::Millis;
use serde_json::json;
use uuid::Uuid;

use crate::args::{LogFormat, Parse};
use crate::commands::show;
use crate::failure::Outcome;
use crate::output::Printer;

const GZIP_MAGIC: [u8; 2] = [0x1F, 0x8B];

/// Prints one JSON line a file, after the first events of it.
pub(crate) fn run(arguments: &Parse, printer: &Printer) -> Outcome {
    for file in &arguments.files {
        let summary = parse(arguments, file, printer)
            .with_context(|| format!("could not read {}", file.display()))?;
        printer.json_line(&summary)?;
    }
    Ok(())
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

fn parse(arguments: &Parse, path: &Path, printer: &Printer) -> anyhow::Result<serde_json::Value> {
    let mut lines = Lines::open(path)?;
    let mut first = Vec::new();
    if matches!(arguments.format, LogFormat::Auto) {
        while first.len() < DETECT_LINES_MAX
            && let Some(line) = lines.next()?
        {
            first.push(line);
        }
    }
    let format = match &arguments.format {
        LogFormat::Declared(format) => Some(format.clone()),
        LogFormat::Auto => {
            let texts: Vec<&[u8]> = first.iter().map(|line| line.bytes.as_slice()).collect();
            detect(&texts)
        }
    };
    let mut reader = Reader::new(arguments, path, format);
    for line in first {
        reader.take(&line, printer)?;
    }
    while let Some(line) = lines.next()? {
        reader.take(&line, printer)?;
    }
    Ok(reader.summary())
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

    fn take(&mut self, line: &Numbered, printer: &Printer) -> io::Result<()> {
        let tally = &mut self.tally;
        tally.lines += 1;
        let read = match &mut self.parser {
            Some(parser) => parser.line(&line.bytes, self.now),
            None => Err(Dead::unsupported("the file is in no format that is known; name one")),
        };
        match read {
            Ok(Line::Nothing) => tally.skipped += 1,
            Ok(Line::Event(observation)) => {
                tally.events += 1;
                if tally.events <= self.show {
                    let id = format!("{}/{}", self.source, line.offset);
                    let id = Uuid::new_v5(&Uuid::NAMESPACE_URL, id.as_bytes());
                    let position = Some(line.offset);
                    let event = observation.into_event(id, self.source.clone(), position, self.now);
                    printer.json_line(&json!(event))?;
                }
            }
            Err(dead) => {
                *tally.dead.entry(dead.class).or_default() += 1;
                tally.first_dead.get_or_insert((tally.lines, dead));
            }
        }
        Ok(())
    }

    fn summary(&self) -> serde_json::Value {
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

/// One line without its end, and where it begins.
struct Numbered {
    /// At most one byte more than a line may have; the rest of it was dropped.
    bytes: Vec<u8>,
    offset: i64,
}

/// The lines of a file, each in bounded memory.
struct Lines {
    reader: Box<dyn BufRead>,
    offset: i64,
}

impl Lines {
    fn open(path: &Path) -> io::Result<Self> {
        let mut plain = BufReader::new(File::open(path)?);
        let reader: Box<dyn BufRead> = if plain.fill_buf()?.starts_with(&GZIP_MAGIC) {
            Box::new(BufReader::new(MultiGzDecoder::new(plain)))
        } else {
            Box::new(plain)
        };
        Ok(Lines { reader, offset: 0 })
    }

    /// The next line, or nothing at the end. A last line without its end counts.
    fn next(&mut self) -> io::Result<Option<Numbered>> {
        let offset = self.offset;
        let mut bytes = Vec::new();
        loop {
            let buffer = self.reader.fill_buf()?;
            if buffer.is_empty() {
                let begun = self.offset > offset;
                return Ok(begun.then_some(Numbered { bytes, offset }));
            }
            let end = buffer.iter().position(|byte| *byte == b'\n');
            let piece = &buffer[..end.unwrap_or(buffer.len())];
            let room = (LINE_BYTES_MAX + 1).saturating_sub(bytes.len());
            bytes.extend_from_slice(&piece[..piece.len().min(room)]);
            let taken = piece.len() + usize::from(end.is_some());
            self.reader.consume(taken);
            self.offset += taken as i64;
            if end.is_some() {
                return Ok(Some(Numbered { bytes, offset }));
            }
        }
    }
}
