//! Where the story goes, and the signals that end a run.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::ledger::{Ledger, News};
use crate::report::Report;
use crate::story::{self, Paint};

/// Writes lines as they come. A reader that went away does not end the run.
pub struct Terminal {
    out: Box<dyn Write + Send>,
    paint: Paint,
    headless: bool,
}

impl Terminal {
    /// Colours only for a person: not into a file, and not against `NO_COLOR`.
    pub(crate) fn stdout(headless: bool) -> Self {
        let stdout = std::io::stdout();
        let plain = !stdout.is_terminal() || std::env::var_os("NO_COLOR").is_some();
        Terminal {
            out: Box::new(stdout),
            paint: if plain { Paint::Plain } else { Paint::Colours },
            headless,
        }
    }

    /// Writes nowhere.
    pub fn silent() -> Self {
        Terminal { out: Box::new(std::io::sink()), paint: Paint::Plain, headless: true }
    }

    pub(crate) fn news(&mut self, since_start: Duration, news: &News) {
        if self.headless {
            return;
        }
        if let Some(line) = story::line(since_start, news, self.paint) {
            self.line(&line);
        }
    }

    pub(crate) fn note(&mut self, since_start: Duration, what: &str) {
        self.line(&story::note(since_start, what, self.paint));
    }

    pub(crate) fn progress(&mut self, since_start: Duration, ledger: &Ledger, canary: usize) {
        let line = match self.headless {
            true => story::progress(since_start, ledger, canary),
            false => story::visitors(since_start, ledger, self.paint),
        };
        self.line(&line);
    }

    pub(crate) fn table(&mut self, report: &Report) {
        self.line(&story::table(report, self.paint));
    }

    pub(crate) fn say(&mut self, text: &str) {
        self.line(text);
    }

    fn line(&mut self, line: &str) {
        writeln!(self.out, "{line}").and_then(|()| self.out.flush()).ok();
    }
}

/// One sentence to the person who started us.
pub(crate) fn complain(sentence: &str) {
    writeln!(std::io::stderr(), "{sentence}").ok();
}

/// Cancelled by the first SIGINT or SIGTERM.
pub(crate) fn interrupted() -> anyhow::Result<CancellationToken> {
    let token = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate()).context("could not listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("could not listen for SIGINT")?;
    let cancelled = token.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        cancelled.cancel();
    });
    Ok(token)
}
