//! The scorer, stopped while a backlog is prepared: a signal, and its opposite whatever happens to us but a SIGKILL.

use anyhow::{Context as _, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::world::World;

/// A stopped process; dropping this lets it go on.
pub struct Stopped(Pid);

impl Stopped {
    /// Stops the scorer of a local world.
    pub fn scorer(world: &World) -> Result<Self> {
        let pid = world.services.get("scorer").and_then(|scorer| scorer.pid).context(
            "the world file names no process of the scorer to stop; use --keep-scoring to leave it running",
        )?;
        let pid = Pid::from_raw(i32::try_from(pid)?);
        kill(pid, Signal::SIGSTOP).context("could not stop the scorer")?;
        Ok(Stopped(pid))
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        // One that is gone was started anew, and runs.
        kill(self.0, Signal::SIGCONT).ok();
    }
}
