//! What goes wrong in a run, and where a process may die.

use std::collections::BTreeMap;

use pipeline::Message;
use pipeline::memory::Log;
use rand::Rng as _;
use rand_chacha::ChaCha8Rng;

/// The process was killed: everything that is not in the log, or at a provider, is gone.
#[derive(Debug)]
pub(crate) struct Died;

/// Where a process may die.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Site {
    Opened,
    Read,
    Handled,
    HalfPublished,
    Published,
    Committed,
    SnapshotPublished,
    WafRead,
    WafToBeWritten,
    WafWritten,
    BlocklistToBeWritten,
    BlocklistWritten,
    ToBeTold,
    HalfTold,
    Told,
}

/// What goes wrong.
pub(crate) enum Plan {
    Nothing,
    /// Every batch is handled and its answers are published once more before its offset is committed.
    HandledTwice,
    /// Every record is appended twice, as a producer does that missed an acknowledgement.
    AppendedTwice,
    /// The process of `group` dies the `nth` time it passes `site`.
    Once {
        group: &'static str,
        site: Site,
        nth: usize,
    },
    /// Every process dies at any site with this chance, and sleeps over a round now and then.
    Any {
        chance: f64,
        rng: Box<ChaCha8Rng>,
    },
}

/// The plan, and what came of it.
pub(crate) struct Faults {
    plan: Plan,
    pub(crate) deaths: usize,
    /// How often each site was passed.
    pub(crate) passed: BTreeMap<(&'static str, Site), usize>,
    stopped: bool,
}

impl Faults {
    pub(crate) fn new(plan: Plan) -> Self {
        Faults { plan, deaths: 0, passed: BTreeMap::new(), stopped: false }
    }

    /// From now on all goes well.
    pub(crate) fn stop(&mut self) {
        self.plan = Plan::Nothing;
        self.stopped = true;
    }

    /// Whether crashes, or rounds slept over, may make the providers later than they are in a calm run.
    pub(crate) fn delay(&self) -> bool {
        self.deaths > 0 || matches!(self.plan, Plan::Any { .. })
    }

    pub(crate) fn handled_twice(&self) -> bool {
        matches!(self.plan, Plan::HandledTwice)
    }

    /// Whether a process sleeps over this round.
    pub(crate) fn sleeps(&mut self) -> bool {
        match &mut self.plan {
            Plan::Any { rng, .. } => rng.random_bool(0.2),
            _ => false,
        }
    }

    /// Whether the broker has not acknowledged yet, so that nothing is committed this time.
    pub(crate) fn unacknowledged(&mut self) -> bool {
        match &mut self.plan {
            Plan::Any { rng, .. } => rng.random_bool(0.3),
            _ => false,
        }
    }

    /// Passes a site; the process may die there.
    pub(crate) fn pass(&mut self, group: &'static str, site: Site) -> Result<(), Died> {
        if self.stopped {
            return Ok(());
        }
        let count = self.passed.entry((group, site)).or_default();
        *count += 1;
        let dies = match &mut self.plan {
            Plan::Once { group: of, site: at, nth } => {
                *of == group && *at == site && *count == *nth
            }
            Plan::Any { chance, rng } => rng.random_bool(*chance),
            Plan::Nothing | Plan::HandledTwice | Plan::AppendedTwice => false,
        };
        if !dies {
            return Ok(());
        }
        self.deaths += 1;
        Err(Died)
    }

    /// Appends a message, as often as the plan says.
    pub(crate) fn append(&self, log: &Log, message: &Message) {
        log.append(message.clone());
        if matches!(self.plan, Plan::AppendedTwice) {
            log.append(message.clone());
        }
    }

    /// Tells what a point or the verifier has to say; it may die before, in the middle and after.
    pub(crate) fn tell(
        &mut self,
        log: &Log,
        group: &'static str,
        messages: &[Message],
    ) -> Result<(), Died> {
        if messages.is_empty() {
            return Ok(());
        }
        self.pass(group, Site::ToBeTold)?;
        let (first, rest) = messages.split_at(messages.len() / 2);
        first.iter().for_each(|message| self.append(log, message));
        self.pass(group, Site::HalfTold)?;
        rest.iter().for_each(|message| self.append(log, message));
        self.pass(group, Site::Told)
    }
}
