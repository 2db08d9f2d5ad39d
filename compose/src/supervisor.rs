//! Keeps programs running: starts them, starts them again when they end, and ends them all when asked.
//!
//! A program that ends with 64 said that its configuration cannot be used: starting it again would say the same, so it
//! is reported and left. One that ends at once again and again is started ever more slowly.

use std::process::ExitStatus;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use std::os::unix::process::ExitStatusExt as _;
use tokio::process::Child;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::meter::{Meter, Usage};
use crate::process::{self, Program};
use crate::terminal::say;

/// A program that lived shorter than this did not really start.
const QUICK: Duration = Duration::from_secs(2);
const DELAY_MAX: Duration = Duration::from_secs(5);
const SAMPLE_EVERY: Duration = Duration::from_millis(200);
/// `EX_USAGE`.
const EXIT_CONFIGURATION: i32 = 64;

/// Whose program it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One of ours.
    Service,
    /// Kafka, Redis, the WAF emulator, Envoy, the application.
    Component,
}

/// One program that is kept running.
pub struct Member {
    pub program: Program,
    pub kind: Kind,
    /// How long after its end it is started again.
    pub restart_after: Duration,
    /// How long it may take to end by itself; zero: it is killed at once.
    pub grace: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    pid: Option<u32>,
    restarts: u32,
    refused: Option<String>,
    meter: Meter,
}

impl Member {
    pub fn name(&self) -> &str {
        &self.program.name
    }

    /// Its process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.lock().pid
    }

    /// How often it was started again.
    pub fn restarts(&self) -> u32 {
        self.lock().restarts
    }

    /// Why it is not started any more.
    pub fn refused(&self) -> Option<String> {
        self.lock().refused.clone()
    }

    /// What it used, over all its lives.
    pub fn usage(&self) -> Usage {
        let mut state = self.lock();
        if let Some(pid) = state.pid {
            state.meter.sample(pid);
        }
        state.meter.usage()
    }

    /// Sends it a signal, if it runs.
    pub fn signal(&self, signal: Signal) {
        process::kill(self.pid(), signal);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn started(&self, pid: Option<u32>) {
        self.lock().pid = pid;
    }

    fn ended(&self) {
        let mut state = self.lock();
        state.pid = None;
        state.meter.ended();
    }
}

/// All programs of one world.
#[derive(Default)]
pub struct Supervisor {
    members: Mutex<Vec<(Arc<Member>, JoinHandle<()>)>>,
    services: CancellationToken,
    components: CancellationToken,
    changed: Arc<Notify>,
}

impl Supervisor {
    /// Starts a program and keeps it running.
    pub fn keep(
        &self,
        program: Program,
        kind: Kind,
        restart_after: Duration,
        grace: Duration,
    ) -> Arc<Member> {
        let member =
            Arc::new(Member { program, kind, restart_after, grace, state: Mutex::default() });
        let stop = match kind {
            Kind::Service => self.services.clone(),
            Kind::Component => self.components.clone(),
        };
        let task = tokio::spawn(keep(member.clone(), stop, self.changed.clone()));
        self.lock().push((member.clone(), task));
        member
    }

    /// All programs, in the order in which they were started.
    pub fn members(&self) -> Vec<Arc<Member>> {
        self.lock().iter().map(|(member, _)| member.clone()).collect()
    }

    /// Told whenever a process id changed.
    pub fn changed(&self) -> Arc<Notify> {
        self.changed.clone()
    }

    /// Ends everything: our services first, while what they drain into still runs, then the rest.
    pub async fn stop(&self) {
        self.services.cancel();
        self.join(Kind::Service).await;
        self.components.cancel();
        self.join(Kind::Component).await;
    }

    async fn join(&self, kind: Kind) {
        let (ending, others) = std::mem::take(&mut *self.lock())
            .into_iter()
            .partition(|(member, _)| member.kind == kind);
        *self.lock() = others;
        let ending: Vec<(Arc<Member>, JoinHandle<()>)> = ending;
        for (_, task) in ending {
            // A task that panicked dropped its program, which killed it.
            task.await.ok();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Arc<Member>, JoinHandle<()>)>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn keep(member: Arc<Member>, stop: CancellationToken, changed: Arc<Notify>) {
    let mut quick_ends = 0;
    loop {
        let started = Instant::now();
        let mut child = match member.program.start() {
            Ok(child) => child,
            Err(error) => {
                member.lock().refused = Some(format!("{error:#}"));
                return;
            }
        };
        member.started(child.id());
        changed.notify_one();
        let ended = live(&member, &mut child, &stop).await;
        let Some(status) = ended else {
            process::end(&mut child, member.grace).await;
            member.ended();
            return;
        };
        member.ended();
        if member.kind == Kind::Service && status.code() == Some(EXIT_CONFIGURATION) {
            let reason = format!(
                "{} refuses its configuration:\n{}",
                member.name(),
                process::tail(&member.program.log)
            );
            say(format!("  ✗ {reason}"));
            member.lock().refused = Some(reason);
            return;
        }
        quick_ends = if started.elapsed() < QUICK { quick_ends + 1 } else { 0 };
        let delay = delay(member.restart_after, quick_ends);
        say(format!(
            "  ↻ {} ended ({}); it is started again in {} ms",
            member.name(),
            how(status),
            delay.as_millis()
        ));
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            () = stop.cancelled() => return,
        }
        member.lock().restarts += 1;
    }
}

/// One life: `None` when the world wants it to end.
async fn live(member: &Member, child: &mut Child, stop: &CancellationToken) -> Option<ExitStatus> {
    let mut sampling = tokio::time::interval(SAMPLE_EVERY);
    loop {
        tokio::select! {
            status = child.wait() => return Some(status.unwrap_or_default()),
            () = stop.cancelled() => return None,
            _ = sampling.tick() => drop(member.usage()),
        }
    }
}

/// How long to wait before the next start: as planned once, then twice as long for every end that came at once.
fn delay(planned: Duration, quick_ends: u32) -> Duration {
    planned.saturating_mul(1 << quick_ends.saturating_sub(1).min(16)).min(DELAY_MAX.max(planned))
}

fn how(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => {
            Signal::try_from(signal).map_or(format!("signal {signal}"), |name| name.to_string())
        }
        (None, None) => "unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn shell(folder: &Path, script: &str) -> Program {
        Program {
            name: "stand-in".to_owned(),
            path: "/bin/sh".into(),
            arguments: vec!["-c".to_owned(), script.to_owned()],
            environment: Vec::new(),
            folder: folder.to_owned(),
            log: folder.join("log"),
        }
    }

    async fn until(what: impl Fn() -> bool) {
        let waiting = async {
            while !what() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), waiting).await.unwrap();
    }

    fn keep_service(supervisor: &Supervisor, program: Program) -> Arc<Member> {
        supervisor.keep(program, Kind::Service, Duration::from_millis(20), Duration::from_secs(2))
    }

    #[tokio::test]
    async fn what_is_killed_lives_again_and_what_is_stopped_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let supervisor = Supervisor::default();
        let member = keep_service(&supervisor, shell(folder.path(), "sleep 600 & wait"));
        until(|| member.pid().is_some()).await;
        let first = member.pid();
        member.signal(Signal::SIGKILL);
        until(|| member.restarts() == 1 && member.pid().is_some()).await;
        assert_ne!(member.pid(), first);
        supervisor.stop().await;
        assert_eq!(member.pid(), None);
        assert_eq!(member.restarts(), 1);
    }

    #[tokio::test]
    async fn a_refused_configuration_is_reported_and_not_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let supervisor = Supervisor::default();
        let member = keep_service(
            &supervisor,
            shell(folder.path(), "echo SCORER_X is not a setting >&2; exit 64"),
        );
        until(|| member.refused().is_some()).await;
        assert!(member.refused().unwrap().contains("SCORER_X is not a setting"));
        assert_eq!(member.restarts(), 0);
        supervisor.stop().await;
    }

    #[test]
    fn repeated_quick_ends_slow_the_starts_down() {
        let planned = Duration::from_millis(50);
        for (quick_ends, expected_ms) in [(0, 50), (1, 50), (2, 100), (4, 400), (30, 5_000)] {
            assert_eq!(
                delay(planned, quick_ends),
                Duration::from_millis(expected_ms),
                "{quick_ends}"
            );
        }
    }
}
