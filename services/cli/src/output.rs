//! Printing: JSON for machines, aligned columns for people, colours only where a terminal shows them.

use std::io::{self, IsTerminal as _, Write as _};

use serde_json::Value;

use crate::args::Format;

/// What a cell says about its row; a colour on a terminal, nothing elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    Good,
    Warning,
    Bad,
    Faint,
}

/// One cell of a table.
#[derive(Debug, Clone)]
pub(crate) struct Cell(pub(crate) String, pub(crate) Tone);

/// A cell without a tone.
pub(crate) fn cell(text: impl Into<String>) -> Cell {
    Cell(text.into(), Tone::Plain)
}

/// Prints answers in the chosen format.
pub(crate) struct Printer {
    format: Format,
    coloured: bool,
    /// What the command does is to be done whether or not anybody reads of it.
    acts: bool,
}

impl Printer {
    /// For a command that `acts`, or only tells.
    pub(crate) fn new(format: Format, acts: bool) -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Printer { format, coloured: wanted && io::stdout().is_terminal(), acts }
    }

    /// Without colours, for tests of what is shown.
    #[cfg(test)]
    pub(crate) fn plain() -> Self {
        Printer { format: Format::Table, coloured: false, acts: false }
    }

    pub(crate) fn json(&self) -> bool {
        self.format == Format::Json
    }

    /// Prints one JSON document, over several lines.
    pub(crate) fn document(&self, value: &Value) -> io::Result<()> {
        self.write(&format!("{}\n", json_safe(format!("{value:#}"))))
    }

    /// Prints one JSON document on one line.
    pub(crate) fn json_line(&self, value: &Value) -> io::Result<()> {
        self.write(&format!("{}\n", json_safe(value.to_string())))
    }

    pub(crate) fn line(&self, text: &str) -> io::Result<()> {
        self.write(&format!("{}\n", safe(text)))
    }

    /// Prints a text as it is: it is ours, line ends and all.
    pub(crate) fn text(&self, text: &str) -> io::Result<()> {
        self.write(text)
    }

    /// Says something beside the answer, on standard error.
    pub(crate) fn note(&self, text: &str) -> io::Result<()> {
        writeln!(io::stderr().lock(), "perimeter: {}", safe(text))
    }

    pub(crate) fn row(&self, cells: &[Cell]) -> io::Result<()> {
        self.write(&self.aligned(cells, &vec![0; cells.len()]))
    }

    /// Prints a table; the last column is not padded. Nothing is printed for no rows.
    pub(crate) fn table(&self, head: &[&str], rows: &[Vec<Cell>]) -> io::Result<()> {
        self.write(&self.tabulated(head, rows))
    }

    /// Rows of a page that are no table; a first cell that is empty indents.
    pub(crate) fn lines(&self, rows: &[Vec<Cell>]) -> String {
        rows.iter().map(|cells| self.aligned(cells, &vec![0; cells.len()])).collect()
    }

    /// A table as a text.
    pub(crate) fn tabulated(&self, head: &[&str], rows: &[Vec<Cell>]) -> String {
        let mut widths: Vec<usize> = head.iter().map(|text| text.chars().count()).collect();
        for row in rows {
            for (width, Cell(text, _)) in widths.iter_mut().zip(row) {
                *width = (*width).max(text.chars().count());
            }
        }
        let head: Vec<Cell> =
            head.iter().map(|text| Cell((*text).to_owned(), Tone::Faint)).collect();
        let mut out = if head.iter().all(|Cell(text, _)| text.is_empty()) {
            String::new()
        } else {
            self.aligned(&head, &widths)
        };
        for row in rows {
            out.push_str(&self.aligned(row, &widths));
        }
        out
    }

    /// Writes to standard output. A reader that went away, as `head` does, is no error: who only tells has nothing left
    /// to do.
    fn write(&self, text: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe && self.acts => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
            outcome => outcome,
        }
    }

    fn aligned(&self, cells: &[Cell], widths: &[usize]) -> String {
        let mut line = String::new();
        for (index, Cell(text, tone)) in cells.iter().enumerate() {
            let last = index + 1 == cells.len();
            line.push_str(&self.toned(text, *tone));
            if !last {
                let padding = widths[index].saturating_sub(text.chars().count()) + 2;
                line.push_str(&" ".repeat(padding));
            }
        }
        line.truncate(line.trim_end().len());
        line.push('\n');
        line
    }

    fn toned(&self, text: &str, tone: Tone) -> String {
        let colour = match tone {
            Tone::Good => "32",
            Tone::Warning => "33",
            Tone::Bad => "31",
            Tone::Faint => "2",
            Tone::Plain => "",
        };
        if !self.coloured || colour.is_empty() {
            safe(text)
        } else {
            format!("\x1b[{colour}m{}\x1b[0m", safe(text))
        }
    }
}

/// How far long work has come, on standard error; nothing where that is no terminal.
pub(crate) struct Progress {
    unit: &'static str,
    done: u64,
    shown: bool,
    terminal: bool,
}

/// How many units lie between two showings.
const PROGRESS_EVERY: u64 = 5_000;

impl Progress {
    pub(crate) fn new(unit: &'static str) -> Self {
        Progress { unit, done: 0, shown: false, terminal: io::stderr().is_terminal() }
    }

    /// One more unit is done.
    pub(crate) fn advance(&mut self) -> io::Result<()> {
        self.done += 1;
        if !self.terminal || !self.done.is_multiple_of(PROGRESS_EVERY) {
            return Ok(());
        }
        self.shown = true;
        write!(io::stderr().lock(), "\r{} {}", self.done, self.unit)
    }

    /// Wipes what was shown.
    pub(crate) fn end(self) -> io::Result<()> {
        if self.shown { write!(io::stderr().lock(), "\r\x1b[K") } else { Ok(()) }
    }
}

/// Control characters may come from an attacker's request; a terminal must not obey them.
pub(crate) fn safe(text: &str) -> String {
    text.chars()
        .map(|character| if character.is_control() { '\u{FFFD}' } else { character })
        .collect()
}

/// A document whose texts have only escaped control characters: JSON leaves those after 0x7e as they are, and a terminal
/// obeys some of them.
fn json_safe(document: String) -> String {
    // Line ends are the document's own.
    let raw = |character: char| character.is_control() && character != '\n';
    if !document.contains(raw) {
        return document;
    }
    let escaped = |character: char| match character {
        other if raw(other) => format!("\\u{:04x}", u32::from(other)),
        other => other.to_string(),
    };
    document.chars().map(escaped).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_by_characters_and_control_characters_are_shown_not_obeyed() {
        let printer = Printer::plain();
        let line = printer.aligned(&[cell("a\u{1b}[2J"), cell("end")], &[8, 3]);
        assert_eq!(line, "a\u{FFFD}[2J     end\n");
    }

    #[test]
    fn a_document_shows_control_characters_escaped_and_says_the_same() {
        let value = serde_json::json!({ "reason": "a\u{1b}[31m\u{9b}31m\u{7f}ü" });
        for written in [format!("{value:#}"), value.to_string()] {
            let shown = json_safe(written);
            assert!(shown.contains("a\\u001b[31m\\u009b31m\\u007fü"), "{shown}");
            assert_eq!(serde_json::from_str::<Value>(&shown).unwrap(), value);
        }
    }

    #[test]
    fn colours_wrap_the_text_and_not_the_padding() {
        let printer = Printer { format: Format::Table, coloured: true, acts: false };
        let line = printer.aligned(&[Cell("ok".into(), Tone::Good), cell("x")], &[4, 1]);
        assert_eq!(line, "\x1b[32mok\x1b[0m    x\n");
    }
}
