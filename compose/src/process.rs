//! One program: how it is started so that it cannot outlive us, and how it is ended.
//!
//! Every program is the leader of its own process group (a Ctrl-C at the terminal reaches us, and we end the others in
//! order), and asks the kernel for SIGKILL at the death of the thread that started it. All are started from the main
//! thread of a single-threaded runtime, so that thread dies when this process does, however it dies.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::process::{Child, Command};

/// Sets the signal that a program gets when its parent dies; part of every Debian (util-linux).
const WRAPPER: &str = "setpriv";
/// Of our own environment, what every program may see.
const INHERITED: [&str; 9] = [
    "HOME",
    "JAVA_HOME",
    "LANG",
    "PATH",
    "RUST_BACKTRACE",
    "RUST_LOG",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TZ",
];
const LOG_LINES_SHOWN: usize = 12;

/// How to start a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    pub name: String,
    pub path: PathBuf,
    pub arguments: Vec<String>,
    pub environment: Vec<(String, String)>,
    pub folder: PathBuf,
    pub log: PathBuf,
}

impl Program {
    /// Starts it. Its output is appended to its log.
    pub fn start(&self) -> Result<Child> {
        let log = open_log(&self.log)?;
        let errors =
            log.try_clone().with_context(|| format!("could not open {}", self.log.display()))?;
        let mut command = bound_to_us(&self.path);
        command
            .args(&self.arguments)
            .env_clear()
            .envs(std::env::vars().filter(|(name, _)| inherited(name)))
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors);
        command
            .spawn()
            .with_context(|| format!("could not start {} ({})", self.name, self.path.display()))
    }

    /// Runs it to its end; an error ends with what it said last.
    pub async fn finish(&self, within: Duration) -> Result<()> {
        let mut child = self.start()?;
        let Ok(status) = tokio::time::timeout(within, finish(&mut child)).await else {
            bail!("{} did not end within {} s:\n{}", self.name, within.as_secs(), tail(&self.log));
        };
        let status = status.with_context(|| format!("could not wait for {}", self.name))?;
        if !status.success() {
            bail!("{} failed ({status}):\n{}", self.name, tail(&self.log));
        }
        Ok(())
    }
}

/// A command that is killed when we are, in a process group of its own.
pub fn bound_to_us(path: &Path) -> Command {
    let mut command = Command::new(WRAPPER);
    command.args(["--pdeathsig", "KILL", "--"]).arg(path).process_group(0).kill_on_drop(true);
    command
}

/// Waits for a program. If the wait is given up, the program's whole process group is killed.
pub async fn finish(child: &mut Child) -> std::io::Result<ExitStatus> {
    let mut group = Group(child.id());
    let status = child.wait().await;
    // It ended by itself, and its id may soon be somebody else's.
    group.0 = None;
    status
}

/// Kills a process group when dropped.
struct Group(Option<u32>);

impl Drop for Group {
    fn drop(&mut self) {
        kill(self.0, Signal::SIGKILL);
    }
}

/// Sends a signal to a program's whole process group. A program that is already gone is no error.
pub fn kill(pid: Option<u32>, signal: Signal) {
    if let Some(pid) = pid.and_then(|pid| i32::try_from(pid).ok()).filter(|pid| *pid > 1) {
        killpg(Pid::from_raw(pid), signal).ok();
    }
}

/// Ends a program: politely, then, after `grace`, by force.
pub async fn end(child: &mut Child, grace: Duration) {
    let pid = child.id();
    // A stopped process takes no other signal than SIGKILL; a running one ignores this.
    kill(pid, Signal::SIGCONT);
    kill(pid, Signal::SIGTERM);
    if tokio::time::timeout(grace, child.wait()).await.is_err() {
        kill(pid, Signal::SIGKILL);
        child.wait().await.ok();
    }
}

/// The last lines of a log, for an error message.
pub fn tail(log: &Path) -> String {
    let text = std::fs::read(log)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default();
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let shown: Vec<String> = lines
        .iter()
        .skip(lines.len().saturating_sub(LOG_LINES_SHOWN))
        .map(|line| format!("  {line}"))
        .collect();
    format!("{}\n  (the whole log: {})", shown.join("\n"), log.display())
}

/// Whether a variable of our own environment is passed on.
fn inherited(name: &str) -> bool {
    INHERITED.contains(&name) || name.starts_with("OTEL_")
}

fn open_log(path: &Path) -> Result<std::fs::File> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("could not make {}", folder.display()))?;
    }
    std::fs::File::options()
        .create(true)
        .append(true)
        .open(path)
        .with_context(|| format!("could not open {}", path.display()))
}
