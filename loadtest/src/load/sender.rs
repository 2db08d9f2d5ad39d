//! The sender: looks at the clock, and sends whatever was meant to leave by now. It never waits for an answer.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use schemas::Millis;
use tokio_util::sync::CancellationToken;

use super::clock::micros;
use super::expected::{Expected, Micros};
use super::kafka::Events;
use super::lines::LogFile;
use super::mix::{Mix, Prepared};
use super::schedule::Schedule;

/// How long nothing is looked at when nothing is due.
const IDLE: Duration = Duration::from_millis(1);
/// Most records between two looks at the clock, so that a file is written and a signal heard.
const BURST_MAX: u64 = 4_096;

/// Where records go.
pub enum Sink {
    Events(Events),
    Lines(LogFile),
}

impl Sink {
    /// The time that a record meant to leave at `at` carries: a log line knows only the second.
    fn observed_at(&self, at: Micros) -> Millis {
        match self {
            Sink::Events(_) => at / 1_000,
            Sink::Lines(_) => at / 1_000_000 * 1_000,
        }
    }

    fn send(&mut self, one: &Prepared) -> Result<()> {
        match self {
            Sink::Events(events) => events.send(one),
            Sink::Lines(file) => file.add(&one.event).context("could not write a line"),
        }
    }

    fn flush(&mut self) -> Result<()> {
        match self {
            Sink::Events(_) => Ok(()),
            Sink::Lines(file) => file.flush().context("could not write the lines"),
        }
    }

    fn finish(&mut self) -> Result<()> {
        match self {
            Sink::Events(events) => events.finish(),
            Sink::Lines(_) => self.flush(),
        }
    }
}

/// What a sender works with.
pub struct Sender {
    pub sink: Sink,
    pub mix: Mix,
}

/// One leg of sending, as others see it.
#[derive(Clone)]
pub struct Leg {
    pub schedule: Arc<Schedule>,
    pub begun_at: Micros,
    pub expected: Arc<Mutex<Expected>>,
    pub sent: Arc<AtomicU64>,
    pub stop: CancellationToken,
}

impl Leg {
    /// How long ago the first record was meant to leave; zero before.
    pub fn elapsed(&self) -> Duration {
        Duration::from_micros(u64::try_from(micros() - self.begun_at).unwrap_or(0))
    }

    pub fn with_expected<T>(&self, use_it: impl FnOnce(&mut Expected) -> T) -> T {
        use_it(&mut self.expected.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Sender {
    /// Sends everything that the leg's schedule has; returns once all of it was taken. Blocks.
    pub fn run(&mut self, leg: &Leg) -> Result<()> {
        let count = leg.schedule.count();
        let mut sent = 0;
        while sent < count && !leg.stop.is_cancelled() {
            let due = leg.schedule.due(leg.elapsed());
            if sent == due {
                self.sink.flush()?;
                std::thread::park_timeout(IDLE);
                continue;
            }
            for number in sent..due.min(sent + BURST_MAX) {
                self.send(leg, number)?;
            }
            sent = due.min(sent + BURST_MAX);
            leg.sent.store(sent, Ordering::Relaxed);
        }
        self.sink.finish()
    }

    fn send(&mut self, leg: &Leg, number: u64) -> Result<()> {
        let after = leg.schedule.intended(number).as_micros();
        let intended_at = leg.begun_at + Micros::try_from(after)?;
        let observed_at = self.sink.observed_at(intended_at);
        let one = self.mix.next(observed_at);
        if let Some(attacker) = &one.attacker {
            leg.with_expected(|expected| expected.attack(attacker, observed_at, intended_at));
        }
        self.sink.send(one)
    }
}
