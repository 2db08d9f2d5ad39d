//! Opens the stage of a partition, in a thread of its own, and does what must go on meanwhile.
//!
//! What a stage restores may be all that a topic keeps: a decider that only simulates finds no lease in force from which
//! to go on, and reads 15 days of decisions. A member that does not poll for `max.poll.interval.ms` (5 min, unless told
//! otherwise) loses its partitions, would begin anew, and lose them again.

use std::panic::resume_unwind;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use anyhow::{Result, bail};

/// How often what must go on is done. What is opened sooner needs none of it.
const INTERVAL: Duration = Duration::from_millis(100);

/// Answers what `open` does; calls `meanwhile` from time to time until then.
pub(crate) fn open<S: Send>(
    open: impl FnOnce() -> Result<S> + Send,
    mut meanwhile: impl FnMut() -> Result<()>,
) -> Result<S> {
    std::thread::scope(|scope| {
        let (tell, told) = channel();
        let opening = scope.spawn(move || tell.send(open()));
        loop {
            match told.recv_timeout(INTERVAL) {
                Ok(opened) => return opened,
                Err(RecvTimeoutError::Timeout) => meanwhile()?,
                Err(RecvTimeoutError::Disconnected) => match opening.join() {
                    Err(panicked) => resume_unwind(panicked),
                    Ok(_) => bail!("opening ended without an answer"),
                },
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use anyhow::anyhow;

    use super::*;

    #[test]
    fn what_must_go_on_goes_on_until_the_stage_is_open() {
        let (turn, turned) = channel();
        let mut turns = 0;
        let wait = move || Ok(turned.iter().take(3).count());
        let meanwhile = || {
            turns += 1;
            turn.send(()).map_err(anyhow::Error::from)
        };
        assert_eq!(open(wait, meanwhile).unwrap(), 3);
        assert!(turns >= 3, "{turns}");
    }

    #[test]
    fn why_a_stage_could_not_be_opened_is_answered() {
        let failed = open(|| Err::<(), _>(anyhow!("no leases")), || Ok(()));
        assert_eq!(failed.unwrap_err().to_string(), "no leases");
        let (hold, held) = channel::<()>();
        let mut hold = Some(hold);
        let lost = || {
            drop(hold.take());
            Err(anyhow!("no group"))
        };
        let failed = open(move || Ok(held.recv()), lost);
        assert_eq!(failed.unwrap_err().to_string(), "no group");
    }
}
